"""The Transformer language model: decoder layers that look at no memory (Radford et al. 2018; Liu et al. 2018)."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from nmt_cli.models.language_model import LanguageModel, output_of
from nmt_cli.models.layers import embedding_table
from nmt_cli.models.reading import TransformerState
from nmt_cli.models.transformer import TransformerSettings
from nmt_cli.settings import Sizes


class TransformerLanguageModelConfig(TransformerSettings):
    """[model] architecture = "transformer-lm" """

    task: ClassVar[str] = "lm"

    architecture: Literal["transformer-lm"] = "transformer-lm"
    layers: int = Field(default=4, ge=1)  # L
    word_dropout: float = Field(default=0.0, ge=0, le=0.95)  # on whole words of a row
    tie: bool = True  # the output layer shares the embedding

    def build(self, sizes: Sizes) -> LanguageModel[TransformerState]:
        """A model with fresh weights. A stretch of a stream begins anew: nothing is carried."""
        table = embedding_table(sizes.vocabulary, self.width)
        decoder = self.decoder(table, self.layers, memory=False, word_dropout=self.word_dropout)
        return LanguageModel(decoder, output_of(table if self.tie else embedding_table(*table.shape), sizes))
