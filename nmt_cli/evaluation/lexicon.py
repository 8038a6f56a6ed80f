"""A lexicon learnt from pairs of lines alone: IBM Model 1 (Brown et al. 1993, section 4.1). It knows no neural network.

    p(target | source) = c product over j of sum over i = 0 .. S of t(target_j | source_i)

where source_0 is the empty word, from which comes what translates nothing. The likelihood has no lesser maxima to be caught in, so
all probabilities begin equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.integer]
Pairs = Sequence[tuple[Ids, Ids]]
"""Source and target of each line, in ids from 1; neither is empty."""

_EMPTY_WORD = 0
_ROUNDS = 5
"""Of expectation maximisation, as is usual: after them frequent words gain little, and rare ones begin to collect garbage."""


@dataclass(frozen=True)
class Lexicon:
    """t(target | source) of every two ids that have stood in one pair; 0 for all others."""

    keys: NDArray[np.int64]  # (K,) source << 32 | target, ascending
    probabilities: NDArray[np.float64]  # (K,)

    @classmethod
    def learn(cls, pairs: Pairs, rounds: int = _ROUNDS) -> Lexicon:
        """Cost: O(rounds * sum of S * T), and that much memory."""
        cells, starts, widths = _cells(pairs)
        keys, place = np.unique(cells, return_inverse=True)
        _, source = np.unique(keys >> 32, return_inverse=True)
        probabilities = np.ones(len(keys))
        for _ in range(rounds):
            shares = probabilities[place]
            shares /= np.repeat(np.add.reduceat(shares, starts), widths)  # each target token is one in all
            counts = np.bincount(place, shares, len(keys))
            probabilities = counts / np.bincount(source, counts)[source]
        return cls(keys, probabilities)

    def table(self, source: Ids, target: Ids) -> NDArray[np.float64]:
        """(S + 1, T) t of each two; the empty word comes first."""
        wanted = _keys(np.append(_EMPTY_WORD, source)[:, None], target)
        place = np.searchsorted(self.keys, wanted).clip(max=len(self.keys) - 1)
        return np.where(self.keys[place] == wanted, self.probabilities[place], 0.0)

    def align(self, source: Ids, target: Ids) -> NDArray[np.int64]:
        """(T,) the place in the source that each token most probably comes from, the first of equal ones; -1: from none."""
        places: NDArray[np.int64] = self.table(source, target).argmax(0) - 1
        return places


def _keys(source: Ids, target: Ids) -> NDArray[np.int64]:
    return source.astype(np.int64) << 32 | target.astype(np.int64)


def _cells(pairs: Pairs) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The keys of all that a target token may come from, one target token after the other; where those of each begin, how many."""
    sources = [np.append(_EMPTY_WORD, source) for source, _ in pairs]
    lengths = np.array([len(source) for source in sources])
    repeats = np.array([len(target) for _, target in pairs])
    widths = np.repeat(lengths, repeats)
    starts = np.cumsum(widths) - widths
    inside = np.arange(widths.sum()) - np.repeat(starts, widths)
    first = np.repeat(np.repeat(np.cumsum(lengths) - lengths, repeats), widths)
    target = np.repeat(np.concatenate([target for _, target in pairs]), widths)
    return _keys(np.concatenate(sources)[first + inside], target), starts, widths
