"""How a Transformer decoder is read, step by step, by its modules or by packed functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

import torch
from torch import Tensor
from torch.nn import functional

from nmt_cli.models.attention import Looking, RowsSight, memory_bias
from nmt_cli.models.base import Memory
from nmt_cli.models.lanes import filled
from nmt_cli.models.past import Past, Remembered
from nmt_cli.models.positions import Turn
from nmt_cli.models.recurrent_decoder import last
from nmt_cli.scoring.rows import Rows


class Reader(Protocol):
    """A decoder layer as decoding needs it: its two halves. Vectors are tensors (N, P, D), or arrays where one sentence is read."""

    @property
    def recall(self) -> Callable[[Any, Any], Any]:
        """The look back: vectors, and what it needs to look -> vectors."""
        ...

    def digest(self, x: Any, remembered: Remembered, sight: Any) -> Any:
        """What comes after the look back, where ``sight`` is how the memory is looked at: vectors -> vectors."""
        ...


@dataclass(frozen=True)
class PackedReader:
    """Of packed parts."""

    recall: Callable[[Any, Any], Any]
    looks: Sequence[Callable[[Any, Tensor, Tensor, Looking], Any]]
    transform: Callable[[Any], Any]

    def digest(self, x: Any, remembered: Remembered, sight: Looking) -> Any:
        """See Reader."""
        for look, (keys, values) in zip(self.looks, remembered, strict=True):
            x = look(x, keys, values, sight)
        return self.transform(x)


@dataclass(frozen=True)
class Glance:
    """What a layer was about to ask the memory: where it looked is computed when somebody wants to know."""

    asking: Tensor  # (N, 1, D) for the last token of each row
    remembered: Remembered
    sight: RowsSight


class TransformerState(Protocol):
    """The memory's keys and values, which are the sentence's, and what each row has consumed: see State."""

    def reorder(self, rows: Tensor) -> Self:
        """Row i goes on from ``rows[i]``, inside its sentence."""
        ...

    def select(self, rows: Tensor) -> Self:
        """A copy in which sentences may also repeat or change places."""
        ...

    def advance(self, tokens: Tensor, lengths: Tensor) -> tuple[Tensor, Self]:
        """Consume ``lengths`` (N,) of the ``tokens`` (N, P): the hidden state (N, D) behind the last of each row."""
        ...

    def glance(self, height: int) -> Glance | None:
        """Of a layer that looks, from 0, in the step that led here; None once the rows have moved."""
        ...


@dataclass(frozen=True)
class Reading:
    """What a decoder is made of while it decodes."""

    embed: Callable[[Tensor, Tensor], Tensor]  # tokens (N, P) at places (N, P) -> (N, P, D)
    turn: Callable[[Tensor], Turn]  # what places (N, P) do to queries and keys
    layers: Sequence[Reader]  # L, the lowest first
    memories: Sequence[Callable[[Tensor], Remembered]]  # of each layer: what it remembers of a memory (B, S, D)
    norm: Callable[[Tensor], Tensor]  # behind the last layer: (N, D) -> (N, D)
    begin: Callable[[Rows, int, Tensor], Past]  # what L layers remember of nothing

    def start(self, memory: Memory) -> BatchState:
        """Keys and values of the memory for each layer, and nothing consumed."""
        rows, length = Rows.one_each(len(memory.mask), memory.mask.device), memory.mask.shape[1]
        more = filled(length) - length
        outputs, mask = functional.pad(memory.outputs, (0, 0, 0, more)), functional.pad(memory.mask, (0, more))
        return BatchState(
            self,
            [
                [(keys.contiguous(), values.contiguous()) for keys, values in remember(outputs)]
                for remember in self.memories
            ],
            memory_bias(mask, outputs.dtype),
            length,
            rows,
            torch.zeros_like(rows.sentence),
            self.begin(rows, len(self.layers), memory.outputs),
        )


@dataclass(frozen=True)
class BatchState:
    """A TransformerState of any number of sentences."""

    reading: Reading
    remembered: list[Remembered]  # L
    memory_bias: Tensor | None  # (B, 1, 1, S'), S' >= S: see ``lanes``; None where nothing is hidden
    length: int  # S
    rows: Rows
    consumed: Tensor  # (N,) how many tokens: the position of the next
    past: Past
    asked: list[Tensor] | None = None  # (N, D) of each layer that looks, in the step that led here

    def advance(self, tokens: Tensor, lengths: Tensor) -> tuple[Tensor, Self]:
        """See TransformerState."""
        ahead = torch.arange(tokens.shape[1], device=tokens.device)
        places = self.consumed[:, None] + ahead
        befores, past = self.past.consume(self.rows, ahead < lengths[:, None], self.reading.turn(places))
        x, sight, asked = self.reading.embed(tokens, places), RowsSight(self.memory_bias, rows=self.rows), []
        for layer, before, remembered in zip(self.reading.layers, befores, self.remembered, strict=True):
            x = layer.recall(x, before)
            if remembered:
                asked.append(last(x, lengths))
            x = layer.digest(x, remembered, sight)
        behind = replace(self, consumed=self.consumed + lengths, past=past, asked=asked)
        return self.reading.norm(last(x, lengths)), behind

    def glance(self, height: int) -> Glance | None:
        """See TransformerState."""
        if self.asked is None:
            return None
        seen = [(keys[:, :, : self.length], values[:, :, : self.length]) for keys, values in self.remembered[height]]
        bias = None if self.memory_bias is None else self.memory_bias[..., : self.length]
        return Glance(self.asked[height][:, None], seen, RowsSight(bias, rows=self.rows))

    def reorder(self, rows: Tensor) -> Self:
        """Row i goes on from ``rows[i]``, inside its sentence, which leaves with its last row."""
        layout, closing = self.rows.go_on(rows)
        moved = self._moved(rows, layout, self.past.reorder(rows, layout, closing))
        return moved if closing is None else moved._remembering(closing.within)

    def select(self, rows: Tensor) -> Self:
        """A copy in which sentences may also repeat or change places."""
        layout, sentences = self.rows.pick(rows)
        moved = self._moved(rows, layout, self.past.select(rows, layout, sentences))
        return moved._remembering(lambda held: held.index_select(0, sentences))

    def _moved(self, rows: Tensor, layout: Rows, past: Past) -> Self:
        return replace(self, rows=layout, consumed=self.consumed[rows], past=past, asked=None)

    def _remembering(self, those: Callable[[Tensor], Tensor]) -> Self:
        """Of what it remembers of all sentences (B, ...), ``those`` (B', ...)."""
        bias = None if self.memory_bias is None else those(self.memory_bias)
        return replace(
            self,
            remembered=[[(those(keys), those(values)) for keys, values in layer] for layer in self.remembered],
            memory_bias=bias,
        )
