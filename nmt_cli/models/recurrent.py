"""The recurrent encoder-decoder with attention (Bahdanau et al. 2015; Luong et al. 2015).

A bidirectional LSTM reads the source. Its final state, through a learned bridge, is the decoder's initial state. The decoder's LSTM
reads the target alone (no input feeding), so that in training it runs over the whole target at once and attends after.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Self

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from nmt_cli.corpus.batching import Sequences
from nmt_cli.models.attention import bias_of
from nmt_cli.models.base import Memory
from nmt_cli.models.cells import LSTM, reverse
from nmt_cli.models.encoder_decoder import Decoder, Encoder, EncoderDecoder
from nmt_cli.models.layers import Dropout, Output, embedding_table
from nmt_cli.scoring.rows import Rows
from nmt_cli.settings import ModelSettings, Sizes


class RecurrentConfig(ModelSettings):
    """[model] architecture = "recurrent" """

    architecture: Literal["recurrent"] = "recurrent"
    width: int = Field(
        default=256, ge=2, multiple_of=2
    )  # D, of embeddings and states; each direction of the encoder has half
    layers: int = Field(default=1, ge=1)  # L, on each side

    def build(self, sizes: Sizes) -> EncoderDecoder[RecurrentState]:
        """A model with fresh weights. Source, target and output embeddings are one matrix."""
        table = embedding_table(sizes.vocabulary, self.width)
        embedding = WordEmbedding(table, self.dropout)
        encoder = BidirectionalEncoder(embedding, self.width, self.layers, self.dropout)
        decoder = AttentionDecoder(embedding, Bridge(self.width, self.layers), self.width, self.layers, self.dropout)
        return EncoderDecoder(encoder, decoder, Output(table))


class WordEmbedding(nn.Module):
    """Token vectors. They are stored with variance 1 / D for the output layer that shares them, and read with variance 1."""

    def __init__(self, table: nn.Parameter, dropout: float) -> None:
        super().__init__()
        self.table = table
        self.dropout = Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, T, D)"""
        embedded: Tensor = self.dropout(functional.embedding(tokens, self.table) * self.table.shape[1] ** 0.5)
        return embedded


