"""What the trainer, and the commands that measure a model, know of a task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from nmt_cli.corpus.dataset import PreparedCorpus
from nmt_cli.corpus.limits import LengthLimit
from nmt_cli.errors import ConfigError
from nmt_cli.inference.choice import Choice
from nmt_cli.models.base import Model
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.settings import Settings, TrainingSettings
from nmt_cli.training.samples import Sample
from nmt_cli.training.stream import Reader
from nmt_cli.training.team import Share, Team


@dataclass(frozen=True)
class Rule:
    """What is chosen for a corpus of a certain size when nobody says otherwise."""

    rows: float  # the rule is for corpora with fewer
    preset: str
    epochs: int
    dropout: float | None = None  # None: as the preset says


@dataclass(frozen=True)
class Validation:
    """What a model does on dev."""

    score: float  # higher is better: by this the best weights are chosen
    headline: str  # for the live line: the one figure that counts
    said: str  # for the line that stays
    figures: dict[str, Any]  # for metrics.jsonl; dev_loss among them: nats for each prediction, without label smoothing
    samples: tuple[Sample, ...] = ()  # the same lines each time
    advice: tuple[str, ...] = ()  # what looks wrong


@dataclass(frozen=True)
class Quality:
    """Figures of every validation that are drawn over the updates: in one drawing, since they have one unit."""

    unit: str
    names: Mapping[str, str]  # by their keys in metrics.jsonl; the first counts most
    factor: float = 1.0  # from what is recorded to what is drawn
    ratios: bool = False  # equal ratios, not equal steps, are equally much


@dataclass(frozen=True)
class Report:
    """What is said of a finished model."""

    said: tuple[str, ...]  # lines for a person
    scores: dict[str, Any]  # for the manifest
    advice: tuple[str, ...] = ()
    next: str = ""  # what to type now; {model} stands for the directory
    alignment_layer: int | None = None  # from 1, of a decoder that had to choose one


@dataclass(frozen=True)
class Measuring:
    """How a model is to be measured, as typed; None: nothing was said."""

    search: Choice = field(default_factory=Choice)
    resamples: int | None = None  # of the bootstrap
    against: str | None = None  # a file of translations to compare with
    output: Path | None = None  # where the outputs go

    def refuse(self, task: str, *names: str) -> None:
        """Raises ConfigError where a search or one of these was asked for, which mean nothing to a model of this task."""
        for name in [*self.search.asked, *(name for name in names if getattr(self, name) is not None)]:
            raise ConfigError(f"--{name.replace('_', '-')} means nothing to a model of the task {task}")


class Measured(Protocol):
    """What came out."""

    def lines(self) -> list[str]:
        """For a person."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Everything, unrounded."""
        ...


def one_file(files: Sequence[str], what: str) -> str:
    """The only file. Raises ConfigError where there are several."""
    if len(files) != 1:
        raise ConfigError(f"{what} must be one file, but {len(files)} are given")
    return files[0]


def refuse_r_drop(settings: Settings, task: str) -> None:
    """Raises ConfigError for the agreement of two passes, which only translation knows."""
    if settings.training.r_drop > 0:
        raise ConfigError(f"training.r_drop means nothing to the task {task}", "--task translate knows it")


def refuse_window(settings: Settings, task: str) -> None:
    """Raises ConfigError for a stream where rows are independent."""
    if settings.training.window > 0:
        raise ConfigError(f"training.window means nothing to the task {task}", "--task lm knows it")


class Task(Protocol):
    """A thing that a model can be trained for."""

    rules: ClassVar[tuple[Rule, ...]]
    """By size of the corpus, the last for any."""
    counted: ClassVar[str]
    """The column whose tokens make the size of a batch, and of an epoch."""
    least_batch: ClassVar[int]
    """Tokens of the smallest batch that is chosen for a small corpus."""
    quality: ClassVar[Quality]
    """What is drawn of its validations, beside the loss."""

    def __init__(self, corpus: PreparedCorpus) -> None: ...

    @staticmethod
    def check(settings: Settings) -> None:
        """Raises ConfigError for settings that mean nothing to this task."""
        ...

    @property
    def sentences(self) -> int | None:
        """How many sentences a line has in training, at the most; None where nothing is translated."""
        ...

    @property
    def limit(self) -> LengthLimit | None:
        """How long an output may become, where that depends on the input."""
        ...

    def reader(self, settings: TrainingSettings, share: Share) -> Reader:
        """The share that one process reads of the training split, as batches that the models of this task understand."""
        ...

    def validate(self, model: Model, settings: Settings, team: Team) -> Validation:
        """Measure a model on dev. All processes of a team do it, with the same result: what takes long may be shared."""
        ...

    def report(self, directory: ModelDirectory) -> Report:
        """Measure the finished model on test."""
        ...

    @staticmethod
    def evaluate(directory: ModelDirectory, files: Sequence[str], measuring: Measuring) -> Measured:
        """Measure a model on the text of files. Raises ConfigError for options that mean nothing to the task."""
        ...
