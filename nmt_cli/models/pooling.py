"""One vector for a whole text: its final states, or the maximum, the mean or an attention over all positions."""

from abc import abstractmethod
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from nmt_cli.models.attention import bias_of
from nmt_cli.models.base import Memory


class Pooling(nn.Module):
    """Memory -> one vector (B, D) of each text."""

    everywhere: ClassVar[bool] = True
    """Whether it looks at all positions at once, so that none of them is nearest to the result."""

    @abstractmethod
    def forward(self, memory: Memory) -> Tensor:
        """(B, D)"""


class FinalStates(Pooling):
    """The uppermost states behind the last token each way: all that was read has gone through them."""

    everywhere: ClassVar[bool] = False

    def forward(self, memory: Memory) -> Tensor:
        """(B, D)"""
        return memory.final[0][:, -1]


class MaxPooling(Pooling):
    """The largest value of each feature, wherever it stands (Collobert et al. 2011)."""

    def forward(self, memory: Memory) -> Tensor:
        """(B, D)"""
        return memory.outputs.masked_fill(~memory.mask[:, :, None], -torch.inf).amax(1)


class MeanPooling(Pooling):
    """The mean over the real tokens."""

    def forward(self, memory: Memory) -> Tensor:
        """(B, D)"""
        real = memory.mask[:, :, None]
        return (memory.outputs * real).sum(1) / real.sum(1)


class AttentionPooling(Pooling):
    """A mean weighted by softmax(v tanh(W h + b)): a learned question that each position answers (Yang et al. 2016, eq. 5 to 7)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.key = nn.Linear(width, width)
        self.question = nn.Linear(width, 1, bias=False)

    def forward(self, memory: Memory) -> Tensor:
        """(B, D)"""
        scores = self.question(torch.tanh(self.key(memory.outputs)))[:, :, 0]
        weights = torch.softmax(scores + bias_of(memory.mask, memory.outputs.dtype), 1)
        return (weights[:, None] @ memory.outputs)[:, 0]


def pooling(name: Literal["final", "max", "mean", "attention"], width: int) -> Pooling:
    """The one of this name, over outputs (B, T, D) of this ``width``."""
    match name:
        case "final":
            return FinalStates()
        case "max":
            return MaxPooling()
        case "mean":
            return MeanPooling()
        case "attention":
            return AttentionPooling(width)
