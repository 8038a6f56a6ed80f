"""The tensors of a Marian model under the names that Marian gives them, whatever file they stand in."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nmt_cli.errors import ModelError

Floats = NDArray[np.float32]

CONFIG = "special:model.yml"
"""The item that is no tensor but the options of the model."""
LONGEST_NAME = 1024
MOST_DIMENSIONS = 8
LARGEST_CONFIG = 2**20


@dataclass(frozen=True)
class Item:
    """A tensor that was found in a file and checked, but not read yet."""

    name: str
    shape: tuple[int, ...]
    load: Callable[[], Floats]

    def read(self, origin: str) -> Floats:
        """Its numbers in its shape. Raises ModelError where one of them is none."""
        values = self.load()
        if not np.isfinite(values).all():
            raise ModelError(f"{origin} must hold finite numbers, but {self.name} has others")
        return values


@dataclass(frozen=True)
class Items:
    """All of a file."""

    path: Path
    tensors: Mapping[str, Item]
    config: str  # the text of special:model.yml

    def shape(self, name: str) -> tuple[int, ...]:
        """Raises ModelError where there is no such tensor."""
        if name not in self.tensors:
            raise ModelError(f"{self.path} must hold {name}, as its options say, but does not")
        return self.tensors[name].shape

    def read(self, name: str) -> Floats:
        """The numbers of one. Raises ModelError where one of them is none."""
        return self.tensors[name].read(str(self.path))


def check_shape(origin: str, name: str, shape: tuple[int, ...]) -> int:
    """How many numbers a tensor of this shape has. Raises ModelError for one that cannot be."""
    if len(shape) > MOST_DIMENSIONS or any(size < 1 for size in shape):
        raise ModelError(
            f"{origin} must hold tensors of up to {MOST_DIMENSIONS} dimensions, none of them empty, "
            f"but {name[:60]} has {shape[: MOST_DIMENSIONS + 1]}"
        )
    return math.prod(shape)


def as_config(origin: str, content: bytes) -> str:
    """The text of the options. Raises ModelError where it is none."""
    try:
        return content.rstrip(b"\0").decode("utf-8")
    except UnicodeDecodeError:
        raise ModelError(f"{origin} must hold its options as UTF-8 text in {CONFIG}, but they are damaged") from None


def collected(path: Path, tensors: Mapping[str, Item], config: str | None) -> Items:
    """What was found. Raises ModelError where it is no whole model."""
    if config is None:
        raise ModelError(f"{path} must hold its options in {CONFIG}, but does not")
    return Items(path, tensors, config)
