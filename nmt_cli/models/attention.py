"""Scaled dot-product attention with several heads (Vaswani et al. 2017, section 3.2)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from nmt_cli.models.arithmetic import Arithmetic, Tensors
from nmt_cli.models.layers import Dropout
from nmt_cli.models.packing import Packable
from nmt_cli.models.positions import Turn, unturned
from nmt_cli.scoring.rows import Rows

_FEW = 16
"""Queries of a sentence; with more, the fused kernel is as quick, and never holds a score for each pair."""


def bias_of(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """A mask (True = may be looked at) as what is added to attention scores: 0 or -inf."""
    nothing = torch.zeros((), dtype=dtype, device=mask.device)
    return torch.where(mask, nothing, -torch.inf)


def memory_bias(mask: Tensor, dtype: torch.dtype) -> Tensor | None:
    """(B, 1, 1, S) what hides the padding of a memory from its ``mask`` (B, S); None where there is no padding."""
    return None if bool(mask.all()) else bias_of(mask, dtype)[:, None, None]


def causal_bias(length: int, like: Tensor) -> Tensor:
    """(T, T) additive: position t sees positions up to t."""
    return torch.full((length, length), -torch.inf, dtype=like.dtype, device=like.device).triu_(1)


class MultiHeadAttention(Packable):
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
        """(B, T, D) -> (B, T, H, D/H)"""
        return _split(values, self.heads)

    def project(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values (B, S, H, D/H) of what is looked at (B, S, D), as they stand."""
        return self.split(self.key(values)), self.split(self.value(values))

    def remember(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """The same, head by head: (B, H, S, D/H)"""
        keys, values = self.project(values)
        return keys.transpose(1, 2), values.transpose(1, 2)

    def weights(self, query: Tensor, keys: Tensor, sight: Sight) -> Tensor:
        """(B, H, T, S): how much each query looks at each key (B, H, S, D/H); queries as ``forward`` takes them."""
        return self._weights(self.split(self.query(query)), keys, sight)

    def forward(self, query: Tensor, keys: Tensor, values: Tensor, sight: Sight) -> Tensor:
        """What the queries (B, T, D), or of rows (N, P, D), find in keys and values (B, H, S, D/H); same shape.

        The keys come turned by their positions.
        """
        asking = self.split(self.query(query))
        if self.training:
            found = self.dropout(self._weights(asking, keys, sight)) @ values
            found = sight.unfold(found.transpose(1, 2))
        else:
            found = look(asking, keys, values, sight)
        joined: Tensor = self.output(found.flatten(2))
        return joined

    def packed(self, by: Arithmetic) -> Callable[[Any, Tensor, Tensor, Looking], Any]:
        """See Packable."""
        ask, output, heads = by.product(self.query), by.product(self.output), self.heads
        return lambda query, keys, values, sight: output(sight.look(ask(query), keys, values, heads))

    def packed_memory(self, by: Tensors) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
        """``remember``, packed."""
        project, heads = by.product(self.key, self.value), self.heads

        def remember(outputs: Tensor) -> tuple[Tensor, Tensor]:
            keys, values = _split(project(outputs), 2, heads).permute(2, 0, 3, 1, 4).contiguous().unbind(0)
            return keys, values

        return remember

    def _weights(self, asking: Tensor, keys: Tensor, sight: Sight) -> Tensor:
        """(B, H, T, S) of queries (B, T, H, D/H), or of rows."""
        queries = sight.fold(sight.turn(asking)).transpose(1, 2)
        scores = queries @ keys.transpose(2, 3) / math.sqrt(keys.shape[3])
        return torch.softmax(scores if sight.bias is None else scores + sight.bias, 3)


def _split(values: Tensor, *parts: int) -> Tensor:
    """(B, T, D) -> (B, T, ``parts``, what is left of D)"""
    sentences, length, _ = values.shape
    return values.view(sentences, length, *parts, -1)


def look(asking: Tensor, keys: Tensor, values: Tensor, sight: Sight) -> Tensor:
    """What queries (B, T, H, D/H), or of rows (N, P, H, D/H), find in keys and values (B, H, S, D/H): same shape."""
    found = sight.attend(sight.fold(sight.turn(asking)).transpose(1, 2), keys, values)
    return sight.unfold(found.transpose(1, 2))


class Looking(Protocol):
    """How packed attention looks at a memory: as a Sight, or another that calculates otherwise. Heads are not split yet."""

    def look(self, asking: Any, keys: Tensor, values: Tensor, heads: int) -> Any:
        """What queries (..., D) find in keys and values (B, H, S, D/H): same shape as the queries."""
        ...


class LookingBack(Protocol):
    """How packed self-attention looks at what was read."""

    def look_back(self, projected: Any, heads: int) -> Any:
        """What is found in what was read and what is read, from queries, keys and values side by side: (..., 3 D) -> (..., D)"""
        ...


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
        """Keys and values (B, H, S, D/H) that are looked at, from those (B, T, H, D/H) of what is read."""
        return keys.transpose(1, 2), values.transpose(1, 2)

    def attend(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """softmax(Q K^T / sqrt(d)) V, under the bias: of queries (B, H, T, D/H), keys and values (B, H, S, D/H) -> as queries"""
        return functional.scaled_dot_product_attention(queries, keys, values, self.bias)

    def look(self, asking: Tensor, keys: Tensor, values: Tensor, heads: int) -> Tensor:
        """See Looking: (B, T, D) -> (B, T, D), or of rows."""
        return look(_split(asking, heads), keys, values, self).flatten(2)

    def look_back(self, projected: Tensor, heads: int) -> Tensor:
        """See LookingBack: (B, T, 3 D) -> (B, T, D), or of rows."""
        asking, keys, values = _split(projected, 3, heads).unbind(2)
        return look(asking, *self.seen(self.turn(keys), values), self).flatten(2)


@dataclass(frozen=True, kw_only=True)
class RowsSight(Sight):
    """Of rows, that all look at what their sentence has: it is looked at once for all of them.

    The fused kernel is made for many queries. For the one or few that a sentence has while it is decoded, products of all heads
    at once take a CPU a third of its time (one query) to two thirds (five), where each head has its keys side by side.
    """

    rows: Rows

    def attend(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """See Sight."""
        if queries.shape[2] > _FEW:
            return super().attend(queries, keys, values)
        scores = (queries @ keys.transpose(2, 3)).mul_(1 / math.sqrt(keys.shape[3]))
        return torch.softmax(scores if self.bias is None else scores.add_(self.bias), 3) @ values

    def fold(self, values: Tensor) -> Tensor:
        """(N, P, ...) -> (B, W P, ...): the tokens of all rows of a sentence side by side."""
        if self.rows.place is None:
            return values.view(self.rows.sentences, -1, *values.shape[2:])
        return self.rows.fold(values).flatten(1, 2)

    def unfold(self, values: Tensor) -> Tensor:
        """(B, W P, ...) -> (N, P, ...)"""
        return self.rows.unfold(values.view(self.rows.sentences, self.rows.width, -1, *values.shape[2:]))


class SelfAttention(Packable):
    """Attention of what is read over what is in sight, as a sub-layer."""

    def __init__(self, attention: MultiHeadAttention) -> None:
        super().__init__()
        self.attention = attention

    def forward(self, x: Tensor, sight: Sight) -> Tensor:
        """(B, T, D) -> (B, T, D)"""
        keys, values = self.attention.project(x)
        found: Tensor = self.attention(x, *sight.seen(sight.turn(keys), values), sight)
        return found

    def packed(self, by: Arithmetic) -> Callable[[Any, LookingBack], Any]:
        """See Packable."""
        part = self.attention
        project, output, heads = by.product(part.query, part.key, part.value), by.product(part.output), part.heads
        return lambda x, sight: output(sight.look_back(project(x), heads))
