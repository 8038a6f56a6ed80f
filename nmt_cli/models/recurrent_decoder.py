"""The recurrent decoder without attention (Sutskever et al. 2014; Cho et al. 2014), and its state.

All that it ever learns of the source is the state in which it begins: the bottleneck. With a bridge that gives zeros it learns
nothing of any source, and is a language model (Mikolov et al. 2010).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor, nn

from nmt_cli.models.base import Carry, Memory
from nmt_cli.models.bridge import Bridge, ZeroBridge
from nmt_cli.models.cells import States
from nmt_cli.models.encoder_decoder import Decoder
from nmt_cli.models.recurrent_stack import Stack
from nmt_cli.models.word_embedding import WordEmbedding
from nmt_cli.scoring.rows import Rows


@dataclass(frozen=True)
class RecurrentState:
    """The recurrent states of each row. Nothing is ever written into them, so copies may share them."""

    rows: Rows
    states: States  # h (and c): (N, L, D) each

    def reorder(self, rows: Tensor) -> Self:
        """Row i goes on from ``rows[i]``, inside its sentence, which leaves with its last row."""
        layout, _ = self.rows.go_on(rows)
        return self._moved(rows, layout)

    def select(self, rows: Tensor) -> Self:
        """A copy in which sentences may also repeat or change places."""
        layout, _ = self.rows.pick(rows)
        return self._moved(rows, layout)

    def _moved(self, rows: Tensor, layout: Rows) -> Self:
        return replace(self, rows=layout, states=tuple(state.index_select(0, rows) for state in self.states))


class RecurrentDecoder(Decoder[RecurrentState]):
    """A stack over the target; ``readout`` brings its outputs to the width of the embeddings."""

    looking = 0

    def __init__(self, embedding: WordEmbedding, bridge: Bridge, stack: Stack) -> None:
        super().__init__()
        self.embedding = embedding
        self.bridge = bridge
        self.stack = stack
        same = stack.width == embedding.width
        self.readout = nn.Identity() if same else nn.Linear(stack.width, embedding.width)

    @classmethod
    def alone(cls, embedding: WordEmbedding, stack: Stack) -> RecurrentDecoder:
        """One that begins with zeros: the decoder of a language model."""
        return cls(embedding, ZeroBridge(stack.width, states=stack.states, layers=len(stack.layers)), stack)

    def forward(self, tokens: Tensor, memory: Memory) -> Tensor:
        """Teacher forcing: the whole target at once."""
        hidden, _ = self.read(tokens, memory, None)
        return hidden

    def read(self, tokens: Tensor, memory: Memory, carry: Carry) -> tuple[Tensor, Carry]:
        """A stretch of a stream; the recurrent states are carried to the next, without their gradients."""
        states = self.bridge(memory) if carry is None else carry
        outputs, ends = self.stack(self.embedding(tokens), torch.ones_like(tokens, dtype=torch.bool), states)
        return self.readout(outputs), tuple(end.detach() for end in ends)

    def start(self, memory: Memory) -> RecurrentState:
        """The bridged final state of the encoder."""
        return RecurrentState(Rows.one_each(len(memory.mask), memory.mask.device), self.bridge(memory))

    def advance(self, tokens: Tensor, lengths: Tensor, state: RecurrentState) -> tuple[Tensor, RecurrentState]:
        """Consume ``lengths`` (N,) of the ``tokens`` (N, P)."""
        outputs, states = self.stack(self.embedding(tokens), consumed(tokens, lengths), state.states)
        return self.readout(last(outputs, lengths)), replace(state, states=states)

    def attention(self, hidden: Tensor, state: RecurrentState) -> None:
        """It looks at nothing."""
        del hidden, state

    def alignments(self, tokens: Tensor, memory: Memory) -> list[Tensor]:
        """It looks at nothing."""
        del tokens, memory
        return []


def consumed(tokens: Tensor, lengths: Tensor) -> Tensor:
    """(N, P) which of the ``tokens`` (N, P) are among the first ``lengths`` (N,)."""
    return torch.arange(tokens.shape[1], device=tokens.device) < lengths[:, None]


def last(values: Tensor, lengths: Tensor) -> Tensor:
    """(N, D) what stands at the last of ``lengths`` (N,) places of (N, P, D); at the first where there is none."""
    if values.shape[1] == 1:
        return values[:, 0]
    return values[torch.arange(len(values), device=values.device), (lengths - 1).clamp(min=0)]
