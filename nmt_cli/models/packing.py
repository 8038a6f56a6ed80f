"""Products with matrices as tall as a vocabulary, and weights laid out for them.

PyTorch's own (MKL's, on the usual build) reach half of an x86 core's peak there; oneDNN, which is built in too, reaches nearly all
of it, and all where the weights are packed beforehand. A single row is limited by memory instead, and is fastest where the
weights stand column by column.
"""

from __future__ import annotations

import platform
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

Product = Callable[[Tensor], Tensor]
"""(N, D) -> (N, V)"""

_ROWS = 256  # of which the packed layout should be good


def product(values: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """x W^T + b (N, V), for ``values`` (N, D), a ``weight`` (V, D) and a ``bias`` (V,). It knows no gradients."""
    if not _packs(weight):
        return functional.linear(values, weight, bias)
    found: Tensor = torch.ops.mkldnn._linear_pointwise(values, weight, bias, "none", [], "")
    return found


def packed(weight: Tensor, bias: Tensor) -> Product:
    """x W^T + b for a ``weight`` (V, D) and a ``bias`` (V,) that stay as they are; both layouts are copies.

    Where this build of PyTorch, or the type of the weights, knows no packing it is the usual product.
    """
    if not _packs(weight):
        return lambda values: functional.linear(values, weight, bias)
    layout, columns = torch.ops.mkldnn._reorder_linear_weight(weight, _ROWS), weight.t().contiguous().t()

    def read(values: Tensor) -> Tensor:
        if len(values) == 1:
            return functional.linear(values, columns, bias)
        found: Tensor = torch.ops.mkldnn._linear_pointwise(values, layout, bias, "none", [], "")
        return found

    return read


def _packs(weight: Tensor) -> bool:
    """Where it was measured."""
    measured = platform.machine().lower() in {"x86_64", "amd64"} and weight.device.type == "cpu"
    available = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return bool(measured and available and weight.dtype == torch.float32) and all(
        hasattr(torch.ops.mkldnn, name) for name in ("_reorder_linear_weight", "_linear_pointwise")
    )
