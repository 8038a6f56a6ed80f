"""Recurrent decoders that look at the memory, and the one that looks after it has read (Luong et al. 2015)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor, nn

from nmt_cli.models.alignment import Attention, MemoryKeys
from nmt_cli.models.base import Memory
from nmt_cli.models.bridge import Bridge
from nmt_cli.models.cells import States
from nmt_cli.models.encoder_decoder import Decoder
from nmt_cli.models.recurrent_decoder import RecurrentState, consumed, last
from nmt_cli.models.recurrent_stack import Stack
from nmt_cli.models.word_embedding import WordEmbedding
from nmt_cli.scoring.rows import Rows


@dataclass(frozen=True)
class AttentionState(RecurrentState):
    """Recurrent states of each row, and the memory of each sentence."""

    memory: MemoryKeys
    query: Tensor  # (N, D) the state from which the memory was looked at last
    hidden: Tensor  # (N, D') what came of it; input feeding reads it in the next step

    def reorder(self, rows: Tensor) -> Self:
        """Row i goes on from ``rows[i]``, inside its sentence, which leaves with its last row."""
        layout, closing = self.rows.go_on(rows)
        moved = self._moved(rows, layout)
        return moved if closing is None else replace(moved, memory=self.memory.closing(closing))

    def select(self, rows: Tensor) -> Self:
        """A copy in which sentences may also repeat or change places."""
        layout, sentences = self.rows.pick(rows)
        return replace(self._moved(rows, layout), memory=self.memory.of(sentences))

    def _moved(self, rows: Tensor, layout: Rows) -> Self:
        return replace(super()._moved(rows, layout), query=self.query[rows], hidden=self.hidden[rows])


Passage = tuple[Tensor, Tensor, States]
"""Of P tokens: hidden states (N, P, D'), the queries of attention (N, P, D), and the recurrent states behind them."""


class AttentiveDecoder(Decoder[AttentionState]):
    """What the decoders with attention share: each says only how it passes over tokens."""

    looking = 1

    def __init__(self, embedding: WordEmbedding, bridge: Bridge, stack: Stack, attend: Attention) -> None:
        super().__init__()
        self.embedding = embedding
        self.bridge = bridge
        self.stack = stack
        self.attend = attend

    @abstractmethod
    def passage(self, tokens: Tensor, mask: Tensor, state: AttentionState) -> Passage:
        """Over ``tokens`` (N, P), of which those under the ``mask`` (N, P) are real."""

    def forward(self, tokens: Tensor, memory: Memory) -> Tensor:
        """Teacher forcing."""
        hidden, _, _ = self._whole(tokens, self.start(memory))
        return hidden

    def start(self, memory: Memory) -> AttentionState:
        """The bridged final state of the encoder, and the memory's keys."""
        sentences, outputs = len(memory.mask), memory.outputs
        return AttentionState(
            Rows.one_each(sentences, memory.mask.device),
            self.bridge(memory),
            self.attend.remember(memory),
            outputs.new_zeros(sentences, self.stack.width),
            outputs.new_zeros(sentences, self.embedding.width),
        )

    def advance(self, tokens: Tensor, lengths: Tensor, state: AttentionState) -> tuple[Tensor, AttentionState]:
        """Consume ``lengths`` (N,) of the ``tokens`` (N, P)."""
        passed, queries, states = self.passage(tokens, consumed(tokens, lengths), state)
        hidden = last(passed, lengths)
        return hidden, replace(state, states=states, query=last(queries, lengths), hidden=hidden)

    def attention(self, hidden: Tensor, state: AttentionState) -> Tensor:
        """(N, S) the weights of the last step."""
        del hidden
        return by_sentence(self.attend.weights, state.query[:, None], state)[:, 0]

    def alignments(self, tokens: Tensor, memory: Memory) -> list[Tensor]:
        """(B, T, S) the attention of each position: there is one, whatever stands above it."""
        state = self.start(memory)
        _, queries, _ = self._whole(tokens, state)
        return [by_sentence(self.attend.weights, queries, state)]

    def _whole(self, tokens: Tensor, state: AttentionState) -> Passage:
        return self.passage(tokens, torch.ones_like(tokens, dtype=torch.bool), state)


def by_sentence(ask: Callable[[Tensor, MemoryKeys], Tensor], queries: Tensor, state: AttentionState) -> Tensor:
    """Ask the memory: queries (N, P, D) go to their sentences, and what is found (N, P, ...) comes back to the rows."""
    rows = state.rows
    found = ask(rows.fold(queries).flatten(1, 2), state.memory)  # (B, W P, D) -> (B, W P, ...)
    return rows.unfold(found.view(rows.sentences, rows.width, queries.shape[1], -1))


class AttentionDecoder(AttentiveDecoder):
    """The stack reads the target alone, so it runs over all of it at once; attention comes after.

    hidden = tanh(W [context; h])       (Luong et al. 2015, eq. 5)
    """

    def __init__(
        self, embedding: WordEmbedding, bridge: Bridge, stack: Stack, attend: Attention, dropout: nn.Module
    ) -> None:
        super().__init__(embedding, bridge, stack, attend)
        self.combine = nn.Linear(2 * stack.width, embedding.width)
        self.dropout = dropout

    def passage(self, tokens: Tensor, mask: Tensor, state: AttentionState) -> Passage:
        """No loop but that of the cells, and one over P inside additive attention, whose (N, P, S, D) is never held."""
        outputs, states = self.stack(self.embedding(tokens), mask, state.states)
        context = by_sentence(self.attend, outputs, state)
        hidden = self.dropout(torch.tanh(self.combine(torch.cat([context, outputs], 2))))
        return hidden, outputs, states
