"""One training at a time in a model directory: a second one would write over the first."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nmt_cli.errors import ModelError

_FILE = "training.lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder while the block runs. The system lets go of it when the process ends, however it ends.

    Raises:
        ModelError: another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / _FILE, "a+", encoding="utf-8") as stream:
        if not _taken(stream.fileno()):
            stream.seek(0)
            raise ModelError(
                f"{folder} is being trained by process {stream.read().strip() or 'unknown'}", "wait for it"
            )
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        yield
        (folder / _FILE).unlink(missing_ok=True)


def _taken(descriptor: int) -> bool:
    if sys.platform == "win32":  # no flock: there, two trainings in one folder are not noticed
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
