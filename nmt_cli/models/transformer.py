"""The Transformer (Vaswani et al. 2017), pre-norm (Xiong et al. 2020): x + f(norm(x)), and a norm at the end of each stack."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, Self, cast

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from nmt_cli.corpus.batching import Sequences
from nmt_cli.models.attention import MultiHeadAttention, bias_of, causal_bias
from nmt_cli.models.base import Memory
from nmt_cli.models.encoder_decoder import Decoder, Encoder, EncoderDecoder
from nmt_cli.models.layers import Dropout, FeedForward, Output, SinusoidalPositions, embedding_table
from nmt_cli.scoring.rows import Rows
from nmt_cli.settings import ModelSettings, Sizes


class TransformerConfig(ModelSettings):
    """[model] architecture = "transformer" """

    architecture: Literal["transformer"] = "transformer"
    width: int = Field(default=128, ge=2)  # D
    heads: int = Field(default=4, ge=1)
    feed_forward: int = Field(default=256, ge=1)  # inner width of the feed-forward layers
    encoder_layers: int = Field(default=4, ge=1)
    decoder_layers: int = Field(default=4, ge=1)
    attention_dropout: float = Field(default=0.0, ge=0, le=0.95)  # on attention weights
    activation_dropout: float = Field(default=0.0, ge=0, le=0.95)  # inside the feed-forward layers

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        if self.width % self.heads or self.width % 2:
            raise ValueError(f"width must be even and a multiple of heads ({self.heads})")
        return self

    def build(self, sizes: Sizes) -> EncoderDecoder[TransformerState]:
        """A model with fresh weights. Source, target and output embeddings are one matrix (three-way tying)."""
        table = embedding_table(sizes.vocabulary, self.width)
        embedding = Embedding(table, self.dropout)
        encoder = TransformerEncoder(embedding, [EncoderLayer(self) for _ in range(self.encoder_layers)], self.width)
        decoder = TransformerDecoder(embedding, [DecoderLayer(self) for _ in range(self.decoder_layers)], self.width)
        return EncoderDecoder(encoder, decoder, Output(table))

    def attention(self) -> MultiHeadAttention:
        """A new attention sub-layer."""
        return MultiHeadAttention(self.width, self.heads, self.attention_dropout)

    def transform(self) -> FeedForward:
        """A new feed-forward sub-layer."""
        return FeedForward(self.width, self.feed_forward, nn.ReLU(), self.activation_dropout)


class Embedding(nn.Module):
    """Token vectors times sqrt(D), plus position signals (section 3.4)."""

    def __init__(self, table: nn.Parameter, dropout: float) -> None:
        super().__init__()
        self.table = table
        self.positions = SinusoidalPositions(table.shape[1])
        self.dropout = Dropout(dropout)

    def forward(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """(B, T) ids at positions (T,) or (B, T) -> (B, T, D)"""
        vectors = functional.embedding(tokens, self.table) * math.sqrt(self.table.shape[1])
        embedded: Tensor = self.dropout(vectors + self.positions(positions))
        return embedded


class EncoderLayer(nn.Module):
    """Self-attention, then feed-forward."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.attention_norm, self.attention = nn.LayerNorm(config.width), config.attention()
        self.transform_norm, self.transform = nn.LayerNorm(config.width), config.transform()
        self.dropout = Dropout(config.dropout)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """(B, S, D) -> (B, S, D) under an additive ``bias`` (B, 1, 1, S)."""
        normed = self.attention_norm(x)
        x = x + self.dropout(self.attention(normed, *self.attention.remember(normed), bias))
        x = x + self.dropout(self.transform(self.transform_norm(x)))
        return x


class TransformerEncoder(Encoder):
    """A stack of encoder layers."""

    def __init__(self, embedding: Embedding, layers: list[EncoderLayer], width: int) -> None:
        super().__init__()
        self.embedding = embedding
        self.layers = nn.ModuleList(layers)
        self.norm = nn.LayerNorm(width)

    def forward(self, source: Sequences) -> Memory:
        """One vector for each source token; no final state."""
        x = self.embedding(source.tokens, torch.arange(source.tokens.shape[1], device=source.tokens.device))
        bias = bias_of(source.mask, x.dtype)[:, None, None]
        for layer in self.layers:
            x = layer(x, bias)
        return Memory(self.norm(x), source.mask, ())


