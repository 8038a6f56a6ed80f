"""Exact search: the hypothesis that the model itself holds for the best, with a proof (Stahlberg and Byrne 2019).

Depth-first branch and bound. As a hypothesis grows its log-probability only falls, and the norm does not shrink, so
``log p / norm(limit)`` bounds all that can come of a prefix (see normalization.py). What cannot beat the best hypothesis known so
far need not be looked at; when nothing else is left, that hypothesis is proved to be the best of all. The first one known is that
of a beam search.

Prefixes are scored in groups of one length: the best children of a group are the next group, the others wait until all that comes
of it has been seen. The first descent so is a beam search as wide as a group, each later one tries what those before it left out
(beam-stack search, Zhou and Hansen 2005), and no more states are kept than a hypothesis is long.

Letters: N prefixes of a group, T their length with the first token, C children that wait, V' scored columns of the vocabulary.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import ClassVar, Generic, Self, TypeVar

import torch
from torch import Tensor

from nmt_cli.errors import ConfigError
from nmt_cli.scoring.scorer import Scorer, State
from nmt_cli.scoring.scores import Scores
from nmt_cli.search.base import Hypothesis, Sentences, refuse_nan
from nmt_cli.search.beam import BeamSearch
from nmt_cli.search.certificate import Certificate
from nmt_cli.search.normalization import Normalization
from nmt_cli.search.options import SearchOptions

S = TypeVar("S", bound=State)


@dataclass(frozen=True)
class ExactSearch:
    """The options. ``first`` is the beam search whose n best are the first to be beaten; the norm and the n are its own.

    The budget of a sentence, behind its beam search, is so many ``nodes``, prefixes that are scored, and so many ``seconds``. When
    it is spent, the best found so far is handed back, with a certificate that says so. What is found within a number of nodes
    depends on the sentence alone; within a time, on the machine too.
    """

    uses: ClassVar[frozenset[str]] = frozenset({"beam", "n_best", "length_penalty", "norm", "nodes", "seconds"})
    repeats: ClassVar[bool] = True

    first: BeamSearch = field(default_factory=BeamSearch)
    nodes: int = 10_000
    seconds: float | None = None
    width: int = 64  # prefixes that are scored together

    def __post_init__(self) -> None:
        if self.nodes < 1:
            raise ConfigError(f"--nodes must be at least 1, but is {self.nodes}")
        if self.seconds is not None and not 0 < self.seconds < math.inf:
            raise ConfigError(f"--seconds must be a finite number above 0, but is {self.seconds}")

    @property
    def rows(self) -> int:
        """A group, or the beam."""
        return max(self.width, self.first.rows)

    @classmethod
    def of(cls, options: SearchOptions) -> Self:
        """Raises ConfigError for a budget that allows nothing, and for whatever beam search does not take."""
        first = BeamSearch(options.beam, options.n_best, options.normalization)
        return cls(first, cls.nodes if options.nodes is None else options.nodes, options.seconds)

    def __call__(self, scorer: Scorer[S], tokens: Tensor, state: S, sentences: Sentences) -> list[list[Hypothesis]]:
        """See SearchStrategy. Cost: a beam search, then for each sentence steps of up to ``width`` rows within its budget."""
        known = self.first(scorer, tokens, state.select(torch.arange(len(sentences))), sentences)
        found = []
        for place, limit in enumerate(sentences.limits.tolist()):
            root = _Group.root(tokens[place : place + 1], state.select(torch.tensor([place])))
            found.append(self._search(scorer, root, limit, known[place]))
        return found

    def _search(self, scorer: Scorer[S], root: _Group[S], limit: int, known: list[Hypothesis]) -> list[Hypothesis]:
        """The n best of one sentence, each with its certificate; ``known`` are the n best so far."""
        best = _Best(tuple(known), self.first.n_best, self.first.norm, limit)
        waiting, nodes = [root], 0  # a stack: the last is the deepest
        until = math.inf if self.seconds is None else monotonic() + self.seconds
        while waiting and nodes < self.nodes and monotonic() < until:
            group = waiting.pop().worthy(best.needed)
            if len(group) == 0:
                continue
            chosen, rest = group.split(min(self.width, self.nodes - nodes))
            if len(rest) > 0:
                waiting.append(rest)
            prefixes = chosen.grown()
            scores, state = scorer.step(chosen.tokens, chosen.enter(alone=len(rest) == 0))
            nodes += len(chosen)
            ended = chosen.log_probs + scores.of(torch.full_like(chosen.tokens, scorer.eos))
            refuse_nan(ended)
            best = best.joined_by(prefixes, ended, scorer.eos)
            if prefixes.shape[1] < limit:  # else EOS is forced, and that was all
                totals = _going_on(chosen.log_probs, scores, scorer.eos)
                waiting.append(_Group.of(state, prefixes, totals, scores.columns, best.needed, self.nodes - nodes))
        left = best.reach(max((group.highest for group in waiting), default=-math.inf))
        return [replace(found, certificate=Certificate.of(found.score, left, nodes)) for found in best.hypotheses]


def _going_on(log_probs: Tensor, scores: Scores, eos: int) -> Tensor:
    """(N, V') log-probabilities of the children of prefixes (N,); -inf for those that end."""
    return (log_probs[:, None] + scores.log_probs()).masked_fill(scores.columns == eos, -torch.inf)


@dataclass(frozen=True)
class _Best:
    """The best hypotheses so far."""

    hypotheses: tuple[Hypothesis, ...]  # best first, at most ``count``
    count: int
    norm: Normalization
    limit: int

    @property
    def floor(self) -> float:
        """The score that the next to join must lie above."""
        return self.hypotheses[-1].score if len(self.hypotheses) == self.count else -math.inf

    @property
    def needed(self) -> float:
        """What the log-probability of a prefix must lie above, lest nothing that comes of it can join."""
        return self.floor * float(self.norm(self.limit))

    def reach(self, log_prob: float) -> float:
        """The best score that can come of a prefix: the log-probability may stay as it is up to the limit."""
        return log_prob / float(self.norm(self.limit))

    def joined_by(self, prefixes: Tensor, log_probs: Tensor, eos: int) -> _Best:
        """With those of the ``prefixes`` (N, T), ended by EOS at ``log_probs`` (N,), that are among the best."""
        scores = log_probs / self.norm(prefixes.shape[1])
        known = {hypothesis.tokens for hypothesis in self.hypotheses}
        found = list(self.hypotheses)
        for row in torch.nonzero(scores > self.floor)[:, 0].tolist():
            tokens = (*prefixes[row, 1:].tolist(), eos)  # the first token is the model's own
            if tokens not in known:  # by the beam search
                found.append(Hypothesis(tokens, float(log_probs[row]), float(scores[row])))
        found.sort(key=lambda hypothesis: -hypothesis.score)
        return replace(self, hypotheses=tuple(found[: self.count]))


@dataclass(frozen=True)
class _Group(Generic[S]):
    """Prefixes of one length that were scored together, and those of their children that wait, best first."""

    state: S  # behind the prefixes
    prefixes: Tensor  # (N, T)
    parents: Tensor  # (C,) which prefix each child goes on from
    tokens: Tensor  # (C,) by which token
    log_probs: Tensor  # (C,) of the whole child, descending

    @classmethod
    def root(cls, tokens: Tensor, state: S) -> _Group[S]:
        """One empty prefix, whose only child is the model's first token (1,)."""
        none = torch.zeros(1, dtype=torch.long)
        return cls(state, none[:, None][:, :0], none, tokens, torch.zeros(1, dtype=torch.float64))

    @classmethod
    def of(cls, state: S, prefixes: Tensor, totals: Tensor, columns: Tensor, needed: float, nodes: int) -> _Group[S]:
        """The children, by their log-probabilities (N, V'), that are worth it.

        No more wait than ``nodes``, which can still be scored, and one, which says what was left unseen.
        """
        worthy = totals > needed
        parents, places = torch.nonzero(worthy, as_tuple=True)
        log_probs, order = totals[worthy].sort(descending=True, stable=True)
        order = order[: nodes + 1]
        return cls(state, prefixes, parents[order], columns[places][order], log_probs[: nodes + 1])

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def highest(self) -> float:
        """The log-probability of the best child that waits, -inf where none does."""
        return float(self.log_probs[0]) if len(self) else -math.inf

    def worthy(self, needed: float) -> _Group[S]:
        """Without the children that were worth it once, before something better was found."""
        return self._part(slice(int((self.log_probs > needed).sum())))

    def split(self, count: int) -> tuple[_Group[S], _Group[S]]:
        """The ``count`` best, and the others."""
        return self._part(slice(count)), self._part(slice(count, None))

    def _part(self, some: slice) -> _Group[S]:
        return replace(self, parents=self.parents[some], tokens=self.tokens[some], log_probs=self.log_probs[some])

    def grown(self) -> Tensor:
        """(C, T + 1) the children."""
        return torch.cat([self.prefixes[self.parents], self.tokens[:, None]], 1)

    def enter(self, *, alone: bool) -> S:
        """The state in which the children's tokens are read; a copy, unless nobody else waits for this one."""
        return self.state.reorder(self.parents) if alone else self.state.select(self.parents)
