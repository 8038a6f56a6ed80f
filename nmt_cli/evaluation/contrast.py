"""What many opinions of a model add up to: perplexity, and how often the right one of several texts is the most probable.

Contrastive evaluation (Sennrich 2017): beside each right translation stands one with an error of a certain kind, and the model is
asked which it holds for the better. Knows no model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from nmt_cli.console import aligned


class Judged(Protocol):
    """What a model thinks of a text."""

    @property
    def tokens(self) -> tuple[int, ...]:
        """Its end counted; none of a blank text."""
        ...

    @property
    def log_prob(self) -> float:
        """Natural, of all of them."""
        ...


@dataclass(frozen=True)
class Total:
    """Of many texts."""

    texts: int = 0  # blank ones too
    tokens: int = 0
    log_prob: float = 0.0

    def plus(self, judged: Judged) -> Total:
        """With one more."""
        return Total(self.texts + 1, self.tokens + len(judged.tokens), self.log_prob + judged.log_prob)

    @property
    def perplexity(self) -> float:
        """For each token; 1 where there is none."""
        return math.exp(min(700.0, -self.log_prob / max(1, self.tokens)))

    def to_json(self) -> dict[str, Any]:
        """Everything, unrounded."""
        return {
            "texts": self.texts,
            "tokens": self.tokens,
            "log_prob": self.log_prob,
            "perplexity": self.perplexity,
        }


@dataclass(frozen=True)
class Contrast:
    """How often the first of several texts is more probable than every other; equally probable is not enough."""

    lines: int = 0  # whose first text is not blank
    right: int = 0  # by log-probability
    right_per_token: int = 0  # by log-probability divided by tokens

    def plus(self, judged: Sequence[Judged]) -> Contrast:
        """With one more line."""
        first, *others = judged
        if not first.tokens:
            return self
        rest = [other for other in others if other.tokens != first.tokens]
        differ = len(rest) == len(others)  # one that is the first itself is never less probable, whatever rounding says
        whole = differ and all(first.log_prob > other.log_prob for other in rest)
        mean = differ and all(_mean(first) > _mean(other) for other in rest)
        return Contrast(self.lines + 1, self.right + whole, self.right_per_token + mean)

    @property
    def accuracy(self) -> float:
        """0 to 1, by log-probability."""
        return self.right / max(1, self.lines)

    @property
    def accuracy_per_token(self) -> float:
        """0 to 1, by log-probability divided by tokens: longer texts are not held against it."""
        return self.right_per_token / max(1, self.lines)

    def __str__(self) -> str:
        return (
            f"contrastive accuracy {100 * self.accuracy:.1f} % of {self.lines:,} lines, "
            f"{100 * self.accuracy_per_token:.1f} % by log p a token"
        )

    def to_json(self) -> dict[str, Any]:
        """Everything, unrounded."""
        return {"lines": self.lines, "accuracy": self.accuracy, "accuracy_per_token": self.accuracy_per_token}


def _mean(judged: Judged) -> float:
    return judged.log_prob / max(1, len(judged.tokens))


@dataclass(frozen=True)
class Summary:
    """Of files of texts that stand beside each other, or of one file, which may hold several texts for each line."""

    names: tuple[str, ...]
    totals: tuple[Total, ...]  # of each file
    contrast: Contrast = field(default_factory=Contrast)  # of several files

    @classmethod
    def of(cls, names: Sequence[str]) -> Summary:
        """Of nothing yet."""
        return cls(tuple(names), tuple(Total() for _ in names))

    def plus(self, judged: Sequence[Judged]) -> Summary:
        """With one more line."""
        if len(self.names) == 1:
            total = self.totals[0]
            for each in judged:
                total = total.plus(each)
            return replace(self, totals=(total,))
        totals = tuple(total.plus(each) for total, each in zip(self.totals, judged, strict=True))
        return replace(self, totals=totals, contrast=self.contrast.plus(judged))

    def lines(self) -> list[str]:
        """For a person."""
        rows = [("", "texts", "tokens", "log p", "perplexity")] + [
            (name, f"{total.texts:,}", f"{total.tokens:,}", f"{total.log_prob:.2f}", f"{total.perplexity:.2f}")
            for name, total in zip(self.names, self.totals, strict=True)
        ]
        return [*aligned(rows), *([str(self.contrast)] if len(self.names) > 1 else [])]

    def to_json(self) -> dict[str, Any]:
        """Everything, unrounded."""
        files = [{"file": name, **total.to_json()} for name, total in zip(self.names, self.totals, strict=True)]
        return {"files": files, **({"contrast": self.contrast.to_json()} if len(files) > 1 else {})}
