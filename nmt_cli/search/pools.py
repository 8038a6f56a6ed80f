"""The pools of a beam search."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from nmt_cli.search.base import Hypothesis, Sentences


@dataclass(frozen=True)
class Pools:
    """The pools of the sentences that are still searched. T: the length so far; the first live pool is one hypothesis wide."""

    sentence: Tensor  # (B,) which input each is
    limits: Tensor  # (B,)
    sources: Tensor  # (B,) lengths
    log_probs: Tensor  # (B, K) of the live pool, -inf where there is no hypothesis
    tokens: Tensor  # (B, K, T)
    coverage: Tensor  # (B, K, S) the attention that each live hypothesis has spent; S = 0 where nobody asks
    finished: Tensor  # (B, K) scores, best first, -inf where there is none
    finished_log_probs: Tensor  # (B, K)
    finished_tokens: Tensor  # (B, K, T), EOS behind each end
    ended: Tensor  # (B,) how many have ended so far

    @classmethod
    def start(cls, sentences: Sentences, width: int) -> Pools:
        """One live hypothesis a sentence: the empty one."""
        count = len(sentences)
        none = torch.full((count, width), -torch.inf)
        return cls(
            torch.arange(count),
            sentences.limits,
            sentences.sources,
            torch.zeros(count, 1),
            torch.zeros(count, 1, 0, dtype=torch.long),
            torch.zeros(count, 1, 0),
            none,
            none,
            torch.zeros(count, width, 0, dtype=torch.long),
            torch.zeros(count, dtype=torch.long),
        )

    @cached_property
    def alive(self) -> Tensor:
        """(B, K) which places of the live pool hold a hypothesis."""
        return self.log_probs != -torch.inf

    @cached_property
    def full(self) -> bool:
        """Whether all do, as they mostly do while nothing has ended: then live hypotheses are a view of the pool."""
        return bool(self.alive.all())

    @property
    def rows(self) -> Tensor:
        """(B, K) which of the N live hypotheses each place holds; where it holds none, anything."""
        if self.full:
            return torch.arange(self.alive.numel()).view(self.alive.shape)
        return (self.alive.flatten().cumsum(0) - 1).view(self.alive.shape)

    def gather(self, values: Tensor) -> Tensor:
        """(N,) the ``values`` (B, K) of the live hypotheses."""
        return values.flatten() if self.full else values[self.alive]

    def spread(self, values: Tensor, empty: float) -> Tensor:
        """(B, K, J) the ``values`` (N, J) of the live hypotheses at their places, ``empty`` at the others."""
        if self.full:
            return values.view(*self.alive.shape, -1)
        places = values.new_full((*self.alive.shape, values.shape[1]), empty)
        places[self.alive] = values
        return places

    def attending(self, attended: Tensor) -> Pools:
        """With the attention (N, S) of one step more."""
        if attended.shape[1] == 0:
            return self
        before = self.coverage if self.coverage.shape[2] else attended.new_zeros(*self.alive.shape, attended.shape[1])
        return replace(self, coverage=before.index_put((self.alive,), before[self.alive] + attended))

    def at(self, places: Tensor) -> Pools:
        """The sentences at these places (B',), in that order."""
        return Pools(*(getattr(self, name)[places] for name in self.__dataclass_fields__))

    def best(self, place: int, count: int) -> list[Hypothesis]:
        """The finished hypotheses of a sentence, best first."""
        found = []
        for slot in range(count):
            score = float(self.finished[place, slot])
            if score > -float("inf"):
                ids = self.finished_tokens[place, slot].tolist()
                found.append((ids, float(self.finished_log_probs[place, slot]), score))
        return [Hypothesis(_trimmed(ids), log_prob, score) for ids, log_prob, score in found]


def _trimmed(tokens: list[int]) -> tuple[int, ...]:
    """Without the repetitions of the last token (EOS) that fill up the pool."""
    end = tokens[-1]
    return tuple(tokens[: tokens.index(end) + 1])
