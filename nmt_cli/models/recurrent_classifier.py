"""The text classifier on a recurrent network, one way or both (Schuster & Paliwal 1997)."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from torch import nn

from nmt_cli.models.classifier import Classifier
from nmt_cli.models.layers import embedding_table
from nmt_cli.models.pooling import pooling
from nmt_cli.models.recurrent_settings import RecurrentEncoderSettings
from nmt_cli.settings import Sizes


class RecurrentClassifierConfig(RecurrentEncoderSettings):
    """[model] architecture = "recurrent-classifier" """

    task: ClassVar[str] = "classify"

    architecture: Literal["recurrent-classifier"] = "recurrent-classifier"
    width: int = Field(default=128, ge=1)  # D of the embeddings
    layers: int = Field(default=1, ge=1)  # L
    pooling: Literal["final", "max", "mean", "attention"] = "final"  # how one vector is made of all; final: both ends
    word_dropout: float = Field(default=0.0, ge=0, le=0.95)  # the share of words that become unknown while training

    def build(self, sizes: Sizes) -> Classifier:
        """A model with fresh weights."""
        encoder = self.encoder(embedding_table(sizes.vocabulary, self.width), self.layers)
        output = nn.Linear(self.state_width, sizes.labels)
        pooled = pooling(self.pooling, self.state_width)
        return Classifier(encoder, pooled, output, dropout=self.dropout, word_dropout=self.word_dropout)
