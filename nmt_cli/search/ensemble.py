"""Several scorers as one: an ensemble of translation models, or a translation model together with a language model.

Search sees a scorer like any other: its state holds the states of all members, which move together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from nmt_cli.errors import ConfigError
from nmt_cli.scoring.scorer import Scorer
from nmt_cli.scoring.scores import Scores


class Combination(Protocol):
    """How the opinions of the members become one."""

    def __call__(self, scores: Sequence[Scores]) -> Scores:
        """Scores (N, V') of all members, over the same columns -> scores of them together."""
        ...


@dataclass(frozen=True)
class MeanProbability:
    """p = sum_i w_i p_i: the members vote with their probabilities, and the result is a distribution again."""

    weights: tuple[float, ...]  # above 0; they are made to sum to 1

    def __post_init__(self) -> None:
        if not all(0 < weight < math.inf for weight in self.weights):
            raise ConfigError(f"weights of an ensemble must be above 0, but are {', '.join(map(str, self.weights))}")

    def __call__(self, scores: Sequence[Scores]) -> Scores:
        """See Combination."""
        most = max(self.weights)  # whose share can be reckoned with, however large it is
        total = math.log(most) + math.log(math.fsum(weight / most for weight in self.weights))
        logs = [math.log(weight) - total for weight in self.weights]
        parts = torch.stack([each.log_probs() + log for each, log in zip(scores, logs, strict=True)])
        return _of_log_probs(parts.logsumexp(0), scores[0])


@dataclass(frozen=True)
class ShallowFusion:
    """log p(translation) + weight * log p(language model) for each token (Gulcehre et al. 2015).

    Both are at most 0 and the weight is not negative, so the bounds of a search hold; the sum is no distribution.
    """

    weight: float

    def __post_init__(self) -> None:
        if not 0 <= self.weight < math.inf:
            raise ConfigError(f"--lm-weight must be a finite number, not below 0, but is {self.weight}")

    def __call__(self, scores: Sequence[Scores]) -> Scores:
        """See Combination; the translation model first."""
        translation, language = scores
        fused = translation.log_probs()
        if self.weight > 0:  # 0 times what is impossible would be no number
            fused = fused + self.weight * language.log_probs()
        return _of_log_probs(fused, translation)


@dataclass(frozen=True)
class JointState:
    """The states of all members, and what each of them consumes first: a model owns its first token."""

    states: tuple[Any, ...]
    first: tuple[Tensor, ...] | None  # (N,) each; None once they were consumed

    def reorder(self, rows: Tensor) -> JointState:
        """See State."""
        return JointState(tuple(state.reorder(rows) for state in self.states), self._at(rows))

    def select(self, rows: Tensor) -> JointState:
        """See State."""
        return JointState(tuple(state.select(rows) for state in self.states), self._at(rows))

    def _at(self, rows: Tensor) -> tuple[Tensor, ...] | None:
        return None if self.first is None else tuple(tokens[rows] for tokens in self.first)


@dataclass(frozen=True)
class Joint:
    """Members with the same vocabulary, and how they are combined."""

    members: tuple[Scorer[Any], ...]
    combine: Combination

    @property
    def eos(self) -> int:
        """Of every member."""
        return self.members[0].eos

    def start(self, begun: Sequence[tuple[Tensor, Any]]) -> tuple[Tensor, JointState]:
        """From the first tokens (B,) and the state of each member: what a search begins with."""
        first, states = zip(*begun, strict=True)
        return first[0], JointState(states, first)

    def step(self, tokens: Tensor, state: JointState) -> tuple[Scores, JointState]:
        """See Scorer."""
        return self.advance(tokens[:, None], torch.ones_like(tokens), state)

    def advance(self, tokens: Tensor, lengths: Tensor, state: JointState) -> tuple[Scores, JointState]:
        """See Scorer."""
        found, states = [], []
        for place, (member, within) in enumerate(zip(self.members, state.states, strict=True)):
            read = tokens
            if state.first is not None:
                read = torch.cat([state.first[place][:, None], tokens[:, 1:]], 1)
            scores, behind = member.advance(read, lengths, within)
            found.append(scores)
            states.append(behind)
        return self.combine(found), replace(state, states=tuple(states), first=None)


def _of_log_probs(log_probs: Tensor, like: Scores) -> Scores:
    """Scores that are what they are: nothing is normalised any more. The attention is that of the first member."""
    return Scores(log_probs, like.columns, lambda: like.attention, lambda: log_probs.new_zeros(len(log_probs), 1))
