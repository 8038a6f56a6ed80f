"""The two stacks of a Transformer (Vaswani et al. 2017, section 3.1).

    encoder layer:  self-attention, feed-forward
    decoder layer:  self-attention (or an SSRU) over what was produced, attention over the memory, feed-forward

Each sub-layer comes with its way round it. Which parts these are is not known here: ``transformer.py`` chooses them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from nmt_cli.corpus.batching import Sequences
from nmt_cli.models.attention import MultiHeadAttention, Sight, bias_of
from nmt_cli.models.base import Memory
from nmt_cli.models.encoder_decoder import Decoder, Encoder
from nmt_cli.models.layers import Dropout
from nmt_cli.models.past import Pasts, Remembered, TransformerState
from nmt_cli.models.positions import Positions
from nmt_cli.models.residual import Residual
from nmt_cli.scoring.rows import Rows


class Embedding(nn.Module):
    """Token vectors times sqrt(D) (section 3.4), and what positions do to them."""

    def __init__(self, table: nn.Parameter, positions: Positions, dropout: float) -> None:
        super().__init__()
        self.table = table
        self.positions = positions
        self.dropout = Dropout(dropout)

    def forward(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """(B, T) ids at positions (T,) or (B, T) -> (B, T, D)"""
        vectors = functional.embedding(tokens, self.table) * math.sqrt(self.table.shape[1])
        embedded: Tensor = self.dropout(self.positions(vectors, positions))
        return embedded


class EncoderLayer(nn.Module):
    """Self-attention, then feed-forward."""

    def __init__(self, attend: Residual[nn.Module], transform: Residual[nn.Module]) -> None:
        super().__init__()
        self.attend = attend
        self.transform = transform

    def forward(self, x: Tensor, sight: Sight) -> Tensor:
        """(B, S, D) -> (B, S, D)"""
        transformed: Tensor = self.transform(self.attend(x, sight))
        return transformed


class TransformerEncoder(Encoder):
    """A stack of encoder layers."""

    def __init__(self, embedding: Embedding, layers: Sequence[EncoderLayer], norm: nn.Module) -> None:
        super().__init__()
        self.embedding = embedding
        self.layers = nn.ModuleList(layers)
        self.norm = norm

    def forward(self, source: Sequences) -> Memory:
        """One vector for each source token; no final state."""
        places = torch.arange(source.tokens.shape[1], device=source.tokens.device)
        x = self.embedding(source.tokens, places)
        sight = Sight(bias_of(source.mask, x.dtype)[:, None, None], self.embedding.positions.turn(places))
        for layer in self.layers:
            x = layer(x, sight)
        return Memory(self.norm(x), source.mask, ())


class DecoderLayer(nn.Module):
    """A look back at what was produced, a look at the memory (none in a language model), then feed-forward."""

    def __init__(
        self,
        recall: Residual[nn.Module],
        looks: Sequence[Residual[MultiHeadAttention]],
        transform: Residual[nn.Module],
    ) -> None:
        super().__init__()
        self.recall = recall
        self.looks = nn.ModuleList(looks)
        self.transform = transform

    @property
    def at_memory(self) -> list[Residual[MultiHeadAttention]]:
        """The sub-layers that look at the memory: one, or none."""
        return cast("list[Residual[MultiHeadAttention]]", list(self.looks))

    def remember(self, outputs: Tensor) -> Remembered:
        """Keys and values of a memory (B, S, D)."""
        return [look.sublayer.remember(outputs) for look in self.at_memory]

    def forward(self, x: Tensor, before: object, remembered: Remembered, memory_bias: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D), where ``before`` is what the look back needs."""
        x = self.recall(x, before)
        for look, pair in zip(self.looks, remembered, strict=True):
            x = look(x, *pair, memory_bias)
        transformed: Tensor = self.transform(x)
        return transformed

    def alignment(self, x: Tensor, before: object, remembered: Remembered, memory_bias: Tensor) -> Tensor | None:
        """(B, T, S) where each position looks, in the mean of the heads."""
        x = self.recall(x, before)
        for look, (keys, _) in zip(self.at_memory, remembered, strict=True):
            return look.sublayer.weights(look.enter(x), keys, memory_bias).mean(1)
        return None


