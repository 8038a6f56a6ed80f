"""The recurrent encoder-decoder, from the tanh RNN to Bahdanau's attention: its settings, and how it is put together from them.

    word_embedding.py       token vectors
    cells.py                RNN, GRU, LSTM, and two of them side by side
    recurrent_stack.py      several layers
    recurrent_settings.py   what all recurrent models have in common
    recurrent_encoder.py    a stack over the source, in order or from its end
    bridge.py               from the encoder's last state to the decoder's first
    alignment.py            attention: dot, general, scaled, additive, multi-head
    recurrent_decoder.py    a decoder without it: the bottleneck
    attention_decoder.py    attention after the stack
    feeding.py              input feeding: what was seen is read in the next step
    bahdanau.py             what is seen is read in the same step

Here the names of parts become parts, once.
"""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator
from torch import nn

from nmt_cli.models.alignment import (
    AdditiveAttention,
    Attention,
    DotAttention,
    GeneralAttention,
    MultiHead,
    ScaledAttention,
)
from nmt_cli.models.attention_decoder import AttentionDecoder
from nmt_cli.models.bahdanau import BahdanauDecoder
from nmt_cli.models.bridge import Bridge, CopyBridge, LearnedBridge, ZeroBridge
from nmt_cli.models.encoder_decoder import Decoder, EncoderDecoder
from nmt_cli.models.feeding import FeedingDecoder
from nmt_cli.models.layers import Dropout, Output
from nmt_cli.models.recurrent_decoder import RecurrentDecoder
from nmt_cli.models.recurrent_encoder import ReversedSource
from nmt_cli.models.recurrent_settings import CELLS, RecurrentEncoderSettings
from nmt_cli.models.tying import Tie, tables
from nmt_cli.models.word_embedding import WordEmbedding
from nmt_cli.settings import Sizes

Context = Literal["after", "feeding", "before"]
CONTEXTS: dict[Context, type[AttentionDecoder | FeedingDecoder | BahdanauDecoder]] = {
    "after": AttentionDecoder,
    "feeding": FeedingDecoder,
    "before": BahdanauDecoder,
}


class RecurrentConfig(RecurrentEncoderSettings):
    """[model] architecture = "recurrent" """

    architecture: Literal["recurrent"] = "recurrent"
    encoder_layers: int = Field(default=1, ge=1)
    decoder_layers: int = Field(default=1, ge=1)
    reversed_source: bool = False  # an encoder that reads one way does so from the last word to the first
    bridge: Literal["learned", "copy", "zero"] = "learned"  # from the encoder's last state to the decoder's first
    attention: Literal["none", "dot", "general", "scaled", "additive", "multi-head"] = "general"
    heads: int = Field(default=4, ge=1)  # of multi-head attention
    word_dropout: float = Field(default=0.0, ge=0, le=0.95)  # on whole words of a row, on either side
    context: Context = "after"  # what was seen: not read, read in the next step, in this one
    tie: Tie = "three-way"  # one table for source, target and output; or for target and output

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        if self.attention == "multi-head" and self.state_width % self.heads:
            raise ValueError(f"hidden ({self.state_width}) must be a multiple of heads ({self.heads})")
        if self.bridge == "copy" and self.encoder_layers != self.decoder_layers:
            raise ValueError(
                "bridge can copy only between as many encoder_layers as decoder_layers, "
                f"but there are {self.encoder_layers} and {self.decoder_layers}"
            )
        return self

    @model_validator(mode="after")
    def _parts_make_sense(self) -> Self:
        if self.reversed_source and self.bidirectional:
            raise ValueError("reversed_source must be false where bidirectional is true: both ways are read anyway")
        if self.attention == "none" and self.bridge == "zero":
            raise ValueError("bridge must not be zero where attention is none: nothing would come from the source")
        if self.attention == "none" and self.context != "after":
            raise ValueError(f"context must be after where attention is none, but is {self.context}")
        return self

    def build(self, sizes: Sizes) -> EncoderDecoder[Any]:
        """A model with fresh weights."""
        source, target, output = tables(self.tie, sizes.vocabulary, self.width)
        encoder = self.encoder(source, self.encoder_layers, word_dropout=self.word_dropout)
        reading = ReversedSource(encoder) if self.reversed_source else encoder
        return EncoderDecoder(reading, self._decoder(target), Output(output))

    def _decoder(self, table: nn.Parameter) -> Decoder[Any]:
        dropout = Dropout(self.dropout)
        embedding = WordEmbedding(table, Dropout(self.dropout), self.word_dropout)
        stack, attend = self.stack(self.decoder_layers, dropout), self._attention()
        if attend is None:
            return RecurrentDecoder(embedding, self._bridge(), stack)
        return CONTEXTS[self.context](embedding, self._bridge(), stack, attend, dropout)

    def _bridge(self) -> Bridge:
        states, layers = CELLS[self.cell].states, self.decoder_layers
        if self.bridge == "copy":
            return CopyBridge()
        if self.bridge == "zero":
            return ZeroBridge(self.state_width, states=states, layers=layers)
        return LearnedBridge(self.state_width, states=states, encoder_layers=self.encoder_layers, layers=layers)

    def _attention(self) -> Attention | None:
        match self.attention:
            case "none":
                return None
            case "dot":
                return DotAttention()
            case "scaled":
                return ScaledAttention()
            case "general":
                return GeneralAttention(self.state_width)
            case "additive":
                return AdditiveAttention(self.state_width)
            case "multi-head":
                return MultiHead(self.state_width, self.heads)
