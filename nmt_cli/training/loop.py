"""The training loop: a generator of steps. Who logs, validates, plans and saves stands outside and decides between two steps."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from nmt_cli.errors import ModelError
from nmt_cli.models.base import Carry, Model
from nmt_cli.settings import TrainingSettings
from nmt_cli.training.optimizer import Adam
from nmt_cli.training.stream import Place, Update, seed_torch


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


def train(
    model: Model,
    stream: Iterator[Update],
    optimizer: Adam,
    rate: Callable[[int], float],
    done: Done,
    settings: TrainingSettings,
) -> Iterator[Step]:
    """One step after the other, without end, from behind what is ``done``.

    Raises:
        ModelError: the loss is no number any more.
    """
    carry = done.carry
    for number, update in enumerate(stream, done.updates + 1):
        started = time.perf_counter()
        model.train()
        total, nll, count = 0.0, 0.0, 0
        for index, batch in enumerate(update.batches):
            seed_torch(settings.seed, number, index)
            loss, carry = model.loss(batch, carry, smoothing=settings.label_smoothing)
            loss.total.backward()  # type: ignore[no-untyped-call]
            total, nll, count = total + loss.total.item(), nll + loss.nll.item(), count + loss.count
        optimizer.scale(1 / count)  # sums and a count until here: the division happens once
        norm = float(torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip_norm))
        if not (total == total and norm < float("inf")):
            raise ModelError(
                f"the loss must be a number, but is {total / count} at update {number} (gradient norm {norm})",
                "a lower training.learning_rate or a longer training.warmup usually helps; the last saved state is whole",
            )
        learning_rate = rate(number)
        optimizer.step(learning_rate)
        seconds = time.perf_counter() - started
        yield Step(number, update.behind, learning_rate, total / count, nll / count, count, norm, seconds, carry)
