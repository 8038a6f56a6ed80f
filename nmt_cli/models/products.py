"""x W^T + b with weights that stay as they are.

PyTorch's own products (MKL's, on the usual build) reach half of an x86 core's peak with matrices as tall as a vocabulary. oneDNN,
which is built in too, reaches nearly all of it, and all where weights are packed beforehand. With smaller matrices it is a tenth
faster for many rows, and up to three times as fast for some ten, since nothing is packed at each call. A call takes 15
microseconds, which one row does not repay: that is NumPy's, see ``arithmetic``.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

Product = Callable[[Tensor], Tensor]
"""(..., D) -> (..., V)"""
Array = np.ndarray[Any, np.dtype[Any]]
"""Of NumPy"""
Layout = Callable[[Tensor, Tensor | None], Product | None]
"""A large weight (V, D) and a bias (V,) -> x W^T + b; None where it cannot be laid out"""

_ROWS = 256  # of which the packed layout should be good


def product(values: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """x W^T + b (N, V), for ``values`` (N, D), a ``weight`` (V, D) and a ``bias`` (V,). It knows no gradients."""
    if not _packs(weight):
        return functional.linear(values, weight, bias)
    found: Tensor = torch.ops.mkldnn._linear_pointwise(values, weight, bias, "none", [], "")
    return found


def laid_out(weight: Tensor, bias: Tensor | None) -> Product | None:
    """x W^T + b for a ``weight`` (V, D), of which a copy is kept, and a ``bias`` (V,). It knows no gradients.

    None where this build of PyTorch, or the type of the weight, knows no packing.
    """
    if not _packs(weight):
        return None
    layout, multiply = (
        torch.ops.mkldnn._reorder_linear_weight(weight, _ROWS),
        torch.ops.mkldnn._linear_pointwise.default,
    )

    def read(values: Tensor) -> Tensor:
        found: Tensor = multiply(values, layout, bias, "none", [], "")
        return found

    return read


def packed(weight: Tensor, bias: Tensor) -> Product:
    """x W^T + b (N, V) for a ``weight`` (V, D) and a ``bias`` (V,) that must stay as they are: what is kept of them may be copies.

    Where nothing can be packed it is the usual product.
    """
    if not _packs(weight):
        return lambda values: functional.linear(values, weight, bias)
    return Packed(weight, bias)


class Packed:
    """x W^T + b of one row, by NumPy, and of many: each has a copy of the weight, made when it is first asked for."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self._weight = weight
        self._bias = bias

    @cached_property
    def _many(self) -> Product:
        return laid_out(self._weight, self._bias) or partial(functional.linear, weight=self._weight, bias=self._bias)

    @cached_property
    def _one(self) -> tuple[Array, Array]:
        return self._weight.t().contiguous().numpy(), self._bias.numpy()

    def __call__(self, values: Tensor) -> Tensor:
        """See Product."""
        if len(values) > 1:
            return self._many(values)
        columns, bias = self._one
        with np.errstate(all="ignore"):  # what is no number is noticed by the search
            row = np.dot(values.detach().numpy(), columns)
            row += bias
        return torch.from_numpy(row)


def _packs(weight: Tensor) -> bool:
    """Where it was measured."""
    measured = platform.machine().lower() in {"x86_64", "amd64"} and weight.device.type == "cpu"
    available = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return bool(measured and available and weight.dtype == torch.float32) and all(
        hasattr(torch.ops.mkldnn, name) for name in ("_reorder_linear_weight", "_linear_pointwise")
    )
