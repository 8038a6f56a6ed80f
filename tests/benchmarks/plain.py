"""What one writes with PyTorch alone, and how fast that learns: the baseline that everybody has.

``torch.nn.Transformer`` of the same sizes (pre-norm, ReLU, dropout, tied embeddings), ``cross_entropy`` over all logits at once,
torch's own dropout, the memory allocator as it comes. It learns from the same batches.
"""

import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from nmt_cli.bench.corpora import Prepared
from nmt_cli.corpus.batching import Batch
from nmt_cli.models.layers import shifted
from nmt_cli.models.positions import sinusoids
from nmt_cli.settings import Settings
from nmt_cli.text.tokenizer import PAD
from nmt_cli.training.stream import Place, updates
from nmt_cli.training.team import Share

_WARM = 0.2  # seconds that are not counted, for each that is


class Plain(nn.Module):
    """What one writes with torch alone."""

    def __init__(self, vocabulary: int, settings: Any) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, settings.width)
        nn.init.normal_(self.embedding.weight, std=settings.width**-0.5)
        self.register_buffer("positions", sinusoids(512, settings.width).float())
        self.model = nn.Transformer(
            settings.width, settings.heads, settings.encoder_layers, settings.decoder_layers, settings.feed_forward,
            settings.dropout, batch_first=True, norm_first=True,
        )  # fmt: skip
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, batch: Batch) -> Tensor:
        """The mean label-smoothed loss."""
        inputs = shifted(batch.target.tokens)
        causal = nn.Transformer.generate_square_subsequent_mask(inputs.shape[1], dtype=torch.bool)
        padding = ~batch.source.mask
        hidden = self.model(
            self._embed(batch.source.tokens), self._embed(inputs), tgt_mask=causal, tgt_is_causal=True,
            src_key_padding_mask=padding, memory_key_padding_mask=padding,
        )  # fmt: skip
        logits = functional.linear(hidden, self.embedding.weight)
        return functional.cross_entropy(
            logits.flatten(0, 1), batch.target.tokens.flatten(), ignore_index=PAD, label_smoothing=0.1
        )

    def _embed(self, tokens: Tensor) -> Tensor:
        vectors: Tensor = self.embedding(tokens) * self.embedding.embedding_dim**0.5
        dropped: Tensor = self.dropout(vectors + self.get_buffer("positions")[: tokens.shape[1]])
        return dropped


def speed(settings: Settings, folder: Path, seconds: float) -> float:
    """Target tokens a second on a prepared corpus of pairs: data, forward, backward, clipping and update."""
    corpus = Prepared(folder)
    torch.manual_seed(settings.training.seed)
    model = Plain(corpus.sizes.vocabulary, settings.model).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    stream = updates(corpus.reader("translate", settings.training, Share()), 1, Place())

    def learn(seconds: float) -> float:
        started, tokens, spent = time.perf_counter(), 0, 0.0
        while spent < seconds:
            (batch,) = next(stream).batches
            model(batch).backward()
            nn.utils.clip_grad_norm_(model.parameters(), settings.training.clip_norm)
            optimizer.step()
            optimizer.zero_grad()
            tokens, spent = tokens + int(batch.target.lengths.sum()), time.perf_counter() - started
        return tokens / spent

    learn(_WARM * seconds)
    return learn(seconds)
