"""How log-probabilities of different lengths are compared: score = log p / norm(length).

Beam search may stop early because of two facts that hold for every normalisation here: log p only falls as a hypothesis grows, and
the norm does not shrink with length. So ``log p / norm(limit)`` bounds every score that a hypothesis can still reach.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from nmt_cli.errors import ConfigError
from nmt_cli.registry import Registry


class Normalization(Protocol):
    """Lengths to norms."""

    def __call__(self, lengths: Tensor | int) -> Tensor:
        """Lengths (any shape), EOS counted -> norms of the same shape, above 0, which do not shrink as lengths grow."""
        ...


@dataclass(frozen=True)
class LengthPower:
    """norm(length) = length ** exponent: 0 is no normalisation, 1 the average log-probability of a token."""

    exponent: float = 1.0

    def __post_init__(self) -> None:
        _check(self.exponent)

    def __call__(self, lengths: Tensor | int) -> Tensor:
        """Lengths (any shape), EOS counted -> norms of the same shape."""
        return torch.as_tensor(lengths, dtype=torch.float64) ** self.exponent


@dataclass(frozen=True)
class GoogleNorm:
    """norm(length) = ((5 + length) / 6) ** alpha (Wu et al. 2016, equation 14): short hypotheses differ less by it."""

    alpha: float = 0.6

    def __post_init__(self) -> None:
        _check(self.alpha)

    def __call__(self, lengths: Tensor | int) -> Tensor:
        """Lengths (any shape), EOS counted -> norms of the same shape."""
        return ((5 + torch.as_tensor(lengths, dtype=torch.float64)) / 6) ** self.alpha


NORMS: Registry[type[LengthPower] | type[GoogleNorm]] = Registry(
    "norm", {"power": "nmt_cli.search.normalization:LengthPower", "google": "nmt_cli.search.normalization:GoogleNorm"}
)


def _check(exponent: float) -> None:
    if not 0 <= exponent < math.inf:
        raise ConfigError(f"the length penalty must be a finite number, not below 0, but is {exponent}")
