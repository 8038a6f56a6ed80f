"""Several processes of one thread each: on a CPU they translate faster than one process of several threads.

Each worker opens the model by its path. They are started only when the input is long enough to repay their start.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path

import torch

from nmt_cli.errors import NMTError
from nmt_cli.inference.together import Together
from nmt_cli.inference.translator import WORTHWHILE, Engine, Piece, Run, Searched, Translator
from nmt_cli.runs import processor
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.runs.processes import allowed, available_cores, begin_beside, context, deaf_to_interrupts
from nmt_cli.search.base import Search

_engine: Engine | NMTError
"""Of a worker; an error is kept until somebody can be told."""


def how_many(lines: int, wanted: int | None) -> int:
    """As are ``wanted``, or as are worth it for so many lines. Raises what ``allowed`` raises."""
    if wanted is not None:
        return allowed(wanted)
    return available_cores() if lines >= WORTHWHILE else 1


@contextmanager
def translator(
    directory: ModelDirectory,
    strategy: Search,
    *,
    lines: int,
    wanted: int | None = None,
    together: Together | None = None,
) -> Iterator[Translator]:
    """A translator in this process, or over as many processes as are ``wanted``, or as repay their start on so many lines.

    Raises:
        ConfigError: less than one process, or too many.
        ModelError: a model that does not translate.
    """
    count = how_many(lines, wanted)
    if count == 1:
        processor.tune()
        yield Translator.here(directory, strategy, together)
    else:
        with _pool(directory.path, strategy, count, together) as run:
            yield Translator.of(directory, strategy, run)


@contextmanager
def _pool(path: Path, strategy: Search, workers: int, together: Together | None) -> Iterator[Run]:
    """A ``Run`` that shares batches among processes; they end with the block."""
    strangers = set(multiprocessing.active_children())
    processes = ProcessPoolExecutor(workers, context(), initializer=_open, initargs=(path, strategy, together))
    try:
        _start(processes, workers)
        yield lambda batches: _run(processes, batches)
    except BaseException:  # Ctrl-C too: nobody waits for the batches under way
        for process in set(multiprocessing.active_children()) - strangers:
            process.terminate()
        raise
    finally:
        processes.shutdown(cancel_futures=True)


def _start(processes: ProcessPoolExecutor, workers: int) -> None:
    try:
        with deaf_to_interrupts():
            for _ in range(workers):  # each task starts one, unless another has nothing to do
                processes.submit(os.getpid)
    except (BrokenProcessPool, OSError):
        raise NMTError("a worker process could not be started", "try fewer --workers") from None


def _run(processes: ProcessPoolExecutor, batches: list[list[Piece]]) -> Iterator[Searched]:
    try:
        yield from processes.map(_search, batches)
    except BrokenProcessPool:
        raise NMTError(
            "a worker process has ended before its work was done, perhaps for lack of memory", "try fewer --workers"
        ) from None


def _open(path: Path, strategy: Search, together: Together | None) -> None:
    global _engine
    begin_beside()
    torch.set_num_threads(1)
    processor.tune()
    try:
        _engine = Engine.open(ModelDirectory.open(path), strategy, together)
    except NMTError as error:
        _engine = error


def _search(pieces: list[Piece]) -> Searched:
    if isinstance(_engine, NMTError):
        raise _engine
    return _engine.search(pieces)
