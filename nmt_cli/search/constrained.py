"""Constrained beam search: terms that a translation has to hold, by dynamic beam allocation (Post & Vilar 2018).

A hypothesis that puts in a term the model does not like would be lost to those that do not. So the beam is divided into banks, by
how many tokens of the terms a hypothesis holds already, and each bank keeps its best. Only a hypothesis with all terms may end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count, groupby, zip_longest
from typing import ClassVar, TypeVar

import torch
from torch import Tensor

from nmt_cli.scoring.rows import closing_up
from nmt_cli.scoring.scorer import Scorer, State
from nmt_cli.scoring.scores import Scores
from nmt_cli.search.base import Hypothesis, Search, Sentences
from nmt_cli.search.normalization import LengthPower, Normalization

S = TypeVar("S", bound=State)
Ids = tuple[int, ...]
Joining = Callable[[int, int], bool]
"""Whether the second token goes on with the word that the first one ends in."""


def apart(before: int, token: int) -> bool:
    """Where every token is a word."""
    del before, token
    return False


@dataclass(frozen=True)
class Progress:
    """What a hypothesis holds of the terms of its sentence."""

    terms: tuple[Ids, ...]
    met: frozenset[int] = frozenset()  # which terms stand in it
    # which of them it ends in, and did not hold before: a longer word takes them away
    ended: frozenset[int] = frozenset()
    begun: frozenset[tuple[int, int]] = frozenset()  # (term, tokens of it) where it ends in the beginning of a term

    def after(self, token: int, joined: bool = False) -> Progress:
        """With one token more; ``joined``: it makes the last word longer, which so is no term."""
        met = self.met - self.ended if joined else self.met
        longer = {(term, held + 1) for term, held in self.begun if self.terms[term][held] == token}
        longer |= {(term, 1) for term, ids in enumerate(self.terms) if ids[0] == token}
        longer = {(term, held) for term, held in longer if term not in met}
        whole = {(term, held) for term, held in longer if held == len(self.terms[term])}
        ended = frozenset(term for term, _ in whole)
        return Progress(self.terms, met | ended, ended, frozenset(longer - whole))

    @cached_property
    def left(self) -> int:
        """How many tokens of terms must still come, at the least where no terms overlap."""
        missing = sum(len(ids) for term, ids in enumerate(self.terms) if term not in self.met)
        return missing - max((held for term, held in self.begun if term not in self.met), default=0)

    @property
    def wanted(self) -> set[int]:
        """The tokens that bring a term on."""
        goes_on = {self.terms[term][held] for term, held in self.begun if term not in self.met}
        return goes_on | {ids[0] for term, ids in enumerate(self.terms) if term not in self.met}


@dataclass(frozen=True)
class Candidate:
    """A hypothesis that may go on."""

    tokens: Ids
    log_prob: float
    progress: Progress
    row: int  # of the state that it goes on from


@dataclass(frozen=True)
class ConstrainedBeam:
    """For sentences that have terms. ``width``: hypotheses a sentence, and at least one for each bank.

    A term is a word, or words: what ``joins`` its last token makes it a part of a longer one, which does not count.
    """

    width: int = 5
    n_best: int = 1
    norm: Normalization = field(default_factory=LengthPower)
    joins: Joining = field(default_factory=lambda: apart)
    repeats: ClassVar[bool] = True

    @property
    def rows(self) -> int:
        """``width``, where terms are few."""
        return self.width

    def __call__(self, scorer: Scorer[S], tokens: Tensor, state: S, sentences: Sentences) -> list[list[Hypothesis]]:
        """As in Search; the terms are those that the sentences wish for, and their limits have room for them.

        A sentence whose terms the scorer forbids, or that are too long for its limit, gets no hypothesis at all; terms that would
        join each other need a token more between them.
        """
        terms, limits = [wish.terms for wish in sentences.wishes], sentences.limits.tolist()
        live = [[Candidate((), 0.0, Progress(own), row)] for row, own in enumerate(terms)]
        finished: list[list[Hypothesis]] = [[] for _ in limits]
        order = list(range(len(limits)))  # of the sentences in the state
        for length in range(1, max(limits) + 1):
            scores, state = scorer.step(tokens, state)
            log_probs = scores.log_probs()
            likely = [row.tolist() for row in scores.best(max(map(self._room, terms)))[1]]
            for place, pool in enumerate(live):
                if not pool:
                    continue
                last = length == limits[place]
                forced = {scorer.eos} if last else set()
                grown = list(self._grown(pool, scores, log_probs, likely, self._room(terms[place]), forced, scorer.eos))
                finished[place] += [
                    Hypothesis(each.tokens, each.log_prob, each.log_prob / float(self.norm(length)))
                    for each in grown
                    if each.tokens[-1] == scorer.eos and each.progress.left == 0
                ]
                finished[place].sort(key=lambda hypothesis: -hypothesis.score)
                going = [each for each in grown if each.tokens[-1] != scorer.eos and not last]
                going = [each for each in going if length + each.progress.left < limits[place]]  # EOS needs room too
                live[place] = self._hopeful(self._allocated(going, terms[place]), finished[place], limits[place])
            standing = [at for at, place in enumerate(order) if live[place]]
            if not standing:
                break
            order = [order[standing[at]] for at in closing_up(torch.tensor(standing))[0].tolist()]
            candidates = [candidate for place in order for candidate in live[place]]
            tokens = torch.tensor([candidate.tokens[-1] for candidate in candidates])
            state = state.reorder(torch.tensor([candidate.row for candidate in candidates]))
            live = _numbered(live, order)
        return [found[: self.n_best] for found in finished]

    def _room(self, terms: Sequence[Ids]) -> int:
        """Hypotheses of a sentence: one at least for each bank."""
        return max(self.width, 1 + sum(map(len, terms)))

    def _allocated(self, candidates: Sequence[Candidate], terms: Sequence[Ids]) -> list[Candidate]:
        """The best of each bank in turn, then the second best of each, until the room is full: what a bank lacks, others get."""
        ranked = sorted(candidates, key=lambda candidate: (candidate.progress.left, -candidate.log_prob))
        banks = [list(bank) for _, bank in groupby(ranked, key=lambda candidate: candidate.progress.left)]
        rounds = (candidate for tier in zip_longest(*banks) for candidate in tier if candidate is not None)
        return [candidate for candidate, _ in zip(rounds, range(self._room(terms)), strict=False)]

    def _hopeful(self, pool: list[Candidate], finished: Sequence[Hypothesis], limit: int) -> list[Candidate]:
        """Those that can still be among the n best: see ``Bound``."""
        if len(finished) < self.n_best:
            return pool
        norm, wanted = float(self.norm(limit)), finished[self.n_best - 1].score
        return [candidate for candidate in pool if candidate.log_prob / norm > wanted]

    def _grown(
        self,
        pool: Sequence[Candidate],
        scores: Scores,
        log_probs: Tensor,
        likely: Sequence[Sequence[int]],
        room: int,
        forced: set[int],
        eos: int,
    ) -> Iterable[Candidate]:
        """One token more: the best of all, the best of each hypothesis, whatever brings a term on or lets it be a word, and what is
        ``forced``."""
        due = [{*each.progress.wanted, *forced, *self._parting(each, scores, log_probs, eos)} for each in pool]
        found = []
        for each, own in zip(pool, due, strict=True):
            offered = sorted({*likely[each.row], *own})
            places = torch.searchsorted(scores.columns, torch.tensor(offered)).clamp(max=len(scores.columns) - 1)
            values = log_probs[each.row, places].masked_fill(
                scores.columns[places] != torch.tensor(offered), -torch.inf
            )
            found += [
                (each.log_prob + value, each, token, token in own)
                for token, value in zip(offered, values.tolist(), strict=True)
            ]
        found = sorted((item for item in found if item[0] > -float("inf")), key=lambda item: -item[0])
        seen: set[int] = set()
        for rank, (log_prob, each, token, wanted) in enumerate(found):
            if rank < room or each.row not in seen or wanted:
                joined = bool(each.tokens) and self.joins(each.tokens[-1], token)
                yield Candidate((*each.tokens, token), log_prob, each.progress.after(token, joined), each.row)
            seen.add(each.row)

    def _parting(self, candidate: Candidate, scores: Scores, log_probs: Tensor, eos: int) -> Iterable[int]:
        """Behind a term that was not there before, what lets it be a word: EOS, and the best of all others. Without that, where a
        model sees longer words alone, none would ever stand there."""
        if not candidate.progress.ended:
            return
        yield eos
        for token in scores.columns[log_probs[candidate.row].argsort(descending=True)].tolist():
            if token != eos and not self.joins(candidate.tokens[-1], token):
                yield token
                return


@dataclass(frozen=True)
class Constrained:
    """Any search for sentences without terms, and constrained beam search for those that have some."""

    free: Search
    bound: ConstrainedBeam

    @property
    def rows(self) -> int:
        """The more of the two."""
        return max(self.free.rows, self.bound.rows)

    @property
    def repeats(self) -> bool:
        """As the free search does."""
        return self.free.repeats

    def __call__(self, scorer: Scorer[S], tokens: Tensor, state: S, sentences: Sentences) -> list[list[Hypothesis]]:
        """See Search. Where no translation can hold the terms, it is one without them."""
        found: list[list[Hypothesis]] = [[] for _ in range(len(sentences))]
        bound = [place for place, wish in enumerate(sentences.wishes) if wish.terms]
        self._fill(found, self.bound, bound, scorer, tokens, state, sentences)
        missing = [place for place, hypotheses in enumerate(found) if not hypotheses]
        self._fill(found, self.free, missing, scorer, tokens, state, sentences)
        return found

    def _fill(
        self,
        found: list[list[Hypothesis]],
        search: Search,
        places: Sequence[int],
        scorer: Scorer[S],
        tokens: Tensor,
        state: S,
        sentences: Sentences,
    ) -> None:
        """What a search finds for some of the sentences."""
        if places:
            rows = torch.tensor(places)
            own = search(scorer, tokens[rows], state.select(rows), sentences.at(rows))
            for place, hypotheses in zip(places, own, strict=True):
                found[place] = hypotheses


def _numbered(pools: Sequence[Sequence[Candidate]], order: Sequence[int]) -> list[list[Candidate]]:
    """With the rows that the state has now, where the sentences that go on stand in that order."""
    rows = count()
    numbered: list[list[Candidate]] = [[] for _ in pools]
    for place in order:
        numbered[place] = [Candidate(each.tokens, each.log_prob, each.progress, next(rows)) for each in pools[place]]
    return numbered
