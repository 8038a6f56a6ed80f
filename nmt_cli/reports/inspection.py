"""What is inside a model directory, for a person: what it is for, its parts and their sizes, its training, its gradients."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from torch.nn import Parameter

from nmt_cli.console import aligned
from nmt_cli.corpus.columns import called
from nmt_cli.corpus.dataset import PreparedCorpus
from nmt_cli.corpus.files import FILES, LABEL
from nmt_cli.corpus.labelled import labelled
from nmt_cli.corpus.reader import STDIN
from nmt_cli.errors import DataError
from nmt_cli.evaluation.texts import read
from nmt_cli.reports import flow
from nmt_cli.reports.chart import LineChart
from nmt_cli.reports.contestant import Contestant
from nmt_cli.runs.corpora import own_corpus
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.text.normalize import normalize
from nmt_cli.training.gradient_flow import gradient_flow


def lines(directory: ModelDirectory) -> list[str]:
    """All of it, a fact a line, then the parameters by part."""
    manifest, settings = directory.manifest, directory.settings
    contestant = Contestant(directory.path.resolve().name, directory)
    _, updates, time = contestant.cost
    facts = [
        ("task", manifest.task),
        ("languages", "-".join(manifest.languages)),
        ("architecture", settings.model.architecture),
        ("vocabulary", f"{directory.tokenizer.size:,} {settings.data.units}s"),
        *([("labels", ", ".join(directory.labels.names))] if directory.labels else []),
        ("parameters", f"{contestant.parameters:,}"),
        ("updates", updates),
        ("training", f"{time}{'' if manifest.finished else ', not finished'}"),
        *([("began with", str(manifest.origin))] if manifest.origin else []),
        *([("mean of", ", ".join(each.file for each in manifest.averaged))] if manifest.averaged else []),
        ("command", manifest.command),
        ("versions", ", ".join(f"{name} {version}" for name, version in manifest.versions.items())),
    ]
    width = max(len(name) for name, _ in facts)
    said = [f"{name:{width}}  {value}" for name, value in facts]
    return [*said, "", *_parts(directory), *(["", *manifest.said] if manifest.said else [])]


def _parts(directory: ModelDirectory) -> list[str]:
    """How many parameters each part of the model has; a shared one counts where it is met first, and a line says with whom."""
    sizes: Counter[str] = Counter()
    users: dict[Parameter, dict[str, None]] = {}  # of each, in order
    for name, parameter in directory.model().named_parameters(remove_duplicate=False):
        part = ".".join(name.split(".")[:2])
        sizes[part] += 0 if parameter in users else parameter.numel()
        users.setdefault(parameter, {})[part] = None
    total = sizes.total()
    rows = [(name, f"{size:,}", f"{100 * size / total:.1f} %") for name, size in sizes.most_common() if size]
    shared = dict.fromkeys(tuple(parts) for parts in users.values() if len(parts) > 1)
    said = [f"{owner} is shared with {' and '.join(others)}" for owner, *others in shared]
    return [*aligned([("part", "parameters", "share"), *rows]), *said]


def flow_chart(directory: ModelDirectory, paths: Sequence[Path]) -> LineChart:
    """How far back its gradients reach, on files such as it was trained on; without files, on its own dev split.

    Raises DataError for files that are refused, or where the corpus is not in the model directory.
    """
    return flow.chart(directory.path.resolve().name, gradient_flow(directory, _text(directory, paths)))


def _text(directory: ModelDirectory, paths: Sequence[Path]) -> list[Sequence[str]]:
    """The columns of text."""
    kind = FILES[directory.manifest.task]
    columns = [place for place, name in enumerate(kind.columns) if name != LABEL]
    if list(map(str, paths)) == [STDIN] and len(columns) == 1:
        lines = read(STDIN)
        texts = [text for text, _ in labelled(lines, called(STDIN))] if LABEL in kind.columns else map(normalize, lines)
        return [list(filter(None, texts))]
    if paths:
        rows = [row for row in kind(tuple(paths)).read() if any(row)]
        return [[row[place] for row in rows] for place in columns]
    folder = own_corpus(directory)
    if folder is None:
        raise DataError(
            f"{directory.path} holds no corpus of its own: text must be given",
            f"nmt inspect {directory.path} FILE... --gradient-flow",
        )
    dev = PreparedCorpus.open(folder).dev
    return [dev[kind.columns[place]].all_texts() for place in columns]
