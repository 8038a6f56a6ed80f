"""What was read: tokens, pairs of positions, and how many places were only padding. Counted from batches; adds up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import Any

from torch import Tensor

from nmt_cli.corpus.batching import Batch, TextBatch


@dataclass(frozen=True)
class Reading:
    """Sums over batches; EOS counts, padding does not, but for ``places``."""

    sentences: int = 0
    source: int = 0  # tokens
    target: int = 0
    source_pairs: int = 0  # sum of S^2
    target_pairs: int = 0  # sum of T^2
    cross_pairs: int = 0  # sum of T S
    places: int = 0  # of source and target, padding included

    def __add__(self, other: Reading) -> Reading:
        """Both."""
        return Reading(*(one + another for one, another in zip(astuple(self), astuple(other), strict=True)))

    @property
    def padding(self) -> float:
        """The share of the places on which nothing stands."""
        return 1 - (self.source + self.target) / self.places if self.places else 0.0


def of_pairs(batch: Batch) -> Reading:
    """Sentences and their translations."""
    source, target = batch.source.lengths, batch.target.lengths
    places = batch.source.tokens.numel() + batch.target.tokens.numel()
    return Reading(
        len(batch.source), _sum(source), _sum(target), _sum(source**2), _sum(target**2), _sum(source * target), places
    )


def of_text(batch: TextBatch) -> Reading:
    """Lines, or stretches of streams: there is no source."""
    lengths = batch.mask.sum(1)
    return Reading(len(lengths), 0, _sum(lengths), 0, _sum(lengths**2), 0, batch.mask.numel())


READINGS: dict[type, Callable[[Any], Reading]] = {Batch: of_pairs, TextBatch: of_text}
"""Kind of batch -> what is read of one."""


def _sum(values: Tensor) -> int:
    return int(values.sum())
