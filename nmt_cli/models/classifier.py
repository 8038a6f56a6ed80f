"""The text classifier: an encoder reads the text, a pooling makes one vector of it, a linear layer weighs the labels.

    p(label | text) = softmax(W pool(encoder(text)) + b)

On a bidirectional RNN: Schuster & Paliwal 1997; Graves & Schmidhuber 2005.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from nmt_cli.corpus.batching import LabelledBatch, Sequences
from nmt_cli.models.base import Carry, Loss, Model
from nmt_cli.models.encoder_decoder import Encoder
from nmt_cli.models.layers import Dropout
from nmt_cli.models.pooling import Pooling
from nmt_cli.text.tokenizer import EOS, UNK


class UnknownWords(nn.Module):
    """Whole words become UNK while training (Iyyer et al. 2015): no single one may decide."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, texts: Sequences) -> Sequences:
        """The same texts with some words unknown."""
        if not self.training or self.rate == 0:
            return texts
        dropped = torch.rand(texts.tokens.shape, device=texts.tokens.device) < self.rate
        return Sequences(texts.tokens.masked_fill(dropped & (texts.tokens > EOS), UNK), texts.lengths)


class Classifier(Model):
    """An encoder, a pooling and a linear layer."""

    def __init__(
        self, encoder: Encoder, pooling: Pooling, output: nn.Linear, *, dropout: float, word_dropout: float
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.pooling = pooling
        self.output = output
        self.dropout = Dropout(dropout)
        self.word_dropout = UnknownWords(word_dropout)

    def forward(self, texts: Sequences) -> Tensor:
        """(B, labels) raw logits."""
        logits: Tensor = self.output(self.dropout(self.pooling(self.encoder(self.word_dropout(texts)))))
        return logits

    def log_probs(self, texts: Sequences) -> Tensor:
        """(B, labels)"""
        return torch.log_softmax(self(texts), 1)

    def loss(self, batch: LabelledBatch, carry: Carry = None, *, smoothing: float = 0.0) -> tuple[Loss, None]:
        """Sums over the texts of the batch."""
        del carry
        logits = self(batch.texts).to(self.output.weight.dtype)  # the product may have rounded them
        total = functional.cross_entropy(logits, batch.labels, reduction="sum", label_smoothing=smoothing)
        nll = functional.cross_entropy(logits.detach(), batch.labels, reduction="sum")
        return Loss(total, nll, len(batch.labels)), None
