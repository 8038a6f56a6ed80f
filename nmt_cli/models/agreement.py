"""R-Drop (Liang et al. 2021): two passes over the same batch, under different dropout, shall predict the same.

    total = (CE(p) + CE(q)) / 2 + weight / 4 (KL(p, q) + KL(q, p))

Half of the paper's loss (its equation 4): with weight 0 it is the cross entropy, in the mean of both passes. The logits are made,
used and forgotten in chunks, and their gradient is taken in the same pass, as in ``losses``. With z the logits of p:

    d (KL(p, q) + KL(q, p)) / dz = p (log p - log q - KL(p, q)) + p - q
"""

from typing import Any

import torch
from torch import Tensor

from nmt_cli.models.losses import CHUNK


class _Agreement(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        one: Tensor,
        other: Tensor,
        table: Tensor,
        bias: Tensor,
        targets: Tensor,
        smoothing: float,
        weight: float,
    ) -> tuple[Tensor, Tensor]:
        passes = (one, other)
        slopes = tuple(torch.empty_like(hidden) for hidden in passes)
        grad_table, grad_bias = torch.zeros_like(table), torch.zeros_like(bias)
        total, nll = one.new_zeros(()), one.new_zeros(())
        for start in range(0, len(one), CHUNK):
            rows, target = slice(start, start + CHUNK), targets[start : start + CHUNK, None]
            logs = [torch.log_softmax(torch.addmm(bias, hidden[rows], table.T), 1) for hidden in passes]
            for hidden, slope, log, against in zip(passes, slopes, logs, reversed(logs), strict=True):
                chance, apart = log.exp(), log - against
                divergence = (chance * apart).sum(1, keepdim=True)
                chunk_nll = -log.gather(1, target).sum()
                nll += chunk_nll / 2
                total += ((1 - smoothing) * chunk_nll - smoothing * log.mean(1).sum()) / 2
                total += weight / 4 * divergence.sum()
                grad = weight / 4 * (chance * (apart - divergence + 1) - against.exp())
                grad += (chance - smoothing / log.shape[1]) / 2
                grad.scatter_add_(1, target, grad.new_full(target.shape, (smoothing - 1) / 2))
                torch.mm(grad, table, out=slope[rows])
                grad_table.addmm_(grad.T, hidden[rows])
                grad_bias += grad.sum(0)
        ctx.save_for_backward(*slopes, grad_table, grad_bias)
        ctx.mark_non_differentiable(nll)
        return total, nll

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        return (*(saved * grads[0] for saved in ctx.saved_tensors), None, None, None)


def agreement(
    passes: tuple[Tensor, Tensor], table: Tensor, bias: Tensor, targets: Tensor, smoothing: float, weight: float
) -> tuple[Tensor, Tensor]:
    """Sums over M tokens: what is minimised, and the negative log-likelihood in the mean of both passes.

    ``passes``: hidden states (M, D) of each; ``table`` (V', D), ``bias`` (V',), ``targets`` (M,) as columns.
    """
    total, nll = _Agreement.apply(*passes, table, bias, targets, smoothing, weight)  # type: ignore[no-untyped-call]
    return total, nll
