"""What a search that looks everywhere can say of what it found: that nothing is better, or how much better it could still be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

WITHIN = 1e-4
"""Differences of scores that single precision does not tell apart."""


@dataclass(frozen=True)
class Certificate:
    """Of one hypothesis; of the second best, that all but one score no more than it, and so on down."""

    proved: bool  # nothing that was left unseen can score more than WITHIN above it
    nodes: int  # prefixes that were scored for it
    bound: float  # no hypothesis that was left unseen scores more; its own score where none can

    @classmethod
    def of(cls, score: float, left: float, nodes: int) -> Certificate:
        """``left`` is the best score that is still possible among what was left unseen, -inf where nothing was."""
        return cls(left <= score + WITHIN, nodes, max(score, left))

    @classmethod
    def joined(cls, parts: Sequence[Certificate]) -> Certificate | None:
        """Of a line in parts, whose score is the mean of theirs: it is proved when all of them are. None: of no parts."""
        if not parts:
            return None
        return cls(
            all(part.proved for part in parts), sum(part.nodes for part in parts), fmean(part.bound for part in parts)
        )

    @property
    def flag(self) -> str:
        """In a word: proved, or the budget was reached before."""
        return "proved" if self.proved else "budget"
