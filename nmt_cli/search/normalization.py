"""How log-probabilities of different lengths are compared: score = log p / norm(length).

Beam search may stop early because of two facts that hold for every normalisation here: log p only falls as a hypothesis grows, and
the norm does not shrink with length. So ``log p / norm(limit)`` bounds every score that a hypothesis can still reach.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nmt_cli.errors import ConfigError


@dataclass(frozen=True)
class LengthPower:
    """norm(length) = length ** exponent: 0 is no normalisation, 1 the average log-probability of a token."""

    exponent: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.exponent < math.inf:
            raise ConfigError(f"the length penalty must be a finite number, not below 0, but is {self.exponent}")

    def __call__(self, lengths: Tensor | int) -> Tensor:
        """Lengths (any shape), EOS counted -> norms of the same shape."""
        return torch.as_tensor(lengths, dtype=torch.float64) ** self.exponent
