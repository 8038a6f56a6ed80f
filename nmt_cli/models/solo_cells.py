"""What the SSRU remembers of one sentence decoded by itself: see ``ssru_cells`` and ``solo``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from torch import Tensor

from nmt_cli.models.arithmetic import Array
from nmt_cli.models.positions import Turn


@dataclass(frozen=True)
class SoloRecurrence:
    """How the recurrence goes on: from where each row stood, and where each row ends is written down."""

    start: Array  # (N, D)
    end: Array  # (N, D), to be written
    real: Array  # (N, P) bool: the tokens that each row reads

    def __call__(self, forget: Array, candidates: Array) -> Array:
        """c_t (M, D) from f_t and W x_t (M, D)."""
        rows, length = self.real.shape
        forget, candidates = (values.reshape(rows, length, -1) for values in (forget, candidates))
        cells, cell = np.empty_like(candidates), self.start
        self.end[:] = cell
        for place in range(length):
            cell = candidates[:, place] + forget[:, place] * (cell - candidates[:, place])
            cells[:, place] = cell
            np.copyto(self.end, cell, where=self.real[:, place, None])
        return cells.reshape(rows * length, -1)


@dataclass(frozen=True)
class SoloCells:
    """c of each row and layer."""

    cells: Array  # (L, N, D)

    @classmethod
    def none(cls, layers: int, width: int, like: Tensor) -> Self:
        """Of one row that has consumed nothing: c_0 = 0."""
        return cls(like.new_zeros(layers, 1, width).numpy())

    def reorder(self, rows: Array) -> Self:
        """Row i goes on from ``rows[i]``."""
        return type(self)(self.cells[:, rows])

    def select(self, rows: Array) -> Self:
        """The same."""
        return self.reorder(rows)

    def consume(self, real: Array, turn: Turn) -> tuple[list[SoloRecurrence], Self]:
        """See SoloPast."""
        del turn
        ends = np.empty_like(self.cells)
        return [SoloRecurrence(*pair, real) for pair in zip(self.cells, ends, strict=True)], type(self)(ends)
