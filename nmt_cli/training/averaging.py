"""``nmt average``: which weights may be averaged, what dev says of them, and the model that comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from tempfile import TemporaryDirectory

from nmt_cli import console
from nmt_cli.corpus.dataset import PreparedCorpus
from nmt_cli.corpus.dev import dev_alone
from nmt_cli.corpus.files import FILES
from nmt_cli.corpus.limits import LengthLimit
from nmt_cli.corpus.staging import staged
from nmt_cli.errors import ConfigError, DataError, ModelError
from nmt_cli.runs import processor
from nmt_cli.runs.corpora import corpus_for, own_corpus
from nmt_cli.runs.directory import WEIGHTS, ModelDirectory, build, load_weights
from nmt_cli.runs.kept import Kept
from nmt_cli.runs.lock import locked
from nmt_cli.runs.manifest import command_line
from nmt_cli.runs.origin import Origin
from nmt_cli.runs.room import check_free
from nmt_cli.runs.vocabulary import Vocabulary
from nmt_cli.settings import differences
from nmt_cli.training.soup import Ingredient, Soup, Taste, greedy, last, mean
from nmt_cli.training.tasks import TASKS
from nmt_cli.training.team import Alone


@dataclass(frozen=True)
class Averaging:
    """What the user wants averaged."""

    models: tuple[Path, ...]  # one: the states that its training has kept
    output: Path
    corpus: Path | None = None  # a prepared one, whose dev split decides; None: the one that they were trained on
    dev: tuple[Path, ...] = ()  # files that decide instead
    force: bool = False  # replace the model that is there


def run(averaging: Averaging) -> None:
    """Measure what may be averaged, say it, and write the best.

    Raises:
        ConfigError: a place that is taken, or models of which nobody says what to measure them on.
        ModelError: models that are none, that do not fit each other, or of which there are too few.
        DataError: no dev set, or one of another vocabulary or task.
    """
    processor.tune()
    directories = [ModelDirectory.open(path) for path in averaging.models]
    _check_output(averaging)
    _check_alike(directories)
    with locked(averaging.output), TemporaryDirectory() as folder:
        corpus = _corpus(averaging, directories, Path(folder))
        taste = _taste(directories[0], corpus)
        ones, means = _several(directories, taste) if len(directories) > 1 else _one(directories[0], taste)
        tried = [*ones, *means]
        chosen = max(tried, key=lambda soup: soup.found.score)
        rows = [(soup.name, soup.found.said, "*" if soup is chosen else "") for soup in tried]
        console.show(console.table(["", "on dev", ""], rows))
        _write(averaging.output, chosen, tried)
    if chosen in ones:
        console.say(f"no average is better than {chosen.name}: {averaging.output} is a copy of it")
    else:
        console.say(f"{averaging.output} is the mean of {chosen.name}")
    console.say(f"next: nmt inspect {averaging.output}")


def _check_output(averaging: Averaging) -> None:
    """Raises ConfigError for the folder of a model, unless it is to be replaced, and of anything else."""
    output, models = averaging.output, {path.resolve() for path in averaging.models}
    if output.resolve() in models:
        raise ConfigError(f"{output} must be another model than those that are averaged", "-o names another folder")
    check_free(output, averaging.force)


def _check_alike(directories: Sequence[ModelDirectory]) -> None:
    """Raises ConfigError for a model that is given twice, ModelError for one whose weights mean something else."""
    first, *others = directories
    if len({each.path.resolve() for each in directories}) < len(directories):
        raise ConfigError("models must be averaged with others, but one is given twice")
    for other in others:
        purposes = [f"{each.manifest.task}, {'-'.join(each.manifest.languages)}" for each in (first, other)]
        if purposes[0] != purposes[1]:
            raise ModelError(f"{other.path} must be for {purposes[0]}, as {first.path} is, but is for {purposes[1]}")
        old, new = ({"model": each.settings.model.fixed} for each in (first, other))
        changes = differences(old, new)[:3]
        if changes:
            raise ModelError(f"{other.path} must be the same model as {first.path}, but differs: {'; '.join(changes)}")
        if not Vocabulary.of(first).is_that_of(Vocabulary.of(other)):
            raise ModelError(
                f"{other.path} must have the vocabulary of {first.path}, but has another",
                f"nmt train --from {first.path}, or nmt preprocess --tokenizer {first.path}, keeps it",
            )
        if first.labels is not None and other.labels is not None:
            first.labels.check_same(other.labels, str(other.path))


def _corpus(averaging: Averaging, directories: Sequence[ModelDirectory], folder: Path) -> PreparedCorpus:
    """The one whose dev split decides; ``folder``: room for files that were given instead."""
    first = directories[0]
    kind = FILES[first.manifest.task]
    if averaging.dev:
        data, languages = first.settings.data, first.manifest.languages
        return dev_alone(kind(averaging.dev), folder, data, first.tokenizer, first.labels, languages)
    corpus = corpus_for(first, averaging.corpus or _own_corpus(directories), ", or --dev names files")
    if first.labels is not None and corpus.labels is not None:
        first.labels.check_same(corpus.labels, str(corpus.folder))
    return corpus


def _own_corpus(directories: Sequence[ModelDirectory]) -> Path:
    """The one that all of them were trained on."""
    first = directories[0]
    for other in directories[1:]:
        if other.manifest.corpus != first.manifest.corpus:
            raise ConfigError(
                f"{first.path} and {other.path} were trained on different text, and what is dev to one may have taught the other",
                "--dev names files that are new to all of them, or --corpus a prepared folder",
            )
    found = next((folder for each in directories if (folder := own_corpus(each)) is not None), None)
    if found is None:
        raise DataError(
            f"{first.path} holds no corpus of its own: dev must be given",
            "--corpus names the folder that it was trained on, or --dev files",
        )
    return found


def _taste(directory: ModelDirectory, corpus: PreparedCorpus) -> Taste:
    """How a mean is measured: as a training measures its model."""
    task, model = TASKS[directory.manifest.task](corpus), build(directory.settings, directory.sizes).eval()

    def taste(name: str, ingredients: Sequence[Ingredient]) -> Soup:
        load_weights(model, mean(ingredients), str(ingredients[0].file))
        return Soup(name, tuple(ingredients), task.validate(model, directory.settings, Alone()))

    return taste


def _one(directory: ModelDirectory, taste: Taste) -> tuple[list[Soup], list[Soup]]:
    """The best state of a training, and the means of the last ones."""
    states = [Ingredient(f"update {update}", directory, file) for update, file in Kept(directory.path).files().items()]
    if len(states) < 2:
        raise ModelError(
            f"{directory.path} must have kept the weights of two validations or more, but has kept {len(states)}",
            "nmt train --set training.keep=5 keeps those of the last five; several models can be averaged without",
        )
    best = Ingredient("the best validation", directory, directory.path / WEIGHTS)
    return [taste(best.name, [best])], list(last(states, taste))


def _several(directories: Sequence[ModelDirectory], taste: Taste) -> tuple[list[Soup], list[Soup]]:
    """Each model, and what a greedy search tries."""
    models = [Ingredient(str(each.path), each, each.path / WEIGHTS) for each in directories]
    ones = [taste(each.name, [each]) for each in models]
    return ones, list(greedy(ones, taste))


def _write(output: Path, chosen: Soup, tried: Sequence[Soup]) -> None:
    """A model directory, whole or not at all; settings and origin are those of the best ingredient."""
    best = chosen.ingredients[0].model
    limits = [each.model.manifest.limit for each in chosen.ingredients]
    manifest = replace(
        best.manifest, finished=True, scores={}, said=(), command=command_line(),
        averaged=tuple(Origin.of(each.file) for each in chosen.ingredients),
        limit=reduce(LengthLimit.covering, filter(None, limits)) if any(limits) else None,
        sentences=max((each.model.manifest.sentences or 0 for each in chosen.ingredients), default=0) or None,
    )  # fmt: skip
    with staged(output) as new:
        directory = ModelDirectory(new)
        best.tokenizer.save(new)
        if best.labels is not None:
            best.labels.save(new)
        directory.write_settings(best.settings)
        directory.write_metrics({"kind": "average", "of": soup.name, **soup.found.figures} for soup in tried)
        directory.write_weights(mean(chosen.ingredients), {})
        manifest.write(new)
