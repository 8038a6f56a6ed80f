"""The two stacks of a Transformer (Vaswani et al. 2017, section 3.1).

    encoder layer:  self-attention, feed-forward
    decoder layer:  self-attention (or an SSRU) over what was produced, attention over the memory, feed-forward

Each sub-layer comes with its way round it. Which parts these are is not known here: ``transformer.py`` chooses them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from nmt_cli.corpus.batching import Sequences
from nmt_cli.models.arithmetic import Arithmetic, Arrays, Copies, Tensors
from nmt_cli.models.attention import MultiHeadAttention, Sight, memory_bias
from nmt_cli.models.base import Memory
from nmt_cli.models.encoder_decoder import Decoder, Encoder
from nmt_cli.models.layers import Dropout
from nmt_cli.models.packing import Packable, Packing
from nmt_cli.models.past import Pasts, Remembered
from nmt_cli.models.positions import Positions
from nmt_cli.models.reading import PackedReader, Reading, TransformerState
from nmt_cli.models.residual import Residual
from nmt_cli.models.solo import SoloEmbedding, SoloReading
from nmt_cli.models.word_embedding import WordDropout
from nmt_cli.scoring.scores import for_numpy


class Embedding(nn.Module):
    """Token vectors times sqrt(D) (section 3.4), and what positions do to them."""

    def __init__(self, table: nn.Parameter, positions: Positions, dropout: float, word_dropout: float) -> None:
        super().__init__()
        self.table = table
        self.word_dropout = WordDropout(word_dropout)
        self.positions = positions
        self.dropout = Dropout(dropout)

    def forward(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """(B, T) ids at positions (T,) or (B, T) -> (B, T, D)"""
        vectors = functional.embedding(tokens, self.table) * math.sqrt(self.table.shape[1])
        embedded: Tensor = self.dropout(self.positions(self.word_dropout(vectors, tokens), positions))
        return embedded


class EncoderLayer(Packable):
    """Self-attention, then feed-forward."""

    def __init__(self, attend: Residual[Packable], transform: Residual[Packable]) -> None:
        super().__init__()
        self.attend = attend
        self.transform = transform

    def forward(self, x: Tensor, sight: Sight) -> Tensor:
        """(B, S, D) -> (B, S, D)"""
        transformed: Tensor = self.transform(self.attend(x, sight))
        return transformed

    def packed(self, by: Arithmetic) -> Callable[[Any, Any], Any]:
        """See Packable."""
        attend, transform = self.attend.packed(by), self.transform.packed(by)
        return lambda x, sight: transform(attend(x, sight))


class TransformerEncoder(Encoder):
    """A stack of encoder layers."""

    def __init__(self, embedding: Embedding, layers: Sequence[EncoderLayer], norm: nn.Module) -> None:
        super().__init__()
        self.embedding = embedding
        self.layers = nn.ModuleList(layers)
        self.norm = norm
        self._packed: Sequence[Callable[[Tensor, Sight], Tensor]] | None = None

    def pack(self, packing: Packing) -> None:
        """See Encoder."""
        by = Tensors(Copies(), packing.layers)
        self._packed = [layer.packed(by) for layer in cast("list[EncoderLayer]", list(self.layers))]

    def forward(self, source: Sequences) -> Memory:
        """One vector for each source token; no final state."""
        places = torch.arange(source.tokens.shape[1], device=source.tokens.device)
        x = self.embedding(source.tokens, places)
        sight = Sight(memory_bias(source.mask, x.dtype), self.embedding.positions.turn(places))
        for layer in self._packed or self.layers:
            x = layer(x, sight)
        return Memory(self.norm(x), source.mask, ())


class DecoderLayer(nn.Module):
    """A look back at what was produced, a look at the memory (none in a language model), then feed-forward."""

    def __init__(
        self,
        recall: Residual[Packable],
        looks: Sequence[Residual[MultiHeadAttention]],
        transform: Residual[Packable],
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

    def forward(self, x: Tensor, before: object, remembered: Remembered, sight: Sight) -> Tensor:
        """(B, T, D) -> (B, T, D), where ``before`` is what the look back needs, and ``sight`` what hides the memory's padding."""
        return self.digest(self.recall(x, before), remembered, sight)

    def digest(self, x: Tensor, remembered: Remembered, sight: Sight) -> Tensor:
        """What comes after the look back: (B, T, D) -> (B, T, D)"""
        for look, pair in zip(self.looks, remembered, strict=True):
            x = look(x, *pair, sight)
        transformed: Tensor = self.transform(x)
        return transformed

    def packed(self, by: Arithmetic) -> PackedReader:
        """For decoding alone."""
        return PackedReader(
            self.recall.packed(by), [look.packed(by) for look in self.at_memory], self.transform.packed(by)
        )

    def packed_memory(self, by: Tensors) -> Callable[[Tensor], Remembered]:
        """``remember``, packed."""
        parts = [look.sublayer.packed_memory(by) for look in self.at_memory]
        return lambda outputs: [part(outputs) for part in parts]

    def weights(self, x: Tensor, remembered: Remembered, sight: Sight) -> list[Tensor]:
        """(B, T, S) for each look at the memory, which it follows from what the look back has made of x (B, T, D): in the mean
        of the heads, where each position looks."""
        return [
            sight.unfold(look.sublayer.weights(look.enter(x), keys, sight).mean(1))
            for look, (keys, _) in zip(self.at_memory, remembered, strict=True)
        ]


