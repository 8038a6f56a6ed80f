"""The training loop: a generator of steps. Who logs, validates, plans and saves stands outside and decides between two steps."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isfinite

from nmt_cli.models.base import Carry, Model
from nmt_cli.settings import TrainingSettings
from nmt_cli.training.gradients import Gradients
from nmt_cli.training.lesson import Lesson
from nmt_cli.training.optimizer import Adam
from nmt_cli.training.stream import Place, Update, seed_torch
from nmt_cli.training.team import Team

_LEAST = 1e-6  # of a norm: what has no gradient is not clipped


@dataclass(frozen=True)
class Done:
    """Where a training goes on: so many updates lie behind it, and this was carried out of the last."""

    updates: int
    carry: Carry


@dataclass(frozen=True)
class Step:
    """What one update was."""

    update: int  # counted from 1
    place: Place  # how far the data were read
    rate: float
    loss: float  # what was minimised, mean over tokens (nats)
    nll: float  # negative log-likelihood, mean over tokens (nats)
    tokens: int  # target tokens
    gradient_norm: float  # before clipping
    seconds: float
    carry: Carry  # what the next update of the same streams begins with; None where there are no streams


class Diverged(Exception):
    """The loss or its gradient is no number any more. The weights are those before the update."""

    def __init__(self, update: int, loss: float, norm: float) -> None:
        super().__init__(f"update {update}: loss {loss}, gradient norm {norm}")
        self.update = update
        self.loss = loss
        self.norm = norm


def train(
    model: Model,
    lesson: Lesson,
    stream: Iterator[Update],
    optimizer: Adam,
    rate: Callable[[int], float],
    done: Done,
    settings: TrainingSettings,
    team: Team,
) -> Iterator[Step]:
    """One step after the other, without end, from behind what is ``done``.

    Raises:
        Diverged: for all processes of a team at the same update.
        NMTError: another process of the team has ended.
    """
    carry, gradients = done.carry, Gradients(model)
    started = time.perf_counter()  # data is read in time that counts
    for number, update in enumerate(stream, done.updates + 1):
        model.train()
        gradients.forget()
        total, nll, count = 0.0, 0.0, 0
        for index, batch in enumerate(update.batches):
            if batch is None:  # fewer rows than processes
                continue
            seed_torch(settings.seed, number, index, team.share.rank)
            loss, carry = lesson(batch, carry)
            loss.total.backward()  # type: ignore[no-untyped-call]
            total, nll, count = total + loss.total.item(), nll + loss.nll.item(), count + loss.count
        total, nll, tokens = team.sum((total, nll, count))
        team.add_up(gradients.flat)
        norm = gradients.norm() / tokens  # sums and a count until here: the division happens once
        if not (isfinite(total) and isfinite(norm)):
            raise Diverged(number, total / tokens, norm)
        gradients.scale(min(1.0, settings.clip_norm / max(norm, _LEAST)) / tokens)
        learning_rate = rate(number)
        optimizer.step(learning_rate)
        seconds = time.perf_counter() - started
        yield Step(
            number, update.behind, learning_rate, total / tokens, nll / tokens, int(tokens), norm, seconds, carry
        )
        started = time.perf_counter()
