"""Rows cut into subwords afresh in each epoch (see ``text/bpe_dropout.py``), from the text that stands beside their ids.

What is drawn is a function of (seed, epoch, column, row): of no batch, no worker and nothing that was drawn before. The generator
is counter-based (Philox; Salmon et al. 2011): each row has its own place in the one stream of its epoch.
"""

from functools import cache, cached_property, lru_cache
from threading import local

import numpy as np
from numpy.typing import NDArray

from nmt_cli.corpus.dataset import Column, Dataset
from nmt_cli.corpus.files import LABEL
from nmt_cli.corpus.rows import Items, id_type
from nmt_cli.text.bpe_dropout import BPEDropout
from nmt_cli.text.normalize import stable_hash

_KEPT = 2**15
"""Rows that are kept, so that a small corpus need not be drawn once for the lengths and once more for the batches. Some 10 MB."""


class SampledColumn:
    """One side of the rows of a split, as one epoch reads it."""

    def __init__(self, column: Column, name: str, dropout: BPEDropout, seed: int, epoch: int) -> None:
        """``name``: of the column. Source and target of a pair are drawn apart, even where they are the same text."""
        self._column = column
        self._dropout = dropout
        self._kind = id_type(dropout.size)
        self._places = _Places(seed, epoch, stable_hash(name))
        self._drawn = lru_cache(_KEPT)(self._draw)

    def __len__(self) -> int:
        return len(self._column)

    def ids(self, index: int) -> Items:
        """The ids of a row in this epoch, without BOS and EOS; the same whenever they are asked for."""
        return self._drawn(index)

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """(n,) ids in each row in this epoch; all of them are drawn for it.

        That is worth its time: batches of rows that are sorted by any other lengths, even by expected ones, hold half as much
        again, and all of it is padding.
        """
        return np.array([len(self.ids(index)) for index in range(len(self))], dtype=np.int64)

    def _draw(self, index: int) -> Items:
        ids = np.array(self._dropout.encode(self._column.text(index), self._places.of(index)), self._kind)
        ids.flags.writeable = False
        return ids


class SampledDataset:
    """The rows of a split as one epoch reads them; labels are what they are."""

    def __init__(self, dataset: Dataset, dropout: BPEDropout, seed: int, epoch: int) -> None:
        self._dataset = dataset
        self._columns = cache(lambda name: SampledColumn(dataset[name], name, dropout, seed, epoch))

    def __getitem__(self, column: str) -> Column | SampledColumn:
        return self._dataset[column] if column == LABEL else self._columns(column)

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self._dataset)


class _Places(local):
    """A generator for each thread, set to the place of a row: making a new one for each row takes ten times as long."""

    def __init__(self, seed: int, epoch: int, stream: int) -> None:
        self._bits = np.random.Philox(key=[seed, epoch], counter=[0, 0, 0, stream])
        self._draw = np.random.Generator(self._bits)
        self._state = self._bits.state  # of which a draw advances a copy

    def of(self, row: int) -> np.random.Generator:
        """The generator of a row, until the next one is asked for."""
        self._state["state"]["counter"][2] = row
        self._bits.state = self._state
        return self._draw
