"""R-Drop (Liang et al. 2021): two passes over the same batch, under different dropout, shall predict the same.

    total = (CE(p) + CE(q)) / 2 + weight / 4 (KL(p, q) + KL(q, p))

Half of the paper's loss (its equation 4): with weight 0 it is the cross entropy, in the mean of both passes. The logits are made,
used and forgotten in chunks, and their gradient is taken in the same pass, as in ``losses``. With z the logits of p:

    d (KL(p, q) + KL(q, p)) / dz = p (log p - log q - KL(p, q)) + p - q
"""

from typing import Any

import torch
from torch import Tensor

from nmt_cli.models.losses import CHUNK, logits_sum, softmax_, subtract_uniform
from nmt_cli.models.readout import readout_of


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
        readout = readout_of(table, bias)
        normaliser, picked, divergence = one.new_zeros(()), one.new_zeros(()), one.new_zeros(())
        for start in range(0, len(one), CHUNK):
            rows, target = slice(start, start + CHUNK), targets[start : start + CHUNK, None]
            logits = [readout.logits(hidden[rows]) for hidden in passes]
            picked += sum(each.gather(1, target).sum() for each in logits)
            apart = torch.sub(*logits)  # log p - log q, but for the normalisers
            normalisers = [softmax_(each) for each in logits]
            normaliser += sum(each.sum() for each in normalisers)
            shift = torch.sub(*normalisers)
            for hidden, slope, chance, other_chance, sign in zip(
                passes, slopes, logits, logits[::-1], (1, -1), strict=True
            ):
                grad = chance * apart
                own = sign * (grad.sum(1, keepdim=True) - shift)  # KL(p, q)
                divergence += own.sum()
                grad.mul_(sign * weight / 4).sub_(other_chance, alpha=weight / 4)
                grad.addcmul_(chance, 1 / 2 + weight / 4 * (1 - own - sign * shift))
                grad.scatter_add_(1, target, torch.full_like(own, (smoothing - 1) / 2))
                slope[rows] = readout.back(grad, hidden[rows], torch.ones_like(own))
        for hidden, slope in zip(passes, slopes, strict=True):
            subtract_uniform(hidden, table, smoothing / 2, (slope, *readout.slopes))
        nll = (normaliser - picked) / 2
        uniform_nll = (normaliser - (logits_sum(one, table, bias) + logits_sum(other, table, bias)) / len(table)) / 2
        total = (1 - smoothing) * nll + smoothing * uniform_nll + weight / 4 * divergence
        ctx.save_for_backward(*slopes, *readout.slopes)
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
    one, other = (hidden.to(table.dtype) for hidden in passes)  # a product may have rounded them
    total, nll = _Agreement.apply(one, other, table, bias, targets, smoothing, weight)  # type: ignore[no-untyped-call]
    return total, nll
