"""How long an update takes of late: what a training goes by that must end in time."""

from __future__ import annotations

from collections import deque


class Pace:
    """Seconds an update, over the last third of the updates; validations, which are rarer, count by their mean.

    Not over all of them: hours in which the machine had other work say nothing of the next.
    """

    def __init__(self, preparation: float, validate_every: int) -> None:
        """``preparation``: seconds spent before the first update; ``validate_every``: updates from one validation to the next."""
        self._every = validate_every
        self._validating, self._validations = 0.0, 0
        self._marks: deque[tuple[int, float]] = deque([(0, preparation)])  # updates, and seconds without validations

    def validated(self, seconds: float) -> None:
        """A validation has taken so long."""
        self._validating, self._validations = self._validating + seconds, self._validations + 1

    def after(self, update: int, elapsed: float) -> float:
        """Once more updates, counted from 1, have taken so many seconds in all. What lies behind a resume counts as one stretch."""
        marks = self._marks
        marks.append((update, elapsed - self._validating))
        while 3 * marks[1][0] <= 2 * update:
            marks.popleft()
        return self._learning + self._validating / max(1, self._validations) / self._every

    def back(self, update: int, elapsed: float) -> None:
        """All behind this update is done again, and will take as long as it took."""
        now = elapsed - self._validating
        known = len(self._marks) > 1
        self._marks = deque([(0, now - self._learning * update) if known else (update, now)])

    @property
    def _learning(self) -> float:
        """Seconds an update, without validations."""
        (before, since), (update, now) = self._marks[0], self._marks[-1]
        return (now - since) / (update - before)
