"""Where a model may be written: into an empty folder, or into one that holds a model and nothing foreign."""

from __future__ import annotations

from pathlib import Path

from nmt_cli.corpus.dataset import is_prepared
from nmt_cli.corpus.staging import check_place
from nmt_cli.errors import ConfigError
from nmt_cli.runs.checkpoint import FOLDER
from nmt_cli.runs.directory import CONFIG, CORPUS, METRICS, WEIGHTS
from nmt_cli.runs.manifest import FILE as MANIFEST
from nmt_cli.text.labels import FILE as LABELS
from nmt_cli.text.units import UNITS

_HALF = {f".{name}.new" for name in (CONFIG, METRICS, WEIGHTS, MANIFEST)}
_BEGUN = {CORPUS, FOLDER, LABELS, CONFIG, METRICS, WEIGHTS}
"""What a training that was killed may leave, beside the vocabulary, before there is a manifest."""


def check_room(folder: Path) -> None:
    """Raises ConfigError for the folder of something else."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ConfigError(f"{folder} must be a folder for the model, but is a file")
    # what begins so is of a killed preparation
    entries = [entry for entry in folder.iterdir() if not entry.name.startswith(f".{CORPUS}.")]
    if entries and (is_prepared(folder) or not _ours(folder, {entry.name for entry in entries})):
        what = "a prepared corpus" if is_prepared(folder) else "something else"
        raise ConfigError(f"{folder} must be empty or a model directory, but is {what}", "-o names another folder")


def _ours(folder: Path, names: set[str]) -> bool:
    """A model, beside which other things may lie; or what a training leaves that was killed early, and nothing else."""
    vocabularies = {UNITS[name].file for name in UNITS}
    vocabulary = names & vocabularies
    if MANIFEST in names and (vocabulary or METRICS in names):
        return True
    whole = names - _HALF - {f"{name}.part" for name in (*vocabularies, LABELS)}  # of what is half written
    if whole == {CORPUS}:
        return is_prepared(folder / CORPUS)
    return bool(vocabulary) and whole - vocabulary <= _BEGUN


def check_free(folder: Path, force: bool) -> None:
    """For a model that appears as a whole (see ``staged``). Raises ConfigError too where there is one, unless by ``force``."""
    check_place(folder)
    check_room(folder)
    if folder.exists() and any(folder.iterdir()) and not force:
        raise ConfigError(f"{folder} must be empty, but holds a model", "--force replaces it; -o names another folder")