class DecoderLayer(nn.Module):
    """Self-attention over what was produced, attention over the memory, then feed-forward."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.attention_norm, self.attention = nn.LayerNorm(config.width), config.attention()
        self.memory_norm, self.memory_attention = nn.LayerNorm(config.width), config.attention()
        self.transform_norm, self.transform = nn.LayerNorm(config.width), config.transform()
        self.dropout = Dropout(config.dropout)

    def forward(
        self, x: Tensor, bias: Tensor, remembered: tuple[Tensor, Tensor], memory_bias: Tensor, past: Past | None
    ) -> Tensor:
        """(B, T, D) -> (B, T, D)

        ``remembered``: keys and values of the memory (B, H, S, D/H). Without a ``past`` the layer looks at its own input;
        with one, its input is consumed into the past first, and it looks at all of that.
        """
        normed = self.attention_norm(x)
        own = self.attention.remember(normed)
        seen = own if past is None else past.consume(*own)
        x = x + self.dropout(self.attention(normed, *seen, bias))
        x = x + self.dropout(self.memory_attention(self.memory_norm(x), *remembered, memory_bias))
        x = x + self.dropout(self.transform(self.transform_norm(x)))
        return x


@dataclass(frozen=True)
class Past:
    """Where one decoder layer writes the keys and values of what it consumes."""

    keys: Tensor  # (B, H, C, D/H)
    values: Tensor
    used: int

    def consume(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Write (B, H, W, D/H) behind the used slots; keys and values of all used slots."""
        end = self.used + keys.shape[2]
        self.keys[:, :, self.used : end], self.values[:, :, self.used : end] = keys, values
        return self.keys[:, :, :end], self.values[:, :, :end]


@dataclass(frozen=True)
class TransformerState:
    """The memory's keys and values, and a cache of what the rows have consumed.

    The cache belongs to the sentence, not to the row: whatever any row of a sentence consumes is written once into the
    sentence's next slots, and each row keeps a mask of the slots that are its own past. So ``reorder`` moves one bit for each
    slot where other caches copy keys and values, and all rows of a sentence attend in one matrix product. Slots that no
    row can see any more are swept out when they are half of all.
    """

    remembered: list[tuple[Tensor, Tensor]]  # L x keys and values of the memory (B, H, S, D/H)
    memory_bias: Tensor  # (B, 1, 1, S)
    rows: Rows
    visible: Tensor  # (N, R) bool: the slots of its sentence that are a row's own past
    keys: Tensor  # (L, B, H, C, D/H), C >= R: room behind the used slots
    values: Tensor

    @property
    def used(self) -> int:
        """R, the slots in use."""
        return self.visible.shape[1]

    def reorder(self, rows: Tensor) -> Self:
        """Row i goes on from ``rows[i]``, inside its sentence."""
        return replace(self, rows=self.rows.inside(rows), visible=self.visible[rows])._swept()

    def select(self, rows: Tensor) -> Self:
        """A copy in which sentences may leave, repeat or change places."""
        layout, sentences = self.rows.pick(rows)
        moved = replace(self, rows=layout, visible=self.visible[rows])
        if sentences is None:
            return replace(moved, keys=self.keys.clone(), values=self.values.clone())._swept()
        return replace(
            moved,
            remembered=[(keys[sentences], values[sentences]) for keys, values in self.remembered],
            memory_bias=self.memory_bias[sentences],
            keys=self.keys[:, sentences],
            values=self.values[:, sentences],
        )._swept()

    def _swept(self) -> Self:
        """Without the slots that no row can see, where they are at least half and enough to be worth the copy."""
        if self.used < 16:
            return self
        reachable = self.rows.fold(self.visible).any(1)  # (B, R)
        needed = int(reachable.sum(1).max())
        if needed * 2 > self.used:
            return self
        order = torch.argsort(reachable.to(torch.uint8), dim=1, descending=True, stable=True)[:, :needed]  # (B, R')
        place = order[None, :, None, :, None].expand(len(self.keys), -1, self.keys.shape[2], -1, self.keys.shape[4])
        return replace(
            self,
            visible=self.visible.gather(1, order[self.rows.sentence]),
            keys=self.keys.gather(3, place),
            values=self.values.gather(3, place),
        )

    def with_room(self, slots: int) -> Self:
        """The same with room for so many more slots."""
        missing = self.used + slots - self.keys.shape[3]
        if missing <= 0:
            return self
        room = (0, 0, 0, max(missing, self.used))
        return replace(self, keys=functional.pad(self.keys, room), values=functional.pad(self.values, room))

    def past(self, layer: int) -> Past:
        """Where a layer writes."""
        return Past(self.keys[layer], self.values[layer], self.used)


