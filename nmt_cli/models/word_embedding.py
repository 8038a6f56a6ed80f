"""Token vectors for recurrent models, and the dropout of whole words among them."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class WordEmbedding(nn.Module):
    """Token vectors. They are stored with variance 1 / D for the output layer that may share them, and read with variance 1.

    With ``word_dropout`` whole words are dropped while training: a word that is dropped is dropped wherever it stands in its
    row (Gal & Ghahramani 2016, section 4.2).
    """

    def __init__(self, table: nn.Parameter, dropout: nn.Module, word_dropout: float = 0.0) -> None:
        super().__init__()
        self.table = table
        self.dropout = dropout
        self.word_dropout = word_dropout

    @property
    def width(self) -> int:
        """D"""
        return self.table.shape[1]

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, T, D)"""
        vectors = functional.embedding(tokens, self.table) * self.width**0.5
        if self.training and self.word_dropout:
            keep = _by_word(torch.rand(tokens.shape, device=tokens.device), tokens) >= self.word_dropout
            vectors = vectors * (keep / (1 - self.word_dropout)).to(vectors.dtype)[:, :, None]
        embedded: Tensor = self.dropout(vectors)
        return embedded


def _by_word(drawn: Tensor, tokens: Tensor) -> Tensor:
    """(B, T) what was drawn for the first place in its row where each token stands."""
    first = (tokens[:, :, None] == tokens[:, None]).to(torch.uint8).argmax(2)
    return drawn.gather(1, first)
