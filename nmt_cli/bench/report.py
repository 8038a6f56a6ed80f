"""What a person learns of his machine: figures, and what they mean for a million sentences."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from nmt_cli import console
from nmt_cli.bench import training, translation
from nmt_cli.bench.corpora import Drawn
from nmt_cli.bench.crew import threads_of, usual_workers
from nmt_cli.bench.training import STAGES, Learning, Subject
from nmt_cli.bench.translation import Translating
from nmt_cli.errors import ConfigError
from nmt_cli.models import rounding
from nmt_cli.settings import Table
from nmt_cli.training.tasks import TASKS

MILLION = 1_000_000
PRESETS = ("transformer-tiny", "transformer-small", "lstm-attention")
"""What is measured when nobody says otherwise: these are for translation, from small corpora to large ones."""
_TASKS = ("translate", "lm")
_TRANSLATORS = 2  # so many of them also translate
_MULTIPLIES = (
    "this processor multiplies bfloat16: --set training.precision=bfloat16 trains faster, Transformers above all"
)
_PEAK = "the peak is that of float32, which bfloat16 may exceed"


@dataclass(frozen=True)
class Wanted:
    """What is to be measured."""

    presets: tuple[str, ...] = PRESETS
    workers: int | None = None  # None: one a core
    seconds: float = 8.0  # of each measurement, behind its warm-up
    table: Table = field(default_factory=dict)  # settings over those of the presets

    def __post_init__(self) -> None:
        """Raises ConfigError for what cannot be measured."""
        if self.seconds <= 0:
            raise ConfigError(f"--seconds must be above 0, but is {self.seconds:g}")
        threads_of(usual_workers() if self.workers is None else self.workers)
        for subject in self.subjects(Drawn()):
            if subject.task not in _TASKS:
                raise ConfigError(
                    f"--preset must be for {' or '.join(_TASKS)}, but {subject.name} is for the task {subject.task}"
                )
            if (rate := subject.settings.training.bpe_dropout) > 0:
                raise ConfigError(
                    f"training.bpe_dropout must be 0 where sentences are drawn by lot, but is {rate:g}",
                    "what it costs is told by nmt train, which cuts real words",
                )

    def subjects(self, corpus: Drawn) -> list[Subject]:
        """What is trained. Raises ConfigError for presets and settings that do not exist."""
        return [Subject.of(name, corpus, self.table) for name in self.presets]


@dataclass(frozen=True)
class Machine:
    """What was measured."""

    workers: int
    threads: int  # of each process
    learning: tuple[Learning, ...]
    translating: dict[str, tuple[Translating, ...]]  # preset -> with each search
    corpus: Drawn
    advice: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """For a person."""
        processes = console.count(self.workers, "process", "processes")
        return [
            f"{processes} of {console.count(self.threads, 'thread')}, which multiply matrices at"
            f" {max(one.peak for one in self.learning):,.0f} GFLOP/s at best",
            f"sentences are drawn by lot, {self.corpus.length} subwords each on average; translations are as long as their sources",
            "",
            *self._speeds(),
            "",
            *self._stages(),
            *(line for advice in self.advice for line in ("", advice)),
            *self._epochs(),
            *self._translations(),
        ]

    def to_json(self) -> dict[str, Any]:
        """Everything, unrounded."""
        return {
            "workers": self.workers,
            "threads": self.threads,
            "sentence_length": self.corpus.length,
            "vocabulary": self.corpus.vocabulary,
            "training": [{**one.to_json(), "hours_per_million_sentences": self._hours(one)} for one in self.learning],
            "translation": {
                name: [
                    {**one.to_json(), "hours_per_million_lines": MILLION / one.lines_per_second / 3600} for one in found
                ]
                for name, found in self.translating.items()
            },
        }

    def _speeds(self) -> list[str]:
        rows: list[tuple[str, ...]] = [("training", "target tokens/s", "useful GFLOP/s", "of the peak", "padding")]
        for one in self.learning:
            useful = (
                ("-", "-") if one.gflops is None else (f"{one.gflops:,.1f}", f"{100 * one.gflops / one.peak:.0f} %")
            )
            rows.append((one.name, f"{one.tokens_per_second:,.0f}", *useful, f"{100 * one.read.padding:.0f} %"))
        return console.aligned(rows)

    def _stages(self) -> list[str]:
        rows: list[tuple[str, ...]] = [("where the time goes", *STAGES)]
        rows += [(one.name, *(f"{100 * one.stages[stage]:.0f} %" for stage in STAGES)) for one in self.learning]
        return console.aligned(rows)

    def _epochs(self) -> list[str]:
        """One epoch of a million sentences, and what ``nmt train`` would make of as many pairs."""
        said = ["", f"a million sentences of {self.corpus.length} subwords, learnt from once:"]
        said += console.aligned([(f"  {one.name}", console.duration(3600 * self._hours(one))) for one in self.learning])
        rule = next(rule for rule in TASKS["translate"].rules if rule.rows > MILLION)
        for one in self.learning:
            if one.name == rule.preset:
                hours = console.duration(3600 * rule.epochs * self._hours(one))
                said.append(
                    f"from a million pairs nmt train would make a {one.name}, in {rule.epochs} epochs at most: {hours}"
                )
        return said

    def _translations(self) -> list[str]:
        said = []
        for name, found in self.translating.items():
            rows = [(f"translation, {name}", "lines/s", "a million lines")]
            rows += [
                (f"  {one.search}", f"{one.lines_per_second:,.1f}", console.duration(MILLION / one.lines_per_second))
                for one in found
            ]
            said += ["", *console.aligned(rows)]
        return said

    def _hours(self, learning: Learning) -> float:
        """For a million sentences."""
        return MILLION * self.corpus.length / learning.tokens_per_second / 3600


def measure(wanted: Wanted) -> Machine:
    """Train and translate for a while: about a minute, if not told otherwise."""
    corpus, workers = Drawn(), wanted.workers or usual_workers()
    subjects = wanted.subjects(corpus)
    learning = [
        training.measure(subject, workers, wanted.seconds)
        for subject in console.tracked(subjects, "training", len(subjects))
    ]
    translators = [subject for subject in subjects if subject.task == "translate"][:_TRANSLATORS]
    translating = {
        subject.name: tuple(translation.measure(subject.settings, corpus, workers, wanted.seconds / 2))
        for subject in console.tracked(translators, "translating", len(translators))
    }
    precisions = {subject.settings.training.precision for subject in subjects}
    advice = [_PEAK] if "bfloat16" in precisions else [_MULTIPLIES] if rounding.pays() else []
    return Machine(workers, threads_of(workers), tuple(learning), translating, corpus, tuple(advice))
