"""The simpler simple recurrent unit in place of the decoder's self-attention (Kim et al. 2019, "From Research to Production and
Back", section 3.2).

    f_t = sigmoid(W_f x_t + b_f)
    c_t = f_t * c_{t-1} + (1 - f_t) * W x_t
    o_t = relu(c_t)

All products with weights are outside of the recurrence, so that a layer learns from all positions in one GEMM. A step of decoding
costs the same however much was produced, and a row remembers one vector for each layer where attention keeps all its past.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from nmt_cli.models.arithmetic import Arithmetic
from nmt_cli.models.packing import Packable
from nmt_cli.models.rounding import in_float32


class _Scan(torch.autograd.Function):
    """c_t for all t, with its backward pass written out: one element-wise operation a step in either direction."""

    @staticmethod
    @in_float32
    def forward(ctx: Any, forget: Tensor, candidates: Tensor, start: Tensor) -> Tensor:
        cells = torch.empty_like(forget)
        cell = start
        for t in range(forget.shape[1]):
            cell = torch.lerp(candidates[:, t], cell, forget[:, t], out=cells[:, t])
        ctx.save_for_backward(forget, candidates, start, cells)
        return cells

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        forget, candidates, start, cells = ctx.saved_tensors
        slopes = torch.empty_like(cells)  # of the loss in c_t, through o_t and through all that comes behind
        behind = torch.zeros_like(start)
        for t in reversed(range(forget.shape[1])):
            torch.add(grads[0][:, t], behind, out=slopes[:, t])
            behind = slopes[:, t] * forget[:, t]
        before = torch.cat([start[:, None], cells[:, :-1]], 1)
        return slopes * (before - candidates), slopes * (1 - forget), behind


def scan(forget: Tensor, candidates: Tensor, start: Tensor) -> Tensor:
    """c_t = f_t * c_{t-1} + (1 - f_t) * candidate_t, (B, T, D) from (B, T, D) each and c_0 (B, D)."""
    cells: Tensor = _Scan.apply(forget, candidates, start)  # type: ignore[no-untyped-call]
    return cells


class SSRU(Packable):
    """The unit, as a sub-layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(width, 2 * width, bias=False)  # W_f and W
        self.bias = nn.Parameter(torch.zeros(width))  # b_f

    def forward(self, x: Tensor, recur: Recurrence) -> Tensor:
        """(B, T, D) -> (B, T, D), where ``recur`` knows what came before."""
        forget, candidates = self.project(x).chunk(2, 2)
        return torch.relu(recur(torch.sigmoid(forget + self.bias), candidates))

    def packed(self, by: Arithmetic) -> Callable[[Any, Callable[[Any, Any], Any]], Any]:
        """See Packable."""
        project, bias, width = by.product(self.project), by.vector(self.bias), len(self.bias)
        sigmoid, relu = by.function(torch.sigmoid), by.function(torch.relu)

        def forward(x: Any, recur: Callable[[Any, Any], Any]) -> Any:
            both = project(x)
            return relu(recur(sigmoid(both[..., :width] + bias), both[..., width:]))

        return forward


class Recurrence:
    """How the recurrence goes over what a layer reads: from the beginning, and nothing is kept."""

    def __call__(self, forget: Tensor, candidates: Tensor) -> Tensor:
        """c_t (B, T, D) from f_t and W x_t (B, T, D)."""
        return scan(forget, candidates, torch.zeros_like(forget[:, 0]))
