"""Expected utilities, all pairs at once or by an average reference; from counts of n-grams, or from any function of two texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from nmt_cli.evaluation.ngrams import Floats, Ints, count_ngrams
from nmt_cli.evaluation.sentence_bleu import SentenceBLEU
from nmt_cli.evaluation.sentence_chrf import SentenceChrF


class NgramMetric(Protocol):
    """A metric of sentences that is a function of how many n-grams there are, and how many are shared, for each of O orders."""

    @property
    def orders(self) -> int:
        """O: n-grams of 1 to so many symbols."""
        ...

    def symbols(self, texts: Sequence[str]) -> list[Ints]:
        """What the n-grams of each text are made of: (length,) ids."""
        ...

    def score(self, hypothesis: Floats, reference: Floats, shared: Floats) -> Floats:
        """(O, ...) counts of three kinds, which broadcast against each other -> (...) scores, 0 to 100, higher is better."""
        ...


@dataclass(frozen=True)
class Pairwise:
    """Every text is compared with every text: the definition. Cost: N^2 intersections, but each text's n-grams are counted once."""

    metric: NgramMetric

    def __call__(self, texts: Sequence[str], counts: Sequence[int]) -> list[float]:
        """See Utility."""
        return _means(self.pairs(texts), counts)

    def pairs(self, texts: Sequence[str]) -> Floats:
        """(N, N) scores: of each text, a row, with each as its reference, a column."""
        tables = list(count_ngrams(self.metric.symbols(texts), self.metric.orders))
        totals = np.stack([table.totals for table in tables]).astype(np.float64)  # (O, N)
        shared = np.stack([table.shared() for table in tables]).astype(np.float64)  # (O, N, N)
        return self.metric.score(totals[:, :, None], totals[:, None, :], shared)


@dataclass(frozen=True)
class Aggregate:
    """Every text is compared with one reference, whose counts are the mean of all texts' counts. Cost: linear in N.

    An approximation: the utility of the mean for the mean of the utilities (DeNero et al. 2009; for chrF, and for learnt metrics,
    Vamvas & Sennrich 2024).
    """

    metric: NgramMetric

    def __call__(self, texts: Sequence[str], counts: Sequence[int]) -> list[float]:
        """See Utility."""
        weights = np.asarray(counts, dtype=np.float64) / sum(counts)
        tables = list(count_ngrams(self.metric.symbols(texts), self.metric.orders))
        totals = np.stack([table.totals for table in tables]).astype(np.float64)  # (O, N)
        shared = np.stack([table.shared_with_mean(weights) for table in tables])  # (O, N)
        found: list[float] = self.metric.score(totals, (totals * weights).sum(1, keepdims=True), shared).tolist()
        return found


@dataclass(frozen=True)
class AnyPair:
    """The expected utility of any function of (hypothesis, reference), higher is better. Cost: N^2 calls."""

    function: Callable[[str, str], float]

    def __call__(self, texts: Sequence[str], counts: Sequence[int]) -> list[float]:
        """See Utility."""
        return _means(np.array([[self.function(text, other) for other in texts] for text in texts]), counts)


def _means(utilities: Floats, counts: Sequence[int]) -> list[float]:
    """Of each row (N, N). Equal rows have equal means to the last bit, which a matrix product would not promise."""
    found: list[float] = ((utilities * np.asarray(counts)).sum(1) / sum(counts)).tolist()
    return found


CHRF = Pairwise(SentenceChrF())
BLEU = Pairwise(SentenceBLEU())
AGGREGATE_CHRF = Aggregate(SentenceChrF())
AGGREGATE_BLEU = Aggregate(SentenceBLEU())
