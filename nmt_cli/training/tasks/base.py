"""What the trainer knows of a task."""

from dataclasses import dataclass
from typing import Any, Protocol

from nmt_cli.corpus.dataset import PreparedCorpus
from nmt_cli.corpus.limits import LengthLimit
from nmt_cli.models.base import Model
from nmt_cli.runs.directory import ModelDirectory


@dataclass(frozen=True)
class Validation:
    """What a model does on dev."""

    score: float  # higher is better: by this the best weights are chosen
    headline: str  # for the live line: the one figure that counts
    said: str  # for the line that stays
    figures: dict[str, Any]  # for metrics.jsonl
    advice: tuple[str, ...] = ()  # what looks wrong


class Task(Protocol):
    """A thing that a model can be trained for."""

    def __init__(self, corpus: PreparedCorpus, limit: LengthLimit) -> None: ...

    def validate(self, model: Model) -> Validation:
        """Measure a model on dev."""
        ...

    def report(self, directory: ModelDirectory) -> dict[str, Any]:
        """Measure the finished model on test, say it, and return it for the manifest."""
        ...
