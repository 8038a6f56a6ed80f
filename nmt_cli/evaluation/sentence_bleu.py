"""BLEU of sentences (Papineni et al. 2002), the numbers of sacreBLEU's ``BLEU(effective_order=True)``.

Here it is a function of counts, for many pairs at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
from sacrebleu.metrics.bleu import BLEU

from nmt_cli.evaluation.ngrams import Floats, Ints


@dataclass(frozen=True)
class SentenceBLEU:
    """Of words as 13a separates them: not for languages without spaces.

    The first order without a match has half a match, the next a quarter (smoothing "exp": Chen & Cherry 2014, method 3). Orders
    longer than the hypothesis do not count.
    """

    orders: ClassVar[int] = 4

    def symbols(self, texts: Sequence[str]) -> list[Ints]:
        """A number for each word."""
        numbers: dict[str, int] = {}
        split = (_metric().tokenizer(text.rstrip()).split() for text in texts)
        return [np.array([numbers.setdefault(w, len(numbers)) for w in words], dtype=np.int64) for words in split]

    def score(self, hypothesis: Floats, reference: Floats, shared: Floats) -> Floats:
        """(O, ...) counts -> (...), 0 to 100."""
        some = hypothesis > 0
        smoothed = np.where(shared > 0, shared, 0.5 ** np.cumsum(shared == 0, 0))  # 1/2, 1/4, ... of a match
        logs = np.where(some, np.log(smoothed / np.maximum(hypothesis, 1)), 0)
        precision = np.exp(logs.sum(0) / np.maximum(some.sum(0), 1))
        brevity = np.exp(np.minimum(0, 1 - reference[0] / np.maximum(hypothesis[0], 1)))
        return 100 * np.where((shared > 0).any(0), precision * brevity, 0)


@cache
def _metric() -> BLEU:
    return BLEU(effective_order=True)
