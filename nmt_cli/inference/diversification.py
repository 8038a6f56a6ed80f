"""A corpus with other translations of its sentences beside its own: data diversification (Nguyen et al. 2020).

    D'  =  D  +  {(x, M(x))}  +  {(N(y), y)}       for the pairs (x, y) of D, each model M of this direction, each N of the other

Models translate what they have learnt from, and a new one learns from all of it; no other text is needed. Each of them writes
otherwise than people did, and otherwise than the others, so that what the new one learns is less the wording of a pair and more
what all of them agree in; what several of them say alike therefore counts as often as they say it. Dev and test stay as they are.

That takes hours where there is much text: what is translated is kept beside the output until it is there, and the same command
goes on with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain
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
from nmt_cli.inference.draft import Draft
from nmt_cli.inference.flags import LENGTH, LOST_SENTENCE, REPETITION
from nmt_cli.inference.together import Together
from nmt_cli.inference.translator import Engine, Line, Translation
from nmt_cli.runs.directory import WEIGHTS, ModelDirectory
from nmt_cli.runs.languages import check_direction
from nmt_cli.runs.lock import locked
from nmt_cli.runs.origin import Origin
from nmt_cli.search.base import Search
from nmt_cli.text.normalize import normalize
from nmt_cli.version import __version__

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
    choice: Choice = field(default_factory=Choice)  # how each of them translates
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
    together: Together
    column: Column  # what is read
    pair: Callable[[str, str], tuple[str, str]]  # what was read, and what the model makes of it -> (source, target)

    def draft(self, folder: Path, text: str) -> Draft:
        """Where what it makes of the column is kept; ``text`` says which corpus and column that is."""
        weights = Origin.of(self.model.path / WEIGHTS).checksum
        return Draft.of(folder, __version__, text, weights, repr(self.search), repr(self.together))


def run(wanted: Diversification) -> None:
    """Translate the training text by each model, and prepare it all as one corpus, with the vocabulary of the first.

    Raises:
        ConfigError: no model, a beam or a number of workers out of range.
        DataError: no prepared corpus of pairs, or an output that is something else.
        ModelError: a model that does not translate, or not these languages, or another process that writes the same corpus.
    """
    corpus = PreparedCorpus.open(wanted.corpus)
    if corpus.task != "translate":
        raise DataError(
            f"{wanted.corpus} must be of pairs of sentences, but was prepared for {corpus.task}",
            "nmt preprocess corpus.src corpus.tgt -o DIR prepares some",
        )
    check_output(wanted.output, wanted.force)
    ways, place = list(_ways(wanted, corpus)), wanted.output.parent
    with made(place), named(wanted.output), _drafts(wanted, corpus, ways) as drafts:
        for way, draft in zip(ways, drafts, strict=True):
            _translate(way, draft, wanted.workers)
        with TemporaryDirectory(dir=place, prefix=".diverse.") as workspace:
            train, dev, test = (
                _written(pairs, Path(workspace) / name)
                for name, pairs in (
                    ("train", chain(_pairs(corpus.train), *map(_kept, ways, drafts))),
                    ("dev", _pairs(corpus.dev)),
                    ("test", _pairs(corpus.test)),
                )
            )
            inputs = Inputs(train, dev, test, corpus.languages)
            report = prepare(inputs, wanted.output, corpus.settings, tokenizer=corpus.tokenizer)
    console.show(console.table(["", f"{report.noun}s"], report.rows()))
    console.say(f"next: nmt train {wanted.output} -o model")


@contextmanager
def _drafts(wanted: Diversification, corpus: PreparedCorpus, ways: Sequence[Way]) -> Iterator[list[Draft]]:
    """One for each model, for nobody else; they are taken away when all has ended well, or nothing was translated."""
    folder = wanted.output.with_name(f".{wanted.output.name}.drafts")
    drafts = [way.draft(folder, f"{corpus.checksum} {way.pair.__name__}") for way in ways]
    with locked(folder, "written"):
        try:
            yield drafts
        except BaseException:  # Ctrl-C too
            kept = sum(map(len, set(drafts)))
            if kept:
                console.say(
                    f"{console.count(kept, 'translation')} kept in {folder}: the same command goes on with them"
                )
            _discard(draft for draft in drafts if not len(draft))
            raise
        _discard(drafts)
    with suppress(OSError):  # others are there, of other models
        folder.rmdir()


def _discard(drafts: Iterable[Draft]) -> None:
    for draft in drafts:
        draft.path.unlink(missing_ok=True)


def _ways(wanted: Diversification, corpus: PreparedCorpus) -> Iterator[Way]:
    for paths, languages, read, pair in (
        (wanted.forward, corpus.languages, "source", _forward),
        (wanted.reverse, corpus.languages[::-1], "target", _back),
    ):
        for path in paths:
            directory = ModelDirectory.open(path).of_task("translate", "a translation model")
            check_direction(directory, languages, corpus.folder)
            search, together = wanted.choice.strategy(directory), wanted.choice.together
            Engine.open(directory, search, together)  # a damaged model is no surprise after hours of the others
            yield Way(directory, search, together, corpus.train[read], pair)


def _forward(text: str, translation: str) -> tuple[str, str]:
    return text, translation


def _back(text: str, translation: str) -> tuple[str, str]:
    return translation, text


def _pairs(split: Dataset) -> Iterator[tuple[str, str]]:
    sources, targets = split["source"], split["target"]
    return ((sources.text(row), targets.text(row)) for row in range(len(split)))


def _translate(way: Way, draft: Draft, wanted: int | None) -> None:
    """What is missing in the draft of a model."""
    column, there = way.column, len(draft)
    if 0 < there < len(column):
        console.say(f"{way.model.path}: goes on behind {console.count(there, 'translation')}")
    if there < len(column):
        lines = (Line(column.text(row)) for row in range(there, len(column)))
        with workers.translator(
            way.model, way.search, lines=len(column) - there, wanted=wanted, together=way.together
        ) as translator:
            found = console.tracked(translator.stream(lines), f"{way.model.path} translates", len(column) - there)
            draft.go_on((_reason(translation), normalize(translation.text)) for translation in found)
    left_out = Counter(reason for reason, _ in draft if reason)
    said = ", ".join(f"{rows:,} left out: {reason}" for reason, rows in left_out.items())
    console.say(f"{way.model.path}: {len(column) - left_out.total():,} translations" + (f" ({said})" if said else ""))


def _kept(way: Way, draft: Draft) -> Iterator[tuple[str, str]]:
    """Each line with what the model makes of it, but for what is left out."""
    lines = zip(range(len(way.column)), draft, strict=True)
    return (way.pair(way.column.text(row), text) for row, (reason, text) in lines if not reason)


def _reason(translation: Translation) -> str:
    """Why a translation is left out: because it is empty, or doubtful; none if it is not."""
    if not normalize(translation.text):
        return _EMPTY
    return next((flag for flag in translation.candidates[0].flags if flag in _DOUBTFUL), "")


def _written(pairs: Iterable[tuple[str, str]], path: Path) -> PairFiles:
    """As two files."""
    files = path.with_suffix(".source"), path.with_suffix(".target")
    with open(files[0], "w", encoding="utf-8") as sources, open(files[1], "w", encoding="utf-8") as targets:
        for source, target in pairs:
            sources.write(normalize(source) + "\n")
            targets.write(normalize(target) + "\n")
    return PairFiles(files)
