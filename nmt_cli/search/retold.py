"""Any search, and of each hypothesis that it finds what the scorer thought of it token by token: forced decoding.

It goes through the scorer that the search was given, so it is true of ensembles, fusions and whatever is forbidden too: the
log-probabilities of the tokens sum to that of the hypothesis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor

from nmt_cli.corpus.batching import Sequences
from nmt_cli.errors import ModelError
from nmt_cli.scoring.rows import closing_up
from nmt_cli.scoring.scorer import Scorer, State
from nmt_cli.scoring.scores import Scores
from nmt_cli.search.base import Hypothesis, Retelling, Search, Sentences

S = TypeVar("S", bound=State)


@dataclass(frozen=True)
class Retold:
    """A search like any other. ``attending``: also where the scorer looks; the first model of it where it is several."""

    search: Search
    attending: bool = False

    @property
    def rows(self) -> int:
        """As many as the search within: it hands back no more."""
        return self.search.rows

    @property
    def repeats(self) -> bool:
        """As the search within."""
        return self.search.repeats

    def __call__(self, scorer: Scorer[S], tokens: Tensor, state: S, sentences: Sentences) -> list[list[Hypothesis]]:
        """See Search. Cost: that of the search, and for each length one step of a row for each hypothesis.

        Raises ModelError where it is to say where the scorer looks, and the scorer looks nowhere.
        """
        copy = state.select(torch.arange(len(sentences)))  # the search spends the other
        found = self.search(scorer, tokens, state, sentences)
        rows = torch.tensor([place for place, hypotheses in enumerate(found) for _ in hypotheses])
        written = [hypothesis.tokens for hypotheses in found for hypothesis in hypotheses]
        told = iter(self._told(scorer, tokens[rows], copy.select(rows), written, sentences.sources[rows], rows))
        return [[replace(hypothesis, retelling=next(told)) for hypothesis in hypotheses] for hypotheses in found]

    def _told(
        self,
        scorer: Scorer[S],
        tokens: Tensor,
        state: S,
        written: Sequence[tuple[int, ...]],
        sources: Tensor,
        sentence: Tensor,
    ) -> list[Retelling]:
        """What each row of a state, of a ``sentence`` (N,), makes of what is ``written`` behind its first ``tokens`` (N,).

        ``sources`` (N,) are lengths.
        """
        log_probs, looks = self._read(scorer, tokens, state, Sequences.of(written, end=()), sentence)
        return [
            Retelling(tuple(own[: len(ids)]), tuple(tuple(weights[:source]) for weights in look[: len(ids)]))
            for own, look, ids, source in zip(
                log_probs.tolist(), looks.tolist(), written, sources.tolist(), strict=True
            )
        ]

    def _read(
        self, scorer: Scorer[S], tokens: Tensor, state: S, written: Sequences, sentence: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Log-probabilities (N, T) and attention (N, T, S), S = 0 where nobody asks. Rows that have ended leave the batch."""
        row = torch.arange(len(written))
        log_probs = torch.zeros(written.tokens.shape, dtype=torch.float64)
        looks = log_probs.new_zeros(*log_probs.shape, 0)
        for place in range(log_probs.shape[1]):
            scores, state = scorer.step(tokens, state)
            tokens = written.tokens[row, place]
            log_probs[row, place] = scores.of(tokens).double()
            if self.attending:
                attention = _attention(scores).double()
                if place == 0:
                    looks = looks.new_zeros(*log_probs.shape, attention.shape[1])
                looks[row, place] = attention
            going = torch.nonzero(written.lengths[row] > place + 1)[:, 0]
            if 0 < len(going) < len(row):
                order, sentence = closing_up(sentence[going])
                going = going[order]
                row, tokens, state = row[going], tokens[going], state.reorder(going)
        return log_probs, looks


def _attention(scores: Scores) -> Tensor:
    """(N, S)"""
    if scores.attention is None:
        raise ModelError(
            "alignments need a model with attention, but the decoder of this one has none",
            "nmt train ... --preset lstm-attention trains one that has",
        )
    return scores.attention
