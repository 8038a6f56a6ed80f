"""The n-grams of many texts, counted once, compared all with all: what chrF and BLEU of every pair are made of.

Letters: O orders (lengths of n-grams), N texts, E different n-grams of each text, summed over the texts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Ngrams:
    """How often each n-gram of one order is in each of N texts: a sparse table of E entries, text by text."""

    totals: Ints  # (N,) n-grams of each text, counted as often as they occur
    text: Ints  # (E,)
    gram: Ints  # (E,) ids from 0
    count: Ints  # (E,) at least 1

    def shared(self) -> Ints:
        """(N, N): the sum over all n-grams of the smaller one of two texts' counts.

        The first, the second, the third occurrence of an n-gram are taken for different things. Then a text is a set, and what
        two texts share is an intersection: 64 members are compared by one AND of two words.
        """
        most = np.zeros(self._grams, dtype=np.int64)
        np.maximum.at(most, self.gram, self.count)
        first = np.cumsum(most) - most  # where the occurrences of each n-gram begin
        occurrence = np.arange(self.count.sum()) - np.repeat(np.cumsum(self.count) - self.count, self.count)
        members = np.zeros((len(self.totals), -(-int(most.sum()) // 64) * 64), dtype=bool)
        members[np.repeat(self.text, self.count), np.repeat(first[self.gram], self.count) + occurrence] = True
        sets = np.packbits(members, axis=1).view(np.uint64)  # (N, members / 64)
        return np.stack([np.bitwise_count(own & sets).sum(1, dtype=np.int64) for own in sets])

    def shared_with_mean(self, weights: Floats) -> Floats:
        """(N,): the same of each text and the mean of all, which has fractions of n-grams. ``weights`` (N,) sum to 1."""
        mean = np.bincount(self.gram, weights[self.text] * self.count, minlength=self._grams)
        shared = np.bincount(self.text, np.minimum(self.count, mean[self.gram]), minlength=len(self.totals))
        return shared.astype(np.float64)

    @property
    def _grams(self) -> int:
        return int(self.gram.max(initial=-1)) + 1


def count_ngrams(texts: Sequence[Ints], orders: int) -> Iterator[Ngrams]:
    """The n-grams of the orders 1, 2, ... of ``texts``, at least one, each of symbols (length,).

    Cost: two sorts of all symbols an order.
    """
    lengths = np.array([len(text) for text in texts])
    owner = np.repeat(np.arange(len(texts)), lengths)  # which text each symbol belongs to
    left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(owner))  # from each symbol to the end of its text
    symbols = _numbered(np.concatenate(texts))
    begin, grams = np.arange(len(symbols)), symbols
    for order in range(1, orders + 1):
        if order > 1:  # an n-gram is the one that is shorter by one, and the symbol behind it
            longer = left[begin] >= order
            begin = begin[longer]
            grams = _numbered(grams[longer] * len(symbols) + symbols[begin + order - 1])
        yield _counted(owner[begin], grams, len(texts))


def _numbered(values: Ints) -> Ints:
    """The same number, from 0, for the same value."""
    return np.unique(values, return_inverse=True)[1]


def _counted(owner: Ints, grams: Ints, texts: int) -> Ngrams:
    """From each occurrence of an n-gram."""
    kinds = int(grams.max(initial=0)) + 1
    entries, count = np.unique(owner * kinds + grams, return_counts=True)
    return Ngrams(np.bincount(owner, minlength=texts), entries // kinds, entries % kinds, count)
