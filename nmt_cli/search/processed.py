"""A scorer that forbids: another scorer, with processors between it and the search. Every search takes it as it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from typing import Generic, TypeVar

import torch
from torch import Tensor

from nmt_cli.scoring.scorer import Scorer, State
from nmt_cli.scoring.scores import Scores
from nmt_cli.search.processors import NOTHING, Processor, Written, without

S = TypeVar("S", bound=State)


@dataclass(frozen=True)
class Prefixes:
    """What each translation has to begin with."""

    tokens: Tensor  # (B, P), anything behind the end
    lengths: Tensor  # (B,) below the limit of the sentence

    def impose(self, raw: Scores, processed: Scores, written: Written) -> Scores:
        """Within a prefix the one token that comes next, at its own probability and whatever a processor says."""
        inside = written.lengths < self.lengths[written.sentence]
        if not bool(inside.any()):
            return processed
        place = written.lengths.clamp(max=self.tokens.shape[1] - 1)
        wanted = self.tokens[written.sentence, place]
        others = inside[:, None] & (raw.columns != wanted[:, None])
        return without(_mixed(processed, raw, inside), others)


@dataclass(frozen=True)
class ProcessedState(Generic[S]):
    """The state of the scorer within, and what was written so far."""

    within: S
    written: Written
    begun: bool  # whether the model's own first token was consumed

    @classmethod
    def start(cls, within: S, sentences: int) -> ProcessedState[S]:
        """Of so many sentences, one row each."""
        none = torch.zeros(sentences, dtype=torch.long)
        return cls(within, Written(none[:, None][:, :0], none, torch.arange(sentences)), begun=False)

    def reorder(self, rows: Tensor) -> ProcessedState[S]:
        """See State."""
        return replace(self, within=self.within.reorder(rows), written=self._at(rows))

    def select(self, rows: Tensor) -> ProcessedState[S]:
        """See State."""
        return replace(self, within=self.within.select(rows), written=self._at(rows))

    def _at(self, rows: Tensor) -> Written:
        written = self.written
        return Written(written.tokens[rows], written.lengths[rows], written.sentence[rows])

    def on(self, tokens: Tensor, lengths: Tensor, within: S) -> ProcessedState[S]:
        """Behind ``lengths`` (N,) more ``tokens`` (N, P); the very first of all is the model's own and is not written."""
        if not self.begun:
            tokens, lengths = tokens[:, 1:], lengths - 1
        written = self.written
        total = written.lengths + lengths
        room = written.tokens.new_full((len(total), int(total.max())), NOTHING)
        room[:, : written.tokens.shape[1]] = written.tokens
        step = torch.arange(tokens.shape[1])
        real = step < lengths[:, None]  # (N, P)
        row = torch.arange(len(total))[:, None].expand_as(tokens)
        room[row[real], (written.lengths[:, None] + step)[real]] = tokens[real]
        return ProcessedState(within, Written(room, total, written.sentence), begun=True)


@dataclass(frozen=True)
class Processed(Generic[S]):
    """``scorer`` behind its ``processors``, in that order, and behind the ``prefixes``, which have the last word."""

    scorer: Scorer[S]
    processors: tuple[Processor, ...]
    prefixes: Prefixes

    @property
    def eos(self) -> int:
        """Of the scorer within."""
        return self.scorer.eos

    def step(self, tokens: Tensor, state: ProcessedState[S]) -> tuple[Scores, ProcessedState[S]]:
        """See Scorer."""
        raw, within = self.scorer.step(tokens, state.within)
        return self._behind(raw, state.on(tokens[:, None], torch.ones_like(tokens), within))

    def advance(self, tokens: Tensor, lengths: Tensor, state: ProcessedState[S]) -> tuple[Scores, ProcessedState[S]]:
        """See Scorer."""
        raw, within = self.scorer.advance(tokens, lengths, state.within)
        return self._behind(raw, state.on(tokens, lengths, within))

    def _behind(self, raw: Scores, state: ProcessedState[S]) -> tuple[Scores, ProcessedState[S]]:
        scores = reduce(lambda so_far, processor: processor(so_far, state.written), self.processors, raw)
        scores = self.prefixes.impose(raw, scores, state.written)
        stuck = scores.logits.isneginf().all(1)
        if bool(stuck.any()):  # where everything is forbidden a hypothesis may end: none is without a way on
            scores = without(_mixed(scores, raw, stuck), stuck[:, None] & (raw.columns != self.eos))
        return scores, state


def _mixed(scores: Scores, others: Scores, rows: Tensor) -> Scores:
    """The ``others`` in some rows (N,)."""
    logits = torch.where(rows[:, None], others.logits, scores.logits)
    return Scores(
        logits,
        scores.columns,
        lambda: scores.attention,
        lambda: torch.where(rows[:, None], others.normaliser, scores.normaliser),
    )
