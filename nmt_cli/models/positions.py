"""How a Transformer knows the order of its tokens: attention by itself sees a set.

Positions either join the vectors of the tokens (sinusoidal, learned), or they turn the queries and keys of self-attention (rotary).
Each kind is a ``Positions`` that does the one and leaves the other as it is.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

Turn = Callable[[Tensor], Tensor]
"""What positions do to queries or keys (B, T, H, D/H): same shape."""
Formula = Callable[[int, int], Tensor]
"""Position signals of a length and a width."""


def sinusoids(length: int, width: int) -> Tensor:
    """(length, width) position signals: sines in the even columns, cosines in the odd (Vaswani et al. 2017, section 3.5)."""
    position = torch.arange(length, dtype=torch.float64)[:, None]
    rate = torch.exp(torch.arange(0, width, 2, dtype=torch.float64) * (-math.log(10_000) / width))
    signal = torch.zeros(length, width, dtype=torch.float64)
    signal[:, 0::2] = torch.sin(position * rate)
    signal[:, 1::2] = torch.cos(position * rate[: width // 2])
    return signal


def timing_signals(length: int, width: int) -> Tensor:
    """(length, width) as Tensor2Tensor and Marian have them: all sines, then all cosines, rates from 1 to 1 / 10,000."""
    position = torch.arange(length, dtype=torch.float64)[:, None]
    half = width // 2
    rate = torch.exp(torch.arange(half, dtype=torch.float64) * (-math.log(10_000) / max(1, half - 1)))
    return torch.cat([torch.sin(position * rate), torch.cos(position * rate)], 1)


class Sinusoids(nn.Module):
    """Position signals of any length: the table grows when a longer sequence comes, and is no parameter."""

    table: Tensor

    def __init__(self, width: int, formula: Formula = sinusoids) -> None:
        super().__init__()
        self.width = width
        self.formula = formula
        self.register_buffer("table", formula(512, width).float(), persistent=False)

    def forward(self, positions: Tensor) -> Tensor:
        """positions (...) long -> (..., width)"""
        longest = int(positions.max()) + 1 if positions.numel() else 0
        if longest > len(self.table):
            grown = self.formula(2 ** math.ceil(math.log2(longest)), self.width)
            # By way of float32, as at first: what was there stays, to the bit.
            self.table = grown.float().to(self.table)
        return functional.embedding(positions, self.table)


def unturned(values: Tensor) -> Tensor:
    """Queries and keys as they are."""
    return values


class Positions(nn.Module):
    """What positions do to token vectors, and to queries and keys: nothing, unless a kind says otherwise."""

    def forward(self, vectors: Tensor, positions: Tensor) -> Tensor:
        """(B, T, D) vectors of tokens at ``positions`` (T,) or (B, T) -> (B, T, D)"""
        del positions
        return vectors

    def turn(self, positions: Tensor) -> Turn:
        """What is done to queries and keys at ``positions`` (T,) or (B, T)."""
        del positions
        return unturned


class SinusoidalPositions(Positions):
    """Sines and cosines of geometric wavelengths are added (Vaswani et al. 2017, section 3.5): any length, nothing to learn."""

    def __init__(self, width: int, formula: Formula = sinusoids) -> None:
        super().__init__()
        self.signals = Sinusoids(width, formula)

    def forward(self, vectors: Tensor, positions: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D)"""
        added: Tensor = vectors + self.signals(positions)
        return added


class LearnedPositions(Positions):
    """A learned vector for each position is added (Gehring et al. 2017).

    The table has an end, and what stands behind it is read as if it stood there: longer texts are not refused, but their order
    is lost from there on.
    """

    def __init__(self, longest: int, width: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(longest, width) / math.sqrt(width))

    def forward(self, vectors: Tensor, positions: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D)"""
        return vectors + functional.embedding(positions.clamp(max=len(self.table) - 1), self.table)


class RotaryPositions(Positions):
    """Queries and keys are turned by angles that grow with the position (Su et al. 2021, "RoFormer", section 3.2).

    Columns 2i and 2i + 1 of a head are a complex number, which position m multiplies by exp(i m theta_i), with the rates theta_i of
    the sinusoids over the width of the head. The product of a turned query and a turned key knows how far apart they stand,
    and not where.
    """

    def __init__(self, head_width: int) -> None:
        super().__init__()
        self.signals = Sinusoids(head_width)

    def turn(self, positions: Tensor) -> Turn:
        """Of positions (T,) or (B, T)."""
        signals = self.signals(positions).unsqueeze(-2)  # (T, 1, D/H) or (B, T, 1, D/H)
        return Rotation(torch.complex(signals[..., 1::2], signals[..., 0::2]))


@dataclass(frozen=True)
class Rotation:
    """Multiplication of pairs of columns by complex numbers of length 1: one pass where sines and cosines apart take nine."""

    phases: Tensor  # (T, 1, D/2H) or (B, T, 1, D/2H), complex

    def __call__(self, values: Tensor) -> Tensor:
        """(B, T, H, D/H) -> (B, T, H, D/H)"""
        pairs = torch.view_as_complex(values.view(*values.shape[:3], -1, 2))
        return torch.view_as_real(pairs * self.phases).flatten(3)
