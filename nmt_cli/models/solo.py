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

    def __init__(self, table: Tensor, positions: Positions, known: int = 64) -> None:
        """What is added at the first ``known`` positions is known beforehand, and more when a text is longer."""
        self.table = table.detach().numpy()
        self.scale = math.sqrt(table.shape[1])
        self.positions = positions
        self._added = self._first(known)

    def __call__(self, tokens: Array, places: Array) -> Array:
        """Ids (M,) at places (M,) -> (M, D)"""
        vectors: Array = self.table[tokens]
        vectors *= self.scale
        added, longest = self._added, places.max()
        if longest >= len(added):
            added = self._added = self._first(2 * int(longest) + 1)
        vectors += added[places]
        return vectors

    def _first(self, count: int) -> Array:
        """(count, D) what is added at the first positions."""
        nothing = torch.from_numpy(self.table[:1]).new_zeros(1, count, self.table.shape[1])
        return self.positions(nothing, torch.arange(count))[0].detach().numpy()  # type: ignore[no-any-return]


_MEMORY = SoloMemory()


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
        remembered = [remember(outputs.detach()) for remember in self.memories]
        return SoloState(self, remembered, np.zeros(1, dtype=np.int64), self.begin(len(self.layers), outputs))


@dataclass(frozen=True)
class SoloState:
    """A TransformerState of one sentence."""

    reading: SoloReading
    remembered: list[Remembered]  # L, B = 1
    consumed: Array  # (N,) how many tokens: the position of the next
    past: SoloPast
    asked: list[Array] | None = None  # (N, D) of each layer that looks, in the step that led here

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
        last = slice(None) if len(ahead) == 1 else np.arange(len(ids)) * len(ahead) + np.maximum(counts - 1, 0)
        x, asked = self.reading.embed(ids.ravel(), places.ravel()), []
        with np.errstate(all="ignore"):  # what is no number is noticed by the search
            for layer, before, remembered in zip(self.reading.layers, befores, self.remembered, strict=True):
                x = layer.recall(x, before)
                if remembered:
                    asked.append(x[last])
                x = layer.digest(x, remembered, _MEMORY)
            hidden = torch.from_numpy(self.reading.norm(x[last]))
        return hidden, replace(self, consumed=self.consumed + counts, past=past, asked=asked)

    def glance(self, height: int) -> Glance | None:
        """See TransformerState."""
        if self.asked is None:
            return None
        asking = torch.from_numpy(self.asked[height])[:, None]
        return Glance(asking, self.remembered[height], RowsSight(None, rows=self.rows))

    def reorder(self, rows: Tensor) -> Self:
        """Row i goes on from ``rows[i]``."""
        at = rows.numpy()
        return replace(self, consumed=self.consumed[at], past=self.past.reorder(at), asked=None)

    def select(self, rows: Tensor) -> Self:
        """A copy."""
        at = rows.numpy()
        return replace(self, consumed=self.consumed[at], past=self.past.select(at), asked=None)
