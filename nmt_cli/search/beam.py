"""Beam search: a pool of K live hypotheses and a pool of K finished ones for each sentence.

At each length the 2K best one-token extensions of the live pool are found: even if K of them end, K can go on. Those that end among
the first K enter the finished pool by their normalised score; the best K that do not end are the new live pool. (Letting EOS
count anywhere among the 2K finds hypotheses of higher score and worse translations: published results use the first K.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self, TypeVar

import torch
from torch import Tensor

from nmt_cli.errors import ConfigError
from nmt_cli.scoring.rows import staying
from nmt_cli.scoring.scorer import Scorer, State
from nmt_cli.search.base import Hypothesis, Sentences, refuse_nan
from nmt_cli.search.coverage import CoveragePenalty
from nmt_cli.search.normalization import LengthPower, Normalization
from nmt_cli.search.options import SearchOptions
from nmt_cli.search.pools import Pools
from nmt_cli.search.pruning import Pruning
from nmt_cli.search.stopping import Bound, Progress, StoppingRule

S = TypeVar("S", bound=State)


@dataclass(frozen=True)
class BeamSearch:
    """The options. ``width`` is K; ``n_best`` (at most K) hypotheses are handed back for each sentence."""

    uses: ClassVar[frozenset[str]] = frozenset(
        {"beam", "n_best", "length_penalty", "norm", "patience", "coverage", "prune"}
    )
    repeats: ClassVar[bool] = True

    width: int = 5
    n_best: int = 1
    norm: Normalization = field(default_factory=LengthPower)
    stop: StoppingRule = field(default_factory=Bound)
    penalty: CoveragePenalty = field(default_factory=CoveragePenalty)
    pruning: Pruning = field(default_factory=Pruning)

    def __post_init__(self) -> None:
        if not 1 <= self.n_best <= self.width:
            raise ConfigError(f"--n-best must lie between 1 and the beam ({self.width}), but is {self.n_best}")

    @property
    def rows(self) -> int:
        """K."""
        return self.width

    @classmethod
    def of(cls, options: SearchOptions) -> Self:
        """Raises ConfigError for more candidates than the beam holds, and for what is out of range."""
        penalty = CoveragePenalty(options.coverage)
        return cls(options.beam, options.n_best, options.normalization, options.stop, penalty, options.pruning)

    def __call__(self, scorer: Scorer[S], tokens: Tensor, state: S, sentences: Sentences) -> list[list[Hypothesis]]:
        """See SearchStrategy. Cost: one step of at most B K rows for each length."""
        results: list[list[Hypothesis]] = [[] for _ in range(len(sentences))]
        beam = Pools.start(sentences, self.width)
        shortest, longest = int(sentences.limits.min()), int(sentences.limits.max())
        for length in range(1, longest + 1):  # the length that a hypothesis has if it ends now
            scores, state = scorer.step(tokens, state)
            log_probs, extensions = scores.best(2 * self.width)
            if length >= shortest:
                must = (beam.limits == length).repeat_interleave(beam.alive.sum(1))  # (N,)
                log_probs, extensions = force_end(must, log_probs, extensions, scores.of, scorer.eos)
            beam = beam.attending(self.penalty.attended(scores))
            beam, parents = self.extend(beam, length, log_probs, extensions, scorer.eos)
            beam = self.prune(beam)
            stays = beam.alive.any(1)
            if not bool(stays.all()):
                for place in torch.nonzero(~stays)[:, 0].tolist():
                    results[int(beam.sentence[place])] = beam.best(place, self.n_best)
                if not bool(stays.any()):
                    break
                places = staying(stays)
                beam, parents = beam.at(places), parents[places]
            tokens = beam.gather(beam.tokens[:, :, -1])
            state = state.reorder(beam.gather(parents))
        return results

    def extend(
        self,
        beam: Pools,
        length: int,
        log_probs: Tensor,
        extensions: Tensor,
        eos: int,
        lowered: Tensor | None = None,
    ) -> tuple[Pools, Tensor]:
        """One token more. From (N, 2K) extensions of the live rows to the new pools and the row (B, K) each goes on from.

        ``lowered`` (N, 2K) is how much lower extensions are ranked than by their log-probability, at this step alone.
        """
        live_width, offered = beam.alive.shape[1], log_probs.shape[1]
        every = beam.spread(log_probs + beam.gather(beam.log_probs)[:, None], -torch.inf)  # (B, K', J)
        candidates = beam.spread(extensions, eos)
        ranks = every if lowered is None else every - beam.spread(lowered, 0.0)
        # 1. the 2K best of all the hypotheses of a sentence
        rank, place = ranks.flatten(1).topk(min(2 * self.width, live_width * offered), 1)  # (B, 2K)
        refuse_nan(rank)
        best = rank if lowered is None else every.flatten(1).gather(1, place)
        token = candidates.flatten(1).gather(1, place)
        parent = place // offered
        # 2. the finished pool: the old ones and those that end now, among the first K, the K best by score
        stop = token == eos
        ends = stop & (torch.arange(token.shape[1]) < self.width) & (best > -torch.inf)
        ranked = best / self.norm(length)
        if beam.coverage.shape[2]:
            ranked = ranked + self.penalty(beam.coverage, beam.sources).gather(1, parent)
        fresh = torch.where(ends, ranked, -torch.inf)
        scores, chosen = torch.cat([beam.finished, fresh], 1).topk(self.width, 1)
        grown = torch.cat([beam.tokens.gather(1, _wide(parent, length - 1)), token[:, :, None]], 2)  # (B, 2K, T)
        pool = torch.cat([torch.cat([beam.finished_tokens, _pad(beam.finished_tokens, eos)], 2), grown], 1)
        # 3. the live pool: the K best that do not end
        _, going = rank.masked_fill(stop, -torch.inf).topk(min(self.width, best.shape[1]), 1)
        ahead = parent.gather(1, going)
        extended = replace(
            beam,
            log_probs=best.masked_fill(stop, -torch.inf).gather(1, going),
            tokens=grown.gather(1, _wide(going, length)),
            coverage=beam.coverage.gather(1, _wide(ahead, beam.coverage.shape[2])),
            finished=scores,
            finished_log_probs=torch.cat([beam.finished_log_probs, best], 1).gather(1, chosen),
            finished_tokens=pool.gather(1, _wide(chosen, length)),
            ended=beam.ended + ends.sum(1),
        )
        return extended, beam.rows.gather(1, ahead)

    def prune(self, beam: Pools) -> Pools:
        """Without the live hypotheses that need not go on."""
        reach = beam.log_probs / self.norm(beam.limits)[:, None]
        hopeless = self.stop.hopeless(Progress(beam.finished, beam.ended, reach), self.n_best)
        leaving = hopeless | self.pruning(beam.log_probs)
        return replace(beam, log_probs=beam.log_probs.masked_fill(leaving, -torch.inf))


def force_end(
    must: Tensor, log_probs: Tensor, extensions: Tensor, of: Callable[[Tensor], Tensor], eos: int
) -> tuple[Tensor, Tensor]:
    """Where a row ``must`` (N,) end, at the limit of its sentence, the one extension is EOS, whatever its probability."""
    if not bool(must.any()):
        return log_probs, extensions
    end = torch.full_like(extensions[:, 0], eos)
    only = torch.full_like(log_probs, -torch.inf)
    only[:, 0] = of(end)
    return torch.where(must[:, None], only, log_probs), torch.where(must[:, None], end[:, None], extensions)


def _wide(places: Tensor, length: int) -> Tensor:
    """(B, J) as an index that gathers whole rows from (B, K, length)."""
    return places[:, :, None].expand(-1, -1, length)


def _pad(tokens: Tensor, value: int) -> Tensor:
    """One more column for (B, K, T)."""
    return tokens.new_full((*tokens.shape[:2], 1), value)
