"""A folder that appears whole or not at all: written beside its place and renamed."""

import errno
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nmt_cli.errors import ConfigError

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def check_place(folder: Path) -> None:
    """Raises ConfigError for a place that no other folder can take: the one that the command runs in, and where a disk hangs."""
    if folder.exists() and folder.samefile("."):
        raise ConfigError(f"{folder} must be another folder than the one that nmt runs in", "-o NAME makes one in it")
    if folder.resolve().is_mount():
        raise ConfigError(f"{folder} must be a folder that can be replaced, but is a mounted disk", f"-o {folder}/NAME")


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """A temporary folder beside ``folder`` that takes its place when the block ends well, replacing what is there.

    Whatever ends the block otherwise, Ctrl-C too, leaves ``folder`` as it was and nothing beside it.
    """
    with made(folder.parent):
        workspace = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        new, old = workspace / "new", workspace / "old"
        try:
            new.mkdir()
            with named(folder):
                yield new
            if folder.exists():
                folder.rename(old)
            new.rename(folder)
        finally:
            if old.exists() and not folder.exists():  # ended between the two renamings
                old.rename(folder)
            shutil.rmtree(workspace, ignore_errors=True)


@contextmanager
def named(path: Path) -> Iterator[None]:
    """An error that comes while it is written says what was written; a full disk does not know."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno in _NO_ROOM:
            error.filename = str(path)
        raise


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
