"""Search errors and model errors: what a search misses, and what the model itself gets wrong (Stahlberg and Byrne 2019).

Exact search says what the model holds for the best. A search that ends with a lower score has made an error; where the reference
has a lower score, the model has: no search could mend that. All of it is counted over the lines whose best is proved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Protocol

from nmt_cli import console
from nmt_cli.corpus.columns import called
from nmt_cli.errors import ConfigError, DataError
from nmt_cli.evaluation.metrics import MetricScore, bleu
from nmt_cli.evaluation.texts import check_counts, read, warn_of_direction
from nmt_cli.inference import workers
from nmt_cli.inference.choice import Choice
from nmt_cli.inference.pair_scorer import PairScorer
from nmt_cli.inference.pieces import Cutter
from nmt_cli.inference.scorer import Asked
from nmt_cli.inference.translator import Candidate
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.search.certificate import WITHIN
from nmt_cli.search.normalization import Normalization
from nmt_cli.search.options import SearchOptions
from nmt_cli.training.tasks.base import Measuring

WIDTHS = (1, 2, 5, 10, 50)
"""Of the beams."""

_KNOWN = frozenset({"length_penalty", "norm", "nodes", "seconds"})  # options of searches that mean something here
_WINDOW = 64  # lines between two movements of the bar


class Found(Protocol):
    """A translation of a line, whoever wrote it."""

    @property
    def tokens(self) -> tuple[int, ...]:
        """EOS last."""
        ...

    @property
    def log_prob(self) -> float:
        """By the model."""
        ...


@dataclass(frozen=True)
class Yardstick:
    """By what N lines are measured."""

    best: Sequence[Found]  # that exact search has found
    proved: Sequence[bool]  # that nothing is better
    references: Sequence[Found]
    norm: Normalization

    def score(self, found: Found) -> float:
        """What all searches are to maximise."""
        return found.log_prob / float(self.norm(len(found.tokens)))


@dataclass(frozen=True)
class Standing:
    """How translations of N lines stand beside the best ones; counts are over the lines whose best is proved."""

    name: str
    proved: int
    below: int  # that score below the best: search errors; of references, model errors
    empty: int
    shorter: int  # than the reference, in tokens
    log_prob: float  # mean over all lines
    bleu: MetricScore | None = None  # of all lines; None of the reference itself

    @classmethod
    def of(cls, name: str, found: Sequence[Found], by: Yardstick, score: MetricScore | None = None) -> Standing:
        """Of one translation of each line."""
        lines = [
            line
            for line, proved in zip(zip(found, by.best, by.references, strict=True), by.proved, strict=True)
            if proved
        ]
        return cls(
            name,
            len(lines),
            sum(by.score(each) < by.score(best) - WITHIN for each, best, _ in lines),
            sum(len(each.tokens) == 1 for each, _, _ in lines),
            sum(len(each.tokens) < len(reference.tokens) for each, _, reference in lines),
            fmean(each.log_prob for each in found),
            score,
        )

    @property
    def cells(self) -> tuple[str, ...]:
        """Of a table."""
        shares = [
            "-" if not self.proved else f"{100 * n / self.proved:.1f} %" for n in (self.below, self.empty, self.shorter)
        ]
        return (self.name, *shares, f"{self.log_prob:.2f}", "-" if self.bleu is None else f"{self.bleu.score:.1f}")

    def to_json(self) -> dict[str, Any]:
        """Shares of the proved lines, None where there are none."""
        below, empty, shorter = (
            n / self.proved if self.proved else None for n in (self.below, self.empty, self.shorter)
        )
        score = {} if self.bleu is None else {"bleu": self.bleu.to_json()}
        return {
            "name": self.name,
            "below_best": below,
            "empty": empty,
            "shorter": shorter,
            "log_prob": self.log_prob,
            **score,
        }


@dataclass(frozen=True)
class SearchErrors:
    """The table."""

    searches: tuple[Standing, ...]  # exact search is the last
    reference: Standing
    sentences: int
    left_out: int  # lines that are blank or too long for the model
    nodes: float  # prefixes that exact search has scored for a sentence, mean
    score: str  # what is maximised

    @property
    def proved(self) -> int:
        """Sentences of which the best translation is known."""
        return self.reference.proved

    def lines(self) -> list[str]:
        """For a person."""
        heading = ("", "below the best", "empty", "shorter", "log p", "BLEU")
        share = 100 * self.proved / self.sentences
        left_out = f"; {console.count(self.left_out, 'line')} left out, blank or too long" if self.left_out else ""
        return [
            *console.aligned([heading, *(each.cells for each in (*self.searches, self.reference))]),
            f"best by {self.score}: proved for {self.proved:,} of {console.count(self.sentences, 'sentence')} ({share:.1f} %), "
            f"{self.nodes:,.0f} prefixes scored for each{left_out}",
            "below the best: of a search, search errors; of the reference, errors of the model. empty; shorter than the reference.",
            "These are shares of the proved sentences; log p (mean) and BLEU are of all of them.",
        ]

    def to_json(self) -> dict[str, Any]:
        """Everything, unrounded."""
        return {
            "sentences": self.sentences,
            "left_out": self.left_out,
            "proved": self.proved / self.sentences,
            "nodes": self.nodes,
            "score": self.score,
            "searches": [each.to_json() for each in self.searches],
            "reference": self.reference.to_json(),
        }


def search_errors(directory: ModelDirectory, files: Sequence[str], measuring: Measuring) -> SearchErrors:
    """Translate a source in every way; ``files``: the source, then the references, of which the first is the one that is scored.

    Without length normalisation unless one was asked for. Cost: that of exact search, within its budget for each sentence.

    Raises:
        ConfigError: an option that means nothing here.
        DataError: files that do not fit together, or have nothing to translate.
        ModelError: a model that does not translate.
    """
    _refuse(measuring)
    searches, norm = _searches(measuring.search), _normalization(measuring.search)
    directory = directory.of_task("translate", "a translation model")
    sources, sides = _texts(files, directory.manifest.languages)
    kept = [place for place, line in enumerate(sources) if _fits(directory, line)]
    if not kept:
        raise DataError(f"{called(files[0])} must have lines that the model can translate as they are, but has none")
    lines, references = [sources[place] for place in kept], [[side[place] for place in kept] for side in sides]
    found = {name: _translate(directory, name, each, lines) for name, each in searches.items()}
    best = found["exact"]
    certificates = [each.certificate for each in best if each.certificate is not None]
    asked = (Asked(text, line) for text, line in zip(references[0], lines, strict=True))
    right = list(PairScorer.open(directory).score(asked))
    by = Yardstick(best, [each.proved for each in certificates], right, norm)
    language = directory.manifest.languages[1]
    return SearchErrors(
        tuple(
            Standing.of(name, each, by, bleu([one.text for one in each], references, language=language))
            for name, each in found.items()
        ),
        Standing.of("reference", right, by),
        len(kept),
        len(sources) - len(kept),
        fmean(each.nodes for each in certificates),
        _described(measuring.search),
    )


def _refuse(measuring: Measuring) -> None:
    typed = [name for name in ("resamples", "against", "output") if getattr(measuring, name) is not None]
    for name in [*measuring.search.asked, *typed]:
        if name not in _KNOWN:
            known = ", ".join(f"--{option.replace('_', '-')}" for option in sorted(_KNOWN))
            raise ConfigError(f"--{name.replace('_', '-')} means nothing to --search-errors", f"it knows {known}")


def _texts(files: Sequence[str], languages: tuple[str, ...]) -> tuple[list[str], list[list[str]]]:
    """The source and the references."""
    if len(files) < 2:
        raise ConfigError("search errors must be counted on a source and references, but one file is given")
    texts = {name: read(name) for name in files}
    check_counts(texts)
    warn_of_direction(files[0], files[1], languages)
    return texts[files[0]], [texts[name] for name in files[1:]]


def _fits(directory: ModelDirectory, line: str) -> bool:
    return len(Cutter.of(directory)(line)) == 1


def _searches(choice: Choice) -> dict[str, Choice]:
    """By name; exact search is the last."""
    norm = {name: choice.typed[name] for name in ("norm",) if name in choice.typed}
    shared = {"length_penalty": choice.typed.get("length_penalty", 0.0), **norm}
    budget = {name: choice.typed[name] for name in ("nodes", "seconds") if name in choice.typed}
    return {
        "greedy": Choice("greedy"),
        **{f"beam {width}": Choice("beam", {**shared, "beam": width}) for width in WIDTHS},
        "exact": Choice("exact", {**shared, **budget}),
    }


def _normalization(choice: Choice) -> Normalization:
    """None unless it was asked for."""
    shared = {name: choice.typed[name] for name in ("length_penalty", "norm") if name in choice.typed}
    return SearchOptions(**{"length_penalty": 0.0, **shared}).normalization


def _described(choice: Choice) -> str:
    penalty, norm = choice.typed.get("length_penalty", 0.0), choice.typed.get("norm", SearchOptions.norm)
    return f"log p / norm(length) (--norm {norm} --length-penalty {penalty:g})" if penalty else "log p"


def _translate(directory: ModelDirectory, name: str, choice: Choice, lines: Sequence[str]) -> list[Candidate]:
    """The best that a search finds for each line."""
    found: list[Candidate] = []
    strategy = choice.strategy(directory)
    with (
        workers.translator(directory, strategy, lines=len(lines)) as translator,
        console.progress(name, len(lines)) as bar,
    ):
        for start in range(0, len(lines), _WINDOW):
            translations = translator.translate(lines[start : start + _WINDOW])
            found += [translation.candidates[0] for translation in translations]
            bar.update(len(found), f"{len(found):,} of {len(lines):,}")
    return found
