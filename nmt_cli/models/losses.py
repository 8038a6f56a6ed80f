"""Cross entropy over a large vocabulary, without ever holding the logits of a whole batch.

The logits of a batch are by far its largest tensor (4,000 tokens x 8,000 columns: 128 MB, and again for their gradient). Here
they are made, used and forgotten in chunks that stay in the cache, and their gradient is taken in the same pass. With p the softmax
of the logits z of one token, y its target and e smoothing,

    total     = log sum exp z - (1 - e) z_y - e mean z
    d total   = p - (1 - e) onehot(y) - e / V'
       / d z

of which the last term is added behind the loop, for all tokens at once. Nor is p ever made: exp(z - max z) is read by the products
as it is, and what divides it is put on their other side.
"""

import math
from typing import Any

import torch
from torch import Tensor

from nmt_cli.models.readout import readout_of

_LOG2_E = 1 / math.log(2)
CHUNK = 256  # rows; measured: 512 and 1,024 give nothing more


class _ChunkedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, smoothing: float, wanted: bool
    ) -> tuple[Tensor, Tensor]:
        readout, grad_hidden = readout_of(weight, bias), torch.empty_like(hidden)
        normaliser, nll = hidden.new_zeros(()), hidden.new_zeros(())
        for start in range(0, len(hidden), CHUNK):
            rows, target = hidden[start : start + CHUNK], targets[start : start + CHUNK, None]
            logits = readout.logits(rows)
            picked, most = logits.gather(1, target), logits.amax(1, keepdim=True)
            likely = (
                logits.sub_(most).mul_(_LOG2_E).exp2_()
            )  # p, but for its normaliser: e^x = 2^(x log2 e), which is quicker
            mass = likely.sum(1, keepdim=True)
            normalisers = mass.log() + most
            normaliser += normalisers.sum()
            nll += (normalisers - picked).sum()
            if wanted:
                likely.scatter_add_(1, target, (smoothing - 1) * mass)
                grad_hidden[start : start + CHUNK] = readout.back(likely, rows, mass.reciprocal())
        grads = grad_hidden, *readout.slopes
        if wanted:
            subtract_uniform(hidden, weight, smoothing, grads)
        total = (1 - smoothing) * nll + smoothing * (normaliser - logits_sum(hidden, weight, bias) / len(weight))
        ctx.save_for_backward(*grads)
        ctx.mark_non_differentiable(nll)
        return total, nll

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None, None]:
        grad_hidden, grad_weight, grad_bias = ctx.saved_tensors
        return grad_hidden * grads[0], grad_weight * grads[0], grad_bias * grads[0], None, None, None


def softmax_(logits: Tensor) -> Tensor:
    """Turn logits (M, V') into chances, in place; their normalisers (M, 1): e^x = 2^(x log2 e), which is quicker."""
    most = logits.amax(1, keepdim=True)
    mass = logits.sub_(most).mul_(_LOG2_E).exp2_().sum(1, keepdim=True)
    logits /= mass
    return mass.log_().add_(most)


def logits_sum(hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Of all tokens (M, D) and columns: one number, without the logits."""
    return (hidden.sum(0) * weight.sum(0)).sum() + len(hidden) * bias.sum()  # no product, which autocast would round


def subtract_uniform(hidden: Tensor, weight: Tensor, share: float, grads: tuple[Tensor, Tensor, Tensor]) -> None:
    """Take a ``share`` of the uniform distribution over the V' columns, for each of the M tokens, from the gradients of ``hidden``
    (M, D), ``weight`` (V', D) and the bias (V',)."""
    uniform = share / len(weight)
    grad_hidden, grad_weight, grad_bias = grads
    grad_hidden -= uniform * weight.sum(0)
    grad_weight -= uniform * hidden.sum(0)
    grad_bias -= uniform * len(hidden)


def cross_entropy(
    hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, smoothing: float
) -> tuple[Tensor, Tensor]:
    """Sums over M tokens: what is minimised, and the negative log-likelihood in it.

    ``hidden`` (M, D), ``weight`` (V', D), ``bias`` (V',), ``targets`` (M,) as columns. Label smoothing (Szegedy et al. 2016)
    mixes the one right token with the uniform distribution over the V' columns.
    """
    # Asked here: inside a Function gradients are always off, and a parameter says that it requires them even under no_grad.
    wanted = torch.is_grad_enabled() and any(part.requires_grad for part in (hidden, weight, bias))
    hidden = hidden.to(weight.dtype)  # a product may have rounded it
    total, nll = _ChunkedCrossEntropy.apply(hidden, weight, bias, targets, smoothing, wanted)  # type: ignore[no-untyped-call]
    return total, nll
