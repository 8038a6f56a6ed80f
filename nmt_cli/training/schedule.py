"""The learning rate: warm-up, plateau, linear decay to zero (Hägele et al. 2024 compare it with cosine).

It is a function of the update number and of one planned number: how many updates there are in all, None as long as that is open.
The clock and a stalled dev score only set that number, once each; whoever knows it can repeat the training without them.
"""

import math
from dataclasses import dataclass

from nmt_cli.settings import TrainingSettings


@dataclass(frozen=True)
class Schedule:
    """Peak rate, updates of warm-up, share of decay."""

    peak: float
    warmup: int
    decay: float

    @classmethod
    def of(cls, settings: TrainingSettings) -> "Schedule":
        """As the settings say."""
        return cls(settings.learning_rate, settings.warmup, settings.decay)

    def rate(self, update: int, updates: int | None) -> float:
        """The rate of an update, counted from 1, if there are ``updates`` in all."""
        rising = min(1.0, update / self.warmup)
        if updates is None:
            return self.peak * rising
        start = self.decay_start(updates)
        return self.peak * min(rising, (updates - update + 1) / (updates - start + 1))

    def decay_start(self, updates: int) -> int:
        """The last update before the decay."""
        return updates - math.floor(self.decay * updates)

    def ending(self, update: int) -> int:
        """How many updates there are in all if the decay starts behind this one."""
        return math.ceil(update / (1 - self.decay))


@dataclass(frozen=True)
class Clock:
    """Turns a time budget into the planned number. Seconds count preparation, training and validation, over all resumes."""

    budget: float  # seconds
    preparation: float  # seconds spent before the first update

    def plan(self, schedule: Schedule, update: int, elapsed: float) -> int | None:
        """The number of updates, as soon as the decay has to start for the training to end in time; None before that."""
        updates = schedule.ending(update)
        pace = (elapsed - self.preparation) / update
        return updates if elapsed + (updates - update) * pace >= self.budget else None