class BidirectionalEncoder(Encoder):
    """Each layer reads the layer below in both directions (Schuster & Paliwal 1997)."""

    def __init__(self, embedding: WordEmbedding, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.embedding = embedding
        self.forward_layers = nn.ModuleList(LSTM(width, width // 2) for _ in range(layers))
        self.backward_layers = nn.ModuleList(LSTM(width, width // 2) for _ in range(layers))
        self.dropout = Dropout(dropout)

    def forward(self, source: Sequences) -> Memory:
        """Outputs are forward and backward states side by side; final states likewise, each direction's at its own end."""
        x, ends = self.embedding(source.tokens), []
        for ahead, back in zip(self.forward_layers, self.backward_layers, strict=True):
            zero = x.new_zeros(len(x), ahead.width)
            right, right_end = ahead(x, source.mask, (zero, zero))
            left, left_end = back(reverse(x, source.lengths), source.mask, (zero, zero))
            x = self.dropout(torch.cat([right, reverse(left, source.lengths)], 2))
            ends.append([torch.cat(pair, 1) for pair in zip(right_end, left_end, strict=True)])
        final = tuple(torch.stack(states, 1) for states in zip(*ends, strict=True))  # h and c: (B, L, D)
        return Memory(x * source.mask[:, :, None], source.mask, final)


class Bridge(nn.Module):
    """How the encoder's final state becomes the decoder's initial state: tanh(W h + b), one W for each layer, for h and for c."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.maps = nn.ModuleList(nn.Linear(width, width) for _ in range(LSTM.states * layers))

    def forward(self, final: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """h and c: (B, L, D) each -> the same shapes."""
        maps = iter(self.maps)
        return tuple(torch.stack([torch.tanh(next(maps)(end)) for end in state.unbind(1)], 1) for state in final)


class GeneralAttention(nn.Module):
    """score(h, m) = h W m (Luong et al. 2015, "general"), and what is made of the context: tanh(W [context; h])."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.key = nn.Linear(width, width, bias=False)
        self.combine = nn.Linear(2 * width, width)

    def weights(self, hidden: Tensor, keys: Tensor, bias: Tensor) -> Tensor:
        """(B, T, S) from ``hidden`` (B, T, D), ``keys`` (B, S, D) and additive ``bias`` (B, 1, S)."""
        return torch.softmax(hidden @ keys.transpose(1, 2) + bias, 2)

    def forward(self, hidden: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D)"""
        context = self.weights(hidden, keys, bias) @ values
        return torch.tanh(self.combine(torch.cat([context, hidden], 2)))


@dataclass(frozen=True)
class RecurrentState:
    """The memory with its keys, and the decoder's recurrent states."""

    keys: Tensor  # (B, S, D)
    values: Tensor  # (B, S, D)
    bias: Tensor  # (B, 1, S)
    rows: Rows
    states: tuple[Tensor, ...]  # h and c: (N, L, D) each

    @property
    def top(self) -> Tensor:
        """(N, D) the uppermost hidden state, of which attention is asked."""
        return self.states[0][:, -1]

    def reorder(self, rows: Tensor) -> Self:
        """Row i goes on from ``rows[i]``, inside its sentence."""
        return replace(self, rows=self.rows.inside(rows), states=tuple(state[rows] for state in self.states))

    def select(self, rows: Tensor) -> Self:
        """A copy in which sentences may leave, repeat or change places."""
        layout, sentences = self.rows.pick(rows)
        moved = replace(self, rows=layout, states=tuple(state[rows] for state in self.states))
        if sentences is None:
            return moved
        return replace(moved, keys=self.keys[sentences], values=self.values[sentences], bias=self.bias[sentences])


class AttentionDecoder(Decoder[RecurrentState]):
    """Stacked LSTMs over the target, then attention over the memory."""

    def __init__(self, embedding: WordEmbedding, bridge: Bridge, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.embedding = embedding
        self.bridge = bridge
        self.layers = nn.ModuleList(LSTM(width, width) for _ in range(layers))
        self.attend = GeneralAttention(width)
        self.dropout = Dropout(dropout)

    def forward(self, tokens: Tensor, memory: Memory) -> Tensor:
        """Teacher forcing: the whole target through the LSTMs, then all attention at once."""
        state = self.start(memory)
        outputs, _ = self._run(tokens, torch.ones_like(tokens, dtype=torch.bool), state.states)
        attended: Tensor = self.dropout(self.attend(outputs, state.keys, state.values, state.bias))
        return attended

    def start(self, memory: Memory) -> RecurrentState:
        """The bridged final state of the encoder, and the memory's keys."""
        states = self.bridge(memory.final)
        bias = bias_of(memory.mask, memory.outputs.dtype)[:, None]
        rows = Rows.one_each(len(memory.mask), memory.mask.device)
        return RecurrentState(self.attend.key(memory.outputs), memory.outputs, bias, rows, states)

    def advance(self, tokens: Tensor, lengths: Tensor, state: RecurrentState) -> tuple[Tensor, RecurrentState]:
        """Consume ``lengths`` (N,) of the ``tokens`` (N, P)."""
        mask = torch.arange(tokens.shape[1], device=tokens.device) < lengths[:, None]
        _, states = self._run(tokens, mask, state.states)
        state = replace(state, states=states)
        return state.rows.unfold(self.attend(state.rows.fold(state.top), state.keys, state.values, state.bias)), state

    def attention(self, hidden: Tensor, state: RecurrentState) -> Tensor:
        """(N, S) the weights of the last step."""
        del hidden
        return state.rows.unfold(self.attend.weights(state.rows.fold(state.top), state.keys, state.bias))

    def alignment(self, tokens: Tensor, memory: Memory) -> Tensor:
        """(B, T, S) the attention of each position."""
        state = self.start(memory)
        outputs, _ = self._run(tokens, torch.ones_like(tokens, dtype=torch.bool), state.states)
        return self.attend.weights(outputs, state.keys, state.bias)

    def _run(self, tokens: Tensor, mask: Tensor, states: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Outputs (N, P, D) of the uppermost layer, and the states of all layers at each row's end."""
        x, ends = self.embedding(tokens), []
        for layer, *start in zip(self.layers, *(state.unbind(1) for state in states), strict=True):
            outputs, end = layer(x, mask, tuple(start))
            x = self.dropout(outputs)
            ends.append(end)
        return x, tuple(torch.stack(parts, 1) for parts in zip(*ends, strict=True))
