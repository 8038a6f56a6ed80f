"""One process at a time in a folder that is written to for long, as by a training: a second one would write over the first."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nmt_cli.corpus.staging import made
from nmt_cli.errors import ModelError


@contextmanager
def locked(folder: Path, doing: str = "trained") -> Iterator[None]:
    """Hold the folder itself, without a file of its own, while the block runs; it is made if it does not exist, and is
    taken away again if it stays empty. ``doing`` is what the other one does to it.

    The system lets go of it when the process ends, however it ends. On Windows, which cannot, nothing is held.

    Raises:
        ModelError: another process holds it.
    """
    with made(folder):
        if sys.platform == "win32":
            yield
            return
        import fcntl

        descriptor = os.open(folder, os.O_RDONLY)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ModelError(
                    f"{folder} is being {doing} by another process", "wait for it, or choose another -o"
                ) from None
            yield
        finally:
            os.close(descriptor)
