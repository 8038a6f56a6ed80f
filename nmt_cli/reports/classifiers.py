"""Classifiers side by side: accuracy, by the place of the word that decides where it is known, and how far back gradients reach."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from nmt_cli import console
from nmt_cli.evaluation.confusion import Confusion
from nmt_cli.inference.classifier import LineClassifier
from nmt_cli.reports import flow
from nmt_cli.reports.chart import LineChart, Point, Series
from nmt_cli.reports.contestant import COST, Contestant, best
from nmt_cli.reports.page import Figure, Section
from nmt_cli.reports.table import Table

_PARTS = 10  # stretches of the text in which accuracy is measured
_BY_PLACE = "Accuracy by the place of the word that decides"

MIDDLE = (
    "The label depends on one word, which stands at a random place among words that say nothing. A forward RNN has read all the "
    "rest of the text since, and may have forgotten what stood at the beginning. A bidirectional one that hands on its two final "
    "states is near to both ends, and far from the middle. Pooling over all positions, or attention, gives each place a short way "
    "to the label. How much of this shows depends on the training: what is far away is not impossible, but learnt last."
)


@dataclass(frozen=True)
class LabelledSet:
    """Texts with their labels, and the place of the deciding word in each where that is known."""

    name: str
    texts: Sequence[str]
    labels: Sequence[str]
    positions: Sequence[int] = ()


@dataclass(frozen=True)
class Stretch:
    """Accuracy on the texts whose deciding word stands in one stretch."""

    first: int
    last: int
    confusion: Confusion

    def __str__(self) -> str:
        return f"{self.first}-{self.last}" if self.last > self.first else f"{self.first}"


@dataclass(frozen=True)
class Result:
    """What one model made of the texts."""

    contestant: Contestant
    confusion: Confusion
    stretches: tuple[Stretch, ...]
    signal: flow.Signal

    def to_json(self) -> dict[str, Any]:
        """Everything, unrounded."""
        return {
            **self.contestant.to_json(),
            "accuracy": self.confusion.to_json(),
            "by_position": [{"first": s.first, "last": s.last, **s.confusion.to_json()} for s in self.stretches],
            "gradient_flow": self.signal.to_json(),
        }


@dataclass(frozen=True)
class Classifiers:
    """The comparison."""

    results: tuple[Result, ...]
    given: LabelledSet

    @classmethod
    def measure(cls, models: Sequence[Contestant], given: LabelledSet) -> Classifiers:
        """Every model labels every text."""
        results = [_measure(model, given) for model in console.tracked(models, "comparing", len(models))]
        return cls(tuple(results), given)

    @cached_property
    def tables(self) -> list[Table]:
        """For the terminal."""
        return [self._accuracy(), *self._places(), flow.table("Classifiers", self._signals)]

    def opening(self) -> list[Section]:
        """For the beginning of the page."""
        return [Section("Classifiers", (), (self._accuracy(),))]

    def signal(self) -> list[Figure]:
        """How far back gradients reach."""
        note = "Of the loss of the label, by the embeddings of the text, counted from its end."
        return [*flow.charts("Classifiers", self._signals, note), flow.table("Classifiers", self._signals)]

    def closing(self) -> list[Section]:
        """For the end of the page: accuracy by place, where places are known."""
        return [Section("The middle", (MIDDLE,), (self._middle(), *self._places()))] if self.given.positions else []

    def to_json(self) -> list[dict[str, Any]]:
        """A model each."""
        return [result.to_json() for result in self.results]

    @property
    def _signals(self) -> flow.Signals:
        return [(result.contestant.name, result.signal) for result in self.results]

    def _accuracy(self) -> Table:
        columns = ("model", "accuracy, %", "macro F1", *COST)
        rows = tuple(
            (
                result.contestant.name,
                f"{100 * result.confusion.accuracy:.1f} [{', '.join(f'{100 * x:.1f}' for x in result.confusion.interval)}]",
                f"{100 * result.confusion.macro_f1:.1f}",
                *result.contestant.cost,
            )
            for result in self.results
        )
        marks = best((result.confusion.accuracy for result in self.results), 1)
        marks |= best((result.confusion.macro_f1 for result in self.results), 2)
        texts = console.count(len(self.given.texts), "text")
        note = f"On {texts} of {self.given.name}; brackets are 95 % intervals (Wilson 1927)."
        return Table("Accuracy and cost of classifiers", columns, rows, note, marks)

    def _places(self) -> list[Table]:
        """One table, or none where no places are known."""
        if not self.given.positions:
            return []
        columns = ("model", *map(str, self.results[0].stretches))
        rows = tuple(
            (result.contestant.name, *(f"{100 * each.confusion.accuracy:.0f}" for each in result.stretches))
            for result in self.results
        )
        return [Table(_BY_PLACE, columns, rows, f"In %. Places are counted from 0. {self._chance}")]

    def _middle(self) -> LineChart:
        series = tuple(
            Series(
                result.contestant.name,
                tuple(
                    Point(x, 100 * each.confusion.accuracy, *(100 * end for end in each.confusion.interval))
                    for x, each in enumerate(result.stretches)
                ),
                colour,
            )
            for colour, result in enumerate(self.results)
        )
        ticks = tuple((float(x), str(each)) for x, each in enumerate(self.results[0].stretches))
        note = f"Bars are 95 % intervals. {self._chance}"
        return LineChart(_BY_PLACE, "place in the text", "accuracy, %", series, ticks, y_range=(0, 100), note=note)

    @property
    def _chance(self) -> str:
        """What whoever always says the most frequent label would reach."""
        most = max(Counter(self.given.labels).values())
        return f"Whoever always says the most frequent label reaches {100 * most / len(self.given.labels):.0f} %."


def _measure(model: Contestant, given: LabelledSet) -> Result:
    classifier = LineClassifier.open(model.directory)
    true = [classifier.labels.id_of(label, given.name) for label in given.labels]
    said = [int(found.log_probs.argmax()) for found in classifier.stream(given.texts)]
    whole = Confusion.of(classifier.labels.names, true, said)
    stretches = tuple(_stretches(given.positions, whole.names, true, said)) if given.positions else ()
    return Result(model, whole, stretches, flow.Signal.of(model.directory, (given.texts,)))


def _stretches(
    positions: Sequence[int], names: Sequence[str], true: Sequence[int], said: Sequence[int]
) -> Iterator[Stretch]:
    """Equal parts of the text; those in which no word decides are left out."""
    edges = np.linspace(0, max(positions) + 1, _PARTS + 1).round().astype(int).tolist()
    for first, behind in pairwise(edges):
        chosen = [place for place, position in enumerate(positions) if first <= position < behind]
        if chosen:
            confusion = Confusion.of(names, [true[place] for place in chosen], [said[place] for place in chosen])
            yield Stretch(first, behind - 1, confusion)
