"""The Transformer (Vaswani et al. 2017): its settings, and how it is put together from them.

Here the names of parts become parts, once; no module knows what it could have been instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Self, TypeVar

from pydantic import Field, model_validator
from torch import nn

from nmt_cli.models.attention import MultiHeadAttention, SelfAttention
from nmt_cli.models.cache import SlotPasts
from nmt_cli.models.encoder_decoder import EncoderDecoder
from nmt_cli.models.layers import FeedForward, GatedFeedForward, Output
from nmt_cli.models.packing import Packable
from nmt_cli.models.past import Pasts
from nmt_cli.models.positions import (
    LearnedPositions,
    Positions,
    RotaryPositions,
    SinusoidalPositions,
    timing_signals,
)
from nmt_cli.models.reading import TransformerState
from nmt_cli.models.residual import PostNorm, PreNorm, Residual
from nmt_cli.models.ssru import SSRU
from nmt_cli.models.ssru_cells import CellPasts
from nmt_cli.models.stacks import DecoderLayer, Embedding, EncoderLayer, TransformerDecoder, TransformerEncoder
from nmt_cli.models.tying import Tie, tables
from nmt_cli.settings import ModelSettings, Sizes
from nmt_cli.text.tokenizer import EOS, UNK

M = TypeVar("M", bound=Packable)
Autoregression = Literal["attention", "ssru"]
_EPSILON = 1e-6  # of RMSNorm: torch's own depends on the precision


class TransformerSettings(ModelSettings):
    """What [model] says of every model that is made of Transformer layers, and the making of them."""

    width: int = Field(default=128, ge=2)  # D
    heads: int = Field(default=4, ge=1)  # of each attention
    feed_forward: int = Field(default=256, ge=1)  # inner width of the feed-forward layers
    # in them; swiglu has a third matrix of that inner width
    activation: Literal["relu", "gelu", "swish", "swiglu"] = "relu"
    residual: Literal["pre-norm", "post-norm"] = "pre-norm"  # x + f(norm(x)), or norm(x + f(x)) as it was first
    norm: Literal["layernorm", "rmsnorm"] = "layernorm"  # rmsnorm neither centres nor shifts
    norm_epsilon: float = Field(default=1e-5, gt=0, lt=1)  # what layernorm adds to a variance
    # timing: sinusoids as Marian has them; rotary: in self-attention alone
    positions: Literal["sinusoidal", "timing", "learned", "rotary"] = "sinusoidal"
    max_positions: int = Field(default=512, ge=1)  # length of the learned table; what stands behind it shares its end
    attention_dropout: float = Field(default=0.0, ge=0, le=0.95)  # on attention weights
    activation_dropout: float = Field(default=0.0, ge=0, le=0.95)  # inside the feed-forward layers

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        if self.width % self.heads or self.width % 2:
            raise ValueError(f"width must be even and a multiple of heads ({self.heads}), but is {self.width}")
        if self.positions == "rotary" and self.width // self.heads % 2:
            raise ValueError(f"width must be an even multiple of heads ({self.heads}) for rotary positions")
        return self

    def encoder(self, table: nn.Parameter, layers: int, *, word_dropout: float = 0.0) -> TransformerEncoder:
        """A stack of encoder layers over an embedding table (V, D)."""
        stack = [EncoderLayer(self._wrapped(self._self_attention()), self._transform()) for _ in range(layers)]
        return TransformerEncoder(self._embedding(table, word_dropout), stack, self._last_norm())

    def decoder(
        self,
        table: nn.Parameter,
        layers: int,
        *,
        autoregression: Autoregression = "attention",
        memory: bool = True,
        word_dropout: float = 0.0,
    ) -> TransformerDecoder:
        """A stack of decoder layers over an embedding table (V, D); without ``memory`` they look at none: a language model."""
        recall, pasts = self._recall(autoregression)
        looks = [self._attention] if memory else []
        stack = [
            DecoderLayer(self._wrapped(recall()), [self._wrapped(look()) for look in looks], self._transform())
            for _ in range(layers)
        ]
        return TransformerDecoder(self._embedding(table, word_dropout), stack, self._last_norm(), pasts)

    def _recall(self, autoregression: Autoregression) -> tuple[Callable[[], Packable], Pasts]:
        """How a decoder layer looks back: what makes the sub-layer, and what makes all that the sub-layers remember."""
        if autoregression == "ssru":
            return lambda: SSRU(self.width), CellPasts(self.width)
        return self._self_attention, SlotPasts(self.heads, self.width)

    def _self_attention(self) -> SelfAttention:
        return SelfAttention(self._attention())

    def _attention(self) -> MultiHeadAttention:
        return MultiHeadAttention(self.width, self.heads, self.attention_dropout)

    def _transform(self) -> Residual[Packable]:
        if self.activation == "swiglu":
            return self._wrapped(GatedFeedForward(self.width, self.feed_forward, self.activation_dropout))
        activation = {"relu": nn.ReLU(inplace=True), "gelu": nn.GELU(), "swish": nn.SiLU()}[self.activation]
        return self._wrapped(FeedForward(self.width, self.feed_forward, activation, self.activation_dropout))

    def _wrapped(self, sublayer: M) -> Residual[M]:
        kind = {"pre-norm": PreNorm, "post-norm": PostNorm}[self.residual]
        return kind(sublayer, self._new_norm(), self.dropout)

    def _new_norm(self) -> nn.Module:
        if self.norm == "layernorm":
            return nn.LayerNorm(self.width, eps=self.norm_epsilon)
        return nn.RMSNorm(self.width, eps=_EPSILON)

    def _last_norm(self) -> nn.Module:
        return self._new_norm() if self.residual == "pre-norm" else nn.Identity()

    def _embedding(self, table: nn.Parameter, word_dropout: float) -> Embedding:
        return Embedding(table, self._positions(), self.dropout, word_dropout)

    def _positions(self) -> Positions:
        if self.positions == "learned":
            return LearnedPositions(self.max_positions, self.width)
        if self.positions == "rotary":
            return RotaryPositions(self.width // self.heads)
        if self.positions == "timing":
            return SinusoidalPositions(self.width, timing_signals)
        return SinusoidalPositions(self.width)


class TransformerConfig(TransformerSettings):
    """[model] architecture = "transformer" """

    architecture: Literal["transformer"] = "transformer"
    encoder_layers: int = Field(default=4, ge=1)
    decoder_layers: int = Field(default=4, ge=1)
    word_dropout: float = Field(default=0.0, ge=0, le=0.95)  # on whole words of a row, on either side
    autoregression: Autoregression = "attention"  # how decoder layers look back at what was produced; ssru: recurrently
    tie: Tie = "three-way"  # one table for source, target and output; or for target and output

    @property
    def exports(self) -> tuple[str, ...]:
        """CTranslate2 knows no SSRU."""
        return ("ctranslate2",) if self.autoregression == "attention" else ()

    def build(self, sizes: Sizes) -> EncoderDecoder[TransformerState]:
        """A model with fresh weights."""
        source, target, output = tables(self.tie, sizes.vocabulary, self.width)
        encoder = self.encoder(source, self.encoder_layers, word_dropout=self.word_dropout)
        decoder = self.decoder(
            target, self.decoder_layers, autoregression=self.autoregression, word_dropout=self.word_dropout
        )
        return EncoderDecoder(encoder, decoder, Output(output, UNK if sizes.unknown else EOS))
