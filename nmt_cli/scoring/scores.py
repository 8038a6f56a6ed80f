"""What is thought of the next token of each row: raw logits, and log-probabilities when they are asked for.

Letters: N rows (hypotheses), V' scored columns of the vocabulary, S source length.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor

_LOG2_E = 1 / math.log(2)
_MODEST = 16.0
"""A logit so near to 0 is rounded by 1e-6 at most when it becomes an exponent of two."""


class Scores:
    """Raw form: logits, the normaliser and the attention are computed when asked for."""

    def __init__(
        self,
        logits: Tensor | Callable[[], Tensor],
        columns: Tensor,
        attention: Callable[[], Tensor | None] = lambda: None,
        normaliser: Callable[[], Tensor] | None = None,
        highest: Callable[[], tuple[Tensor, Tensor] | None] | None = None,
    ) -> None:
        """``logits`` (N, V'), or what computes them, afresh unless a normaliser is given.

        ``columns`` (V',) the ids they stand for, ascending.

        ``attention`` () -> (N, S) weights over the source, to be read before the state moves on.

        ``normaliser`` () -> (N, 1) where it is not that of these logits: whoever bans a token hands on the one he got, since what
        is left does not become more probable by it; and what is already a log-probability has the normaliser 0.

        ``highest`` () -> (N,) the highest logits and (N,) their places, where they are found without all the others; else None.
        """
        self._logits = logits
        self.columns = columns
        self._attention = attention
        self._normaliser = normaliser
        self._highest = highest

    @cached_property
    def logits(self) -> Tensor:
        """(N, V')"""
        return self._logits if isinstance(self._logits, Tensor) else self._logits()

    @cached_property
    def most(self) -> Tensor:
        """(N, 1) the highest logit of each row."""
        return self.logits.amax(1, keepdim=True)

    @cached_property
    def normaliser(self) -> Tensor:
        """(N, 1) log of the sum of exponentials, over all columns."""
        return log_mass(self.logits, self.most) if self._normaliser is None else self._normaliser()

    @cached_property
    def attention(self) -> Tensor | None:
        """(N, S) weights over the source, or None where the model has none."""
        return self._attention()

    def log_probs(self) -> Tensor:
        """(N, V')"""
        return self.logits - self.normaliser

    def best(self, k: int) -> tuple[Tensor, Tensor]:
        """The ``k`` (at most V') best tokens of each row: log-probabilities (N, k), descending, and ids (N, k).

        Where a row has fewer tokens to choose from, the others are impossible.
        """
        nobody_else = self._normaliser is None and not {"logits", "normaliser"} & vars(self).keys()
        values, places = self._top(k)
        if nobody_else and not isinstance(self._logits, Tensor) and not self.logits.requires_grad:
            logits = vars(self).pop("logits")  # powers take their room; a beam seldom needs them again
            self.normaliser = log_mass(logits, self.most, room=logits)
        return values - self.normaliser, self.columns[places]

    def highest(self) -> tuple[Tensor, Tensor]:
        """The best token of each row, an id (N,), behind its raw score (N,): to find it, no normaliser is needed."""
        found = None
        if self._highest is not None and "logits" not in vars(self):  # once they are there, looking is quicker
            found = self._highest()
        if found is None:
            values, places = self._top(1)
            found = values[:, 0], places[:, 0]
        return found[0], self.columns[found[1]]

    def _top(self, k: int) -> tuple[Tensor, Tensor]:
        """The ``k`` highest logits of each row and their places; the first is what the normaliser looks for."""
        values, places = top(self.logits, min(k, self.logits.shape[1]))
        self.most = values[:, :1]
        return values, places

    def of(self, tokens: Tensor) -> Tensor:
        """(N,) the log-probability of one token a row; -inf for a token that is no column."""
        places = torch.searchsorted(self.columns, tokens.contiguous()).clamp(max=len(self.columns) - 1)
        values = (self.logits.gather(1, places[:, None]) - self.normaliser)[:, 0]
        return values.masked_fill(self.columns[places] != tokens, -torch.inf)


def log_mass(logits: Tensor, most: Tensor, room: Tensor | None = None) -> Tensor:
    """(N, 1) log of the sum of exponentials of (N, V), of which ``most`` (N, 1) is the highest in each row.

    What lies in ``room`` (N, V), which may be the logits themselves, is written over; None: they are written elsewhere.

    Powers of two take a CPU two thirds of the time of powers of e. Where they are far from what a float can hold, as they mostly
    are, the highest need not be taken off first: one pass less over everything.
    """
    if bool((most.abs() < _MODEST).all()):
        return torch.mul(logits, _LOG2_E, out=room).exp2_().sum(1, keepdim=True).log_()
    return torch.sub(logits, most, out=room).mul_(_LOG2_E).exp2_().sum(1, keepdim=True).log_().add_(most)


def top(values: Tensor, k: int, block: int = 8) -> tuple[Tensor, Tensor]:
    """``torch.topk`` over the last dimension of (N, V), by blocks; of equal ones any.

    The k best values lie in the k blocks with the highest maxima, so only those are sorted: exact, and several times faster for
    a small k in a large vocabulary. A block is every so manieth column, which lets maxima be found side by side. Columns behind the
    last whole block are sorted with them.
    """
    if k == 1:
        return _highest(values)
    rows, columns = values.shape
    blocks = columns // block
    if blocks < 4 * k:
        return values.topk(k)
    head, tail = values[:, : blocks * block], values[:, blocks * block :]
    apart = head.view(rows, block, blocks)
    chosen = apart.amax(1).topk(k).indices  # (N, k)
    pool = apart.gather(2, chosen[:, None].expand(-1, block, -1)).view(rows, -1)  # (N, block k), then the tail
    best, inside = torch.cat([pool, tail], 1).topk(k)
    places = inside // k * blocks + chosen.gather(1, inside % k)
    return best, torch.where(inside < block * k, places, inside + block * (blocks - k))


def for_numpy(values: Tensor) -> bool:
    """Whether NumPy calculates with such tensors, where they are and fast."""
    return values.device.type == "cpu" and values.dtype in (torch.float32, torch.float64)


def _highest(values: Tensor) -> tuple[Tensor, Tensor]:
    """``top`` for k = 1: NumPy finds the highest of a row in a fifth of the time."""
    if not for_numpy(values):
        best, places = values.max(1, keepdim=True)
        return best, places
    places = torch.from_numpy(values.detach().numpy().argmax(1))[:, None]
    return values.gather(1, places), places
