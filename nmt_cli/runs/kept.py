"""The weights of the last validations, which a training keeps beside the best ones: ``training/kept-UPDATE.safetensors``.

They are what was measured: the moving average, where there is one. ``nmt average`` takes their mean.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from nmt_cli.runs.checkpoint import FOLDER
from nmt_cli.runs.files import write_tensors

_NAME = re.compile(r"kept-(\d+)\.safetensors")


@dataclass(frozen=True)
class Kept:
    """Those of one model directory."""

    model: Path

    def files(self) -> dict[int, Path]:
        """Update -> its file, the oldest first."""
        folder = self.model / FOLDER
        found = {
            int(name[1]): folder / name[0] for path in folder.glob("kept-*") if (name := _NAME.fullmatch(path.name))
        }
        return dict(sorted(found.items()))

    def add(self, update: int, weights: Mapping[str, Tensor], most: int) -> None:
        """Keep these, and of all only the last ``most``."""
        folder = self.model / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        write_tensors(folder / f"kept-{update}.safetensors", weights, {"update": str(update)})
        for old in list(self.files().values())[:-most]:
            old.unlink()

    def forget_since(self, update: int) -> None:
        """Keep those up to this update; what a training does again behind it, it will write again."""
        for later, file in self.files().items():
            if later > update:
                file.unlink()
