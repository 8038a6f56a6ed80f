"""A Transformer decoder on its way: the memory it looks at, and what its layers remember of what was consumed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self

from torch import Tensor

from nmt_cli.models.positions import Turn
from nmt_cli.scoring.rows import Rows

Remembered = Sequence[tuple[Tensor, Tensor]]
"""Keys and values (B, S, H, D/H) of the memory, for each sub-layer of a layer that looks at it: one, or none."""


class Past(Protocol):
    """What all layers of a decoder remember of what the rows have consumed. ``layout`` is that behind the move."""

    def reorder(self, rows: Tensor, layout: Rows, sentences: Tensor | None) -> Self:
        """Row i goes on from ``rows[i]``; all sentences keep their places, or these ``sentences`` close up."""
        ...

    def select(self, rows: Tensor, layout: Rows, sentences: Tensor) -> Self:
        """A copy with these ``sentences``; it never disturbs the original."""
        ...

    def consume(self, rows: Rows, real: Tensor, turn: Turn) -> tuple[Sequence[object], Self]:
        """For each layer what its own kind of sub-layer needs while tokens, ``real`` (N, P) of them, are consumed; and what is
        remembered once all layers have run."""
        ...


class Pasts(Protocol):
    """How the layers of a decoder come to know what was before: the part that makes a Past."""

    def whole(self, x: Tensor, turn: Turn) -> object:
        """What each layer needs that reads all (B, T, D) at once, from the beginning."""
        ...

    def begin(self, rows: Rows, layers: int, like: Tensor) -> Past:
        """Nothing consumed; type and device are those of ``like``."""
        ...


@dataclass(frozen=True)
class Glance:
    """What the aligning layer was about to ask the memory in one step: where it looked is computed when somebody wants to know."""

    asking: Tensor  # (N, P, D)
    lengths: Tensor  # (N,) how many of the P tokens each row has consumed


@dataclass(frozen=True)
class TransformerState:
    """The memory's keys and values, which are the sentence's, and what each row has consumed."""

    remembered: list[Remembered]  # L
    memory_bias: Tensor | None  # (B, 1, 1, S); None where no source has padding
    rows: Rows
    consumed: Tensor  # (N,) how many tokens: the position of the next
    past: Past
    glance: Glance | None = None  # of the step that led here; None once the rows have moved

    def reorder(self, rows: Tensor) -> Self:
        """Row i goes on from ``rows[i]``, inside its sentence, which leaves with its last row."""
        layout, sentences = self.rows.go_on(rows)
        return self._moved(rows, layout, self.past.reorder(rows, layout, sentences), sentences)

    def select(self, rows: Tensor) -> Self:
        """A copy in which sentences may also repeat or change places."""
        layout, sentences = self.rows.pick(rows)
        return self._moved(rows, layout, self.past.select(rows, layout, sentences), sentences)

    def _moved(self, rows: Tensor, layout: Rows, past: Past, sentences: Tensor | None) -> Self:
        moved = replace(self, rows=layout, consumed=self.consumed[rows], past=past, glance=None)
        if sentences is None:
            return moved
        return replace(
            moved,
            remembered=[
                [(keys.index_select(0, sentences), values.index_select(0, sentences)) for keys, values in layer]
                for layer in self.remembered
            ],
            memory_bias=None if self.memory_bias is None else self.memory_bias.index_select(0, sentences),
        )
