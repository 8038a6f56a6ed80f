"""A whole training: corpus, settings, steps, plan, validations, saving, resuming, report."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from nmt_cli import console
from nmt_cli.corpus.dataset import PreparedCorpus
from nmt_cli.corpus.files import FILES
from nmt_cli.models.base import Carry, Model
from nmt_cli.runs.checkpoint import Checkpoint, Progress
from nmt_cli.runs.directory import WEIGHTS, ModelDirectory, build, load_weights, weights_of
from nmt_cli.runs.lock import locked
from nmt_cli.runs.manifest import FILE as MANIFEST
from nmt_cli.runs.manifest import Manifest
from nmt_cli.settings import Settings
from nmt_cli.training import processor
from nmt_cli.training.interruption import Interruption, noticed
from nmt_cli.training.loop import Done, Step, train
from nmt_cli.training.optimizer import Adam
from nmt_cli.training.request import (
    Request,
    check_room,
    check_settings,
    clear,
    corpus_of,
    manifest_of,
    settings_of,
    suggested_preset,
)
from nmt_cli.training.schedule import Clock, Schedule
from nmt_cli.training.stream import Place, updates
from nmt_cli.training.tasks import TASKS
from nmt_cli.training.tasks.base import Task, Validation

_MEASURED = 10  # updates before the time to finish is estimated; the first few are slower and not counted
_WARM = 3
_SAVE_SECONDS = 300.0  # between two states saved without a validation
_RECORD_EVERY = 20  # updates between two records of the training loss


def run(request: Request) -> int:
    """Train until the plan is fulfilled or a signal comes. Returns the exit code.

    Raises:
        ConfigError: settings that do not exist or differ from those with which this model was begun.
        DataError: a corpus that is refused, or is not the one with which this model was begun.
    """
    processor.tune()
    directory = ModelDirectory(request.output)
    check_settings(request)
    check_room(request.output)
    started = time.monotonic()
    with locked(request.output):
        corpus = corpus_of(request)
        settings = settings_of(request, corpus)
        task = TASKS[request.task](corpus)
        task.check(settings)  # again: the preset is known only now
        if request.restart or not (request.output / MANIFEST).exists():
            clear(request.output)
        manifest = replace(manifest_of(request, corpus, settings), limit=task.limit)
        if manifest.finished:
            console.say(f"{request.output} is a finished model: nothing is left to do (--restart trains it anew)")
            for line in manifest.said:
                console.say(line)
            return 0
        with noticed() as interruption:
            checkpoint = Checkpoint.read(request.output)
            if checkpoint is None:
                _begin(request, manifest, corpus, settings)
            training = Training.start(directory, corpus, settings, task, checkpoint, time.monotonic() - started)
            training.run(interruption)
            if interruption.signal:
                console.say(f"saved at update {training.progress.update}: the same command goes on from here")
                return interruption.exit_code
        return _finish(directory, manifest, task)


def _begin(request: Request, manifest: Manifest, corpus: PreparedCorpus, settings: Settings) -> None:
    """Everything that stands in a model directory before the first update."""
    suggested = suggested_preset(request, corpus)
    if suggested:
        rows = console.count(len(corpus.train), FILES[request.task].noun)
        console.say(f"preset {suggested}, chosen for {rows} (--preset names another)")
    directory = ModelDirectory(request.output)
    if (directory.path / WEIGHTS).exists():
        console.warn(f"{directory.path} holds weights of this training, but no state to go on from: it begins anew")
    directory.path.mkdir(parents=True, exist_ok=True)
    corpus.save_vocabulary(directory.path)  # first: by it the folder is known as ours
    directory.write_settings(settings)
    directory.write_metrics([])
    manifest.write(directory.path)


def _finish(directory: ModelDirectory, manifest: Manifest, task: Task) -> int:
    report = task.report(directory)
    for line in report.said:
        console.say(line)
    for advice in report.advice:
        console.warn(advice)
    replace(manifest, finished=True, scores=report.scores, said=report.said).write(directory.path)
    console.say(f"next: {report.next.format(model=directory.path)}")
    return 0


@dataclass
class Training:
    """A training under way: everything between two steps."""

    directory: ModelDirectory
    corpus: PreparedCorpus
    settings: Settings
    task: Task
    model: Model
    optimizer: Adam
    schedule: Schedule
    clock: Clock | None
    progress: Progress
    resumed_at: float  # monotonic seconds
    before: float  # seconds of earlier sessions
    saved_at: float
    speed: _Speed
    carry: Carry = None  # of streams
    headline: str = ""  # of the last validation
    measured_from: tuple[int, float] | None = None  # update and monotonic seconds from which the pace is measured

    @classmethod
    def start(
        cls,
        directory: ModelDirectory,
        corpus: PreparedCorpus,
        settings: Settings,
        task: Task,
        checkpoint: Checkpoint | None,
        preparation: float,
    ) -> Training:
        """From the beginning, or from a checkpoint."""
        torch.manual_seed(settings.training.seed)
        model = build(settings, corpus.sizes)
        optimizer = Adam(model, settings.training)
        planned = None if settings.training.minutes else settings.training.updates
        progress = Progress(updates=planned, seconds=preparation, preparation=preparation)
        parameters = sum(parameter.numel() for parameter in model.parameters())
        if checkpoint is not None:
            progress = checkpoint.progress
            progress = replace(
                progress, seconds=progress.seconds + preparation, preparation=progress.preparation + preparation
            )
            load_weights(model, checkpoint.weights, "the saved state")
            optimizer.load(checkpoint.optimizer, progress.update)
            directory.write_metrics(
                record for record in directory.metrics() if record.get("update", 0) <= progress.update
            )
            console.say(f"going on from update {progress.update}")
        else:
            console.say(
                f"{settings.model.architecture}, {parameters:,} parameters, {corpus.tokenizer.size:,} {settings.data.units}s"
            )
        minutes = settings.training.minutes
        clock = Clock(minutes * 60, progress.preparation) if minutes else None
        if clock is not None and progress.preparation > clock.budget / 2:
            spent = console.duration(progress.preparation)
            console.warn(
                f"{spent} of {console.duration(clock.budget)} went into preparing the data: little is left to train"
            )
        now = time.monotonic()
        return cls(
            directory, corpus, settings, task, model, optimizer, Schedule.of(settings.training), clock,
            progress, now, progress.seconds, now, _Speed(), None if checkpoint is None else checkpoint.carry,
        )  # fmt: skip

    def run(self, interruption: Interruption) -> None:
        """Step after step, until the plan is fulfilled or a signal comes; the state is saved either way."""
        if self._over():
            return
        with console.progress("", self.clock.budget if self.clock else self.progress.updates) as bar:
            for step in self._steps():
                self.progress = replace(
                    self.progress,
                    update=step.update,
                    epoch=step.place.epoch,
                    batch=step.place.batch,
                    seconds=self._elapsed(),
                )
                self.carry = step.carry
                self.speed = self.speed.after(step)
                if self.speed.updates == _WARM:
                    self.measured_from = (step.update, time.monotonic())
                if step.update % _RECORD_EVERY == 0:
                    self._record_step(step)
                self._plan_by_clock()
                stopping = interruption.signal is not None  # read once: what is left is what was saved
                if step.update % self.settings.training.validate_every == 0 or self._over():
                    self._validate()
                elif stopping or time.monotonic() - self.saved_at > _SAVE_SECONDS:
                    self._save()
                if self.speed.updates == _MEASURED:
                    self._say_estimate()
                bar.update(self.progress.seconds if self.clock else step.update, self._note(step))
                if self._over() or stopping:
                    return

    def _steps(self) -> Iterator[Step]:
        place = Place(self.progress.epoch, self.progress.batch)
        training = self.settings.training
        stream = updates(self.task.reader(training), training.accumulate, place)
        return train(
            self.model,
            stream,
            self.optimizer,
            lambda update: self.schedule.rate(update, self.progress.updates),
            Done(self.progress.update, self.carry),
            training,
        )

    def _over(self) -> bool:
        return self.progress.updates is not None and self.progress.update >= self.progress.updates

    def _elapsed(self) -> float:
        return self.before + time.monotonic() - self.resumed_at

    def _plan_by_clock(self) -> None:
        if self.clock is None or self.progress.updates is not None:
            return
        planned = self.clock.plan(self.schedule, self.progress.update, self._elapsed())
        if planned is not None:
            self._plan(planned, "the clock")

    def _plan_by_score(self) -> None:
        """Without a budget, a dev score that has stalled starts the decay instead of ending the training."""
        progress, training = self.progress, self.settings.training
        if self.clock is not None or progress.updates is None or progress.stale < training.patience:
            return
        planned = self.schedule.ending(progress.update)
        if planned < progress.updates and progress.update < self.schedule.decay_start(progress.updates):
            self._plan(planned, f"{training.patience} validations without a better score")

    def _plan(self, planned: int, reason: str) -> None:
        """Fix the number of updates; keep the decision where it can be found, and in the settings that repeat it."""
        self.progress = replace(self.progress, updates=planned)
        self.directory.add_metrics(
            {"kind": "plan", "update": self.progress.update, "updates": planned, "reason": reason}
        )
        repeated: dict[str, object] = {"updates": planned, "minutes": None}
        if self.clock is not None:
            repeated["patience"] = planned  # never: with a budget there was none
        section = self.settings.training.model_copy(update=repeated)
        self.directory.write_settings(self.settings.model_copy(update={"training": section}))
        console.say(f"update {self.progress.update}: the learning rate falls from here to update {planned} ({reason})")

    def _validate(self) -> None:
        """Measure, keep the weights if they are the best, save the state."""
        started = time.monotonic()
        result = self.task.validate(self.model, self.settings)
        self.headline = result.headline
        better = result.score > self.progress.best_score
        if better:
            names = {"update": str(self.progress.update)}
            self.directory.write_weights(weights_of(self.model), names)
            self.progress = replace(self.progress, best_score=result.score, best_update=self.progress.update, stale=0)
        else:
            self.progress = replace(self.progress, stale=self.progress.stale + 1)
        self.progress = replace(self.progress, seconds=self._elapsed())
        self._record_validation(result, better, time.monotonic() - started)
        self._plan_by_score()
        self._save()

    def _save(self) -> None:
        self.progress = replace(self.progress, seconds=self._elapsed())
        Checkpoint(self.progress, weights_of(self.model), self.optimizer.state(), self.carry).write(self.directory.path)
        self.saved_at = time.monotonic()

    def _record_step(self, step: Step) -> None:
        self.directory.add_metrics({
            "kind": "train", "update": step.update, "epoch": step.place.epoch, "loss": step.loss, "nll": step.nll,
            "rate": step.rate, "gradient_norm": step.gradient_norm, "tokens_per_second": self.speed.tokens_per_second,
        })  # fmt: skip

    def _record_validation(self, result: Validation, better: bool, seconds: float) -> None:
        progress = self.progress
        self.directory.add_metrics({
            "kind": "validation", "update": progress.update, "epoch": progress.epoch, "best": better,
            "seconds": progress.seconds, "validation_seconds": seconds, **result.figures,
        })  # fmt: skip
        star, left = " *" if better else "", self._left()
        console.say(
            f"update {progress.update:>6}  epoch {progress.epoch + 1:>3}  {self.speed}  {result.said}{star}"
            f"  {console.duration(progress.seconds)}{f', {left} left' if left else ''}"
        )
        if progress.update > 2 * self.settings.training.warmup:  # before that every model looks bad
            for advice in result.advice:
                console.warn(advice)

    def _say_estimate(self) -> None:
        if self.clock is not None:
            console.say(f"planned for {console.duration(self.clock.budget)}; scoring the test split comes after that")
        else:
            console.say(
                f"{_MEASURED} updates measured: about {self._left()} for all {self.progress.updates:,} updates at most, "
                "and a twentieth more for validation; scoring the test split comes after that"
            )

    def _left(self) -> str | None:
        """For a person; None until an update has been measured."""
        if self.clock is not None and self.progress.updates is None:
            return console.duration(max(0.0, self.clock.budget - self.progress.seconds))
        update, since = self.measured_from or (self.progress.update, 0.0)
        measured = self.progress.update - update
        if measured == 0:
            return None
        pace = (time.monotonic() - since) / measured  # by the wall clock: data, validation and saving are in it
        return console.duration(((self.progress.updates or 0) - self.progress.update) * pace)

    def _note(self, step: Step) -> str:
        parts = (f"update {step.update:,}", f"loss {step.loss:.2f}", self.headline, self.speed.pace)
        return "  ".join(part for part in parts if part)


@dataclass(frozen=True)
class _Speed:
    """Running means over the last hundred or so updates of this session."""

    updates: int = 0
    seconds_per_update: float = 0.0
    tokens_per_update: float = 0.0
    loss: float = 0.0

    def after(self, step: Step) -> _Speed:
        """With one step more."""
        count = self.updates + 1
        keep = 0.0 if count <= _WARM else min(0.99, 1 - 1 / (count - _WARM))
        return _Speed(
            count,
            keep * self.seconds_per_update + (1 - keep) * step.seconds,
            keep * self.tokens_per_update + (1 - keep) * step.tokens,
            keep * self.loss + (1 - keep) * step.loss,
        )

    @property
    def tokens_per_second(self) -> float:
        """Target tokens."""
        return self.tokens_per_update / self.seconds_per_update if self.seconds_per_update else 0.0

    @property
    def pace(self) -> str:
        """For a person."""
        return f"{self.tokens_per_second:,.0f} tokens/s"

    def __str__(self) -> str:
        return f"loss {self.loss:.3f}  {self.pace}"
