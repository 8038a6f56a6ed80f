"""The output layer inside a loss: the logits of some rows, and what a gradient by them comes to.

A loss makes logits, uses and forgets them chunk by chunk (``losses``, ``agreement``). Its products may be rounded to bfloat16
(``rounding``): logits, before they are widened, and gradients. What is added up over the chunks is in the type of the weights.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from nmt_cli.models.products import product
from nmt_cli.models.rounding import is_rounded


@dataclass(frozen=True)
class Readout(ABC):
    """Of a weight (V', D) and a bias (V',)."""

    weight: Tensor
    bias: Tensor
    slopes: tuple[Tensor, Tensor]  # the gradients by both, of all that went back

    @abstractmethod
    def logits(self, hidden: Tensor) -> Tensor:
        """(C, V') from hidden states (C, D). Who asks may write into them."""

    @abstractmethod
    def back(self, grad: Tensor, hidden: Tensor, scale: Tensor) -> Tensor:
        """From a gradient ``grad`` (C, V') times ``scale`` (C, 1) by the logits to that (C, D) by the hidden states (C, D)."""


class WholeReadout(Readout):
    """In the type of the weights."""

    def logits(self, hidden: Tensor) -> Tensor:
        """See Readout."""
        return product(hidden, self.weight, self.bias)

    def back(self, grad: Tensor, hidden: Tensor, scale: Tensor) -> Tensor:
        """See Readout."""
        by_weight, by_bias = self.slopes
        by_weight.addmm_(grad.T, hidden * scale)
        by_bias.addmv_(grad.T, scale[:, 0])
        return (grad @ self.weight).mul_(scale)


class RoundedReadout(Readout):
    """In bfloat16, of which weight and bias are copies."""

    def logits(self, hidden: Tensor) -> Tensor:
        """See Readout."""
        return functional.linear(hidden.bfloat16(), self.weight, self.bias).to(hidden.dtype)

    def back(self, grad: Tensor, hidden: Tensor, scale: Tensor) -> Tensor:
        """See Readout."""
        by_weight, by_bias = self.slopes
        rounded = grad.bfloat16()
        by_weight.add_(rounded.T @ (hidden * scale).bfloat16())
        by_bias.addmv_(grad.T, scale[:, 0])
        return (rounded @ self.weight).to(hidden.dtype).mul_(scale)


def readout_of(weight: Tensor, bias: Tensor) -> Readout:
    """Of an output layer that nothing went back to."""
    slopes = torch.zeros_like(weight), torch.zeros_like(bias)
    if is_rounded():
        return RoundedReadout(weight.bfloat16(), bias.bfloat16(), slopes)
    return WholeReadout(weight, bias, slopes)
