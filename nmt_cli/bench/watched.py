"""The parts of a training that a stopwatch stands beside: they do what they did, and say when they are done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from nmt_cli.bench.reading import READINGS, Reading
from nmt_cli.bench.stopwatch import Stopwatch
from nmt_cli.models.base import Carry, Loss
from nmt_cli.training.lesson import Lesson
from nmt_cli.training.team import Share, Team, Word

Losses = tuple[Tensor, Tensor]
"""What is minimised, and the negative log-likelihood."""


class WatchedLesson:
    """What is learnt from a batch; it notes what was read. Before it are the data, in it the forward pass."""

    def __init__(self, lesson: Lesson, watch: Stopwatch) -> None:
        self.lesson = lesson
        self.watch = watch
        self.read = Reading()

    @property
    def passes(self) -> int:
        """As the lesson."""
        return self.lesson.passes

    def __call__(self, batch: Any, carry: Carry) -> tuple[Loss, Carry]:
        """As the lesson."""
        self.read += READINGS[type(batch)](batch)
        self.watch.lap("data")
        found = self.lesson(batch, carry)
        self.watch.lap("forward")
        return found


class WatchedTeam(Team):
    """A team: up to the exchange of gradients it is the backward pass."""

    def __init__(self, team: Team, watch: Stopwatch) -> None:
        self.team = team
        self.watch = watch

    @property
    def share(self) -> Share:
        """As in Team."""
        return self.team.share

    def sum(self, figures: Sequence[float]) -> list[float]:
        """As in Team."""
        self.watch.lap("backward")
        found = self.team.sum(figures)
        self.watch.lap("exchange")
        return found

    def add_up(self, gradients: Tensor) -> None:
        """As in Team."""
        self.team.add_up(gradients)
        self.watch.lap("exchange")

    def tell(self, word: Word) -> None:
        """As in Team."""
        self.team.tell(word)
        self.watch.lap("exchange")

    def hear(self) -> Word:
        """As in Team."""
        found = self.team.hear()
        self.watch.lap("exchange")
        return found

    def gather(self, carry: Carry) -> Carry:
        """As in Team."""
        return self.team.gather(carry)

    def lines(self, own: Sequence[str]) -> list[str]:
        """As in Team."""
        return self.team.lines(own)

    def agree(self, number: int) -> bool:
        """As in Team."""
        return self.team.agree(number)


def watch_loss(output: Any, watch: Stopwatch) -> None:
    """Make the losses of an output layer, that of one pass and that of two, say when they begin and end."""
    output.loss, output.agreement = (_watched(within, watch) for within in (output.loss, output.agreement))


def _watched(within: Callable[..., Losses], watch: Stopwatch) -> Callable[..., Losses]:
    def loss(*given: Any) -> Losses:
        watch.lap("forward")
        found = within(*given)
        watch.lap("loss")
        return found

    return loss
