"""Decoding of one sentence by itself, over NumPy arrays: see ``arithmetic`` for why.

The rows are its hypotheses, and M = N P tokens of them are read at once: vectors are arrays (M, D), row by row. There is no
padding, and all rows look at the same keys and values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

from nmt_cli.models.arithmetic import Array
from nmt_cli.models.attention import RowsSight
from nmt_cli.models.past import Remembered, SoloPast
from nmt_cli.models.positions import Positions, Turn
from nmt_cli.models.reading import Glance, Reader
from nmt_cli.models.solo_cache import SoloMemory
from nmt_cli.scoring.rows import Rows


class SoloEmbedding:
    """Token vectors times sqrt(D), and what positions add to them."""

    def __init__(self, table: Tensor, positions: Positions) -> None:
        self.table = table.detach().numpy()
        self.scale = math.sqrt(table.shape[1])
        self.positions = positions
        self._added = self._first(64)

    def __call__(self, tokens: Array, places: Array) -> Array:
        """Ids (M,) at places (M,) -> (M, D)"""
        vectors: Array = self.table[tokens]
        vectors *= self.scale
        longest = places.max()
        if longest >= len(self._added):
            self._added = self._first(2 * int(longest) + 1)
        vectors += self._added[places]
        return vectors

    def _first(self, count: int) -> Array:
        """(count, D) what is added at the first positions."""
        nothing = torch.from_numpy(self.table[:1]).new_zeros(1, count, self.table.shape[1])
        return self.positions(nothing, torch.arange(count))[0].detach().numpy()  # type: ignore[no-any-return]


@dataclass(frozen=True)
class SoloReading:
    """What a decoder is made of while it decodes one sentence: see Reading."""

    embed: SoloEmbedding
    turn: Callable[[Tensor], Turn]
    layers: Sequence[Reader]
    memories: Sequence[Callable[[Tensor], Remembered]]
    norm: Callable[[Array], Array]
    begin: Callable[[int, Tensor], SoloPast]  # what L layers remember of nothing

    def start(self, outputs: Tensor) -> SoloState:
        """Keys and values of the memory (1, S, D) for each layer, and nothing consumed."""
        remembered = [remember(outputs) for remember in self.memories]
        return SoloState(self, remembered, np.zeros(1, dtype=np.int64), self.begin(len(self.layers), outputs))


@dataclass(frozen=True)
class SoloState:
    """A TransformerState of one sentence."""

    reading: SoloReading
    remembered: list[Remembered]  # L, B = 1
    consumed: Array  # (N,) how many tokens: the position of the next
    past: SoloPast
    asked: tuple[list[Array], Tensor] | None = None  # L times (M, D), and (N,) lengths, of the step that led here

    @property
    def rows(self) -> Rows:
        """All of one sentence."""
        return Rows(torch.zeros(len(self.consumed), dtype=torch.long), 1, len(self.consumed), None)

    def advance(self, tokens: Tensor, lengths: Tensor) -> tuple[Tensor, Self]:
        """See TransformerState."""
        ids, counts, ahead = tokens.numpy(), lengths.numpy(), np.arange(tokens.shape[1])
        places = self.consumed[:, None] + ahead
        turn = self.reading.turn(torch.from_numpy(places))
        befores, past = self.past.consume(ahead < counts[:, None], turn)
        x, asking = self.reading.embed(ids.ravel(), places.ravel()), []
        for layer, before, remembered in zip(self.reading.layers, befores, self.remembered, strict=True):
            asking.append(layer.recall(x, before))
            x = layer.digest(asking[-1], remembered, SoloMemory)
        if len(ahead) > 1:
            x = x[np.arange(len(ids)) * len(ahead) + np.maximum(counts - 1, 0)]  # the last of each row
        behind = replace(self, consumed=self.consumed + counts, past=past, asked=(asking, lengths))
        return torch.from_numpy(self.reading.norm(x)), behind

    def glance(self, height: int) -> Glance | None:
        """See TransformerState."""
        if self.asked is None:
            return None
        asking, lengths = self.asked
        vectors = torch.from_numpy(asking[height]).view(len(lengths), -1, asking[height].shape[1])
        return Glance(vectors, self.remembered[height], RowsSight(None, rows=self.rows), lengths)

    def reorder(self, rows: Tensor) -> Self:
        """Row i goes on from ``rows[i]``."""
        at = rows.numpy()
        return replace(self, consumed=self.consumed[at], past=self.past.reorder(at), asked=None)

    def select(self, rows: Tensor) -> Self:
        """A copy."""
        at = rows.numpy()
        return replace(self, consumed=self.consumed[at], past=self.past.select(at), asked=None)
