"""What [model] says of every model that is made of recurrent layers, and the making of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal, Self

from pydantic import Field, model_validator
from torch import nn

from nmt_cli.models.cells import GRU, LSTM, RNN, Bidirectional, Cell
from nmt_cli.models.layers import Dropout
from nmt_cli.models.recurrent_encoder import RecurrentEncoder
from nmt_cli.models.recurrent_stack import Stack
from nmt_cli.models.word_embedding import WordEmbedding
from nmt_cli.settings import ModelSettings

CellName = Literal["rnn", "gru", "lstm"]
CELLS: dict[CellName, type[Cell]] = {"rnn": RNN, "gru": GRU, "lstm": LSTM}


class RecurrentSettings(ModelSettings):
    """Of a stack that reads one way."""

    cell: CellName = "lstm"
    width: int = Field(default=256, ge=1)  # D of the embeddings, and of what an output layer reads
    hidden: int | None = Field(default=None, ge=1)  # of the recurrent states, both directions counted; None: width
    recurrent_dropout: float = Field(default=0.0, ge=0, le=0.95)  # on entries of U (Merity et al. 2018)

    @property
    def state_width(self) -> int:
        """The width of the recurrent states."""
        return self.hidden or self.width

    def stack(self, layers: int, dropout: nn.Module) -> Stack:
        """Fresh layers over vectors of the embedding."""
        return Stack.of(self._cells(self.state_width), self.width, layers=layers, dropout=dropout)

    def _cells(self, width: int) -> Callable[[int], Cell]:
        """What makes a cell of so many inputs."""
        return partial(CELLS[self.cell], width=width, recurrent_dropout=self.recurrent_dropout)


class RecurrentEncoderSettings(RecurrentSettings):
    """Of an encoder too, which may read both ways."""

    bidirectional: bool = True  # the encoder reads both ways, each direction with half the hidden width

    @model_validator(mode="after")
    def _two_halves(self) -> Self:
        if self.bidirectional and self.state_width % 2:
            raise ValueError(f"hidden must be even for two directions, but is {self.state_width}")
        return self

    def encoder(self, table: nn.Parameter, layers: int, *, word_dropout: float = 0.0) -> RecurrentEncoder:
        """A stack over an embedding table (V, D)."""
        dropout = Dropout(self.dropout)
        embedding = WordEmbedding(table, Dropout(self.dropout), word_dropout)
        if not self.bidirectional:
            return RecurrentEncoder(embedding, self.stack(layers, dropout))
        both = partial(Bidirectional.of, self._cells(self.state_width // 2))
        return RecurrentEncoder(embedding, Stack.of(both, self.width, layers=layers, dropout=dropout))
