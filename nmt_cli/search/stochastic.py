"""Stochastic beam search (Kool et al. 2019, algorithm 1): K different samples, drawn without replacement.

Were every complete hypothesis given Gumbel noise, G = log p + noise, then the K with the highest G would be K draws without
replacement, in the order of drawing (Gumbel-top-k). There are too many, but the highest G below a prefix is again log p of the
prefix plus such noise. So the noise is drawn from the top of the tree: a prefix has its G, its children get theirs under the
condition that the highest of them is the parent's, and whatever is not among the K highest has no descendant that could be.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Self, TypeVar

import torch
from torch import Tensor

from nmt_cli.errors import ConfigError
from nmt_cli.scoring.rows import staying
from nmt_cli.scoring.scorer import Scorer, State
from nmt_cli.scoring.scores import Scores, top
from nmt_cli.search import noise
from nmt_cli.search.base import Hypothesis, Sentences, refuse_nan
from nmt_cli.search.head import Head
from nmt_cli.search.options import SearchOptions

S = TypeVar("S", bound=State)

_ROOT = torch.tensor([-1])
"""The column of the noise of the empty hypothesis, which is nobody's child."""


@dataclass(frozen=True)
class StochasticBeam:
    """``width`` (K) samples of each sentence, the ``n_best`` first drawn of them handed back.

    A score is the perturbed log-probability G under the distribution drawn from: the model at a temperature, or its head.
    A finished hypothesis keeps its place with its G, so there is no norm of lengths, and the search ends when all K are finished.
    """

    uses: ClassVar[frozenset[str]] = frozenset(
        {"beam", "n_best", "temperature", "top_k", "top_p", "min_p", "epsilon", "seed"}
    )
    repeats: ClassVar[bool] = False

    width: int = 5
    n_best: int = 1
    head: Head = field(default_factory=Head)
    seed: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.n_best <= self.width:
            raise ConfigError(f"--n-best must lie between 1 and the beam ({self.width}), but is {self.n_best}")
        noise.check_seed(self.seed)

    @property
    def rows(self) -> int:
        """K."""
        return self.width

    @classmethod
    def of(cls, options: SearchOptions) -> Self:
        """Raises ConfigError for more candidates than the beam holds, and for what is out of range."""
        return cls(options.beam, options.n_best, options.head, options.seed)

    def __call__(self, scorer: Scorer[S], tokens: Tensor, state: S, sentences: Sentences) -> list[list[Hypothesis]]:
        """See SearchStrategy; fewer than K where there are no more. Cost: one step of at most B K rows for each length."""
        results: list[list[Hypothesis]] = [[] for _ in range(len(sentences))]
        beam = _Beam.start(sentences, self.seed)
        for length in range(1, int(sentences.limits.max()) + 1):
            scores, state = scorer.step(tokens, state)
            beam, parents = self._extend(beam, self._children(beam, length, scores, scorer.eos), scorer.eos)
            stays = beam.alive.any(1)
            for place in torch.nonzero(~stays)[:, 0].tolist():
                results[int(beam.sentence[place])] = beam.best(place, self.n_best)
            if not bool(stays.any()):
                break
            if not bool(stays.all()):
                places = staying(stays)
                beam, parents = beam.at(places), parents[places]
            rows, tokens = parents[beam.alive], beam.tokens[:, :, -1][beam.alive]
            state = state.reorder(rows)
        return results

    def _children(self, beam: _Beam, length: int, scores: Scores, eos: int) -> _Children:
        """The K highest children of each hypothesis. At the limit EOS is the only child; a finished hypothesis is its own."""
        alive, free = beam.alive, beam.alive & (beam.limits > length)[:, None]  # (B, K)
        log_probs = beam.log_probs.clone()
        log_probs[alive] += scores.of(torch.full((len(scores.logits),), eos))
        # 1. an only child, whatever its probability, has the G of its parent
        perturbed = beam.perturbed.new_full(
            (*alive.shape, min(self.width, len(scores.columns))), -torch.inf
        )  # (B, K, C)
        perturbed[:, :, 0] = beam.perturbed
        children = _Children(
            torch.full_like(perturbed, eos, dtype=torch.long),
            log_probs[:, :, None].expand_as(perturbed).clone(),
            beam.drawn[:, :, None].expand_as(perturbed).clone(),
            perturbed,
        )
        # 2. all others: log p and noise, then the condition. It keeps their order, so the highest are enough.
        drawn = beam.drawn[alive][:, None] + torch.log_softmax(self.head(scores.logits), 1)  # (N, V')
        noisy, places = top(drawn + noise.gumbel(beam.keys[alive], scores.columns), perturbed.shape[2])  # (N, C)
        refuse_nan(noisy)
        own = beam.log_probs[alive][:, None] + (scores.logits.gather(1, places) - scores.normaliser)
        rows = free[alive]  # (N,)
        children.tokens[free] = scores.columns[places][rows]
        children.log_probs[free] = own[rows]
        children.drawn[free] = drawn.gather(1, places)[rows]
        children.perturbed[free] = conditioned(noisy, beam.perturbed[alive][:, None])[rows]
        return children

    def _extend(self, beam: _Beam, children: _Children, eos: int) -> tuple[_Beam, Tensor]:
        """The K children with the highest G, and the row (B, K) of the state that each goes on from."""
        sentences, slots, count = children.perturbed.shape
        perturbed, place = children.perturbed.view(sentences, -1).topk(min(self.width, slots * count), 1)  # (B, K)
        parent = place // count
        token = children.tokens.view(sentences, -1).gather(1, place)
        before = beam.tokens.gather(1, parent[:, :, None].expand(-1, -1, beam.tokens.shape[2]))
        row = (torch.cumsum(beam.alive.flatten(), 0) - 1).view(sentences, slots)
        extended = _Beam(
            beam.sentence,
            beam.limits,
            torch.cat([before, token[:, :, None]], 2),
            noise.keys(beam.keys.gather(1, parent), token),
            children.log_probs.view(sentences, -1).gather(1, place),
            children.drawn.view(sentences, -1).gather(1, place),
            perturbed,
            (token != eos) & ~torch.isneginf(perturbed),
        )
        return extended, row.gather(1, parent)


