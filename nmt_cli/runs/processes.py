"""How many processes may work side by side, how they are started, and how they end with the one that started them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.context import SpawnContext

from nmt_cli.errors import ConfigError

_MOST = 16  # processes a core: with more, each waits for all others


def available_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def allowed(workers: int) -> int:
    """The same number. Raises ConfigError where it is less than one, or too many for the cores."""
    most = _MOST * available_cores()
    if not 1 <= workers <= most:
        rule = "at least 1" if workers < 1 else f"at most {most}, {_MOST} for each core"
        raise ConfigError(f"--workers must be {rule}, but is {workers}")
    return workers


def context() -> SpawnContext:
    """Each process begins from nothing. One that is forked has locks whose threads it has not."""
    return get_context("spawn")


@contextmanager
def deaf_to_interrupts() -> Iterator[None]:
    """Processes that are started in the block never see Ctrl-C: it is for the main process, which ends its workers."""
    foreign = signal.getsignal(signal.SIGINT) is None  # a handler that is not Python's could not be put back
    if foreign or threading.current_thread() is not threading.main_thread():  # only the main thread may choose
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def begin_beside(*, deaf_to: tuple[signal.Signals, ...] = (signal.SIGINT,)) -> None:
    """What a process that was started does first: signals are for the main process, and when that is gone, it ends.

    A main process that was killed cannot end its workers.
    """
    for number in deaf_to:
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
