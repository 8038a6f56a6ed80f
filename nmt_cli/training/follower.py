"""A process of a team that does not lead: it takes the same steps, and behind each of them does as it is told."""

from __future__ import annotations

from dataclasses import dataclass

from nmt_cli.corpus.dataset import PreparedCorpus
from nmt_cli.errors import ModelError
from nmt_cli.models.base import Carry
from nmt_cli.runs.checkpoint import Checkpoint
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.training.learner import Learner
from nmt_cli.training.loop import Diverged
from nmt_cli.training.tasks import TASKS
from nmt_cli.training.tasks.base import Task
from nmt_cli.training.team import Group, Order, Word


@dataclass
class Follower:
    """One of them. It reads the model directory that the leader writes."""

    directory: ModelDirectory
    task: Task
    learner: Learner
    team: Group
    word: Word  # the last that was heard

    @classmethod
    def of(cls, directory: ModelDirectory, corpus: PreparedCorpus, team: Group) -> Follower:
        """When the leader has written everything that stands in a model directory before the first update."""
        task = TASKS[directory.manifest.task](corpus)
        return cls(directory, task, Learner.of(directory.settings, corpus, task, team), team, Word(Order.GO))

    def run(self) -> None:
        """Until the leader says that it is over."""
        self.word = self.team.hear()
        while self.word.order is not Order.STOP:
            try:
                self._learn()
            except Diverged:  # the leader has seen it too
                self.word = self.team.hear()
            if self.word.order is Order.BACK:
                self.word = self.team.hear()

    def _learn(self) -> None:
        """From the saved state on, until there is another order than to go on."""
        checkpoint = Checkpoint.read(self.directory.path)
        if checkpoint is None:
            raise ModelError(f"{self.directory.path} must be a folder that all processes of the training see")
        self.learner.restore(checkpoint)
        if checkpoint.progress.due:
            self._listen(checkpoint.carry)
            if self.word.order is not Order.GO:
                return
        for step in self.learner.steps(checkpoint, lambda: self.word.updates):
            self._listen(step.carry)
            if self.word.order is not Order.GO:
                return

    def _listen(self, carry: Carry) -> None:
        """What is to be done behind a step, when everything has been done in which all take part."""
        self.word = self.team.hear()
        while self.word.order in (Order.GATHER, Order.MEASURE):
            if self.word.order is Order.GATHER:
                self.team.gather(carry)
            else:
                self._measure()
            self.word = self.team.hear()

    def _measure(self) -> None:
        """As the leader does it; what comes out is for the leader to say."""
        with self.learner.average.in_place():
            self.task.validate(self.learner.model, self.directory.settings, self.team)
