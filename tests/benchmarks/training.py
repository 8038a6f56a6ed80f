"""Training throughput on the embedded corpus or on any other pair of files, beside plain PyTorch on the same batches.

    python -m tests.benchmarks.training [SOURCE TARGET]

Baseline "plain": ``torch.nn.Transformer`` of the same sizes (pre-norm, ReLU, dropout, tied embeddings), ``cross_entropy`` over all
logits at once, torch's own dropout, the memory allocator as it comes. Both learn from the same batches, in turns.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from nmt_cli.corpus.batching import Batch
from nmt_cli.corpus.dataset import PreparedCorpus
from nmt_cli.corpus.pairs import PairFiles
from nmt_cli.corpus.prepare import Inputs, prepare
from nmt_cli.models import ARCHITECTURES
from nmt_cli.models.layers import shifted
from nmt_cli.models.positions import sinusoids
from nmt_cli.settings import DataSettings, Sizes, TrainingSettings
from nmt_cli.text.tokenizer import PAD
from nmt_cli.training import processor
from nmt_cli.training.optimizer import Adam
from nmt_cli.training.presets import preset
from nmt_cli.training.stream import Place, RowReader, updates
from tests.benchmarks.machine import gemm_peak

PHRASEBOOK = Path(__file__).parents[2] / "data" / "phrasebook"
UPDATES, ROUNDS, DROPOUT = 10, 3, 0.3


class Plain(nn.Module):
    """What one writes with torch alone."""

    def __init__(self, vocabulary: int, width: int = 128, heads: int = 4, inner: int = 256, layers: int = 4) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        nn.init.normal_(self.embedding.weight, std=width**-0.5)
        self.register_buffer("positions", sinusoids(512, width).float())
        self.model = nn.Transformer(width, heads, layers, layers, inner, DROPOUT, batch_first=True, norm_first=True)
        self.dropout = nn.Dropout(DROPOUT)

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


def main(source: Path = PHRASEBOOK / "train.en", target: Path = PHRASEBOOK / "train.de") -> None:
    """Print the table."""
    peak = gemm_peak()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, GEMM peak {peak:.0f} GFLOP/s")
    with tempfile.TemporaryDirectory() as folder:
        prepare(Inputs(PairFiles((source, target))), Path(folder) / "corpus", DataSettings())
        corpus = PreparedCorpus.open(Path(folder) / "corpus")
        plain_speed = _speed(corpus, *_plain(corpus.tokenizer.size))  # before the allocator is told otherwise
        processor.tune()
        print(f"{corpus.tokenizer.size} subwords, {DROPOUT} dropout, target tokens/s, median of {ROUNDS} rounds")
        print(f"{'plain torch.nn.Transformer':32} {plain_speed:8,.0f}   (the baseline)")
        for name in ("transformer-tiny", "transformer-small", "transformer-ssru", "lstm-attention"):
            speed = _speed(corpus, *_ours(name, corpus.tokenizer.size))
            ratio = f"   {speed / plain_speed:.2f} x the baseline" if name == "transformer-tiny" else ""
            print(f"{name:32} {speed:8,.0f}{ratio}")


def _ours(name: str, vocabulary: int) -> tuple[nn.Module, Callable[[Batch], Tensor], Callable[[], None]]:
    model_settings = preset(name)["model"]
    model = (
        ARCHITECTURES[model_settings["architecture"]]
        .model_validate({**model_settings, "dropout": DROPOUT})
        .build(Sizes(vocabulary))
    )
    optimizer = Adam(model, TrainingSettings())

    def loss(batch: Batch) -> Tensor:
        found, _ = model.loss(batch, None, smoothing=0.1)
        mean: Tensor = found.total / found.count
        return mean

    return model, loss, lambda: optimizer.step(1e-4)


def _plain(vocabulary: int) -> tuple[nn.Module, Callable[[Batch], Tensor], Callable[[], None]]:
    model = Plain(vocabulary)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)

    def step() -> None:
        optimizer.step()
        optimizer.zero_grad()

    return model, model, step


def _speed(
    corpus: PreparedCorpus, model: nn.Module, loss: Callable[[Batch], Tensor], step: Callable[[], None]
) -> float:
    """Target tokens a second, data, forward, backward, clipping and update included."""
    model.train()
    reader = RowReader(corpus.train, ("target", "source"), Batch.of, TrainingSettings())
    stream, speeds = updates(reader, 1, Place()), []
    for round_ in range(ROUNDS + 1):
        started, tokens = time.perf_counter(), 0
        for _ in range(UPDATES):
            (batch,) = next(stream).batches
            loss(batch).backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            step()
            tokens += int(batch.target.lengths.sum())
        if round_:  # the first is for warming up
            speeds.append(tokens / (time.perf_counter() - started))
    return statistics.median(speeds)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
