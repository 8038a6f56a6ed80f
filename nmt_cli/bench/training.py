"""How fast a model learns: the engine's own loop, with a stopwatch beside it.

data        rows are read and padded
forward     up to the states that the output layer reads
loss        output layer and cross entropy, forward and backward: they are one pass (``models/losses.py``)
backward    the rest of the backward pass
exchange    gradients are added up over the processes, and those that are done wait for the others
optimizer   clipping, the step, and the average of the weights
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from nmt_cli.bench.corpora import Corpus
from nmt_cli.bench.crew import everywhere, threads_of
from nmt_cli.bench.peak import gemm_peak
from nmt_cli.bench.reading import Reading
from nmt_cli.bench.stopwatch import Stopwatch
from nmt_cli.bench.watched import WatchedLesson, WatchedTeam, watch_loss
from nmt_cli.bench.work import work_of
from nmt_cli.models import ARCHITECTURES
from nmt_cli.runs.directory import build
from nmt_cli.settings import Settings, Table, merge, resolve
from nmt_cli.training.average import Average
from nmt_cli.training.lesson import lesson_of
from nmt_cli.training.loop import Done, Step, train
from nmt_cli.training.optimizer import Adam
from nmt_cli.training.presets import preset
from nmt_cli.training.stream import Place, updates
from nmt_cli.training.team import Order, Team, Word

STAGES = ("data", "forward", "loss", "backward", "exchange", "optimizer")
_WARM = 0.2  # seconds of training that are not counted, for each that is
_RATE = 1e-4  # low: nothing is to be learnt, and nothing may diverge


@dataclass(frozen=True)
class Subject:
    """What is trained, and from what."""

    name: str
    settings: Settings
    corpus: Corpus

    @classmethod
    def of(cls, name: str, corpus: Corpus, table: Table | None = None) -> Subject:
        """A preset, with settings over it. Raises ConfigError for a preset, or settings, that do not exist."""
        return cls(name, resolve(merge(preset(name), table or {}), ARCHITECTURES, origin=name), corpus)

    @property
    def task(self) -> str:
        """What the model is for."""
        return self.settings.model.task


@dataclass(frozen=True)
class Learning:
    """What was measured."""

    name: str
    workers: int
    threads: int  # of each
    seconds: float
    read: Reading  # by all processes
    useful: float | None  # GFLOP of it; None: nobody has counted what the architecture costs
    peak: float  # GFLOP/s of matrix products, of all processes together
    stages: dict[str, float]  # share of the time, mean of the processes

    @property
    def tokens_per_second(self) -> float:
        """Target tokens, EOS counted and padding not."""
        return self.read.target / self.seconds

    @property
    def gflops(self) -> float | None:
        """Useful GFLOP/s."""
        return None if self.useful is None else self.useful / self.seconds

    @property
    def efficiency(self) -> float | None:
        """Useful work as a share of what the machine could do at best."""
        return None if self.gflops is None else self.gflops / self.peak

    def to_json(self) -> dict[str, Any]:
        """Everything, unrounded."""
        return {
            "name": self.name,
            "workers": self.workers,
            "threads": self.threads,
            "seconds": self.seconds,
            "target_tokens_per_second": self.tokens_per_second,
            "useful_gflops": self.gflops,
            "gemm_peak_gflops": self.peak,
            "efficiency": self.efficiency,
            "padding": self.read.padding,
            "stages": self.stages,
        }


def measure(subject: Subject, workers: int, seconds: float) -> Learning:
    """Train for so many seconds, in so many processes that share the cores and each batch.

    The peak is that of the same processes and threads, in the same minute.

    Raises:
        ConfigError: less than one process, or a text that has fewer streams than processes.
    """
    found = everywhere(_Training(subject, seconds), workers)
    total = found[0].read
    for one in found[1:]:
        total += one.read
    work = work_of(subject.settings.model, subject.corpus.sizes)
    return Learning(
        subject.name,
        workers,
        threads_of(workers),
        found[0].seconds,
        total,
        None if work is None else found[0].passes * work.training(total),
        sum(one.peak for one in found),
        {stage: statistics.mean(one.stages.get(stage, 0.0) for one in found) for stage in STAGES},
    )


@dataclass(frozen=True)
class _Seen:
    """By one process."""

    seconds: float
    read: Reading
    passes: int
    peak: float
    stages: dict[str, float]


@dataclass(frozen=True)
class _Training:
    """What each process does."""

    subject: Subject
    seconds: float

    def __call__(self, team: Team) -> _Seen:
        peak = gemm_peak(min(1.0, self.seconds / 10))
        settings, watch = self.subject.settings, Stopwatch()
        torch.manual_seed(settings.training.seed)
        model: Any = build(settings, self.subject.corpus.sizes)
        watch_loss(model.output, watch)
        lesson = WatchedLesson(lesson_of(model, settings.training), watch)
        watched = WatchedTeam(team, watch)
        reader = self.subject.corpus.reader(self.subject.task, settings.training, team.share)
        steps = train(
            model,
            lesson,
            updates(reader, settings.training.accumulate, Place()),
            Adam(model, settings.training),
            lambda _: _RATE,
            Done(0, None),
            settings.training,
            watched,
        )
        average = Average(model, settings.training.ema)
        _run(steps, average, watched, _WARM * self.seconds)
        lesson.read = Reading()
        watch.restart()
        _run(steps, average, watched, self.seconds)
        stages = {stage: spent / watch.total for stage, spent in watch.seconds.items()}
        return _Seen(watch.total, lesson.read, lesson.passes, peak, stages)


def _run(steps: Iterator[Step], average: Average, team: WatchedTeam, seconds: float) -> None:
    """Step after step, until the leader's time is over; at least one."""
    until = time.perf_counter() + seconds
    for step in steps:
        average.follow(step.update)
        team.watch.lap("optimizer")
        if team.share.rank == 0:
            word = Word(Order.GO if time.perf_counter() < until else Order.STOP)
            team.tell(word)
        else:
            word = team.hear()
        if word.order is Order.STOP:
            return
