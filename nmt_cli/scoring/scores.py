"""What is thought of the next token of each row: raw logits, and log-probabilities when they are asked for.

Letters: N rows (hypotheses), V' scored columns of the vocabulary, S source length.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor


class Scores:
    """Raw form: the normaliser and the attention are computed when asked for."""

    def __init__(
        self,
        logits: Tensor,
        columns: Tensor,
        attention: Callable[[], Tensor | None] = lambda: None,
        normaliser: Tensor | None = None,
    ) -> None:
        """``logits`` (N, V'); ``columns`` (V',) the ids they stand for, ascending; ``attention`` () -> (N, S).

        ``normaliser`` (N, 1) where it is not that of these logits: whoever bans a token hands on the one he got, since what is
        left does not become more probable by it; and what is already a log-probability has the normaliser 0.
        """
        self.logits = logits
        self.columns = columns
        self._attention = attention
        self._normaliser = normaliser

    @cached_property
    def normaliser(self) -> Tensor:
        """(N, 1) log of the sum of exponentials, over all columns."""
        return self.logits.logsumexp(1, keepdim=True) if self._normaliser is None else self._normaliser

    @cached_property
    def attention(self) -> Tensor | None:
        """(N, S) weights over the source, or None where the model has none."""
        return self._attention()

    def log_probs(self) -> Tensor:
        """(N, V')"""
        return self.logits - self.normaliser

    def best(self, k: int) -> tuple[Tensor, Tensor]:
        """The ``k`` (at most V') best tokens of each row: log-probabilities (N, k), descending, and ids (N, k)."""
        values, places = top(self.logits, min(k, self.logits.shape[1]))
        return values - self.normaliser, self.columns[places]

    def of(self, tokens: Tensor) -> Tensor:
        """(N,) the log-probability of one token a row; -inf for a token that is no column."""
        places = torch.searchsorted(self.columns, tokens.contiguous()).clamp(max=len(self.columns) - 1)
        values = (self.logits.gather(1, places[:, None]) - self.normaliser)[:, 0]
        return values.masked_fill(self.columns[places] != tokens, -torch.inf)


def top(values: Tensor, k: int, block: int = 64) -> tuple[Tensor, Tensor]:
    """``torch.topk`` over the last dimension of (N, V), by blocks.

    The k best values lie in the k blocks with the highest maxima, so only those are sorted: exact, and several times faster for
    a small k in a large vocabulary.
    """
    rows, columns = values.shape
    blocks = columns // block
    if k == 1:
        best = values.max(1, keepdim=True)
        return best.values, best.indices
    if blocks < 4 * k:
        return values.topk(k)
    head = values[:, : blocks * block].view(rows, blocks, block)
    chosen = head.amax(2).topk(k).indices  # (N, k)
    pool = head.gather(1, chosen[:, :, None].expand(-1, -1, block)).view(rows, -1)
    places = (chosen[:, :, None] * block + torch.arange(block, device=values.device)).view(rows, -1)
    if blocks * block < columns:
        tail = torch.arange(blocks * block, columns, device=values.device).expand(rows, -1)
        pool, places = torch.cat([pool, values[:, blocks * block :]], 1), torch.cat([places, tail], 1)
    best_values, inside = pool.topk(k)
    return best_values, places.gather(1, inside)
