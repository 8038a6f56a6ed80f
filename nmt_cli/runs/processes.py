"""How processes are started that work beside this one."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext, SpawnContext


@contextmanager
def starting() -> Iterator[ForkServerContext | SpawnContext]:
    """The context for processes that are started in the block. Ctrl-C is for this process, which ends its workers.

    One server loads torch and forks for each of them: by itself each would take seconds of a core, and memory of its own, for that.
    It is never this process that forks, for its threads would be missing in what comes of it. Where there are no forks
    (Windows), each begins from nothing.
    """
    context: ForkServerContext | SpawnContext
    if sys.platform == "win32":
        context = multiprocessing.get_context("spawn")
    else:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["torch"])
    if threading.current_thread() is not threading.main_thread():  # only the main thread may choose
        yield context
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield context
    finally:
        signal.signal(signal.SIGINT, before)
