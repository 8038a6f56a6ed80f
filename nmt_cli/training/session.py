"""A training under way: what happens between two steps. Only the leader of a team has one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any

from nmt_cli import console
from nmt_cli.errors import ModelError
from nmt_cli.models.base import Carry
from nmt_cli.runs.checkpoint import LAST, PREVIOUS, Checkpoint, Progress
from nmt_cli.runs.directory import ModelDirectory, weights_of
from nmt_cli.runs.kept import Kept
from nmt_cli.settings import Settings
from nmt_cli.training import samples
from nmt_cli.training.interruption import Interruption
from nmt_cli.training.learner import Learner
from nmt_cli.training.loop import Diverged, Step
from nmt_cli.training.pace import Pace
from nmt_cli.training.schedule import Clock
from nmt_cli.training.speed import WARM, Speed
from nmt_cli.training.tasks.base import Task, Validation
from nmt_cli.training.team import Alone, Order, Team, Word

_MEASURED = 10  # updates before the time to finish is estimated
_SAVE_SECONDS = 300.0  # between two states saved without a validation
_RECORD_EVERY = 20  # updates between two records of the training loss
_KEPT = 0.95  # of a running mean in each update
_EXPLODED = 2.0  # nats for each token, above the lowest running mean
_RISING = 0.5  # likewise: a state that was saved there may be what explodes
_MOST_HALVINGS = 6


@dataclass
class Session:
    """One sitting of a training: from a saved state to the end of the plan, or to a signal."""

    directory: ModelDirectory
    settings: Settings
    task: Task
    learner: Learner
    clock: Clock | None
    progress: Progress
    before: float  # seconds of earlier sessions, and of the preparation
    pace: Pace
    resumed_at: float = field(default_factory=time.monotonic)
    saved_at: float = field(default_factory=time.monotonic)
    speed: Speed = field(default_factory=Speed)
    carry: Carry = None  # of streams
    headline: str = ""  # of the last validation
    introduced: bool = False  # whether the samples have been said
    measured_from: tuple[int, float] | None = None  # update and monotonic seconds from which the pace is measured

    @classmethod
    def begin(
        cls,
        directory: ModelDirectory,
        settings: Settings,
        task: Task,
        learner: Learner,
        checkpoint: Checkpoint | None,
        preparation: float,
    ) -> Session:
        """From the beginning, or from a checkpoint; ``preparation`` (seconds) has been spent in this sitting."""
        training = settings.training
        planned = None if training.minutes else training.updates
        progress = Progress(updates=planned) if checkpoint is None else checkpoint.progress
        seconds, prepared = progress.seconds + preparation, progress.preparation + preparation
        progress = replace(progress, seconds=seconds, preparation=prepared)
        clock = Clock(training.minutes * 60) if training.minutes else None
        session = cls(
            directory, settings, task, learner, clock, progress, seconds, Pace(prepared, training.validate_every)
        )
        if checkpoint is None:
            if directory.manifest.origin is not None:
                session._measure_beginning()
            session._write(None)  # a state to go back to, from the first update on
        else:
            console.say(f"going on from update {progress.update}")
            session._forget_since(progress.update)
        if clock is not None and prepared > clock.budget / 2:
            spent = console.duration(prepared)
            console.warn(
                f"{spent} of {console.duration(clock.budget)} went into preparing the data: little is left to train"
            )
        return session

    def run(self, interruption: Interruption) -> None:
        """Step after step, until the plan is fulfilled or a signal comes; the state is saved either way.

        Raises:
            ModelError: the loss explodes however small the learning rate is made.
        """
        with console.progress("", self.clock.budget if self.clock else self.progress.updates) as bar:
            while self.progress.due or not self._over():
                try:
                    self._learn(interruption, bar)
                    return
                except Diverged as found:
                    self._go_back(found)
        self._tell(Order.STOP)

    def _learn(self, interruption: Interruption, bar: console.Progress) -> None:
        """From the saved state on."""
        checkpoint = self._saved()
        self._tell(Order.GO)
        if checkpoint.progress.due:
            self._make_up(checkpoint)
            if self._over() or interruption.signal is not None:
                self._tell(Order.STOP)
                return
            self._tell(Order.GO)
        for step in self.learner.steps(checkpoint, lambda: self.progress.updates):
            self._note(step)
            self._plan_by_clock()
            stopping = interruption.signal is not None  # read before it is saved: what is left is what was saved
            if step.update % self.settings.training.validate_every == 0 or self._over():
                self._validate()
                stopping = interruption.signal is not None  # a measurement takes long, and is always saved
            elif stopping or time.monotonic() - self.saved_at > _SAVE_SECONDS:
                self._save()
            if self.speed.updates == _MEASURED:
                self._say_estimate()
            bar.update(self.progress.seconds if self.clock else step.update, self._said(step))
            if self._over() or stopping:
                self._tell(Order.STOP)
                return
            self._tell(Order.GO)

    def _note(self, step: Step) -> None:
        """Raises Diverged where the loss has risen so far that nothing learnt can be left."""
        loss = _mean(self.progress.loss, step.loss)
        if loss > self.progress.lowest + _EXPLODED:
            raise Diverged(step.update, step.loss, step.gradient_norm)
        self.progress = replace(
            self.progress,
            update=step.update,
            epoch=step.place.epoch,
            batch=step.place.batch,
            seconds=self._elapsed(),
            loss=loss,
            nll=_mean(self.progress.nll, step.nll),
            gradient_norm=_mean(self.progress.gradient_norm, step.gradient_norm),
            lowest=min(loss, self.progress.lowest),
        )
        self.carry = step.carry
        self.speed = self.speed.after(step)
        if self.speed.updates == WARM:
            self.measured_from = (step.update, time.monotonic())
        if step.update % _RECORD_EVERY == 0:
            self._record_step(step)

    def _go_back(self, found: Diverged) -> None:
        """To the last good state, with half the learning rate from there on."""
        saved, halvings = self._good(), self.progress.halvings + 1
        if halvings > _MOST_HALVINGS:
            raise ModelError(
                f"the loss must fall, but explodes ({found}) though the learning rate was halved {_MOST_HALVINGS} times",
                "a longer training.warmup or a smaller training.clip_norm may help, and so may a look at the data",
            )
        updates, seconds = self.progress.updates, self._elapsed()
        self.progress = replace(saved.progress, updates=updates, seconds=seconds, halvings=halvings)
        replace(saved, progress=self.progress).replace_last(self.directory.path)
        self.learner.restore(saved)
        self.carry, self.measured_from, self.speed = None, None, Speed()
        self.pace.back(self.progress.update, seconds)
        self._forget_since(self.progress.update)
        loss, norm = (value if isfinite(value) else None for value in (found.loss, found.norm))  # JSON knows no NaN
        self.directory.add_metrics({
            "kind": "back", "update": self.progress.update, "exploded": found.update, "loss": loss,
            "gradient_norm": norm, "halvings": halvings,
        })  # fmt: skip
        console.warn(
            f"the loss has exploded ({found}): back to update {self.progress.update}, with half the learning rate from there on"
        )
        self._tell(Order.BACK)

    def _good(self) -> Checkpoint:
        """The last saved state; the one before it where the loss was about to explode when it was saved."""
        saved = self._saved()
        if saved.progress.risen < _RISING:
            return saved
        return Checkpoint.read(self.directory.path, (PREVIOUS, LAST)) or saved

    def _saved(self) -> Checkpoint:
        checkpoint = Checkpoint.read(self.directory.path)
        if checkpoint is None:
            raise ModelError(f"{self.directory.path} must hold the state of its training, but that is gone")
        return checkpoint

    def _tell(self, order: Order) -> None:
        self.learner.team.tell(Word(order, self.progress.updates))

    def _forget_since(self, update: int) -> None:
        """Of what was measured, keep what belongs to the updates up to this one; and the plan, where it stays in force.

        What the measurement of dev has said that is still due will be said again.
        """
        plan, due = {"kind": "plan", "updates": self.progress.updates}, self.progress.due

        def stays(record: Mapping[str, Any]) -> bool:
            if plan.items() <= record.items():
                return True
            at = record.get("update", 0)
            return at < update or (at == update and (record["kind"] == "train" or not due))

        self.directory.write_metrics(record for record in self.directory.metrics() if stays(record))
        Kept(self.directory.path).forget_since(update)

    def _over(self) -> bool:
        return self.progress.updates is not None and self.progress.update >= self.progress.updates

    def _elapsed(self) -> float:
        return self.before + time.monotonic() - self.resumed_at

    def _plan_by_clock(self) -> None:
        if self.clock is None or self.progress.updates is not None:
            return
        update, elapsed = self.progress.update, self._elapsed()
        planned = self.clock.plan(self.learner.schedule, update, elapsed, self.pace.after(update, elapsed))
        if planned is not None:
            self._plan(planned, "the clock")

    def _plan_by_score(self) -> None:
        """Without a budget, a dev score that has stalled starts the decay instead of ending the training."""
        progress, training = self.progress, self.settings.training
        if self.clock is not None or progress.updates is None or progress.stale < training.patience:
            return
        planned = self.learner.schedule.ending(progress.update)
        if planned < progress.updates and progress.update < self.learner.schedule.decay_start(progress.updates):
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
        """Save, so that nothing is lost to whoever does not wait for the measurement; measure dev."""
        self.progress = replace(self.progress, due=True)
        self._make_up(self._save())

    def _make_up(self, state: Checkpoint) -> None:
        """Measure dev behind a saved state, record what was found, and put the state there that knows it."""
        started = time.monotonic()
        self._tell(Order.MEASURE)
        result, better = self._measure(self.learner.team)
        spent = time.monotonic() - started
        self.pace.validated(spent)
        self._record_validation(result, better, spent)
        self._plan_by_score()
        self.progress = replace(self.progress, due=False, seconds=self._elapsed())
        replace(state, progress=self.progress).replace_last(self.directory.path)
        self.saved_at = time.monotonic()

    def _measure(self, team: Team) -> tuple[Validation, bool]:
        """How good the weights are on dev, and whether they are the best so far; those are written, and the last few kept."""
        update, most = self.progress.update, self.settings.training.keep
        with self.learner.average.in_place():
            result = self.task.validate(self.learner.model, self.settings, team)
            better = result.score > self.progress.best_score
            weights = weights_of(self.learner.model)
            if better:
                self.directory.write_weights(weights, {"update": str(update)})
            if most:
                Kept(self.directory.path).add(update, weights, most)
        self.headline = result.headline
        if better:
            self.progress = replace(self.progress, best_score=result.score, best_update=update, stale=0)
        else:
            self.progress = replace(self.progress, stale=self.progress.stale + 1)
        self.progress = replace(self.progress, seconds=self._elapsed())
        return result, better

    def _measure_beginning(self) -> None:
        """Trained weights that the training begins with are the first to beat: it may spoil them, and a person wants to see."""
        started = time.monotonic()
        result, better = self._measure(Alone())  # the others have no weights yet
        self.directory.add_metrics({
            "kind": "validation", "update": 0, "epoch": 0, "best": better,
            "seconds": self.progress.seconds, "validation_seconds": time.monotonic() - started, **result.figures,
        })  # fmt: skip
        console.say(f"before the first update: {result.said}")

    def _save(self) -> Checkpoint:
        self._tell(Order.GATHER)
        return self._write(self.learner.team.gather(self.carry))

    def _write(self, carry: Carry) -> Checkpoint:
        self.progress = replace(self.progress, seconds=self._elapsed())
        state = replace(self.learner.state(self.progress), carry=carry)
        state.write(self.directory.path)
        self.saved_at = time.monotonic()
        return state

    def _record_step(self, step: Step) -> None:
        self.directory.add_metrics({
            "kind": "train", "update": step.update, "epoch": step.place.epoch, "loss": step.loss, "nll": step.nll,
            "rate": step.rate, "gradient_norm": step.gradient_norm, "tokens_per_second": self.speed.tokens_per_second,
        })  # fmt: skip

    def _record_validation(self, result: Validation, better: bool, seconds: float) -> None:
        progress = self.progress
        self.directory.add_metrics({
            "kind": "validation", "update": progress.update, "epoch": progress.epoch, "best": better,
            "seconds": progress.seconds, "validation_seconds": seconds, "gradient_norm": progress.gradient_norm,
            **result.figures,
        })  # fmt: skip
        star, left = " *" if better else "", self._left()
        if not self.introduced:
            for line in samples.introduced(result.samples):
                console.say(line)
            self.introduced = True
        console.say(
            f"update {progress.update:>6}  epoch {progress.epoch + 1:>2}  loss {progress.nll:.3f}"
            f"  gradient {progress.gradient_norm:.2f}  {result.said}{star}"
            f"  {console.duration(progress.seconds)}{f', {left} left' if left else ''}"
        )
        for line in samples.told(result.samples):
            console.say(line)
        if progress.update > self.settings.training.warmup:  # before that every model looks bad
            for advice in result.advice:
                console.warn(advice)

    def _say_estimate(self) -> None:
        if self.clock is not None:
            budget = console.duration(self.clock.budget)
            console.say(f"{self.speed}, planned for {budget}; scoring the test split comes after that")
        else:
            console.say(
                f"{_MEASURED} updates measured: {self.speed}, about {self._left()} for all {self.progress.updates:,} updates "
                "at most, and a twentieth more for validation; scoring the test split comes after that"
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

    def _said(self, step: Step) -> str:
        parts = (f"update {step.update:,}", f"loss {step.nll:.2f}", self.headline, str(self.speed))
        return "  ".join(part for part in parts if part)


def _mean(before: float | None, value: float) -> float:
    """The running mean, one value later."""
    return value if before is None else _KEPT * before + (1 - _KEPT) * value
