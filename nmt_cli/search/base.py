"""What search knows of a model, and what it hands back.

Letters: B sentences, N rows (hypotheses, sentence by sentence), K beam, V' scored columns of the vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self, TypeVar

from torch import Tensor

from nmt_cli.errors import ModelError
from nmt_cli.search.options import SearchOptions


class Scores(Protocol):
    """What a model thinks of the next token of each row."""

    @property
    def logits(self) -> Tensor:
        """(N, V') raw."""
        ...

    @property
    def columns(self) -> Tensor:
        """(V',) the ids of the columns, ascending."""
        ...

    @property
    def attention(self) -> Tensor | None:
        """(N, S) weights over the source, or None."""
        ...

    def log_probs(self) -> Tensor:
        """(N, V')"""
        ...

    def best(self, k: int) -> tuple[Tensor, Tensor]:
        """Log-probabilities and ids (N, k) of the best, descending; fewer where there are fewer columns."""
        ...

    def of(self, tokens: Tensor) -> Tensor:
        """(N,) the log-probability of one token a row."""
        ...


class State(Protocol):
    """Where each row stands. Spent by ``step``, ``advance`` and ``reorder``."""

    def reorder(self, rows: Tensor) -> Self:
        """Row i goes on from ``rows[i]``; rows move, repeat and vanish inside their sentence, which keeps at least one."""
        ...

    def select(self, rows: Tensor) -> Self:
        """A copy, in which sentences may also leave."""
        ...


S = TypeVar("S", bound=State)


class Scorer(Protocol[S]):
    """All that search knows of a model. Ensembles and fusions are scorers too."""

    eos: int

    def step(self, tokens: Tensor, state: S) -> tuple[Scores, S]:
        """Consume one token (N,) of each row."""
        ...

    def advance(self, tokens: Tensor, lengths: Tensor, state: S) -> tuple[Scores, S]:
        """Consume ``lengths`` (N,) of the ``tokens`` (N, P) of each row: the same as so many steps."""
        ...


@dataclass(frozen=True)
class Hypothesis:
    """One complete translation."""

    tokens: tuple[int, ...]  # ends in EOS
    log_prob: float  # the scorer's own, EOS included
    score: float  # what the search ranked by


def refuse_nan(values: Tensor) -> None:
    """Raises ModelError where scores are no numbers."""
    if bool(values.isnan().any()):
        raise ModelError(
            "scores must be numbers, but the model gave NaN: its weights are damaged or its training diverged"
        )


class SearchStrategy(Protocol):
    """A way to find translations."""

    uses: ClassVar[frozenset[str]]
    """The fields of SearchOptions that mean something here; a user who gives another one is told so."""

    @property
    def rows(self) -> int:
        """The most hypotheses of one sentence that are scored at once: batches are the smaller for it."""
        ...

    @classmethod
    def of(cls, options: SearchOptions) -> Self:
        """From what a user asked for. Raises ConfigError for what this strategy cannot do."""
        ...

    def __call__(self, scorer: Scorer[Any], tokens: Tensor, state: Any, limits: Tensor) -> list[list[Hypothesis]]:
        """Go on from ``state`` (one row a sentence) by consuming ``tokens`` (B,) first.

        ``limits`` (B,): the longest length of each sentence, EOS counted, at least 1; there EOS is forced. Returns for each
        sentence its hypotheses, best first: at least one, each complete.
        """
        ...
