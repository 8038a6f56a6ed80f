"""A corpus with other translations of its sentences beside its own: data diversification (Nguyen et al. 2020).

    D'  =  D  +  {(x, M(x))}  +  {(N(y), y)}       for the pairs (x, y) of D, each model M of this direction, each N of the other

Models translate what they have learnt from, and a new one learns from all of it; no other text is needed. Each of them writes
otherwise than people did, and otherwise than the others, so that what the new one learns is less the wording of a pair and more
what all of them agree in; what several of them say alike therefore counts as often as they say it. Dev and test stay as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from nmt_cli import console
from nmt_cli.corpus.dataset import Column, Dataset, PreparedCorpus
from nmt_cli.corpus.pairs import PairFiles
from nmt_cli.corpus.prepare import Inputs, check_output, prepare
from nmt_cli.corpus.staging import made, named
from nmt_cli.errors import ConfigError, DataError
from nmt_cli.inference import workers
from nmt_cli.inference.choice import Choice
from nmt_cli.inference.flags import LENGTH, LOST_SENTENCE, REPETITION
from nmt_cli.inference.translator import Engine, Line, Translation
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.runs.languages import check_direction
from nmt_cli.search.base import Search
from nmt_cli.text.normalize import normalize

_DOUBTFUL = {LENGTH, LOST_SENTENCE, REPETITION}
"""Flags of what nobody should learn from."""
_EMPTY = "empty"


@dataclass(frozen=True)
class Diversification:
    """What the user wants."""

    corpus: Path  # a prepared one
    output: Path
    forward: tuple[Path, ...] = ()  # models of the direction of the corpus
    reverse: tuple[Path, ...] = ()  # and of the other
    beam: int | None = None  # None: as the settings of each model say
    workers: int | None = None
    force: bool = False  # replace the prepared corpus that is there

    def __post_init__(self) -> None:
        """Raises ConfigError where no model is named, and where what is read would be lost."""
        if not self.forward and not self.reverse:
            raise ConfigError(
                "nmt diversify must be told which models translate, by --forward or --reverse, but is told of none",
                "nmt train trains one; nmt train corpus.tgt corpus.src -o back one of the other direction",
            )
        output = self.output.resolve()
        for path in (self.corpus, *self.forward, *self.reverse):
            if output in (path.resolve(), *path.resolve().parents):
                raise ConfigError(
                    f"{self.output} must not be, or hold, {path}, which is read", "-o NAME names another folder"
                )


@dataclass(frozen=True)
class Way:
    """A model that translates one side of the training text; the other side is what it writes."""

    model: ModelDirectory
    search: Search
    read: str  # the column
    pair: Callable[[str, str], tuple[str, str]]  # what was read, and what the model makes of it -> (source, target)


def run(wanted: Diversification) -> None:
    """Translate the training text by each model, and prepare it all as one corpus, with the vocabulary of the first.

    Raises:
        ConfigError: no model, a beam or a number of workers out of range.
        DataError: no prepared corpus of pairs, or an output that is something else.
        ModelError: a model that does not translate, or not these languages.
    """
    corpus = PreparedCorpus.open(wanted.corpus)
    if corpus.task != "translate":
        raise DataError(
            f"{wanted.corpus} must be of pairs of sentences, but was prepared for {corpus.task}",
            "nmt preprocess corpus.src corpus.tgt -o DIR prepares some",
        )
    check_output(wanted.output, wanted.force)
    ways, place = list(_ways(wanted, corpus)), wanted.output.parent
    with made(place), TemporaryDirectory(dir=place, prefix=".diverse.") as workspace, named(wanted.output):
        sides = {
            name: (Path(workspace) / f"{name}.source", Path(workspace) / f"{name}.target")
            for name in ("train", "dev", "test")
        }
        for split, files in zip((corpus.train, corpus.dev, corpus.test), sides.values(), strict=True):
            _append(_pairs(split), files)
        for way in ways:
            with closing(_translated(way, corpus.train[way.read], wanted.workers)) as pairs:
                _append(pairs, sides["train"])
        train, dev, test = map(PairFiles, sides.values())
        inputs = Inputs(train, dev, test, corpus.languages)
        report = prepare(inputs, wanted.output, corpus.settings, tokenizer=corpus.tokenizer)
    console.show(console.table(["", f"{report.noun}s"], report.rows()))
    console.say(f"next: nmt train {wanted.output} -o model")


def _ways(wanted: Diversification, corpus: PreparedCorpus) -> Iterator[Way]:
    for paths, languages, read, pair in (
        (wanted.forward, corpus.languages, "source", _forward),
        (wanted.reverse, corpus.languages[::-1], "target", _back),
    ):
        for path in paths:
            directory = ModelDirectory.open(path).of_task("translate", "a translation model")
            check_direction(directory, languages, corpus.folder)
            search = Choice(typed={} if wanted.beam is None else {"beam": wanted.beam}).strategy(directory)
            Engine.open(directory, search)  # a damaged model is no surprise after hours of the others
            yield Way(directory, search, read, pair)


def _forward(text: str, translation: str) -> tuple[str, str]:
    return text, translation


def _back(text: str, translation: str) -> tuple[str, str]:
    return translation, text


def _pairs(split: Dataset) -> Iterator[tuple[str, str]]:
    sources, targets = split["source"], split["target"]
    return ((sources.text(row), targets.text(row)) for row in range(len(split)))


def _translated(way: Way, column: Column, wanted: int | None) -> Generator[tuple[str, str], None, None]:
    """Each line with what the model makes of it, but for what is empty, or doubtful."""
    left_out: Counter[str] = Counter()
    lines = (Line(column.text(row)) for row in range(len(column)))
    with workers.translator(way.model, way.search, lines=len(column), wanted=wanted) as translator:
        found = console.tracked(translator.stream(lines), f"{way.model.path} translates", len(column))
        for translation in found:
            reasons = _reasons(translation)
            left_out.update(reasons[:1])
            if not reasons:
                yield way.pair(translation.source, translation.text)
    said = ", ".join(f"{rows:,} left out: {reason}" for reason, rows in left_out.items())
    console.say(f"{way.model.path}: {len(column) - left_out.total():,} translations" + (f" ({said})" if said else ""))


def _reasons(translation: Translation) -> list[str]:
    if not normalize(translation.text):
        return [_EMPTY]
    return [flag for flag in translation.candidates[0].flags if flag in _DOUBTFUL]


def _append(pairs: Iterable[tuple[str, str]], sides: tuple[Path, Path]) -> None:
    """To the two files of a split."""
    with open(sides[0], "a", encoding="utf-8") as sources, open(sides[1], "a", encoding="utf-8") as targets:
        for source, target in pairs:
            sources.write(normalize(source) + "\n")
            targets.write(normalize(target) + "\n")