def conditioned(noisy: Tensor, maximum: Tensor) -> Tensor:
    """Gumbel variables under the condition that their maximum is another: (N, C), highest first, and (N, 1).

    It is G' = -log(exp(-maximum) - exp(-Z) + exp(-G)), Z the highest G, in the stable form of the paper's appendix B.3.
    """
    behind = noisy - noisy[:, :1]  # G - Z; 0 for the highest, whose G' is the maximum itself
    v = maximum - noisy + torch.log(-torch.expm1(behind))
    return maximum - v.clamp(min=0) - torch.log1p(torch.exp(-v.abs()))


@dataclass(frozen=True)
class _Children:
    """What each place of the beam offers. C: as many as can be among the K highest."""

    tokens: Tensor  # (B, K, C)
    log_probs: Tensor  # (B, K, C) the scorer's own
    drawn: Tensor  # (B, K, C) log-probabilities under the distribution that is drawn from
    perturbed: Tensor  # (B, K, C) G, -inf where nothing is offered


@dataclass(frozen=True)
class _Beam:
    """The K prefixes with the highest G of each sentence still searched. T: the length so far; the first is one prefix alone."""

    sentence: Tensor  # (B,) which input each is
    limits: Tensor  # (B,)
    tokens: Tensor  # (B, K, T), EOS behind each end
    keys: Tensor  # (B, K) of the noise: a function of seed, line and prefix
    log_probs: Tensor  # (B, K) the scorer's own
    drawn: Tensor  # (B, K) log-probabilities under the distribution that is drawn from
    perturbed: Tensor  # (B, K) G, highest first, -inf where there is no prefix
    alive: Tensor  # (B, K) which prefixes are not finished

    @classmethod
    def start(cls, sentences: Sentences, seed: int) -> _Beam:
        """The empty prefix. Its log-probability is 0, so its G, the highest of all hypotheses', is the noise alone."""
        count = len(sentences)
        keys = noise.keys(seed, sentences.lines)
        zero = torch.zeros(count, 1, dtype=torch.float64)
        return cls(
            torch.arange(count),
            sentences.limits,
            torch.zeros(count, 1, 0, dtype=torch.long),
            keys[:, None],
            zero,
            zero,
            noise.gumbel(keys, _ROOT),
            torch.ones(count, 1, dtype=torch.bool),
        )

    def at(self, places: Tensor) -> _Beam:
        """The sentences at these places (B',), in that order."""
        return _Beam(*(getattr(self, name)[places] for name in self.__dataclass_fields__))

    def best(self, place: int, count: int) -> list[Hypothesis]:
        """The first hypotheses of a finished sentence."""
        columns = (part[place, :count].tolist() for part in (self.tokens, self.log_probs, self.perturbed))
        return [
            Hypothesis(tuple(ids[: ids.index(ids[-1]) + 1]), log_prob, score)  # without the EOS behind its end
            for ids, log_prob, score in zip(*columns, strict=True)
            if score > -torch.inf
        ]
