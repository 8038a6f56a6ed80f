"""chrF2 of sentences (Popović 2015), the numbers of sacreBLEU's ``CHRF``.

Here it is a function of counts, for many pairs at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nmt_cli.evaluation.ngrams import Floats, Ints

_BETA = 2  # recall counts twice as much as precision
_EPSILON = 1e-16


@dataclass(frozen=True)
class SentenceChrF:
    """F2 of character n-grams, spaces left out.

    As recall counts more than precision, a text that says things twice may be worth more than one that leaves something out:
    what is chosen by it is longer than references are.

    Attributes:
        eps_smoothing: sacreBLEU's word. False, as in the chrF2 that ``nmt score`` prints: precision and recall are averaged
            over the orders that both texts have. True, as in chrF++.py, NLTK and Moses: F2 is averaged over all orders.
    """

    orders: ClassVar[int] = 6

    eps_smoothing: bool = False

    def symbols(self, texts: Sequence[str]) -> list[Ints]:
        """Code points."""
        joined = ("".join(text.split()).encode("utf-32-le", "surrogatepass") for text in texts)
        return [np.frombuffer(text, dtype="<u4").astype(np.int64) for text in joined]

    def score(self, hypothesis: Floats, reference: Floats, shared: Floats) -> Floats:
        """(O, ...) counts -> (...), 0 to 100."""
        precision = shared / np.maximum(hypothesis, _EPSILON)  # where there is nothing, nothing is shared
        recall = shared / np.maximum(reference, _EPSILON)
        if self.eps_smoothing:
            precision, recall = np.where(hypothesis > 0, precision, _EPSILON), np.where(reference > 0, recall, _EPSILON)
            return 100 * np.asarray(_f(precision, recall, _EPSILON).mean(0))
        both = np.maximum(((hypothesis > 0) & (reference > 0)).sum(0), 1)
        return 100 * _f(precision.sum(0) / both, recall.sum(0) / both, 0.0)


def _f(precision: Floats, recall: Floats, nothing: float) -> Floats:
    """The weighted harmonic mean; ``nothing`` where both are 0."""
    below = _BETA**2 * precision + recall
    return np.where(below > 0, (1 + _BETA**2) * precision * recall / np.where(below > 0, below, 1), nothing)
