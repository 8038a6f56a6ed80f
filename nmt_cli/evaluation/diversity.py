"""How different the k results of a line are, and how good the best of them is: the reason to sample, or to keep a list.

A beam's list holds near copies of its best; samples differ, and are worse one by one. What is said of a list:

    chrF between them   chrF2 of every result by every other one, mean; 100: all alike
    distinct-n          how many different n-grams there are, as a share of all (Li et al. 2016); n = 1 to 4 words, between spaces
    oracle chrF2        chrF2 of the text that is made of the result of each line that is nearest to its reference
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from nmt_cli.evaluation.consensus import Pairwise
from nmt_cli.evaluation.counts import Counts, count
from nmt_cli.evaluation.metrics import MetricScore, metrics_for, summarise
from nmt_cli.evaluation.sentence_chrf import SentenceChrF

ORDERS = 4
"""n-grams of up to so many words are counted."""

_CHRF = Pairwise(SentenceChrF())


@dataclass(frozen=True)
class Diversity:
    """Of the results of a line, or of many lines: sums, which are divided once."""

    lines: int = 0  # with two results or more
    results: int = 0  # of those lines
    between: float = 0.0  # sum over lines of the mean chrF of their pairs
    different: tuple[int, ...] = (0,) * ORDERS  # n-grams of each order, each counted once a line
    all: tuple[int, ...] = (0,) * ORDERS  # each counted as often as it occurs

    @classmethod
    def of(cls, texts: Sequence[str]) -> Diversity:
        """Of the results of one line; equal ones stand there as often as they were found. Fewer than two say nothing."""
        if len(texts) < 2:
            return cls()
        words = [text.split() for text in texts]
        grams = [
            [tuple(line[i : i + n]) for line in words for i in range(len(line) - n + 1)] for n in range(1, ORDERS + 1)
        ]
        different, everything = tuple(len(set(each)) for each in grams), tuple(map(len, grams))
        return cls(1, len(texts), _between(texts), different, everything)

    @classmethod
    def of_lists(cls, lists: Iterable[Sequence[str]]) -> Diversity:
        """Of many lines."""
        return reduce(cls.plus, map(cls.of, lists), cls())

    def plus(self, other: Diversity) -> Diversity:
        """With other lines."""
        return Diversity(
            self.lines + other.lines,
            self.results + other.results,
            self.between + other.between,
            tuple(map(sum, zip(self.different, other.different, strict=True))),
            tuple(map(sum, zip(self.all, other.all, strict=True))),
        )

    @property
    def chrf_between(self) -> float | None:
        """0 to 100, lower is more diverse; None where no line has two results."""
        return self.between / self.lines if self.lines else None

    @property
    def distinct(self) -> tuple[float | None, ...]:
        """distinct-1, distinct-2, ...: 0 to 1, higher is more diverse; None where there is no such n-gram."""
        return tuple(some / every if every else None for some, every in zip(self.different, self.all, strict=True))

    def __str__(self) -> str:
        if not self.lines:
            return "no line has two results"
        shares = " ".join("-" if share is None else f"{100 * share:.1f}" for share in self.distinct)
        return (
            f"{self.results / self.lines:.1f} results a line, chrF between them {self.chrf_between:.1f}, "
            f"distinct-1 to {ORDERS} {shares} %"
        )

    @property
    def figures(self) -> dict[str, Any]:
        """By name, unrounded."""
        return {
            "chrf_between": self.chrf_between,
            **{f"distinct_{n}": share for n, share in enumerate(self.distinct, 1)},
        }

    def to_json(self) -> dict[str, Any]:
        """The figures, and of how many lines and results."""
        return {"lines": self.lines, "results": self.results, **self.figures}


@dataclass(frozen=True)
class Variety:
    """What there is to say of the results of many lines."""

    diversity: Diversity
    oracle: MetricScore

    @classmethod
    def of(cls, lists: Sequence[Sequence[str]], references: Sequence[Sequence[str]]) -> Variety:
        """See ``oracle``."""
        return cls(Diversity.of_lists(lists), oracle(lists, references))

    def lines(self) -> list[str]:
        """For a person."""
        return [f"diversity: {self.diversity}", f"oracle {self.oracle}"]

    def to_json(self) -> dict[str, Any]:
        """Everything, unrounded."""
        return {**self.diversity.to_json(), "oracle": self.oracle.to_json()}


def figures(texts: Sequence[str]) -> dict[str, Any]:
    """What the results of one line say, without a reference."""
    return Diversity.of(texts).figures


def oracle(lists: Sequence[Sequence[str]], references: Sequence[Sequence[str]]) -> MetricScore:
    """chrF2 of a text that is made of the result of each line with the highest chrF2 of its own.

    Cost: each different result is counted as any output is, so k times what chrF2 costs.

    Args:
        lists: N lines, of one result at least each.
        references: one sequence of N lines for each reference translation.
    """
    _, chrf, _ = metrics_for(None, lowercase=False)  # chrF is the same in every language
    candidates = [list(dict.fromkeys(texts)) for texts in lists]
    sides = [[line for line, texts in zip(side, candidates, strict=True) for _ in texts] for side in references]
    counts = count(chrf, [text for texts in candidates for text in texts], sides)
    scores = [Counts(chrf, row[None]).score().score for row in counts.table]
    ends = accumulate(map(len, candidates), initial=0)
    best = [max(range(start, end), key=scores.__getitem__) for start, end in pairwise(ends)]
    return summarise(Counts(chrf, counts.table[best]), None)


def _between(texts: Sequence[str]) -> float:
    """The mean over all ordered pairs. Equal texts are alike, empty ones too."""
    found = Counter(texts)
    times = np.array(list(found.values()), dtype=np.float64)
    pairs = _CHRF.pairs(list(found))
    np.fill_diagonal(pairs, 100.0)
    total = times @ pairs @ times - 100.0 * len(texts)  # without those of a result and itself
    return float(total / (len(texts) * (len(texts) - 1)))
