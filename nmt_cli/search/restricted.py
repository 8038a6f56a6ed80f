"""Any search, within what a user forbids or wishes for: processors, lengths, prefixes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor

from nmt_cli.errors import ConfigError
from nmt_cli.scoring.scorer import Scorer, State
from nmt_cli.search.base import Hypothesis, Search, Sentences
from nmt_cli.search.processed import Prefixes, Processed, ProcessedState
from nmt_cli.search.processors import MinLength, Processor

S = TypeVar("S", bound=State)


@dataclass(frozen=True)
class Restricted:
    """A search like any other. Lengths count EOS."""

    search: Search
    processors: tuple[Processor, ...] = ()
    shortest: int = 1
    longest: int | None = None  # None: as the model's own limits say

    def __post_init__(self) -> None:
        if self.shortest < 1:
            raise ConfigError(f"--min-length must be at least 0, but is {self.shortest - 1}")
        if self.longest is not None and self.longest < self.shortest:
            raise ConfigError(
                f"--max-length must not be below --min-length ({self.shortest - 1}), but is {self.longest - 1}"
            )

    @property
    def rows(self) -> int:
        """As many as the search within."""
        return self.search.rows

    @property
    def repeats(self) -> bool:
        """As the search within."""
        return self.search.repeats

    def __call__(self, scorer: Scorer[S], tokens: Tensor, state: S, sentences: Sentences) -> list[list[Hypothesis]]:
        """See Search. A prefix has room for itself and EOS, and so has the shortest, whatever the limit of a sentence."""
        if not self.processors and self.shortest == 1 and not any(wish.prefix for wish in sentences.wishes):
            return self.search(scorer, tokens, state, self._limited(sentences))
        prefixes = _prefixes(sentences)
        limits = torch.maximum(self._limited(sentences).limits, prefixes.lengths + 1).clamp(min=self.shortest)
        late = MinLength(scorer.eos, torch.full_like(limits, self.shortest))
        processed = Processed(scorer, (*self.processors, late), prefixes)
        within = ProcessedState.start(state, len(sentences))
        return self.search(processed, tokens, within, replace(sentences, limits=limits))

    def _limited(self, sentences: Sentences) -> Sentences:
        """With room for the terms that a sentence wishes for, but no more than was asked for in all."""
        terms = torch.tensor([sum(map(len, wish.terms)) for wish in sentences.wishes])
        limits = sentences.limits + terms
        return replace(sentences, limits=limits if self.longest is None else limits.clamp(max=self.longest))


def _prefixes(sentences: Sentences) -> Prefixes:
    """Those that the sentences wish for, as tensors."""
    lengths = torch.tensor([len(wish.prefix) for wish in sentences.wishes])
    width = max(1, int(lengths.max()))
    rows = [[*wish.prefix, *[0] * (width - len(wish.prefix))] for wish in sentences.wishes]
    return Prefixes(torch.tensor(rows), lengths)
