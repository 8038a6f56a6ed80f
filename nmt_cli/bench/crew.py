"""A measurement in processes of its own, which share the cores: none is slowed or sped up by what ran before it in another."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import torch

from nmt_cli.errors import NMTError
from nmt_cli.runs import processor
from nmt_cli.runs.processes import allowed, available_cores, begin_beside, context, deaf_to_interrupts
from nmt_cli.training.team import Alone, Share, Team, joined

T = TypeVar("T")
Task = Callable[[Team], T]
"""What each process does; it travels to them, so it is a top-level function or a value with ``__call__``."""


def usual_workers() -> int:
    """One process for each core: see ``nmt_cli.training.workers``."""
    return max(1, min(torch.get_num_threads(), available_cores()))


def threads_of(workers: int) -> int:
    """How many threads each of so many processes has. Raises what ``allowed`` raises."""
    return max(1, usual_workers() // allowed(workers))


def everywhere(task: Task[T], workers: int) -> list[T]:
    """What a task gives in each of so many processes at the same time, in their order.

    Raises:
        ConfigError: less than one process, or too many.
        NMTError: whatever the task raises, or a process that has ended before it was done.
    """
    threads = threads_of(workers)
    with TemporaryDirectory() as folder, _ended() as processes:
        answers = []
        for rank in range(workers):
            answer, tell = multiprocessing.Pipe(duplex=False)
            share, meeting = Share(rank, workers), Path(folder) / "meeting"
            process = context().Process(target=_work, args=(task, share, meeting, threads, tell), daemon=True)
            with deaf_to_interrupts():
                process.start()
            tell.close()
            processes.append(process)
            answers.append(answer)
        found: list[T | NMTError] = [_heard(answer) for answer in answers]
    return [_good(one) for one in found]


def _good(found: T | NMTError) -> T:
    if isinstance(found, NMTError):
        raise found
    return found


@contextmanager
def _ended() -> Iterator[list[BaseProcess]]:
    """Processes that do not outlive the block, however it ends."""
    processes: list[BaseProcess] = []
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.join()


def _heard(answer: Connection) -> Any:
    try:
        found = answer.recv()
    except EOFError:
        raise NMTError(
            "a measuring process has ended before its work was done, perhaps for lack of memory", "try fewer --workers"
        ) from None
    return found


def _work(task: Task[T], share: Share, meeting: Path, threads: int, tell: Connection) -> None:
    """The main function of a process."""
    begin_beside()
    processor.tune()
    torch.set_num_threads(threads)
    try:
        with nullcontext(Alone()) if share.size == 1 else joined(share, meeting) as team:
            tell.send(task(team))
    except NMTError as error:
        tell.send(error)
