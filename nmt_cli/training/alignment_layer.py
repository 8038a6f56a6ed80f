"""Which layer of a decoder looks where words belong together: the one that agrees best with a word aligner, on dev.

In a Transformer no layer is told to align, and it differs from model to model which does (Garg et al. 2019 find the last but one).
The aligner needs no alignments by hand: IBM Model 1, learnt from dev itself and a sample of train.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nmt_cli.corpus.batching import Batch, by_length
from nmt_cli.corpus.dataset import Dataset, PreparedCorpus
from nmt_cli.evaluation.lexicon import Lexicon, Pairs
from nmt_cli.models.encoder_decoder import EncoderDecoder
from nmt_cli.models.layers import shifted

_BATCH_TOKENS = 2048
_DEV_CELLS, _TRAIN_CELLS = 250_000, 750_000
"""About so many pairs of tokens, sum of S * T: enough to tell layers apart, and a second or two of work."""


@dataclass(frozen=True)
class AlignmentLayer:
    """What was found."""

    number: int  # from 1, the lowest
    layers: int
    f1: float  # of its links, with those of the aligner

    def __str__(self) -> str:
        return f"alignment: decoder layer {self.number} of {self.layers} (F1 {self.f1:.2f} with IBM Model 1, on dev)"


def find(model: EncoderDecoder[Any], corpus: PreparedCorpus) -> AlignmentLayer | None:
    """The layer whose links agree best; None where a model has no choice. ``model`` must be ready to be used, not to be trained."""
    layers = model.decoder.looking
    if layers < 2:
        return None
    dev, train = _sample(corpus.dev, _DEV_CELLS), _sample(corpus.train, _TRAIN_CELLS)
    lexicon = Lexicon.learn([*_pairs(corpus.dev, dev), *_pairs(corpus.train, train)])
    f1 = agreement(model, lexicon, corpus.dev, dev)
    best = int(f1.argmax())
    return AlignmentLayer(best + 1, layers, float(f1[best]))


def agreement(
    model: EncoderDecoder[Any], lexicon: Lexicon, dataset: Dataset, places: Sequence[int]
) -> NDArray[np.float64]:
    """(L,) F1 of the links of each layer with those of the lexicon, over the pairs of a dataset at some places.

    A layer links each target token to the source token that it looks at most, EOS left out on both sides.
    """
    hits, linked, tokens = np.zeros(model.decoder.looking), 0, 0
    order = np.array(places)
    lengths = tuple(dataset[side].lengths + 1 for side in ("target", "source"))
    for chosen in by_length(order, lengths, _BATCH_TOKENS):
        looked = _looked(model, Batch.of(dataset, chosen))
        for row, (source, target) in zip(looked, _pairs(dataset, chosen.tolist()), strict=True):
            wanted = lexicon.align(source, target)
            hits += (row[:, : len(target)].numpy() == wanted).sum(1)
            linked += int((wanted >= 0).sum())
            tokens += len(target)
    return 2 * hits / max(1, linked + tokens)


def _looked(model: EncoderDecoder[Any], batch: Batch) -> Tensor:
    """(B, L, T) the place in the source, EOS left out, that each layer looks at most."""
    with torch.inference_mode():
        weights = model.decoder.alignments(shifted(batch.target.tokens), model.encoder(batch.source))
    words = torch.arange(batch.source.tokens.shape[1]) < batch.source.lengths[:, None] - 1  # (B, S)
    return torch.stack([each.masked_fill(~words[:, None], -1).argmax(2) for each in weights], 1)


def _sample(dataset: Dataset, cells: int) -> list[int]:
    """Places that are evenly spread, and hold about so many pairs of tokens."""
    sizes = dataset["source"].lengths * dataset["target"].lengths
    return list(range(0, len(dataset), max(1, math.ceil(int(sizes.sum()) / cells))))


def _pairs(dataset: Dataset, places: Sequence[int]) -> Pairs:
    return [(dataset["source"].ids(place), dataset["target"].ids(place)) for place in places]
