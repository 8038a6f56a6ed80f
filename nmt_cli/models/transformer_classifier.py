"""The text classifier on a Transformer encoder."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from torch import nn

from nmt_cli.models.classifier import Classifier
from nmt_cli.models.layers import embedding_table
from nmt_cli.models.pooling import pooling
from nmt_cli.models.transformer import TransformerSettings
from nmt_cli.settings import Sizes


class TransformerClassifierConfig(TransformerSettings):
    """[model] architecture = "transformer-classifier" """

    task: ClassVar[str] = "classify"

    architecture: Literal["transformer-classifier"] = "transformer-classifier"
    layers: int = Field(default=2, ge=1)  # L
    pooling: Literal["mean", "max", "attention"] = "mean"  # how one vector is made of all
    word_dropout: float = Field(default=0.0, ge=0, le=0.95)  # the share of words that become unknown while training

    def build(self, sizes: Sizes) -> Classifier:
        """A model with fresh weights."""
        encoder = self.encoder(embedding_table(sizes.vocabulary, self.width), self.layers)
        output = nn.Linear(self.width, sizes.labels)
        pooled = pooling(self.pooling, self.width)
        return Classifier(encoder, pooled, output, dropout=self.dropout, word_dropout=self.word_dropout)
