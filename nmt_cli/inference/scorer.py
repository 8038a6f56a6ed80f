"""What a model itself thinks of given text: the log-probability of each line and of each of its tokens."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, Self

from nmt_cli.registry import Registry
from nmt_cli.runs.directory import ModelDirectory

BATCH_TOKENS = 2048
_WINDOW = 4096


@dataclass(frozen=True)
class Asked:
    """A text that is to be judged."""

    text: str
    source: str = ""  # whose translation it is
    tokens: tuple[int, ...] | None = None  # as a search wrote it, EOS last; None: as the tokenizer cuts the text
    place: str = ""  # for messages: file and line


@dataclass(frozen=True)
class Scored:
    """A text, and what a model thinks of it; a blank one has no tokens."""

    text: str
    tokens: tuple[int, ...]  # EOS last
    log_probs: tuple[float, ...]  # natural, of each token
    otherwise: bool = False  # these tokens were given, and the tokenizer would cut the text into others

    @property
    def log_prob(self) -> float:
        """Of the text, its end counted."""
        return math.fsum(self.log_probs)

    @property
    def perplexity(self) -> float:
        """For each token; 1 for a blank text."""
        return math.exp(min(700.0, -self.log_prob / max(1, len(self.tokens))))


class Scorer(Protocol):
    """Texts in, opinions out, in order."""

    @classmethod
    def open(cls, directory: ModelDirectory) -> Self:
        """From a model directory. Raises ModelError where the model has no weights."""
        ...

    @property
    def columns(self) -> int:
        """How many files it needs side by side: 1, or 2 where what it judges has a source."""
        ...

    @property
    def independent(self) -> bool:
        """Whether a text is judged for itself, and not as the one that comes behind the last."""
        ...

    def score(self, texts: Iterable[Asked]) -> Iterator[Scored]:
        """Raises DataError where the tokens that are given cannot be those of the text."""
        ...


SCORERS: Registry[type[Scorer]] = Registry(
    "task",
    {"translate": "nmt_cli.inference.pair_scorer:PairScorer", "lm": "nmt_cli.inference.line_scorer:LineScorer"},
)
"""Task -> how its models judge."""


def windows(texts: Iterable[Asked]) -> Iterator[list[Asked]]:
    """Those that are sorted by length together."""
    remaining = iter(texts)
    while window := list(islice(remaining, _WINDOW)):
        yield window
