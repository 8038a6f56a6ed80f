"""The manifest of a model: where it comes from and what it is for."""

import json
import os
import platform
import shlex
import sys
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from nmt_cli.corpus.limits import LengthLimit
from nmt_cli.errors import ModelError
from nmt_cli.runs.files import write_text
from nmt_cli.runs.origin import Origin

FILE = "manifest.json"
FORMAT = 2


@dataclass(frozen=True)
class Manifest:
    """What ``manifest.json`` says."""

    task: str
    languages: tuple[str, ...]
    limit: LengthLimit | None  # how long an output may become, where that depends on the input
    corpus: str  # checksum of the prepared corpus
    inputs: dict[str, str]  # raw input file -> checksum
    request: dict[str, Any]  # the settings that were asked for, before the clock or a stalled score planned the updates
    command: str
    seed: int
    # the most of a source of training, but for one line in a hundred; None: nobody has counted, or nothing is translated
    sentences: int | None = None
    finished: bool = False
    scores: dict[str, Any] = field(default_factory=dict)  # of the held-out test split
    said: tuple[str, ...] = ()  # the same, for a person
    alignment_layer: int | None = None  # of a decoder of several, from 1; None: there is no choice, or none was made
    origin: Origin | None = None  # of the weights that the training began with; None: fresh ones
    averaged: tuple[Origin, ...] = ()  # whose mean the weights are
    exported: str | None = None  # the toolkit whose weights these are; None: our own
    versions: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Raises ModelError where there is none, or one that this version does not understand."""
        path = folder / FILE
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["format"] != FORMAT:
                raise ModelError(
                    f"{path} must be of format {FORMAT}, but is of {content['format']}",
                    "another version of nmt wrote it",
                )
            content["limit"] = LengthLimit(**content["limit"]) if content["limit"] else None
            content["languages"], content["said"] = tuple(content["languages"]), tuple(content["said"])
            content["origin"] = Origin(**content["origin"]) if content.get("origin") else None
            content["averaged"] = tuple(Origin(**each) for each in content.get("averaged", ()))
            return cls(**content)
        except (FileNotFoundError, NotADirectoryError):
            raise ModelError(f"{folder} must be a model directory, but holds no {FILE}") from None
        except (ValueError, KeyError, TypeError):
            raise ModelError(f"{path} must describe a model, but is damaged") from None

    def write(self, folder: Path) -> None:
        """With the versions of what runs now."""
        current = replace(self, versions=_versions())
        write_text(folder / FILE, json.dumps(asdict(current), indent=2, ensure_ascii=False) + "\n")


def command_line() -> str:
    """What was typed, or can be: whoever ran it otherwise, by ``python -m nmt_cli`` or torchrun, may type this too."""
    words = [os.fsencode(word).decode("utf-8", "backslashreplace") for word in sys.argv[1:]]  # a name need not be UTF-8
    return shlex.join(["nmt", *words])


def _versions() -> dict[str, str]:
    packages = ("nmt-cli", "torch", "sentencepiece", "sacrebleu", "numpy")
    return {"python": platform.python_version(), **{package: version(package) for package in packages}}
