"""What packed parts of a model calculate with: tensors for many sentences, arrays for one.

A step of decoding one sentence is hundreds of operations on a few rows. PyTorch takes 3 to 15 microseconds for each, of which
most is spent before anything is multiplied; NumPy takes 1 to 5, and its product of one row with a matrix is twice as fast as
PyTorch's: both are limited by memory, and fastest where weights stand column by column. With many rows the products are most of
the work, and PyTorch is the better one.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

Array = np.ndarray[Any, np.dtype[Any]]
Function = Callable[[Any], Any]
"""(..., D) -> (..., D'), of tensors or of arrays"""


@dataclass(frozen=True)
class Copies:
    """Weights as they are read, side by side and column by column, the same for all that read them."""

    known: dict[tuple[nn.Linear, ...], tuple[Tensor, Tensor | None]] = field(default_factory=dict)

    def of(self, *layers: nn.Linear) -> tuple[Tensor, Tensor | None]:
        """A weight (D, sum of widths) and a bias (sum of widths,): several layers of the same values as one product."""
        if layers not in self.known:
            weight = torch.cat([layer.weight.detach() for layer in layers]).t().contiguous()
            bias = None
            if any(layer.bias is not None for layer in layers):
                none = weight.new_zeros
                biases = [none(layer.out_features) if layer.bias is None else layer.bias.detach() for layer in layers]
                bias = torch.cat(biases)
            self.known[layers] = weight, bias
        return self.known[layers]


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

    def product(self, *layers: nn.Linear) -> Function:
        """See Arithmetic."""
        columns, bias = self.copies.of(*layers)
        weight = columns.t()
        return lambda values: functional.linear(values, weight, bias)

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
        columns, addend = self.copies.of(*layers)
        weight, bias = columns.numpy(), None if addend is None else addend.numpy()

        def product(rows: Array) -> Array:
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
