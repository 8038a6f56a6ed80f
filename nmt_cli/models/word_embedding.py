"""Token vectors for recurrent models, and the dropout of whole words, for all models."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class WordDropout(nn.Module):
    """Dropout of whole words: one that is dropped is dropped wherever it stands in its row (Gal & Ghahramani 2016, section 4.2)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, vectors: Tensor, tokens: Tensor) -> Tensor:
        """(B, T, D) the vectors of the ``tokens`` (B, T), some of them 0 while training and the others scaled up for them."""
        if not self.training or self.rate == 0:
            return vectors
        keep = _by_word(torch.rand(tokens.shape, device=tokens.device), tokens) >= self.rate
        return vectors * (keep / (1 - self.rate)).to(vectors.dtype)[:, :, None]


class WordEmbedding(nn.Module):
    """Token vectors. They are stored with variance 1 / D for the output layer that may share them, and read with variance 1."""

    def __init__(self, table: nn.Parameter, dropout: nn.Module, word_dropout: float = 0.0) -> None:
        super().__init__()
        self.table = table
        self.dropout = dropout
        self.word_dropout = WordDropout(word_dropout)

    @property
    def width(self) -> int:
        """D"""
        return self.table.shape[1]

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, T, D)"""
        vectors = functional.embedding(tokens, self.table) * self.width**0.5
        embedded: Tensor = self.dropout(self.word_dropout(vectors, tokens))
        return embedded


def _by_word(drawn: Tensor, tokens: Tensor) -> Tensor:
    """(B, T) what was drawn for the first place in its row where each token stands."""
    first = (tokens[:, :, None] == tokens[:, None]).to(torch.uint8).argmax(2)
    return drawn.gather(1, first)
