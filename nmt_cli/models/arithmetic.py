"""What packed parts of a model calculate with: tensors for many sentences, arrays for one.

A step of decoding one sentence is hundreds of operations on a few rows. PyTorch takes 3 to 15 microseconds for each, of which
most is spent before anything is multiplied; NumPy takes 1 to 5, and its product of one row with a matrix is twice as fast as
PyTorch's: both are limited by memory, and fastest where weights stand column by column. With many rows the products are most of
the work, and PyTorch is the better one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from nmt_cli.models.products import Array as Array  # of which it is made, for all that calculate by it
from nmt_cli.models.products import Layout, Product, laid_out

Function = Callable[[Any], Any]
"""(..., D) -> (..., D'), of tensors or of arrays"""

LARGE = 2**16
"""Numbers of a weight from which packing it pays: below, oneDNN spends more before the product than it saves in it."""
MANY = 4
"""Rows from which a packed weight is read faster than NumPy reads the other: NumPy packs it anew for each product but that of
one row."""


class Weights:
    """Of several layers of the same values, side by side, as one product: (D, W), W the sum of their widths.

    Each way of reading them needs a copy, which is made when it is first read in that way: text in batches never needs what a line
    by itself does.
    """

    def __init__(self, layers: Sequence[nn.Linear]) -> None:
        self._layers = layers
        self._laid_out: dict[Layout, Product | None] = {}

    @cached_property
    def bias(self) -> Tensor | None:
        """(W,)"""
        if all(layer.bias is None for layer in self._layers):
            return None
        none = self._layers[0].weight.new_zeros
        biases = [none(layer.out_features) if layer.bias is None else layer.bias.detach() for layer in self._layers]
        return torch.cat(biases)

    @cached_property
    def columns(self) -> Tensor:
        """(D, W) column by column."""
        return self._joined().t().contiguous()

    @cached_property
    def arrays(self) -> tuple[Array, Array | None]:
        """``columns`` and ``bias`` as arrays over the same memory."""
        return self.columns.numpy(), None if self.bias is None else self.bias.numpy()

    def by(self, layout: Layout) -> Product | None:
        """Packed for many rows; None where that does not pay."""
        if layout not in self._laid_out:
            weight = self._joined()
            self._laid_out[layout] = layout(weight, self.bias) if weight.numel() >= LARGE else None
        return self._laid_out[layout]

    def _joined(self) -> Tensor:
        return torch.cat([layer.weight.detach() for layer in self._layers])


@dataclass(frozen=True)
class Copies:
    """Weights as they are read, the same for all that read them; each way that one is read in is made when it is asked for."""

    known: dict[tuple[nn.Linear, ...], Weights] = field(default_factory=dict)

    def of(self, *layers: nn.Linear) -> Weights:
        """Of layers of the same values."""
        return self.known.setdefault(layers, Weights(layers))


class Arithmetic(Protocol):
    """How functions are made of the parts of a model, over copies of their weights."""

    def product(self, *layers: nn.Linear) -> Function:
        """Several layers of the same values as one product: (..., D) -> (..., sum of widths)."""
        ...

    def norm(self, norm: nn.Module) -> Function:
        """What a norm does."""
        ...

    def function(self, function: Callable[[Tensor], Tensor]) -> Function:
        """A function of tensors. It may write into what it is given, and give it back."""
        ...

    def vector(self, parameter: Tensor) -> Any:
        """A parameter (D,) to calculate with."""
        ...


@dataclass(frozen=True)
class Tensors(Arithmetic):
    """Of PyTorch."""

    copies: Copies
    layout: Layout = laid_out  # of large weights

    def product(self, *layers: nn.Linear) -> Function:
        """See Arithmetic."""
        weights, layout = self.copies.of(*layers), self.layout

        def product(values: Tensor) -> Tensor:
            many = weights.by(layout)
            return functional.linear(values, weights.columns.t(), weights.bias) if many is None else many(values)

        return product

    def norm(self, norm: nn.Module) -> Function:
        """See Arithmetic."""
        if not isinstance(norm, nn.LayerNorm):
            function: Function = deepcopy(norm).requires_grad_(False).forward
            return function
        shape, weight, bias, epsilon = (
            norm.normalized_shape,
            norm.weight.detach().clone(),
            norm.bias.detach().clone(),
            norm.eps,
        )
        return lambda values: torch.layer_norm(values, shape, weight, bias, epsilon)

    def function(self, function: Callable[[Tensor], Tensor]) -> Function:
        """See Arithmetic."""
        return function

    def vector(self, parameter: Tensor) -> Tensor:
        """See Arithmetic."""
        return parameter.detach().clone()


@dataclass(frozen=True)
class Arrays(Arithmetic):
    """Of NumPy, over rows (M, D)."""

    copies: Copies

    def product(self, *layers: nn.Linear) -> Function:
        """See Arithmetic."""
        weights = self.copies.of(*layers)

        def product(rows: Array) -> Array:
            if len(rows) >= MANY:
                many = weights.by(laid_out)
                if many is not None:
                    return many(torch.from_numpy(rows)).numpy()
            weight, bias = weights.arrays
            found: Array = np.dot(rows, weight)
            if bias is not None:
                found += bias
            return found

        return product

    def norm(self, norm: nn.Module) -> Function:
        """See Arithmetic."""
        return self.function(Tensors(self.copies).norm(norm))

    def function(self, function: Callable[[Tensor], Tensor]) -> Function:
        """See Arithmetic: the memory is the same, and a view of it costs a microsecond."""
        from_numpy = torch.from_numpy
        return lambda rows: function(from_numpy(rows)).numpy()

    def vector(self, parameter: Tensor) -> Array:
        """See Arithmetic."""
        return parameter.detach().clone().numpy()
