"""The text classifier on a recurrent network, one way or both (Schuster & Paliwal 1997)."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator
from torch import nn

from nmt_cli.models.classifier import Classifier
from nmt_cli.models.layers import Dropout, embedding_table
from nmt_cli.models.pooling import pooling
from nmt_cli.models.recurrent import CELLS, CellName
from nmt_cli.models.recurrent_encoder import recurrent_encoder
from nmt_cli.models.word_embedding import WordEmbedding
from nmt_cli.settings import ModelSettings, Sizes


class RecurrentClassifierConfig(ModelSettings):
    """[model] architecture = "recurrent-classifier" """

    task: ClassVar[str] = "classify"

    architecture: Literal["recurrent-classifier"] = "recurrent-classifier"
    cell: CellName = "lstm"
    width: int = Field(default=128, ge=1)  # D of the embeddings
    hidden: int | None = Field(default=None, ge=1)  # of the recurrent states, both directions counted; None: width
    layers: int = Field(default=1, ge=1)  # L
    bidirectional: bool = True  # reads both ways, each direction with half the hidden width
    pooling: Literal["final", "max", "mean", "attention"] = "final"  # how one vector is made of all; final: both ends
    recurrent_dropout: float = Field(default=0.0, ge=0, le=0.95)  # on entries of the recurrent matrices
    word_dropout: float = Field(default=0.0, ge=0, le=0.95)  # the share of words that become unknown while training

    @model_validator(mode="after")
    def _two_halves(self) -> Self:
        if self.bidirectional and self.states % 2:
            raise ValueError(f"hidden must be even for two directions, but is {self.states}")
        return self

    @property
    def states(self) -> int:
        """The width of the recurrent states."""
        return self.hidden or self.width

    def build(self, sizes: Sizes) -> Classifier:
        """A model with fresh weights."""
        encoder = recurrent_encoder(
            WordEmbedding(embedding_table(sizes.vocabulary, self.width), Dropout(self.dropout)),
            CELLS[self.cell],
            self.states,
            layers=self.layers,
            bidirectional=self.bidirectional,
            dropout=Dropout(self.dropout),
            recurrent_dropout=self.recurrent_dropout,
        )
        output = nn.Linear(self.states, sizes.labels)
        pooled = pooling(self.pooling, self.states)
        return Classifier(encoder, pooled, output, dropout=self.dropout, word_dropout=self.word_dropout)
