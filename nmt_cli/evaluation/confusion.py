"""How well labels are told apart: accuracy, F1 of each label, and which label is taken for which. Knows no model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmt_cli.console import aligned, width

_MOST = 10  # confusions that are shown of a matrix that is too wide
_COLLAPSED = 0.9  # of all texts: a label that is said so often
_TRUE = 1.2  # times as often as it is true, is said whatever the text
_Z = 1.96  # standard errors to either side of a 95 % interval


@dataclass(frozen=True)
class LabelScore:
    """One label: of those that were said to be it, and of those that are it, how many were right."""

    name: str
    precision: float
    recall: float
    count: int  # texts that have it

    @property
    def f1(self) -> float:
        """The harmonic mean (van Rijsbergen 1979); 0 where nothing was right."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


@dataclass(frozen=True)
class Confusion:
    """A table of counts."""

    names: tuple[str, ...]
    table: NDArray[np.int64]  # (labels, labels): row = the true one, column = the one that was said

    @classmethod
    def of(cls, names: Sequence[str], true: Sequence[int], said: Sequence[int]) -> "Confusion":
        """From the ids of each text; there must be a text."""
        table = np.zeros((len(names), len(names)), dtype=np.int64)
        np.add.at(table, (np.asarray(true), np.asarray(said)), 1)
        return cls(tuple(names), table)

    @property
    def texts(self) -> int:
        """How many there are."""
        return int(self.table.sum())

    @property
    def accuracy(self) -> float:
        """The share of texts that were labelled right, 0 to 1."""
        return float(np.trace(self.table)) / self.texts

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the accuracy (Wilson 1927)."""
        n, p = self.texts, self.accuracy
        centre = (p + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
        half = _Z / (1 + _Z**2 / n) * float(np.sqrt(p * (1 - p) / n + _Z**2 / (4 * n**2)))
        return max(0.0, centre - half), min(1.0, centre + half)

    @property
    def labels(self) -> list[LabelScore]:
        """Of each label."""
        right, true, said = np.diag(self.table), self.table.sum(1), self.table.sum(0)
        return [
            LabelScore(name, float(hit) / max(1, int(column)), float(hit) / max(1, int(row)), int(row))
            for name, hit, row, column in zip(self.names, right, true, said, strict=True)
        ]

    @property
    def macro_f1(self) -> float:
        """The mean F1 of the labels that occur or were said: a rare one counts as much as a frequent one."""
        seen = [label.f1 for label, n in zip(self.labels, self.table.sum(0) + self.table.sum(1), strict=True) if n]
        return sum(seen) / len(seen)

    @property
    def confusions(self) -> list[tuple[str, str, int]]:
        """The true label, the one that was said instead, and how often: the most frequent first."""
        names, wrong = self.names, np.argwhere(self.table).tolist()
        found = [(names[true], names[said], int(self.table[true, said])) for true, said in wrong if true != said]
        return sorted(found, key=lambda each: -each[2])

    @property
    def advice(self) -> list[str]:
        """A sentence where one label is said of nearly everything, which the accuracy alone need not show."""
        place = int(self.table.sum(0).argmax())
        said, true = (self.table.sum(axis)[place] / self.texts for axis in (0, 1))
        if said < _COLLAPSED or said < _TRUE * true:
            return []
        return [
            f"{100 * said:.0f} % of texts are labelled {self.names[place]}, which {100 * true:.0f} % are: little training, "
            "a learning rate that is too high, or labels that stand beside the wrong texts"
        ]

    def lines(self) -> list[str]:
        """For a person: the figures, a table of the labels, the confusion matrix or, where it is too wide, the worst of it."""
        low, high = self.interval
        figures = f"accuracy {100 * self.accuracy:.1f} [{100 * low:.1f}, {100 * high:.1f}]  macro F1 {100 * self.macro_f1:.1f}"
        scores = [("", "precision", "recall", "F1", "texts")] + [
            (
                label.name,
                f"{100 * label.precision:.1f}",
                f"{100 * label.recall:.1f}",
                f"{100 * label.f1:.1f}",
                f"{label.count:,}",
            )
            for label in self.labels
        ]
        matrix = [("true \\ said", *self.names)] + [
            (name, *(f"{count:,}" for count in row)) for name, row in zip(self.names, self.table.tolist(), strict=True)
        ]
        shown = aligned(matrix)
        if len(shown[0]) > width():
            most = self.confusions[:_MOST]
            shown = aligned([("true", "said", "texts"), *((true, said, f"{count:,}") for true, said, count in most)])
        return [f"{figures}  {self.texts:,} texts", "", *aligned(scores), "", *shown]

    def to_json(self) -> dict[str, Any]:
        """Everything, unrounded."""
        labels = {
            label.name: {"precision": label.precision, "recall": label.recall, "f1": label.f1, "texts": label.count}
            for label in self.labels
        }
        return {
            "accuracy": self.accuracy,
            "interval": list(self.interval),
            "macro_f1": self.macro_f1,
            "texts": self.texts,
            "labels": labels,
            "columns": list(self.names),  # of each row of "confusion"
            "confusion": dict(zip(self.names, self.table.tolist(), strict=True)),
        }