class TransformerDecoder(Decoder[TransformerState]):
    """A stack of decoder layers; ``pasts`` is how they know what was before."""

    def __init__(self, embedding: Embedding, layers: Sequence[DecoderLayer], norm: nn.Module, pasts: Pasts) -> None:
        super().__init__()
        self.embedding = embedding
        self.layers = nn.ModuleList(layers)
        self.norm = norm
        self.pasts = pasts

    @property
    def stack(self) -> list[DecoderLayer]:
        """The layers, from the lowest up."""
        return cast("list[DecoderLayer]", list(self.layers))

    def forward(self, tokens: Tensor, memory: Memory) -> Tensor:
        """Teacher forcing: all positions at once, each seeing those before it."""
        x, before, memory_bias = self._read(tokens, memory)
        for layer in self.stack:
            x = layer(x, before, layer.remember(memory.outputs), memory_bias)
        normed: Tensor = self.norm(x)
        return normed

    def alignment(self, tokens: Tensor, memory: Memory) -> Tensor | None:
        """(B, T, S) of the last layer but one, which aligns best (Garg et al. 2019); of the only one where there is one."""
        x, before, memory_bias = self._read(tokens, memory)
        *below, layer = self.stack[:-1] or self.stack
        for lower in below:
            x = lower(x, before, lower.remember(memory.outputs), memory_bias)
        return layer.alignment(x, before, layer.remember(memory.outputs), memory_bias)

    def _read(self, tokens: Tensor, memory: Memory) -> tuple[Tensor, object, Tensor]:
        """Vectors (B, T, D) of the tokens, what the layers need to look back from each, and the memory's bias (B, 1, 1, S)."""
        places = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.embedding(tokens, places)
        before = self.pasts.whole(x, self.embedding.positions.turn(places))
        return x, before, bias_of(memory.mask, x.dtype)[:, None, None]

    def start(self, memory: Memory) -> TransformerState:
        """Keys and values of the memory for each layer, and nothing consumed."""
        rows = Rows.one_each(len(memory.mask), memory.mask.device)
        return TransformerState(
            [layer.remember(memory.outputs) for layer in self.stack],
            bias_of(memory.mask, memory.outputs.dtype)[:, None, None],
            rows,
            torch.zeros_like(rows.sentence),
            self.pasts.begin(rows, len(self.stack), memory.outputs),
        )

    def advance(self, tokens: Tensor, lengths: Tensor, state: TransformerState) -> tuple[Tensor, TransformerState]:
        """Consume ``lengths`` (N,) of the ``tokens`` (N, P). A row that consumes nothing stays as it was: its result is void."""
        rows, ahead = state.rows, torch.arange(tokens.shape[1], device=tokens.device)
        places = state.consumed[:, None] + ahead
        turn = self.embedding.positions.turn(_fold(rows, places))
        befores, past = state.past.consume(rows, ahead < lengths[:, None], turn)
        x = _fold(rows, self.embedding(tokens, places))  # (B, W P, D)
        for layer, before, remembered in zip(self.stack, befores, state.remembered, strict=True):
            x = layer(x, before, remembered, state.memory_bias)
        hidden = rows.unfold(x.view(rows.sentences, rows.width, tokens.shape[1], -1))  # (N, P, D)
        last = hidden.gather(1, (lengths - 1).clamp(min=0)[:, None, None].expand(-1, 1, x.shape[2]))[:, 0]
        return self.norm(last), replace(state, consumed=state.consumed + lengths, past=past)

    def attention(self, hidden: Tensor, state: TransformerState) -> None:
        """No one layer of a Transformer is the alignment: nothing is offered here."""
        del hidden, state


def _fold(rows: Rows, values: Tensor) -> Tensor:
    """(N, P, ...) -> (B, W P, ...): the tokens of all rows of a sentence side by side."""
    return rows.fold(values).flatten(1, 2)
