"""A model that learns, with all that its steps depend on: each process of a team has one, and all of them are equal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b

import torch
from torch import Tensor

from nmt_cli.corpus.dataset import PreparedCorpus
from nmt_cli.errors import ModelError
from nmt_cli.models.base import Model
from nmt_cli.runs.checkpoint import Checkpoint, Progress
from nmt_cli.runs.directory import build, load_weights, weights_of
from nmt_cli.settings import Settings, TrainingSettings
from nmt_cli.training.average import Average
from nmt_cli.training.lesson import lesson_of
from nmt_cli.training.loop import Done, Step, train
from nmt_cli.training.optimizer import Adam
from nmt_cli.training.schedule import Schedule
from nmt_cli.training.stream import Place, Reader, updates
from nmt_cli.training.tasks.base import Task
from nmt_cli.training.team import Team


@dataclass(frozen=True)
class Learner:
    """A model, and how it gets better."""

    model: Model
    optimizer: Adam
    schedule: Schedule
    reader: Reader
    training: TrainingSettings
    team: Team
    average: Average  # of the weights: what is measured and kept

    @classmethod
    def of(cls, settings: Settings, corpus: PreparedCorpus, task: Task, team: Team) -> Learner:
        """With the fresh weights that the seed gives."""
        training = settings.training
        torch.manual_seed(training.seed)
        model = build(settings, corpus.sizes)
        reader = task.reader(training, team.share)
        average = Average(model, training.ema)
        return cls(model, Adam(model, training), Schedule.of(training), reader, training, team, average)

    def state(self, progress: Progress) -> Checkpoint:
        """Where it stands; without what streams carry, of which each process has a share."""
        weights, optimizer = weights_of(self.model), self.optimizer.state()
        return Checkpoint(progress, weights, optimizer, average=self.average.weights)

    def begin_with(self, weights: Mapping[str, Tensor], origin: str) -> None:
        """Begin with trained weights. Raises ModelError where they do not fit."""
        load_weights(self.model, weights, origin)
        self.average.load(weights)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Stand where a checkpoint was written."""
        load_weights(self.model, checkpoint.weights, "the saved state")
        self.optimizer.load(checkpoint.optimizer, checkpoint.progress.update)
        self.average.load(checkpoint.average)

    def _agree(self, update: int) -> None:
        """Raises ModelError unless all processes stand at the same place, with the same weights and settings."""
        if self.team.share.size == 1:
            return
        settings = self.training.model_dump_json(exclude={"updates", "minutes", "patience", "workers"})  # not of a step
        state = blake2b(f"{update} {settings}".encode(), digest_size=7)
        for value in weights_of(self.model).values():
            state.update(value.detach().numpy().tobytes())
        if not self.team.agree(int.from_bytes(state.digest(), "little")):
            raise ModelError(
                "all processes of a training must begin with the same settings and weights, but do not",
                "the folders of the model and of the corpus must be the same to all, and config.toml as it was written",
            )

    def steps(self, checkpoint: Checkpoint, planned: Callable[[], int | None]) -> Iterator[Step]:
        """From behind a checkpoint, without end; ``planned`` tells before each step how many there are in all, as far as is known.

        Raises:
            Diverged: see ``loop.train``.
        """
        progress, training = checkpoint.progress, self.training
        self._agree(progress.update)
        own = checkpoint.carry and tuple(part[self.team.share.rows] for part in checkpoint.carry)
        steps = train(
            self.model,
            lesson_of(self.model, training),
            updates(self.reader, training.accumulate, Place(progress.epoch, progress.batch)),
            self.optimizer,
            lambda update: self.schedule.rate(update, planned()) / 2**progress.halvings,
            Done(progress.update, own),
            training,
            self.team,
        )
        for step in steps:
            self.average.follow(step.update)
            yield step
