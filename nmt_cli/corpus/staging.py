"""A folder that appears whole or not at all: written beside its place and renamed."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nmt_cli.errors import ConfigError


def check_place(folder: Path) -> None:
    """Raises ConfigError for a place that no other folder can take: the one that the command runs in."""
    if folder.exists() and folder.samefile("."):
        raise ConfigError(f"{folder} must be another folder than the one that nmt runs in", "-o NAME makes one in it")


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """A temporary folder beside ``folder`` that takes its place when the block ends well, replacing what is there.

    Whatever ends the block otherwise, Ctrl-C too, leaves ``folder`` as it was and nothing beside it.
    """
    with made(folder.parent):
        workspace = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            new, old = workspace / "new", workspace / "old"
            new.mkdir()
            yield new
            if folder.exists():
                folder.rename(old)
            new.rename(folder)
        finally:
            shutil.rmtree(workspace, ignore_errors=True)


@contextmanager
def made(folder: Path) -> Iterator[None]:
    """Make a folder and its parents where they are missing; those that are empty when the block ends are taken away again."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]  # the innermost first
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        for each in missing:
            with suppress(OSError):  # not empty: it holds what was made
                each.rmdir()
