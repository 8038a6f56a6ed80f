"""What the layers of a Transformer decoder remember: of the memory they look at, and of what was consumed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, Self

from torch import Tensor

from nmt_cli.models.arithmetic import Array
from nmt_cli.models.positions import Turn
from nmt_cli.scoring.rows import Closing, Rows

Remembered = Sequence[tuple[Tensor, Tensor]]
"""Keys and values (B, H, S, D/H) of the memory, for each sub-layer of a layer that looks at it: one, or none."""


class Past(Protocol):
    """What all layers of a decoder remember of what the rows have consumed. ``layout`` is that behind the move."""

    def reorder(self, rows: Tensor, layout: Rows, closing: Closing | None) -> Self:
        """Row i goes on from ``rows[i]``; all sentences keep their places, or they close up."""
        ...

    def select(self, rows: Tensor, layout: Rows, sentences: Tensor) -> Self:
        """A copy with these ``sentences``; it never disturbs the original."""
        ...

    def consume(self, rows: Rows, real: Tensor, turn: Turn) -> tuple[Sequence[object], Self]:
        """For each layer what its own kind of sub-layer needs while tokens, ``real`` (N, P) of them, are consumed; and what is
        remembered once all layers have run."""
        ...


class SoloPast(Protocol):
    """The same of one sentence decoded by itself, over arrays: see ``solo``."""

    def reorder(self, rows: Array) -> Self:
        """Row i goes on from ``rows[i]``."""
        ...

    def select(self, rows: Array) -> Self:
        """A copy; it never disturbs the original."""
        ...

    def consume(self, real: Array, turn: Turn) -> tuple[Sequence[object], Self]:
        """For each layer what its look back needs while tokens, ``real`` (N, P) of them, are consumed; and what is remembered
        once all layers have run."""
        ...


class Pasts(Protocol):
    """How the layers of a decoder come to know what was before: the part that makes a Past."""

    def whole(self, x: Tensor, turn: Turn) -> object:
        """What each layer needs that reads all (B, T, D) at once, from the beginning."""
        ...

    def begin(self, rows: Rows, layers: int, like: Tensor) -> Past:
        """Nothing consumed. Type and device are those of a memory (B, S, D) ``like``, and S is about how much there will be."""
        ...

    def begin_solo(self, layers: int, like: Tensor) -> SoloPast:
        """The same for the one row of one sentence, over arrays."""
        ...
