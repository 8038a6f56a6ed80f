"""The wall between models and search: all that search knows of a model, and all that a model lets search do.

Letters: B sentences, N rows (hypotheses, sentence by sentence), P tokens consumed at once.
"""

from __future__ import annotations

from typing import Protocol, Self, TypeVar

from torch import Tensor

from nmt_cli.scoring.scores import Scores


class State(Protocol):
    """All that a decoder needs to go one step further: the memory of the encoder, which stays as it is, and what was consumed.

    A state is spent by ``step``, ``advance`` and ``reorder``; whoever needs it again calls ``select`` first.
    """

    def reorder(self, rows: Tensor) -> Self:
        """Row i goes on from row ``rows[i]``. Rows move, repeat and vanish inside their sentence, and with its last row a sentence
        leaves. Sentences may change places, and only what moves is copied: it is cheap to let the last take the places of those
        who leave (``rows.closing_up``)."""
        ...

    def select(self, rows: Tensor) -> Self:
        """A copy in which sentences may also repeat or change places; it never disturbs the original."""
        ...


S = TypeVar("S", bound=State)


class Scorer(Protocol[S]):
    """All that search knows of a model. Ensembles and fusions are scorers too."""

    @property
    def eos(self) -> int:
        """The token that ends a hypothesis."""
        ...

    def step(self, tokens: Tensor, state: S) -> tuple[Scores, S]:
        """Consume one token (N,) of each row."""
        ...

    def advance(self, tokens: Tensor, lengths: Tensor, state: S) -> tuple[Scores, S]:
        """Consume ``lengths`` (N,) of the ``tokens`` (N, P) of each row: the same as so many steps."""
        ...
