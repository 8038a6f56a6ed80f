"""``nmt import``: a model of another toolkit becomes a model directory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nmt_cli.errors import ConfigError
from nmt_cli.registry import Registry
from nmt_cli.runs.lock import locked
from nmt_cli.runs.room import check_free


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
    if wanted.output.resolve() == wanted.folder.resolve():
        raise ConfigError(
            f"{wanted.output} must be another folder than the one that is imported", "-o names another folder"
        )
    check_free(wanted.output, wanted.force)
    with locked(wanted.output):
        importer(wanted)
