"""Cross entropy over a large vocabulary, without ever holding the logits of a whole batch.

The logits of a batch are by far its largest tensor (4,000 tokens x 8,000 columns: 128 MB, and again for their gradient). Here
they are made, used and forgotten in chunks that stay in the cache, and their gradient is taken in the same pass.
"""

from typing import Any

import torch
from torch import Tensor

CHUNK = 256  # rows; measured: 512 and 1,024 give nothing more


class _ChunkedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, smoothing: float, wanted: bool
    ) -> tuple[Tensor, Tensor]:
        columns = weight.shape[0]
        grad_hidden, grad_weight = torch.empty_like(hidden), torch.zeros_like(weight)
        grad_bias, total, nll = torch.zeros_like(bias), hidden.new_zeros(()), hidden.new_zeros(())
        for start in range(0, len(hidden), CHUNK):
            rows, target = hidden[start : start + CHUNK], targets[start : start + CHUNK, None]
            logits = torch.addmm(bias, rows, weight.T)
            normaliser = logits.logsumexp(1, keepdim=True)
            picked = logits.gather(1, target)
            chunk_nll = (normaliser - picked).sum()
            nll += chunk_nll
            total += (1 - smoothing) * chunk_nll + smoothing * (normaliser[:, 0] - logits.mean(1)).sum()
            if wanted:  # d total / d logits = softmax - (1 - smoothing) onehot - smoothing / V'
                slope = logits.sub_(normaliser).exp_()
                slope -= smoothing / columns
                slope.scatter_add_(1, target, slope.new_full(target.shape, smoothing - 1))
                torch.mm(slope, weight, out=grad_hidden[start : start + CHUNK])
                grad_weight.addmm_(slope.T, rows)
                grad_bias += slope.sum(0)
        ctx.save_for_backward(grad_hidden, grad_weight, grad_bias)
        ctx.mark_non_differentiable(nll)
        return total, nll

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None, None]:
        grad_hidden, grad_weight, grad_bias = ctx.saved_tensors
        return grad_hidden * grads[0], grad_weight * grads[0], grad_bias * grads[0], None, None, None


def cross_entropy(
    hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, smoothing: float
) -> tuple[Tensor, Tensor]:
    """Sums over M tokens: what is minimised, and the negative log-likelihood in it.

    ``hidden`` (M, D), ``weight`` (V', D), ``bias`` (V',), ``targets`` (M,) as columns. Label smoothing (Szegedy et al. 2016)
    mixes the one right token with the uniform distribution over the V' columns.
    """
    # Asked here: inside a Function gradients are always off, and a parameter says that it requires them even under no_grad.
    wanted = torch.is_grad_enabled() and any(part.requires_grad for part in (hidden, weight, bias))
    total, nll = _ChunkedCrossEntropy.apply(hidden, weight, bias, targets, smoothing, wanted)  # type: ignore[no-untyped-call]
    return total, nll
