"""What the SSRU remembers of the tokens that were consumed (one cell for each layer), and how decoding goes on from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from nmt_cli.models.positions import Turn
from nmt_cli.models.solo_cells import SoloCells
from nmt_cli.models.ssru import Recurrence, scan
from nmt_cli.scoring.rows import Closing, Rows


@dataclass(frozen=True)
class Resumed(Recurrence):
    """From where each row stood, and where each row ends is written down."""

    start: Tensor  # (N, D)
    end: Tensor  # (N, D), to be written
    lengths: Tensor  # (N,) how many tokens each row reads

    def __call__(self, forget: Tensor, candidates: Tensor) -> Tensor:
        """c_t (N, P, D) from f_t and W x_t (N, P, D)."""
        cells = scan(forget, candidates, self.start)
        after = torch.cat([self.start[:, None], cells], 1)  # (N, P + 1, D) by how many tokens were read
        self.end.copy_(after[torch.arange(len(after), device=after.device), self.lengths])
        return cells


@dataclass(frozen=True)
class Cells:
    """What the SSRU layers of a decoder remember: c of each row."""

    cells: Tensor  # (N, L, D)

    def reorder(self, rows: Tensor, layout: Rows, closing: Closing | None) -> Self:
        """Row i goes on from ``rows[i]``: it has its cells to itself."""
        del layout, closing
        return type(self)(self.cells.index_select(0, rows))

    def select(self, rows: Tensor, layout: Rows, sentences: Tensor) -> Self:
        """The same."""
        del sentences
        return self.reorder(rows, layout, None)

    def consume(self, rows: Rows, real: Tensor, turn: Turn) -> tuple[list[Resumed], Self]:
        """A recurrence for each layer, and the cells in which they will end."""
        del rows, turn
        ends, lengths = torch.empty_like(self.cells), real.sum(1)
        pairs = zip(self.cells.unbind(1), ends.unbind(1), strict=True)
        return [Resumed(start, end, lengths) for start, end in pairs], type(self)(ends)


@dataclass(frozen=True)
class CellPasts:
    """The part of a decoder that makes them."""

    width: int

    def whole(self, x: Tensor, turn: Turn) -> Recurrence:
        """Of a layer that reads all there is at once."""
        del x, turn
        return Recurrence()

    def begin(self, rows: Rows, layers: int, like: Tensor) -> Cells:
        """Nothing consumed: c_0 = 0."""
        return Cells(like.new_zeros(len(rows.sentence), layers, self.width))

    def begin_solo(self, layers: int, like: Tensor) -> SoloCells:
        """Nothing consumed, for one sentence by itself: c_0 = 0."""
        return SoloCells.none(layers, self.width, like)
