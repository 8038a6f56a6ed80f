"""Where a model may be written: into an empty folder, or into one that holds a model and nothing foreign."""

from __future__ import annotations

from pathlib import Path

from nmt_cli.corpus.dataset import is_prepared
from nmt_cli.corpus.staging import check_place
from nmt_cli.errors import ConfigError
from nmt_cli.runs.directory import CORPUS
from nmt_cli.text.units import UNITS


def check_room(folder: Path) -> None:
    """Raises ConfigError for the folder of something else."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ConfigError(f"{folder} must be a folder for the model, but is a file")
    # what begins so is of a killed preparation
    entries = [entry for entry in folder.iterdir() if not entry.name.startswith(f".{CORPUS}.")]
    ours = any((folder / UNITS[name].file).is_file() for name in UNITS) or is_prepared(folder / CORPUS)
    if entries and (is_prepared(folder) or not ours):
        what = "a prepared corpus" if is_prepared(folder) else "something else"
        raise ConfigError(f"{folder} must be empty or a model directory, but is {what}", "-o names another folder")


def check_free(folder: Path, force: bool) -> None:
    """For a model that appears as a whole (see ``staged``). Raises ConfigError too where there is one, unless by ``force``."""
    check_place(folder)
    check_room(folder)
    if folder.exists() and any(folder.iterdir()) and not force:
        raise ConfigError(f"{folder} must be empty, but holds a model", "--force replaces it; -o names another folder")
