"""``nmt import``: a model of another toolkit becomes a model directory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nmt_cli.errors import ConfigError
from nmt_cli.registry import Registry
from nmt_cli.runs.manifest import FILE as MANIFEST


@dataclass(frozen=True)
class Import:
    """What the user wants imported."""

    folder: Path
    output: Path
    languages: tuple[str, ...] | None = None  # None: as the names of files say
    force: bool = False  # replace the model that is there


IMPORTERS: Registry[Callable[[Import], None]] = Registry("TOOLKIT", {"marian": "nmt_cli.interchange.marian:run"})


def run(toolkit: str, wanted: Import) -> None:
    """Import it.

    Raises:
        ConfigError: a toolkit that does not exist, or a place that is taken.
        ModelError: whatever the importer of the toolkit refuses.
    """
    importer = IMPORTERS[toolkit]
    _check_output(wanted)
    importer(wanted)


def _check_output(wanted: Import) -> None:
    """Raises ConfigError for anything that is there, unless it is a model that is to be replaced."""
    output = wanted.output
    if output.resolve() == wanted.folder.resolve():
        raise ConfigError(f"{output} must be another folder than the one that is imported", "-o names another folder")
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return
    if not (output / MANIFEST).is_file():
        raise ConfigError(
            f"{output} must be empty or a model directory, but is something else", "-o names another folder"
        )
    if not wanted.force:
        raise ConfigError(f"{output} must be empty, but holds a model", "--force replaces it; -o names another folder")
