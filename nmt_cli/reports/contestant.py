"""A model among others in a report: its name, its size, and what its training cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nmt_cli import console
from nmt_cli.errors import ConfigError
from nmt_cli.runs.directory import ModelDirectory


@dataclass(frozen=True)
class Contestant:
    """A model directory under the name by which the report calls it."""

    name: str
    directory: ModelDirectory

    @cached_property
    def parameters(self) -> int:
        """How many numbers were learnt; a shared one counts once."""
        return sum(parameter.numel() for parameter in self.directory.model().parameters())

    @property
    def updates(self) -> int:
        """Of its training; 0 where nothing tells."""
        return max((int(record.get("update", 0)) for record in self.directory.metrics()), default=0)

    @property
    def seconds(self) -> float:
        """Of its training, preparation and validations counted, over all resumes."""
        return max((float(record.get("seconds", 0.0)) for record in self.directory.metrics()), default=0.0)

    @property
    def cost(self) -> tuple[str, str, str]:
        """Parameters, updates and training time, for a table."""
        time = console.duration(self.seconds) if self.seconds else "unknown"
        return f"{self.parameters / 1e6:.2f} M", f"{self.updates:,}" if self.updates else "unknown", time

    def to_json(self) -> dict[str, Any]:
        """Unrounded; None where updates or time are not known."""
        return {
            "model": self.name,
            "parameters": self.parameters,
            "updates": self.updates or None,
            "training_seconds": self.seconds or None,
        }


COST = ("parameters", "updates", "training")
"""The columns of ``Contestant.cost``."""


def contestants(paths: Sequence[Path]) -> list[Contestant]:
    """Models by their folders; where two folders have the same name, by their whole paths.

    Raises:
        ConfigError: a model that is given twice.
        ModelError: a folder that holds no model.
    """
    if len({path.resolve() for path in paths}) < len(paths):
        raise ConfigError("models must be compared with others, but one is given twice")
    names = [path.resolve().name for path in paths]
    unique = len(set(names)) == len(names)
    shown = names if unique else [str(path) for path in paths]
    return [Contestant(name, ModelDirectory.open(path)) for name, path in zip(shown, paths, strict=True)]


def best(values: Iterable[float | None], column: int, *, lowest: bool = False) -> frozenset[tuple[int, int]]:
    """The cells of the best value of a column, for a table; none where there is nothing to choose from. None: not measured."""
    listed = list(values)
    measured = [value for value in listed if value is not None]
    if len(measured) < 2:
        return frozenset()
    wanted = min(measured) if lowest else max(measured)
    return frozenset((row, column) for row, value in enumerate(listed) if value == wanted)
