"""R-Drop (Liang et al. 2021): two passes over the same batch, under different dropout, shall predict the same.

    total = (CE(p) + CE(q)) / 2 + weight / 4 (KL(p, q) + KL(q, p))

Half of the paper's loss (its equation 4): with weight 0 it is the cross entropy, in the mean of both passes. The logits are made,
used and forgotten in chunks, and their gradient is taken in the same pass, as in ``losses``. With z the logits of p:

    d (KL(p, q) + KL(q, p)) / dz = p (log p - log q - KL(p, q)) + p - q
"""

from typing import Any

import torch
from torch import Tensor

from nmt_cli.models.losses import CHUNK, subtract_truth


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
        passes, slopes = (one, other), (torch.empty_like(one), torch.empty_like(other))
        grad_table, grad_bias = torch.zeros_like(table), torch.zeros_like(bias)
        nll, uniform_nll, divergence = one.new_zeros(()), one.new_zeros(()), one.new_zeros(())
        for start in range(0, len(one), CHUNK):
            rows, target = slice(start, start + CHUNK), targets[start : start + CHUNK, None]
            logs = [torch.log_softmax(torch.addmm(bias, hidden[rows], table.T), 1) for hidden in passes]
            nll -= sum(log.gather(1, target).sum() for log in logs) / 2
            uniform_nll -= sum(log.mean(1).sum() for log in logs) / 2
            chances = [log.exp() for log in logs]
            apart = torch.sub(*logs)
            for hidden, slope, chance, other_chance, sign in zip(
                passes, slopes, chances, chances[::-1], (1, -1), strict=True
            ):
                own = sign * torch.einsum("rv,rv->r", chance, apart)[:, None]  # KL(p, q)
                divergence += own.sum()
                grad = apart.mul(sign * weight / 4).add_(1 / 2 + weight / 4 * (1 - own)).mul_(chance)
                grad.sub_(other_chance, alpha=weight / 4)
                torch.mm(grad, table, out=slope[rows])
                grad_table.addmm_(grad.T, hidden[rows])
                grad_bias += grad.sum(0)
        for hidden, slope in zip(passes, slopes, strict=True):
            subtract_truth(hidden, table, targets, smoothing, 1 / 2, (slope, grad_table, grad_bias))
        total = (1 - smoothing) * nll + smoothing * uniform_nll + weight / 4 * divergence
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