class TransformerDecoder(Decoder[TransformerState]):
    """A stack of decoder layers."""

    def __init__(self, embedding: Embedding, layers: list[DecoderLayer], width: int) -> None:
        super().__init__()
        self.embedding = embedding
        self.layers = nn.ModuleList(layers)
        self.norm = nn.LayerNorm(width)

    @property
    def stack(self) -> list[DecoderLayer]:
        """The layers, from the lowest up."""
        return cast("list[DecoderLayer]", list(self.layers))

    def forward(self, tokens: Tensor, memory: Memory) -> Tensor:
        """Teacher forcing: all positions at once, each seeing those before it."""
        x = self.embedding(tokens, torch.arange(tokens.shape[1], device=tokens.device))
        bias, memory_bias = causal_bias(tokens.shape[1], x), bias_of(memory.mask, x.dtype)[:, None, None]
        for layer in self.stack:
            x = layer(x, bias, layer.memory_attention.remember(memory.outputs), memory_bias, None)
        normed: Tensor = self.norm(x)
        return normed

    def start(self, memory: Memory) -> TransformerState:
        """Keys and values of the memory for each layer, and an empty cache."""
        remembered = [layer.memory_attention.remember(memory.outputs) for layer in self.stack]
        sentences, heads, _, head_width = remembered[0][0].shape
        empty = memory.outputs.new_zeros(len(self.stack), sentences, heads, 0, head_width)
        return TransformerState(
            remembered,
            bias_of(memory.mask, memory.outputs.dtype)[:, None, None],
            Rows.one_each(sentences, memory.mask.device),
            memory.mask.new_zeros(sentences, 0),
            empty,
            empty,
        )

    def advance(self, tokens: Tensor, lengths: Tensor, state: TransformerState) -> tuple[Tensor, TransformerState]:
        """Consume ``lengths`` (N,) of the ``tokens`` (N, P): each token becomes one slot of its sentence."""
        count, rows = tokens.shape[1], state.rows
        state = state.with_room(rows.width * count)
        ahead = torch.arange(count, device=tokens.device)
        visible = torch.cat([state.visible, _own_slots(rows, ahead < lengths[:, None])], 1)  # (N, R + W P)
        mask = visible[:, None].expand(-1, count, -1)
        if count > 1:  # inside what is consumed at once, each token sees itself and those before it
            before = _own_slots(rows, (ahead <= ahead[:, None])[None])
            mask = torch.cat([state.visible[:, None].expand(-1, count, -1), before], 2)
        hidden = _fold(rows, ~mask)  # nothing is hidden from the rows that fill up a sentence: they must stay finite
        bias = bias_of(~hidden, state.keys.dtype)[:, None]  # (B, 1, W P, R + W P)
        x = _fold(rows, self.embedding(tokens, state.visible.sum(1, keepdim=True) + ahead))  # (B, W P, D)
        for index, layer in enumerate(self.stack):
            x = layer(x, bias, state.remembered[index], state.memory_bias, state.past(index))
        last = rows.unfold(x.view(rows.sentences, rows.width, count, -1)).gather(
            1, (lengths - 1)[:, None, None].expand(-1, 1, x.shape[2])
        )
        return self.norm(last[:, 0]), replace(state, visible=visible)

    def alignment(self, tokens: Tensor, memory: Memory) -> None:
        """To come."""
        del tokens, memory

    def attention(self, hidden: Tensor, state: TransformerState) -> None:
        """No one layer of a Transformer is the alignment: nothing is offered here."""
        del hidden, state


def _fold(rows: Rows, values: Tensor) -> Tensor:
    """(N, P, ...) -> (B, W P, ...): the tokens of all rows of a sentence side by side."""
    return rows.fold(values).flatten(1, 2)


def _own_slots(rows: Rows, own: Tensor) -> Tensor:
    """What each row may see of its own P new slots, (N or 1, ..., P), among the W P new slots of its sentence, (N, ..., W P)."""
    mine = rows.slot[:, None] == torch.arange(rows.width, device=own.device)  # (N, W)
    for _ in range(own.dim() - 2):
        mine = mine[:, None]
    return (mine[..., None] & own[..., None, :]).flatten(-2)
