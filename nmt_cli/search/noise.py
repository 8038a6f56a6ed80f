"""Noise that is a function of where it is used, and of nothing that ran before: (seed, input line, sample, step, token).

So a sample is the same whatever else is in its batch. Counter-based: each number is a hash of its place (Salmon et al. 2011); the
hash is the finaliser of SplitMix64 (Steele et al. 2014), all in 64-bit integers that wrap round.
"""

import torch
from torch import Tensor

from nmt_cli.errors import ConfigError

_GOLDEN = -7046029254386353131  # 2^64 / golden ratio
_FIRST, _SECOND = -4658895280553007687, -7723592293110705685


def keys(seed: int | Tensor, *places: Tensor | int) -> Tensor:
    """(N,) one key for each row, from the seed and any number of places ((N,) long, or the same for all).

    Keys may be led on: ``keys(keys(seed, a), b)`` is ``keys(seed, a, b)``.
    """
    key = torch.as_tensor(seed, dtype=torch.int64)
    for place in places:
        key = _mixed(_mixed(key + _GOLDEN) + torch.as_tensor(place, dtype=torch.int64))
    return key


def check_seed(seed: int) -> None:
    """Raises ConfigError for a seed that is no key."""
    if not 0 <= seed < 2**63:
        raise ConfigError(f"--seed must be at least 0 and below 2^63, but is {seed}")


def uniform(rows: Tensor, columns: Tensor) -> Tensor:
    """(N, V') doubles strictly between 0 and 1, from the keys (N,) of the rows and the ids (V',) of the columns."""
    bits = _mixed(rows[:, None] + _GOLDEN * (columns + 1))
    return (_shifted(bits, 12).double() + 0.5) * 2.0**-52  # as many bits as a double holds: none is rounded to 1


def gumbel(rows: Tensor, columns: Tensor) -> Tensor:
    """(N, V') standard Gumbel noise: the argmax of log p + noise is a draw from p (Gumbel 1954; Maddison et al. 2014)."""
    return -(-uniform(rows, columns).log()).log()


def _mixed(value: Tensor) -> Tensor:
    value = (value ^ _shifted(value, 30)) * _FIRST
    value = (value ^ _shifted(value, 27)) * _SECOND
    return value ^ _shifted(value, 31)


def _shifted(value: Tensor, places: int) -> Tensor:
    """To the right, zeros coming in from the left: torch's own shift keeps the sign."""
    kept: Tensor = (value >> places) & (2 ** (64 - places) - 1)
    return kept
