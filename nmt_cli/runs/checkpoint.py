"""Everything a stopped training needs to go on as if it had never stopped: tensors and a little JSON, in one file.

``training/last.safetensors`` is the state, ``training/previous.safetensors`` the one before: if the last is damaged (a full disk, a
crash), the training falls back on it and says so.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from nmt_cli import console
from nmt_cli.errors import ModelError
from nmt_cli.runs.files import read_tensors, write_tensors

FOLDER = "training"
LAST, PREVIOUS, NEXT = "last.safetensors", "previous.safetensors", "next.safetensors"
_STATE = "state"


@dataclass(frozen=True)
class Progress:
    """Where a training stands."""

    update: int = 0
    epoch: int = 0
    batch: int = 0  # batches of the epoch that have been read
    seconds: float = 0.0  # preparation, training and validation, over all resumes
    preparation: float = 0.0  # seconds of it before the first update
    updates: int | None = None  # the plan: how many there are in all, None while that is open
    best_update: int = 0
    best_score: float = float("-inf")
    stale: int = 0  # validations since the best
    halvings: int = 0  # how often the learning rate was halved because the loss had exploded
    loss: float | None = None  # running mean
    nll: float | None = None  # likewise; with label smoothing it is not what is minimised
    gradient_norm: float | None = None  # likewise
    lowest: float = float("inf")  # of the running means
    due: bool = False  # whether dev is still to be measured behind this update

    @property
    def risen(self) -> float:
        """How far the loss, in nats, has left the lowest that it had."""
        return 0.0 if self.loss is None else self.loss - self.lowest


@dataclass(frozen=True)
class Checkpoint:
    """A training, stopped between two updates."""

    progress: Progress
    weights: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    carry: tuple[Tensor, ...] | None = None  # of streams: what the next update begins with
    average: dict[str, Tensor] = field(default_factory=dict)  # of the weights, where one is kept

    def write(self, model: Path) -> None:
        """Into a model directory; the last state becomes the previous one."""
        beside, folder = self._written(model), model / FOLDER
        if (folder / LAST).exists():
            os.replace(folder / LAST, folder / PREVIOUS)
        os.replace(beside, folder / LAST)

    def replace_last(self, model: Path) -> None:
        """In the place of the last state; the previous one stays."""
        os.replace(self._written(model), model / FOLDER / LAST)

    def _written(self, model: Path) -> Path:
        """Beside the others."""
        folder = model / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        beside = folder / NEXT
        named = {f"weights.{name}": value for name, value in self.weights.items()}
        named |= {f"optimizer.{name}": value for name, value in self.optimizer.items()}
        named |= {f"average.{name}": value for name, value in self.average.items()}
        named |= {f"carry.{place:03}": value for place, value in enumerate(self.carry or ())}
        write_tensors(beside, named, {_STATE: json.dumps(asdict(self.progress))})
        return beside

    @classmethod
    def read(cls, model: Path, names: Sequence[str] = (LAST, PREVIOUS)) -> "Checkpoint | None":
        """The first state that is whole of those that go by these ``names``, or None where there is none.

        Raises:
            ModelError: there are states, but none is whole.
        """
        errors = []
        for name in names:
            path = model / FOLDER / name
            if not path.exists():
                continue
            try:
                tensors, metadata = read_tensors(path)
                progress = Progress(**json.loads(metadata[_STATE]))
                carry = tuple(value for _, value in sorted(_under(tensors, "carry.").items())) or None
                weights, optimizer, average = (
                    _under(tensors, f"{what}.") for what in ("weights", "optimizer", "average")
                )
                found = cls(progress, weights, optimizer, carry, average)
            except (ModelError, KeyError, TypeError, ValueError) as error:
                errors.append(str(error))
                continue
            if errors:
                console.warn(f"{errors[0]}; going on from the other state, update {progress.update}")
            return found
        if errors:
            raise ModelError(errors[0], "nmt train --restart begins anew")
        return None


def _under(tensors: dict[str, Any], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
