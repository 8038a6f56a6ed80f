"""A stopwatch with laps: every moment belongs to exactly one stage, so that the stages add up to the whole."""

import time


class Stopwatch:
    """Which stage the time went into."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since = time.perf_counter()

    def lap(self, stage: str) -> None:
        """All time since the last lap went into this stage."""
        now = time.perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._since
        self._since = now

    def restart(self) -> None:
        """Forget everything."""
        self.seconds.clear()
        self._since = time.perf_counter()

    @property
    def total(self) -> float:
        """Seconds of all laps."""
        return sum(self.seconds.values())
