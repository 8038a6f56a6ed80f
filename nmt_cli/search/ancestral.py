"""One token after the other, each chosen from the model's distribution by a picker."""

import math
from dataclasses import dataclass
from typing import ClassVar, Protocol, Self, TypeVar

import torch
from torch import Tensor

from nmt_cli.scoring.rows import closing_up
from nmt_cli.scoring.scorer import Scorer, State
from nmt_cli.scoring.scores import Scores
from nmt_cli.search.base import Hypothesis, Sentences, refuse_nan
from nmt_cli.search.options import SearchOptions

S = TypeVar("S", bound=State)


class Picker(Protocol):
    """Chooses the next token of each row."""

    def __call__(self, scores: Scores, row: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """(N,) ids and what the scorer itself thinks of them, log-probabilities (N,).

        ``row`` (N,) says which input each row is, ``step`` how long the hypotheses become, from 1.
        """
        ...


def most_probable(scores: Scores, row: Tensor, step: int) -> tuple[Tensor, Tensor]:
    """The picker of greedy search."""
    del row, step
    log_probs, ids = scores.best(1)
    return ids[:, 0], log_probs[:, 0]


def highest(scores: Scores, row: Tensor, step: int) -> tuple[Tensor, Tensor]:
    """The same choice without a sum over the vocabulary: instead of log-probabilities zeros, or NaN where scores are damaged."""
    del row, step
    values, ids = scores.highest()
    return ids, values - values


@dataclass(frozen=True)
class Greedy:
    """Always the most probable next token: a beam of one without length normalisation.

    Where nobody asks how probable its hypotheses are they are found without softmax, and score and log-probability are NaN.
    """

    uses: ClassVar[frozenset[str]] = frozenset()
    repeats: ClassVar[bool] = True

    weighed: bool = True

    @property
    def rows(self) -> int:
        """One."""
        return 1

    @classmethod
    def of(cls, options: SearchOptions) -> Self:
        """Nothing but whether its hypotheses are weighed."""
        return cls(options.weighed)

    def __call__(self, scorer: Scorer[S], tokens: Tensor, state: S, sentences: Sentences) -> list[list[Hypothesis]]:
        """See SearchStrategy. Cost: one step of at most B rows for each length."""
        found = generate(scorer, tokens, state, sentences.limits, most_probable if self.weighed else highest)
        if not self.weighed:
            found = [Hypothesis(hypothesis.tokens, math.nan, math.nan) for hypothesis in found]
        return [[hypothesis] for hypothesis in found]


def generate(
    scorer: Scorer[S], tokens: Tensor, state: S, limits: Tensor, pick: Picker, each: int = 1
) -> list[Hypothesis]:
    """One hypothesis for each row; each sentence has ``each`` of them. Finished rows leave the batch."""
    count = len(limits)
    row = torch.arange(count)  # which input each remaining row is
    sentence = row // each  # where the state has the sentence of each
    produced: list[tuple[Tensor, Tensor, Tensor]] = []
    shortest, longest = int(limits.min()), int(limits.max())
    for length in range(1, longest + 1):
        scores, state = scorer.step(tokens, state)
        tokens, gained = pick(scores, row, length)
        if length >= shortest and bool((must := limits[row] == length).any()):  # at the limit EOS is forced
            tokens = torch.where(must, scorer.eos, tokens)
            gained = scores.of(tokens)
        produced.append((row, tokens, gained))
        going = tokens != scorer.eos
        if bool(going.all()):
            continue
        left = torch.nonzero(going)[:, 0]
        if len(left) == 0:
            break
        order, sentence = closing_up(sentence[left])
        left = left[order]
        row, tokens, state = row[left], tokens[left], state.reorder(left)
    table = torch.full((count, len(produced)), scorer.eos)
    log_probs, lengths = torch.zeros(count, dtype=torch.float64), torch.zeros(count, dtype=torch.long)
    for column, (rows, chosen, gained) in enumerate(produced):
        table[rows, column] = chosen
        log_probs[rows] += gained
        lengths[rows] = column + 1
    refuse_nan(log_probs)
    return [
        Hypothesis(tuple(ids[:end]), log_prob, log_prob)
        for ids, end, log_prob in zip(table.tolist(), lengths.tolist(), log_probs.tolist(), strict=True)
    ]