class TransformerDecoder(Decoder[TransformerState]):
    """A stack of decoder layers; ``pasts`` is how they know what was before."""

    def __init__(self, embedding: Embedding, layers: Sequence[DecoderLayer], norm: nn.Module, pasts: Pasts) -> None:
        super().__init__()
        self.embedding = embedding
        self.layers = nn.ModuleList(layers)
        self.norm = norm
        self.pasts = pasts
        self.aligning = max(
            0, len(layers) - 2
        )  # the last but one aligns best, if nothing better is known (Garg et al. 2019)
        self._packed: tuple[Reading, SoloReading | None] | None = None

    def pack(self, packing: Packing) -> None:
        """See Decoder."""
        copies = Copies()
        by = Tensors(copies, packing.layers)
        memories = [layer.packed_memory(by) for layer in self.stack]
        self._packed = self._reading(by, memories), self._solo(Arrays(copies), memories)

    def _reading(self, by: Tensors, memories: Sequence[Callable[[Tensor], Remembered]]) -> Reading:
        layers = [layer.packed(by) for layer in self.stack]
        return Reading(
            self.embedding, self.embedding.positions.turn, layers, memories, by.norm(self.norm), self.pasts.begin
        )

    def _solo(self, by: Arrays, memories: Sequence[Callable[[Tensor], Remembered]]) -> SoloReading | None:
        """None where the weights are none for NumPy."""
        table, positions = self.embedding.table, self.embedding.positions
        if not for_numpy(table):
            return None
        embed, layers = SoloEmbedding(table, positions), [layer.packed(by) for layer in self.stack]
        return SoloReading(embed, positions.turn, layers, memories, by.norm(self.norm), self.pasts.begin_solo)

    @property
    def looking(self) -> int:
        """All of its layers; in a language model none."""
        return sum(len(layer.at_memory) for layer in self.stack)

    @property
    def stack(self) -> list[DecoderLayer]:
        """The layers, from the lowest up."""
        return cast("list[DecoderLayer]", list(self.layers))

    def forward(self, tokens: Tensor, memory: Memory) -> Tensor:
        """Teacher forcing: all positions at once, each seeing those before it."""
        x, before, sight = self._read(tokens, memory)
        for layer in self.stack:
            x = layer(x, before, layer.remember(memory.outputs), sight)
        normed: Tensor = self.norm(x)
        return normed

    def alignments(self, tokens: Tensor, memory: Memory) -> list[Tensor]:
        """(B, T, S) of each layer, the lowest first, in the mean of its heads."""
        x, before, sight = self._read(tokens, memory)
        found = []
        for layer in self.stack:
            x, remembered = layer.recall(x, before), layer.remember(memory.outputs)
            found += layer.weights(x, remembered, sight)
            x = layer.digest(x, remembered, sight)
        return found

    def _read(self, tokens: Tensor, memory: Memory) -> tuple[Tensor, object, Sight]:
        """Vectors (B, T, D) of the tokens, what the layers need to look back from each, and what hides the memory's padding."""
        places = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.embedding(tokens, places)
        before = self.pasts.whole(x, self.embedding.positions.turn(places))
        return x, before, Sight(memory_bias(memory.mask, x.dtype))

    def start(self, memory: Memory) -> TransformerState:
        """Keys and values of the memory for each layer, and nothing consumed."""
        if self._packed is None:
            memories, turn = [layer.remember for layer in self.stack], self.embedding.positions.turn
            return Reading(self.embedding, turn, self.stack, memories, self.norm, self.pasts.begin).start(memory)
        reading, solo = self._packed
        if solo is not None and len(memory.mask) == 1 and bool(memory.mask.all()):
            return solo.start(memory.outputs)
        return reading.start(memory)

    def advance(self, tokens: Tensor, lengths: Tensor, state: TransformerState) -> tuple[Tensor, TransformerState]:
        """Consume ``lengths`` (N,) of the ``tokens`` (N, P). A row that consumes nothing stays as it was: its result is void."""
        return state.advance(tokens, lengths)

    def attention(self, hidden: Tensor, state: TransformerState) -> Tensor | None:
        """(N, S) where the layer ``aligning`` looked at the last token, in the mean of its heads."""
        del hidden
        glance = state.glance(self.aligning) if self.looking else None
        if glance is None:
            return None
        (weights,) = self.stack[self.aligning].weights(glance.asking, glance.remembered, glance.sight)
        return weights[:, 0]
