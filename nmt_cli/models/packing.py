"""Weights laid out for reading alone, where a step of decoding is short and nothing is learnt.

With matrices as tall as a vocabulary PyTorch's own products (MKL's, on the usual build) reach half of an x86 core's peak; oneDNN,
which is built in too, reaches nearly all of it, and all where the weights are packed beforehand. One row is NumPy's: see
``arithmetic``.
"""

from __future__ import annotations

import platform
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from nmt_cli.models.arithmetic import Arithmetic

Product = Callable[[Tensor], Tensor]
"""(N, D) -> (N, V)"""


class Packable(nn.Module):
    """A part of a model that can be read by a function with weights of its own.

    The function spares what a module does around its work, and multiplies once where the module multiplies several times.
    """

    @abstractmethod
    def packed(self, by: Arithmetic) -> Callable[..., Any]:
        """What ``forward`` does in evaluation, over copies: what becomes of the weights afterwards is not seen any more."""


_ROWS = 256  # of which the packed layout should be good


def product(values: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """x W^T + b (N, V), for ``values`` (N, D), a ``weight`` (V, D) and a ``bias`` (V,). It knows no gradients."""
    if not _packs(weight):
        return functional.linear(values, weight, bias)
    found: Tensor = torch.ops.mkldnn._linear_pointwise(values, weight, bias, "none", [], "")
    return found


def packed(weight: Tensor, bias: Tensor) -> Product:
    """x W^T + b for a ``weight`` (V, D) and a ``bias`` (V,) that must stay as they are: what is kept of them may be copies.

    Where this build of PyTorch, or the type of the weights, knows no packing it is the usual product.
    """
    if not _packs(weight):
        return lambda values: functional.linear(values, weight, bias)
    layout, columns = torch.ops.mkldnn._reorder_linear_weight(weight, _ROWS), weight.t().contiguous().numpy()
    addend = bias.numpy()

    def read(values: Tensor) -> Tensor:
        if len(values) == 1:
            with np.errstate(all="ignore"):  # what is no number is noticed by the search
                row = np.dot(values.detach().numpy(), columns)
                row += addend
            return torch.from_numpy(row)
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
