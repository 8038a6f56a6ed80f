"""The recurrent language model (Mikolov et al. 2010), large and regularised as Zaremba et al. 2014 and Gal & Ghahramani 2016."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from nmt_cli.models.language_model import LanguageModel, output_of
from nmt_cli.models.layers import Dropout, VariationalDropout, embedding_table
from nmt_cli.models.recurrent_decoder import RecurrentDecoder, RecurrentState
from nmt_cli.models.recurrent_settings import RecurrentSettings
from nmt_cli.models.word_embedding import WordEmbedding
from nmt_cli.settings import Sizes


class RecurrentLanguageModelConfig(RecurrentSettings):
    """[model] architecture = "recurrent-lm" """

    task: ClassVar[str] = "lm"

    architecture: Literal["recurrent-lm"] = "recurrent-lm"
    layers: int = Field(default=1, ge=1)  # L
    tie: bool = True  # the output layer shares the embedding (Press & Wolf 2017; Inan et al. 2017)
    variational: bool = True  # dropout has one mask for all steps of a row (Gal & Ghahramani 2016)
    word_dropout: float = Field(default=0.0, ge=0, le=0.95)  # on whole words of a row

    def build(self, sizes: Sizes) -> LanguageModel[RecurrentState]:
        """A model with fresh weights."""
        table = embedding_table(sizes.vocabulary, self.width)
        dropout = VariationalDropout(self.dropout) if self.variational else Dropout(self.dropout)
        embedding = WordEmbedding(table, dropout, self.word_dropout)
        decoder = RecurrentDecoder.alone(embedding, self.stack(self.layers, dropout))
        return LanguageModel(decoder, output_of(table if self.tie else embedding_table(*table.shape), sizes))
