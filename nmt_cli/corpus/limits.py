"""How long a translation may become: a line above the sentence's own length, fitted on the training pairs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_SAMPLE = 1_000_000  # pairs; more do not move the line
_STEPS = 41  # slopes that are tried
_STEEPEST = 2.0  # times the usual ratio of target to source
_LEAST = 4.0  # subwords: with fewer pairs than it takes to see a rare one, the line must not hug the few


@dataclass(frozen=True)
class LengthLimit:
    """The longest target that is searched for a source. Lengths are in subwords and count EOS."""

    slope: float
    intercept: float

    def __call__(self, source_length: int) -> int:
        """The limit for a source of this length; at least 1, the EOS."""
        return max(1, math.ceil(self.slope * source_length + self.intercept - 1e-9))

    def covering(self, other: LengthLimit) -> LengthLimit:
        """A line that lies nowhere below this one or the other."""
        return LengthLimit(max(self.slope, other.slope), max(self.intercept, other.intercept))


def fit(
    source_lengths: NDArray[np.int64], target_lengths: NDArray[np.int64], *, coverage: float = 0.999
) -> LengthLimit:
    """The line with the smallest mean limit that covers a share of the pairs.

    Slopes from the usual ratio of the two languages (so that limits grow as translations do) to twice that are tried;
    the intercept of each is the quantile that it needs, at least 4. Costs O(n) a slope on at most 1,000,000 pairs.

    Args:
        source_lengths: (n,) counting EOS: ``dataset.source_lengths + 1``. n >= 1.
        target_lengths: (n,) counting EOS.
        coverage: share of the pairs whose target must be within its limit.
    """
    step = math.ceil(len(source_lengths) / _SAMPLE)
    source, target = (lengths[::step].astype(np.float64) for lengths in (source_lengths, target_lengths))
    ratio = target.sum() / source.sum()
    lines = []
    for slope in np.linspace(ratio, _STEEPEST * ratio, _STEPS).round(3):
        intercept = max(_LEAST, float(np.quantile(target - slope * source, coverage, method="higher")))
        lines.append((slope * source.mean() + intercept, float(slope), intercept))
    _, slope, intercept = min(lines)
    return LengthLimit(slope, round(intercept + 0.005, 2))
