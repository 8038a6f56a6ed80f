"""What a search is, and what it hands back.

Letters: B sentences, N rows (hypotheses, sentence by sentence), K beam, V' scored columns of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

import torch
from torch import Tensor

from nmt_cli.errors import ModelError
from nmt_cli.scoring.scorer import Scorer
from nmt_cli.search.certificate import Certificate
from nmt_cli.search.options import SearchOptions


@dataclass(frozen=True)
class Wish:
    """What the translation of one sentence has to hold, in ids."""

    prefix: tuple[int, ...] = ()  # it begins with these
    terms: tuple[tuple[int, ...], ...] = ()  # these stand in it somewhere

    @property
    def tokens(self) -> tuple[int, ...]:
        """All of them."""
        return (*self.prefix, *(token for term in self.terms for token in term))


@dataclass(frozen=True)
class Sentences:
    """What a search is told of the B sentences beside their scores."""

    limits: Tensor  # (B,) the longest length of each, EOS counted, at least 1; there EOS is forced
    lines: Tensor  # (B,) which line of the input each is: noise depends on it, and on no neighbour
    sources: Tensor  # (B,) how long each source is, EOS counted; 0 where there is none
    wishes: tuple[Wish, ...]  # B

    @classmethod
    def of(cls, limits: Tensor, sources: Tensor | None = None, wishes: Sequence[Wish] | None = None) -> Sentences:
        """The lines are numbered from 0; nothing is wished for unless ``wishes`` says so."""
        lengths = torch.zeros_like(limits) if sources is None else sources
        return cls(limits, torch.arange(len(limits)), lengths, tuple(wishes or [Wish()] * len(limits)))

    def at(self, places: Tensor) -> Sentences:
        """Some of them, in that order."""
        wishes = tuple(self.wishes[place] for place in places.tolist())
        return Sentences(self.limits[places], self.lines[places], self.sources[places], wishes)

    def __len__(self) -> int:
        return len(self.limits)


@dataclass(frozen=True)
class Retelling:
    """What a scorer thought of a hypothesis while it read it token by token."""

    log_probs: tuple[float, ...]  # natural, of each of the T tokens
    attention: tuple[tuple[float, ...], ...]  # (T, S) where it looked in the source; S = 0 where nobody asked


@dataclass(frozen=True)
class Hypothesis:
    """One complete translation."""

    tokens: tuple[int, ...]  # ends in EOS
    log_prob: float  # the scorer's own, EOS included; NaN where nobody asks and the search needs none
    score: float  # what the search ranked by; NaN likewise
    certificate: Certificate | None = None  # of a search that can give one
    retelling: Retelling | None = None  # of a search that is retold


def refuse_nan(values: Tensor) -> None:
    """Raises ModelError where scores are no numbers."""
    if bool(values.isnan().any()):
        raise ModelError(
            "scores must be numbers, but the model gave NaN: its weights are damaged or its training diverged"
        )


class Search(Protocol):
    """A way to find translations."""

    @property
    def repeats(self) -> bool:
        """Whether equal sentences always get equal hypotheses, so that one search is enough for all of them."""
        ...

    @property
    def rows(self) -> int:
        """The most hypotheses of one sentence that are scored at once: batches are the smaller for it."""
        ...

    def __call__(self, scorer: Scorer[Any], tokens: Tensor, state: Any, sentences: Sentences) -> list[list[Hypothesis]]:
        """Go on from ``state`` (one row a sentence) by consuming ``tokens`` (B,) first.

        Returns for each sentence its hypotheses, best first: at least one, each complete.
        """
        ...


class SearchStrategy(Search, Protocol):
    """A search that a user can ask for by its name."""

    uses: ClassVar[frozenset[str]]
    """The fields of SearchOptions that mean something here; a user who gives another one is told so."""

    @classmethod
    def of(cls, options: SearchOptions) -> Self:
        """From what a user asked for. Raises ConfigError for what this strategy cannot do."""
        ...
