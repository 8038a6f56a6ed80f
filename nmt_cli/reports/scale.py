"""Scales: from values to their place along an axis, and the round values to write beside it. Knows no drawing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, inf, isfinite, log10
from sys import float_info
from typing import Protocol

Tick = tuple[float, str]
"""A value on an axis, and the words beside it."""


class Scale(Protocol):
    """One axis."""

    def holds(self, value: float) -> bool:
        """Whether the value has a place on this axis at all; infinity never has, 0 not on a logarithmic one."""
        ...

    def fraction(self, value: float) -> float:
        """Where the value lies: 0 at the beginning, 1 at the end. What lies beyond is held at the border."""
        ...

    def ends(self) -> tuple[str, str]:
        """The values at the beginning and at the end, in words."""
        ...

    def ticks(self, most: int) -> list[Tick]:
        """Round values from the beginning to the end, at most ``most`` of them (2 or more)."""
        ...


@dataclass(frozen=True)
class Linear:
    """Equal steps are equally far apart."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        return isfinite(value)

    def fraction(self, value: float) -> float:
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))

    def ends(self) -> tuple[str, str]:
        return f"{self.low:.6g}", f"{self.high:.6g}"

    def ticks(self, most: int) -> list[Tick]:
        step = _step(self.high - self.low, most)
        first, last = ceil(self.low / step - 1e-9), floor(self.high / step + 1e-9)
        decimals = max(0, -floor(log10(step) + 1e-9))
        return [(place * step, _written(place * step, decimals)) for place in range(first, last + 1)]


@dataclass(frozen=True)
class Logarithmic:
    """Equal ratios are equally far apart; ``low`` and ``high`` are powers of ten, given by their exponents."""

    low: int
    high: int

    def holds(self, value: float) -> bool:
        return isfinite(value) and value > 0

    def fraction(self, value: float) -> float:
        exponent = log10(value) if value > 0 else -inf
        return min(1.0, max(0.0, (exponent - self.low) / (self.high - self.low)))

    def ends(self) -> tuple[str, str]:
        return power_of_ten(self.low), power_of_ten(self.high)

    def ticks(self, most: int) -> list[Tick]:
        decades = self.high - self.low
        if 3 * decades < most and self.low >= -4 and self.high <= 7:  # 1, 2, 5, 10, as people write numbers
            values = [digit * 10.0**exponent for exponent in range(self.low, self.high) for digit in (1, 2, 5)]
            return [(value, f"{value:,.7g}") for value in (*values, 10.0**self.high)]
        step = next(step for step in _DECADES if (self.high - self.low) // step < most)
        exponents = range(-(-self.low // step) * step, min(self.high, float_info.max_10_exp) + 1, step)
        return [(10.0**exponent, power_of_ten(exponent)) for exponent in exponents]


def linear(values: Iterable[float], span: tuple[float, float] | None = None, *, most: int = 7) -> Linear:
    """A scale with round ends for the values.

    Args:
        values: what shall have a place; infinities and NaN are passed over.
        span: the least that the axis shows; values outside widen it, so that nothing is hidden.
        most: how many ticks the ends are rounded for.
    """
    finite = [value for value in (*values, *(span or ())) if isfinite(value)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    if span is None and 0 < low < high / 2:  # an axis from near 0 might as well begin there
        low = 0.0
    if low == high:
        low, high = low - (abs(low) / 2 or 1.0), high + (abs(high) / 2 or 1.0)
    if span == (low, high):
        return Linear(low, high)
    for _ in range(3):  # rounding the ends makes the axis longer, which may take a larger step, which rounds again
        step = _step(high - low, most)
        low, high = floor(low / step + 1e-9) * step, ceil(high / step - 1e-9) * step
    return Linear(low, high)


def logarithmic(values: Iterable[float]) -> Logarithmic:
    """A scale of whole decades for the values above 0; the others have no place on it."""
    exponents = [log10(value) for value in values if isfinite(value) and value > 0] or [0.0]
    low, high = floor(min(exponents) + 1e-9), ceil(max(exponents) - 1e-9)
    return Logarithmic(low, max(high, low + 1))


def exact(values: Sequence[float]) -> Linear:
    """A scale that begins and ends with the values themselves."""
    finite = [value for value in values if isfinite(value)] or [0.0]
    low, high = min(finite), max(finite)
    return Linear(low, high) if low < high else Linear(low - 1, high + 1)


def power_of_ten(exponent: int) -> str:
    """``1``, ``10``, ``10⁻⁵``."""
    if exponent in (0, 1):
        return str(10**exponent)
    return "10" + str(exponent).translate(_SUPERSCRIPTS)


_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_DECADES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


def _step(span: float, most: int) -> float:
    """The least of 1, 2, 5, 10, ... times a power of ten that goes into the span less than ``most`` times."""
    magnitude = 10.0 ** floor(log10(span / most))
    return next(size * magnitude for size in (1, 2, 5, 10, 20) if span / (size * magnitude) <= most - 1 + 1e-9)


def _written(value: float, decimals: int) -> str:
    plain = f"{value + 0.0:,.{decimals}f}" if decimals <= 6 else f"{value + 0.0:.3g}"
    return plain.replace("-", "−")
