"""How long an update takes of late: what a training goes by that must end in time."""

from __future__ import annotations

from collections import deque


class Pace:
    """Seconds an update, with validations and saving, over the last third of the updates.

    Not over all of them: hours in which the machine had other work say nothing of the next.
    """

    def __init__(self, preparation: float) -> None:
        """``preparation``: seconds spent before the first update."""
        self._marks: deque[tuple[int, float]] = deque([(0, preparation)])

    def after(self, update: int, elapsed: float) -> float:
        """Once more updates, counted from 1, have taken so many seconds in all. What lies behind a resume counts as one stretch."""
        marks = self._marks
        marks.append((update, elapsed))
        while 3 * marks[1][0] <= 2 * update:
            marks.popleft()
        before, since = marks[0]
        return (elapsed - since) / (update - before)

    def back(self, update: int) -> None:
        """All behind this update is done again; what it took stays in the time of what comes."""
        marks = self._marks
        while len(marks) > 1 and marks[-1][0] > update:
            marks.pop()
        before, since = marks[0]
        marks[0] = (min(update, before), since)
