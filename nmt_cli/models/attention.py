"""Scaled dot-product attention with several heads (Vaswani et al. 2017, section 3.2)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from nmt_cli.models.layers import Dropout
from nmt_cli.models.positions import Turn, unturned


def bias_of(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """A mask (True = may be looked at) as what is added to attention scores: 0 or -inf."""
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, -torch.inf)


def causal_bias(length: int, like: Tensor) -> Tensor:
    """(T, T) additive: position t sees positions up to t."""
    return torch.full((length, length), -torch.inf, dtype=like.dtype, device=like.device).triu_(1)


class MultiHeadAttention(nn.Module):
    """softmax(Q K^T / sqrt(d)) V in H heads. Keys and values are projected apart, so that those of a memory are made once."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        # No bias for keys: it would add the same to all scores, which softmax does not see.
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)
        self.dropout = Dropout(dropout)

    def split(self, values: Tensor) -> Tensor:
        """(B, T, D) -> (B, H, T, D/H)"""
        return values.view(*values.shape[:2], self.heads, -1).transpose(1, 2)

    def remember(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values (B, H, S, D/H) of what is looked at (B, S, D)."""
        return self.split(self.key(values)), self.split(self.value(values))

    def weights(self, query: Tensor, keys: Tensor, bias: Tensor | None, turn: Turn = unturned) -> Tensor:
        """(B, H, T, S): how much each query (B, T, D) looks at each key (B, H, S, D/H); ``bias`` broadcasts to the result."""
        split = turn(self.split(self.query(query) / math.sqrt(keys.shape[3])))
        scores = split @ keys.transpose(2, 3)
        return torch.softmax(scores if bias is None else scores + bias, 3)

    def forward(
        self, query: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None, turn: Turn = unturned
    ) -> Tensor:
        """(B, T, D): what the queries (B, T, D) find in keys and values (B, H, S, D/H) under an additive ``bias``.

        ``turn`` is what positions do to the queries; the keys come turned.
        """
        if self.training:
            found = self.dropout(self.weights(query, keys, bias, turn)) @ values
        else:
            found = functional.scaled_dot_product_attention(turn(self.split(self.query(query))), keys, values, bias)
        joined: Tensor = self.output(found.transpose(1, 2).flatten(2))
        return joined


@dataclass(frozen=True)
class Sight:
    """What self-attention may look at: what it reads, under a bias, with queries and keys turned by their positions."""

    bias: Tensor  # broadcasts to (B, H, T, S)
    turn: Turn

    def seen(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values (B, H, S, D/H) that are looked at, from those (B, H, T, D/H) of what is read."""
        return keys, values


class SelfAttention(nn.Module):
    """Attention of what is read over what is in sight, as a sub-layer."""

    def __init__(self, attention: MultiHeadAttention) -> None:
        super().__init__()
        self.attention = attention

    def forward(self, x: Tensor, sight: Sight) -> Tensor:
        """(B, T, D) -> (B, T, D)"""
        keys, values = self.attention.remember(x)
        found: Tensor = self.attention(x, *sight.seen(sight.turn(keys), values), sight.bias, sight.turn)
        return found
