"""One report over several models: tables for the terminal, a page with figures, and all figures as JSON.

Models are compared with those of their own task, on the text that is given for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from nmt_cli.corpus.columns import called, check_numbers, check_stdin
from nmt_cli.corpus.labelled import labelled
from nmt_cli.errors import ConfigError, DataError
from nmt_cli.evaluation.texts import check_counts, read, warn_of_form
from nmt_cli.reports import flow
from nmt_cli.reports.classifiers import Classifiers, LabelledSet
from nmt_cli.reports.contestant import Contestant, contestants
from nmt_cli.reports.page import Figure, Section, page
from nmt_cli.reports.table import Table
from nmt_cli.reports.terminal import table_lines
from nmt_cli.reports.translators import Translators
from nmt_cli.reports.trial import TestSet
from nmt_cli.reports.writers import Writers
from nmt_cli.runs.files import check_output
from nmt_cli.text.labels import Labels


@dataclass(frozen=True)
class Wanted:
    """What the user wants compared, as typed."""

    models: tuple[Path, ...]
    sources: tuple[str, ...] = ()
    references: tuple[str, ...] = ()  # one for each source
    text: str | None = None
    labelled: str | None = None
    positions: str | None = None


class Part(Protocol):
    """The comparison of models of one task."""

    @property
    def tables(self) -> list[Table]:
        """For the terminal."""
        ...

    def opening(self) -> list[Section]:
        """For the beginning of the page."""
        ...

    def signal(self) -> list[Figure]:
        """How far back gradients reach; all parts stand in one section of the page."""
        ...

    def closing(self) -> list[Section]:
        """For the end of the page."""
        ...

    def to_json(self) -> list[dict[str, Any]]:
        """A model each."""
        ...


@dataclass(frozen=True)
class Comparison:
    """All of it."""

    parts: Mapping[str, Part]  # by task

    def lines(self, *, width: int) -> list[str]:
        """For a terminal of so many columns."""
        tables = [table for part in self.parts.values() for table in part.tables]
        return [line for table in tables for line in (*table_lines(table, width=width), "")][:-1]

    def to_json(self) -> str:
        """Everything, unrounded."""
        return json.dumps({task: part.to_json() for task, part in self.parts.items()}, ensure_ascii=False)

    def page(self) -> str:
        """In one file that needs nothing else."""
        parts = list(self.parts.values())
        signal = Section(
            "The vanishing signal", flow.EXPLANATION, tuple(figure for part in parts for figure in part.signal())
        )
        sections = [
            *(section for part in parts for section in part.opening()),
            signal,
            *(section for part in reversed(parts) for section in part.closing()),
        ]
        return page("Models compared", (_INTRO,), sections)


_INTRO = (
    "Figures were measured on this machine, on the text that was given; whether a model has learnt from that text is not known. "
    "Training time is that of the machine that trained, preparation and validation counted."
)


def page_path(output: Path) -> Path:
    """Where the page goes: ``report`` means ``report.html``.

    Raises:
        ConfigError: a path without a name, such as ``/`` or ``..``.
        DataError: it cannot be written there.
    """
    if output.name in ("", ".."):
        raise ConfigError(f"--output must be the name of a page, but is {output}", "-o report writes report.html")
    path = output if output.suffix in (".html", ".htm") else output.with_name(output.name + ".html")
    check_output(path)
    return path


def compare(wanted: Wanted) -> Comparison:
    """Measure all models.

    Raises:
        ConfigError: no text for the models of a task, or text for which there is no model.
        DataError: files that do not fit each other.
        ModelError: a folder that holds no model.
    """
    by_task: dict[str, list[Contestant]] = {}
    for model in contestants(wanted.models):
        by_task.setdefault(model.directory.manifest.task, []).append(model)
    _check_texts(by_task, wanted)
    makers = {task: maker for task, maker in _MAKERS.items() if task in by_task}
    # all that may be refused is read before the first model is measured
    ready = {task: maker(by_task[task], wanted) for task, maker in makers.items()}
    return Comparison({task: measure() for task, measure in ready.items()})


_OPTIONS = {"translate": "--source and --reference", "lm": "--text", "classify": "--labelled"}
_EXAMPLES = {
    "translate": "--source test.en --reference test.de",
    "lm": "--text test.en",
    "classify": "--labelled test.tsv",
}


def _check_texts(by_task: Mapping[str, Sequence[Contestant]], wanted: Wanted) -> None:
    given = {
        "translate": bool(wanted.sources or wanted.references),
        "lm": wanted.text is not None,
        "classify": wanted.labelled is not None,
    }
    for task, option in _OPTIONS.items():
        if task in by_task and not given[task]:
            name = by_task[task][0].name
            raise ConfigError(
                f"{option} must say on what text {name} is measured (task {task})",
                f"nmt compare {name} ... {_EXAMPLES[task]}",
            )
        if given[task] and task not in by_task:
            raise ConfigError(f"{option} must be for a model of the task {task}, but none is given")
    if wanted.positions is not None and wanted.labelled is None:
        raise ConfigError("--positions must stand beside --labelled, but there is none")
    others = [name for name in (wanted.text, wanted.labelled, wanted.positions) if name is not None]
    check_stdin([*wanted.sources, *wanted.references, *others])


def _translators(models: Sequence[Contestant], wanted: Wanted) -> Callable[[], Part]:
    if len(wanted.sources) != len(wanted.references):
        raise ConfigError(
            f"--source and --reference must be given equally often, but are {len(wanted.sources)} and {len(wanted.references)}",
            "each reference belongs to the source that stands at the same place",
        )
    languages = {model.directory.manifest.languages for model in models}
    if len(languages) > 1:
        raise ConfigError(
            f"models must be for the same languages, but are for {' and '.join(map('-'.join, sorted(languages)))}"
        )
    named = zip(_set_names(wanted.sources), wanted.sources, wanted.references, strict=True)
    sets = [
        _test_set(name, source, reference, models[0].directory.manifest.languages[1])
        for name, source, reference in named
    ]
    return lambda: Translators.measure(models, sets)


def _test_set(name: str, source: str, reference: str, language: str) -> TestSet:
    if source == reference:
        raise DataError(f"source and reference must be two files, but both are {called(source)}")
    texts = {source: read(source), reference: read(reference)}
    check_counts(texts)
    warn_of_form({reference: texts[reference]}, language)
    return TestSet(name, texts[source], texts[reference])


def _set_names(sources: Sequence[str]) -> list[str]:
    """``test`` of ``data/test.en``; the whole path where two files would be called the same."""
    short = [Path(source).name.partition(".")[0] or source for source in map(called, sources)]
    return short if len(set(short)) == len(short) else [called(source) for source in sources]


def _writers(models: Sequence[Contestant], wanted: Wanted) -> Callable[[], Part]:
    name = wanted.text or ""
    lines = read(name)
    if not any(map(str.strip, lines)):
        raise DataError(f"{called(name)} must have lines that are not blank, but has none")
    return lambda: Writers.measure(models, Path(called(name)).name, lines)


def _classifiers(models: Sequence[Contestant], wanted: Wanted) -> Callable[[], Part]:
    file = wanted.labelled or ""
    name = called(file)
    rows = list(labelled(read(file), name))  # blank lines too: line 7 of the one file is line 7 of the other
    filled = [place for place, (text, _) in enumerate(rows) if text]
    if not filled:
        raise DataError(f"{name} must have lines that are not blank, but has none")
    texts, labels = ([rows[place][column] for place in filled] for column in (0, 1))
    for model in models:
        known = Labels.load(model.directory.path)
        for place, label in zip(filled, labels, strict=True):
            if label not in known:
                raise DataError(
                    f"{name}:{place + 1} has the label '{label}', which {model.name} does not know", known.hint
                )
    positions = _positions(wanted.positions, name, [text for text, _ in rows]) if wanted.positions is not None else ()
    return lambda: Classifiers.measure(models, LabelledSet(Path(name).name, texts, labels, positions))


_MAKERS: dict[str, Callable[[Sequence[Contestant], Wanted], Callable[[], Part]]] = {
    "translate": _translators,
    "lm": _writers,
    "classify": _classifiers,
}


def _positions(name: str, beside: str, texts: Sequence[str]) -> tuple[int, ...]:
    """A whole number a line, the place of a word in the text that stands beside it; beside a blank one anything may stand."""
    lines = read(name)
    check_numbers([(beside, len(texts)), (name, len(lines))])
    pairs = [(number, line, text) for number, (line, text) in enumerate(zip(lines, texts, strict=True), 1) if text]
    for number, line, text in pairs:
        words = len(text.split())
        if not line.isdecimal() or int(line) >= words:
            raise DataError(
                f"{called(name)}:{number} must be the place of a word, 0 to {words - 1}, but is '{line[:40]}'"
            )
    return tuple(int(line) for _, line, _ in pairs)
