"""How a recurrent decoder looks at the source: attention with a choice of scores (Bahdanau et al. 2015; Luong et al. 2015).

    weights = softmax over s of score(h, m_s)        context = sum over s of weights_s m_s

    dot             h . m
    scaled          h . m / sqrt(D)             (Vaswani et al. 2017)
    general         h . W m
    additive        v . tanh(W h + U m)         (Bahdanau et al. 2015: the alignment model)
    multi-head      several scaled ones, each on projections of its own

What depends on the memory alone is computed once for each sentence and never copied for its hypotheses.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn

from nmt_cli.models.attention import MultiHeadAttention, Sight, bias_of
from nmt_cli.models.base import Memory
from nmt_cli.models.rounding import in_float32
from nmt_cli.models.squashing import tanh, tanh_slope
from nmt_cli.scoring.rows import Closing


@dataclass(frozen=True)
class MemoryKeys:
    """What attention has made of a memory."""

    keys: Tensor  # (B, S, D); of several heads (B, H, S, D/H)
    values: Tensor  # likewise
    bias: Tensor  # (B, 1, S): 0, or -inf on padding
    own: bool = (
        False  # whether nobody else has them, as others may have the memory, of which keys and values may be the same
    )

    def of(self, sentences: Tensor) -> Self:
        """A copy, of these sentences."""
        return self._each(lambda held: held.index_select(0, sentences))

    def closing(self, closing: Closing) -> Self:
        """When sentences close up: in the same memory, if it is their own."""
        return self._each(closing.within) if self.own else self.of(closing.kept)

    def _each(self, those: Callable[[Tensor], Tensor]) -> Self:
        return type(self)(those(self.keys), those(self.values), those(self.bias), own=True)


class Attention(nn.Module):
    """Looks at a memory, from any number of states of each sentence."""

    def remember(self, memory: Memory) -> MemoryKeys:
        """What is looked at."""
        return MemoryKeys(*self.project(memory.outputs), bias_of(memory.mask, memory.outputs.dtype)[:, None])

    def forward(self, query: Tensor, memory: MemoryKeys) -> Tensor:
        """The context (B, T, D) that each ``query`` (B, T, D) finds."""
        return self.weights(query, memory) @ memory.values

    @abstractmethod
    def project(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of a memory's outputs (B, S, D)."""

    @abstractmethod
    def weights(self, query: Tensor, memory: MemoryKeys) -> Tensor:
        """(B, T, S) how much each query (B, T, D) looks at each source token."""


class DotAttention(Attention):
    """h . m"""

    def project(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """m is key and value."""
        return outputs, outputs

    def weights(self, query: Tensor, memory: MemoryKeys) -> Tensor:
        """(B, T, S)"""
        return torch.softmax(query @ memory.keys.transpose(1, 2) + memory.bias, 2)


class ScaledAttention(DotAttention):
    """h . m / sqrt(D): scores of the same size at every width."""

    def weights(self, query: Tensor, memory: MemoryKeys) -> Tensor:
        """(B, T, S)"""
        return super().weights(query / math.sqrt(query.shape[2]), memory)


class GeneralAttention(DotAttention):
    """h . W m"""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.key = nn.Linear(width, width, bias=False)

    def project(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """W m and m."""
        return self.key(outputs), outputs


class AdditiveAttention(Attention):
    """v . tanh(W h + U m + b)"""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.direction = nn.Parameter(torch.randn(width) / math.sqrt(width))  # v

    def project(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """U m and m."""
        return self.key(outputs), outputs

    def weights(self, query: Tensor, memory: MemoryKeys) -> Tensor:
        """(B, T, S)"""
        scores = _AdditiveScores.apply(self.query(query), memory.keys, self.direction)  # type: ignore[no-untyped-call]
        return torch.softmax(scores + memory.bias, 2)


class _AdditiveScores(torch.autograd.Function):
    """v . tanh(q_t + k_s), one t after the other, forward and again backward: (B, T, S, D) is never held."""

    @staticmethod
    @in_float32
    def forward(ctx: Any, query: Tensor, keys: Tensor, direction: Tensor) -> Tensor:
        """(B, T, D), (B, S, D), (D,) -> (B, T, S)"""
        scores, room = query.new_empty(*query.shape[:2], keys.shape[1]), torch.empty_like(keys)
        for t in range(query.shape[1]):
            scores[:, t] = _meeting(query, keys, t, room) @ direction
        ctx.save_for_backward(query, keys, direction)
        return scores

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        query, keys, direction = ctx.saved_tensors
        by_query, by_keys, by_direction = torch.empty_like(query), torch.zeros_like(keys), torch.zeros_like(direction)
        room, slope = torch.empty_like(keys), torch.empty_like(keys)
        for t in range(query.shape[1]):
            met, pull = _meeting(query, keys, t, room), grads[0][:, t]
            by_direction.addmv_(met.flatten(0, 1).T, pull.flatten())
            by_keys += tanh_slope(pull[:, :, None] * direction, met, out=slope)
            by_query[:, t] = slope.sum(1)
        return by_query, by_keys, by_direction


def _meeting(query: Tensor, keys: Tensor, t: int, room: Tensor) -> Tensor:
    """tanh(q_t + k_s) for all s, in ``room`` (B, S, D)."""
    return tanh(torch.add(keys, query[:, t : t + 1], out=room), out=room)


class MultiHead(Attention):
    """The attention of a Transformer: several scaled scores, and an output layer."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(width, heads, 0.0)

    def forward(self, query: Tensor, memory: MemoryKeys) -> Tensor:
        """The context (B, T, D), the heads joined."""
        context: Tensor = self.attention(query, memory.keys, memory.values, Sight(memory.bias[:, None]))
        return context

    def project(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """(B, H, S, D/H) each."""
        return self.attention.remember(outputs)

    def weights(self, query: Tensor, memory: MemoryKeys) -> Tensor:
        """(B, T, S) in the mean of the heads."""
        return self.attention.weights(query, memory.keys, Sight(memory.bias[:, None])).mean(1)
