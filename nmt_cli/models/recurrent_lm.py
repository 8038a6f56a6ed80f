"""The recurrent language model (Mikolov et al. 2010), large and regularised as Zaremba et al. 2014 and Gal & Ghahramani 2016."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from nmt_cli.models.language_model import LanguageModel, output_of
from nmt_cli.models.layers import Dropout, VariationalDropout, embedding_table
from nmt_cli.models.recurrent import CELLS, CellName
from nmt_cli.models.recurrent_decoder import RecurrentDecoder, RecurrentState
from nmt_cli.models.recurrent_stack import Stack
from nmt_cli.models.word_embedding import WordEmbedding
from nmt_cli.settings import ModelSettings, Sizes


class RecurrentLanguageModelConfig(ModelSettings):
    """[model] architecture = "recurrent-lm" """

    task: ClassVar[str] = "lm"

    architecture: Literal["recurrent-lm"] = "recurrent-lm"
    cell: CellName = "lstm"
    width: int = Field(default=256, ge=1)  # D of the embeddings, and of what the output layer reads
    hidden: int | None = Field(default=None, ge=1)  # of the recurrent states; None: width
    layers: int = Field(default=1, ge=1)  # L
    tie: bool = True  # the output layer shares the embedding (Press & Wolf 2017; Inan et al. 2017)
    variational: bool = True  # dropout has one mask for all steps of a row (Gal & Ghahramani 2016)
    # on entries of the recurrent matrices (Merity et al. 2018)
    recurrent_dropout: float = Field(default=0.0, ge=0, le=0.95)
    word_dropout: float = Field(default=0.0, ge=0, le=0.95)  # on whole words of a row

    def build(self, sizes: Sizes) -> LanguageModel[RecurrentState]:
        """A model with fresh weights."""
        table = embedding_table(sizes.vocabulary, self.width)
        dropout = VariationalDropout(self.dropout) if self.variational else Dropout(self.dropout)
        stack = Stack.of(
            CELLS[self.cell],
            self.width,
            self.hidden or self.width,
            layers=self.layers,
            dropout=dropout,
            recurrent_dropout=self.recurrent_dropout,
        )
        decoder = RecurrentDecoder.alone(WordEmbedding(table, dropout, self.word_dropout), stack)
        return LanguageModel(decoder, output_of(table if self.tie else embedding_table(*table.shape), sizes))
