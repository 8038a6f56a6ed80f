"""The learning rate: it rises, stays or slowly sinks, and falls to zero at the end.

    rate(u) = peak  min(1, u / warmup)  middle(u)  fall(u)

    middle    constant: 1                               inverse-sqrt: sqrt(warmup / u) (Vaswani et al. 2017)
    fall      linear: (N - u + 1) / (N - start + 1)     cosine: (1 - cos(pi linear)) / 2 (Loshchilov & Hutter 2017)

The fall begins behind update ``start``, a share of all updates N before their end. Constant and linear are the default: they need
not know N before the fall begins, and do as well as a cosine over everything (Hägele et al. 2024).

The rate is a function of the update number and of one planned number, N, None as long as that is open. The clock and a stalled dev
score only set that number, once each; whoever knows it can repeat the training without them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from nmt_cli.settings import TrainingSettings


def constant(update: int, warmup: int) -> float:
    """The middle that stays."""
    del update, warmup
    return 1.0


def inverse_sqrt(update: int, warmup: int) -> float:
    """The middle that sinks."""
    return math.sqrt(warmup / max(update, warmup))


def linear(left: float) -> float:
    """The fall, as a function of what is left of it, from 1 to 0."""
    return left


def cosine(left: float) -> float:
    """The fall that begins and ends slowly."""
    return (1 - math.cos(math.pi * left)) / 2


MIDDLES = {"constant": constant, "inverse-sqrt": inverse_sqrt}
FALLS = {"linear": linear, "cosine": cosine}


@dataclass(frozen=True)
class Schedule:
    """Peak rate, updates of warm-up, share of the fall; what is between them, and the form of the fall."""

    peak: float
    warmup: int
    decay: float
    middle: Callable[[int, int], float] = constant
    fall: Callable[[float], float] = linear

    @classmethod
    def of(cls, settings: TrainingSettings) -> "Schedule":
        """As the settings say."""
        middle, fall = MIDDLES[settings.after_warmup], FALLS[settings.decay_shape]
        return cls(settings.learning_rate, settings.warmup, settings.decay, middle, fall)

    def rate(self, update: int, updates: int | None) -> float:
        """The rate of an update, counted from 1, if there are ``updates`` in all."""
        height = self.peak * min(1.0, update / self.warmup) * self.middle(update, self.warmup)
        if updates is None:
            return height
        start = self.decay_start(updates)
        return height * self.fall(min(1.0, (updates - update + 1) / (updates - start + 1)))

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

    def plan(self, schedule: Schedule, update: int, elapsed: float, pace: float) -> int | None:
        """The number of updates, as soon as the decay has to start for the training to end in time; None before that.

        ``pace``: seconds that each update will take.
        """
        updates = schedule.ending(update)
        return updates if elapsed + (updates - update) * pace >= self.budget else None
