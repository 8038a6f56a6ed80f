"""Scaled dot-product attention with several heads (Vaswani et al. 2017, section 3.2)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from nmt_cli.models.layers import Dropout
from nmt_cli.models.positions import Turn, unturned
from nmt_cli.scoring.rows import Rows


def bias_of(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """A mask (True = may be looked at) as what is added to attention scores: 0 or -inf."""
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, -torch.inf)


def memory_bias(mask: Tensor, dtype: torch.dtype) -> Tensor | None:
    """(B, 1, 1, S) what hides the padding of a memory from its ``mask`` (B, S); None where there is no padding."""
    return None if bool(mask.all()) else bias_of(mask, dtype)[:, None, None]


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

    def weights(self, query: Tensor, keys: Tensor, sight: Sight) -> Tensor:
        """(B, H, T, S): how much each query looks at each key (B, H, S, D/H); queries as ``forward`` takes them."""
        scores = self._asking(query, sight) @ keys.transpose(2, 3) / math.sqrt(keys.shape[3])
        return torch.softmax(scores if sight.bias is None else scores + sight.bias, 3)

    def forward(self, query: Tensor, keys: Tensor, values: Tensor, sight: Sight) -> Tensor:
        """What the queries (B, T, D), or of rows (N, P, D), find in keys and values (B, H, S, D/H); same shape.

        The keys come turned by their positions.
        """
        if self.training:
            found = self.dropout(self.weights(query, keys, sight)) @ values
        else:
            asking = self._asking(query, sight)
            found = functional.scaled_dot_product_attention(asking, keys, values, sight.bias)
        joined: Tensor = self.output(sight.unfold(found.transpose(1, 2)).flatten(2))
        return joined

    def _asking(self, query: Tensor, sight: Sight) -> Tensor:
        """Queries (B, H, T, D/H), turned by their positions."""
        turned = sight.turn(self.split(self.query(query)))
        return sight.fold(turned.transpose(1, 2)).transpose(1, 2)


@dataclass(frozen=True)
class Sight:
    """How attention looks: under a bias, with queries and keys turned by their positions, each sentence at its own."""

    bias: Tensor | None  # broadcasts to (B, H, T, S); None where nothing is hidden
    turn: Turn = unturned

    def fold(self, values: Tensor) -> Tensor:
        """What asks (B, T, ...), beside what it asks: it is there already."""
        return values

    def unfold(self, values: Tensor) -> Tensor:
        """Back to whoever has asked."""
        return values

    def seen(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values (B, H, S, D/H) that are looked at, from those (B, H, T, D/H) of what is read."""
        return keys, values


@dataclass(frozen=True, kw_only=True)
class RowsSight(Sight):
    """Of rows, that all look at what their sentence has: it is looked at once for all of them."""

    rows: Rows

    def fold(self, values: Tensor) -> Tensor:
        """(N, P, ...) -> (B, W P, ...): the tokens of all rows of a sentence side by side."""
        return self.rows.fold(values).flatten(1, 2)

    def unfold(self, values: Tensor) -> Tensor:
        """(B, W P, ...) -> (N, P, ...)"""
        return self.rows.unfold(values.view(self.rows.sentences, self.rows.width, -1, *values.shape[2:]))


class SelfAttention(nn.Module):
    """Attention of what is read over what is in sight, as a sub-layer."""

    def __init__(self, attention: MultiHeadAttention) -> None:
        super().__init__()
        self.attention = attention

    def forward(self, x: Tensor, sight: Sight) -> Tensor:
        """(B, T, D) -> (B, T, D)"""
        keys, values = self.attention.remember(x)
        found: Tensor = self.attention(x, *sight.seen(sight.turn(keys), values), sight)
        return found
