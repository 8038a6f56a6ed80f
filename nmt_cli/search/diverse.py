"""Diverse beam search (Vijayakumar et al. 2016): groups that search side by side, each kept off what the earlier ones say.

A beam of K is split into G groups of K / G. At each length they are extended one after the other, and a token is ranked lower by
``diversity`` (the paper's lambda) times how often the groups before have chosen it at this length: Hamming diversity, the best of
the paper's four. A group chooses what it goes on with and what it ends with. The choice alone is guided: what a hypothesis carries
on, and what the finished ones are ranked by, is the model's own. Each group is a beam search with pools of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self, TypeVar

import torch
from torch import Tensor

from nmt_cli.errors import ConfigError
from nmt_cli.scoring.rows import closing_up
from nmt_cli.scoring.scorer import Scorer, State
from nmt_cli.search.base import Hypothesis, Sentences
from nmt_cli.search.beam import BeamSearch, force_end
from nmt_cli.search.options import SearchOptions
from nmt_cli.search.pools import Pools

S = TypeVar("S", bound=State)


@dataclass(frozen=True)
class DiverseBeamSearch:
    """A beam, split into ``groups``; without: every hypothesis is a group of its own, which the paper found best.

    The ``n_best`` of all groups together are handed back, fewer where groups found the same. One group is the beam as it is.
    """

    uses: ClassVar[frozenset[str]] = BeamSearch.uses - {"prune"} | {"groups", "diversity"}
    repeats: ClassVar[bool] = True

    beam: BeamSearch = field(default_factory=BeamSearch)
    groups: int | None = None
    diversity: float = 0.5  # the paper found 0.2 to 0.8 to work for most tasks

    def __post_init__(self) -> None:
        width = self.beam.width
        if not 1 <= self.count <= width or width % self.count:
            divisors = " or ".join(str(count) for count in range(1, width + 1) if width % count == 0)
            raise ConfigError(
                f"--groups must divide the beam ({width}), but is {self.count}", f"for this beam: {divisors}"
            )
        if not 0 <= self.diversity < math.inf:
            raise ConfigError(f"--diversity must be a finite number, not below 0, but is {self.diversity}")

    @property
    def rows(self) -> int:
        """K."""
        return self.beam.width

    @property
    def count(self) -> int:
        """G."""
        return self.beam.width if self.groups is None else self.groups

    @property
    def part(self) -> BeamSearch:
        """The search of one group."""
        width = self.beam.width // self.count
        return replace(self.beam, width=width, n_best=min(self.beam.n_best, width))

    @classmethod
    def of(cls, options: SearchOptions) -> Self:
        """Raises ConfigError for groups that do not divide the beam, and for what is out of range."""
        beam = BeamSearch.of(options)
        return cls(beam, options.groups, cls.diversity if options.diversity is None else options.diversity)

    def __call__(self, scorer: Scorer[S], tokens: Tensor, state: S, sentences: Sentences) -> list[list[Hypothesis]]:
        """See SearchStrategy. Cost: one step of at most B K rows for each length, and B V counts."""
        found: list[list[Hypothesis]] = [[] for _ in range(len(sentences))]
        owner = torch.arange(len(sentences))  # (N,) whose each row of the state is
        places = owner.clone()  # (B,) where the state has each sentence
        groups = [_Group(Pools.start(sentences, self.part.width), owner[:, None]) for _ in range(self.count)]
        for length in range(1, int(sentences.limits.max()) + 1):
            scores, state = scorer.step(tokens, state)
            # a group needs the 2K / G best of each row when the tokens of the others, at most 2K / G of each, are lowered
            log_probs, extensions = scores.best(2 * self.beam.width)
            must = sentences.limits[owner] == length
            log_probs, extensions = force_end(must, log_probs, extensions, scores.of, scorer.eos)
            offers = _Offers(owner, extensions, log_probs, self.part.penalty.attended(scores))
            groups = self._prune(self._extend(groups, length, offers, scorer.eos))
            for group in groups:
                for place in torch.nonzero(~group.pools.alive.any(1))[:, 0].tolist():
                    found[int(group.pools.sentence[place])] += group.pools.best(place, self.part.n_best)
            groups = [group.going() for group in groups if bool(group.pools.alive.any())]
            if not groups:
                break
            groups, owner, rows, tokens = _rearranged(groups, places)
            state = state.reorder(rows)
        return [_distinct(hypotheses)[: self.beam.n_best] for hypotheses in found]

    def _extend(self, groups: list[_Group], length: int, offers: _Offers, eos: int) -> list[_Group]:
        """One token more, group by group."""
        sentences, tokens = int(offers.owner.max()) + 1, max(int(offers.tokens.max()), eos) + 1
        chosen = offers.log_probs.new_zeros(sentences, tokens)  # how often the groups so far have chosen each token
        extended = []
        for group in groups:
            own = offers.of(group.live_rows)
            lowered = self.diversity * chosen[own.owner[:, None], own.tokens]
            before = group.pools.attending(own.attended)
            pools, parents = self.part.extend(before, length, own.log_probs, own.tokens, eos, lowered)
            extended.append(_Group(pools, group.live_rows[parents]))
            chosen[pools.sentence, eos] += pools.ended - before.ended
            one = torch.ones((), dtype=chosen.dtype)
            chosen.index_put_((extended[-1].owner, extended[-1].last), one, accumulate=True)
        return extended

    def _prune(self, groups: list[_Group]) -> list[_Group]:
        """Without the live hypotheses that need not go on: what they say must not count for a later group that does."""
        heard = torch.zeros(1 + max(int(group.pools.sentence.max()) for group in groups), dtype=torch.bool)
        pruned: list[_Group] = []
        for group in reversed(groups):
            pools = group.pools
            log_probs = self.part.prune(pools).log_probs
            kept = torch.where(heard[pools.sentence][:, None], pools.log_probs, log_probs)
            pruned.insert(0, replace(group, pools=replace(pools, log_probs=kept)))
            heard[pools.sentence] |= pruned[0].pools.alive.any(1)
        return pruned


@dataclass(frozen=True)
class _Offers:
    """What each row of the state may go on with. J: how many tokens."""

    owner: Tensor  # (N,) the sentence
    tokens: Tensor  # (N, J)
    log_probs: Tensor  # (N, J)
    attended: Tensor  # (N, S), see CoveragePenalty

    def of(self, rows: Tensor) -> _Offers:
        """Some of the rows."""
        return _Offers(self.owner[rows], self.tokens[rows], self.log_probs[rows], self.attended[rows])


@dataclass(frozen=True)
class _Group:
    """One group, in all sentences where it still searches."""

    pools: Pools
    rows: Tensor  # (B, K / G) the row of the state that each place of the live pool goes on from

    @property
    def live_rows(self) -> Tensor:
        """(N',) those of the live hypotheses."""
        return self.rows[self.pools.alive]

    @property
    def owner(self) -> Tensor:
        """(N',) the sentence of each live hypothesis."""
        return self.pools.sentence[:, None].expand_as(self.rows)[self.pools.alive]

    @property
    def last(self) -> Tensor:
        """(N',) the last token of each live hypothesis."""
        return self.pools.tokens[:, :, -1][self.pools.alive]

    def going(self) -> _Group:
        """Without the sentences where nothing is live."""
        stays = self.pools.alive.any(1)
        if bool(stays.all()):
            return self
        places = torch.nonzero(stays)[:, 0]
        return _Group(self.pools.at(places), self.rows[places])


def _rearranged(groups: list[_Group], places: Tensor) -> tuple[list[_Group], Tensor, Tensor, Tensor]:
    """Rows stand sentence by sentence, and there group by group; ``places`` (B,) says where sentences stand, and is written anew.

    The groups with their new rows; the sentence (N,) of each row, the row that it goes on from, and its token.
    """
    owner = torch.cat([group.owner for group in groups])
    order, placed = closing_up(places[owner])
    places[owner[order]] = placed
    new = torch.split(order.argsort(), [len(group.last) for group in groups])
    moved = [
        replace(group, rows=group.rows.masked_scatter(group.pools.alive, rows))
        for group, rows in zip(groups, new, strict=True)
    ]
    rows = torch.cat([group.live_rows for group in groups])[order]
    return moved, owner[order], rows, torch.cat([group.last for group in groups])[order]


def _distinct(hypotheses: list[Hypothesis]) -> list[Hypothesis]:
    """Best first, each once."""
    ranked = sorted(hypotheses, key=lambda hypothesis: -hypothesis.score)
    return list({hypothesis.tokens: hypothesis for hypothesis in reversed(ranked)}.values())[::-1]
