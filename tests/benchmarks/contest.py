"""Paired rounds: all contestants in turn, round after round, so that a machine that drifts drifts for all of them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nmt_cli import console


class Unavailable(Exception):
    """A contestant cannot be had on this machine, and the message says why."""


@dataclass(frozen=True)
class Results:
    """Figures of each contestant, one a round, and why those are missing that have none."""

    figures: dict[str, list[float]]
    missing: dict[str, str]

    def median(self, name: str) -> float:
        """Of one that is there."""
        return statistics.median(self.figures[name])

    def ratio(self, name: str, other: str) -> tuple[float, float, float]:
        """How many times as much the one has as the other in the same round: the median, the least, the most."""
        ratios = [one / another for one, another in zip(self.figures[name], self.figures[other], strict=True)]
        return statistics.median(ratios), min(ratios), max(ratios)


def contest(contestants: Mapping[str, Callable[[], float]], rounds: int) -> Results:
    """Every other round goes the other way round. Whoever is missing once is missing altogether."""
    figures: dict[str, list[float]] = {name: [] for name in contestants}
    missing: dict[str, str] = {}
    for number in range(rounds):
        for name in list(contestants)[:: -1 if number % 2 else 1]:
            if name in missing:
                continue
            try:
                figures[name].append(contestants[name]())
                console.say(f"round {number + 1} of {rounds}: {name} {figures[name][-1]:,.0f}")
            except Unavailable as reason:
                missing[name] = str(reason)
                console.say(f"{name} is missing: {reason}")
    return Results({name: found for name, found in figures.items() if name not in missing}, missing)
