"""The processes of a team: the leader starts the others on its machine, or ``torchrun`` has started all of them.

On a CPU two processes of one thread train faster than one process of two: operators of the sizes of this house gain little from
threads, and wait for them between each other.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from nmt_cli.corpus.dataset import PreparedCorpus
from nmt_cli.errors import NMTError
from nmt_cli.runs import processor
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.runs.processes import available_cores, begin_beside, context, deaf_to_interrupts
from nmt_cli.training.follower import Follower
from nmt_cli.training.team import Alone, Left, Share, Team, appointed, joined

_LAST_WORDS = 10.0  # seconds in which a process ends that was told to
_FOR_THE_LEADER = (signal.SIGINT, signal.SIGTERM)
"""It finishes the update at hand, saves, and tells the others to stop."""


@contextmanager
def assembled(directory: ModelDirectory, corpus: PreparedCorpus, size: int) -> Iterator[Team]:
    """The team of the leader, for as long as the block runs; the model directory must be ready for the others to read.

    Raises:
        NMTError: a process could not be started, or has ended.
    """
    place = appointed()
    if place is not None:
        with joined(place, None) as group:
            yield group
    elif size == 1:
        yield Alone()
    else:
        with TemporaryDirectory() as folder, _threads(size), ExitStack() as endings:
            meeting, workers = Path(folder) / "meeting", []
            for rank in range(1, size):
                worker = _Worker.start(directory.path, corpus.folder, Share(rank, size), meeting)
                # Killed, for SIGTERM they leave to the leader; nothing of theirs is to be saved.
                endings.callback(worker.process.kill)
                workers.append(worker)
            try:
                for worker in workers:
                    worker.wait()
                with joined(Share(0, size), meeting) as group:
                    yield group
                for worker in workers:
                    worker.process.join(_LAST_WORDS)
            except NMTError as error:  # perhaps somebody knows why
                raise next((said for worker in workers if (said := worker.said())), error) from None


def follow(directory: ModelDirectory, corpus: Path, share: Share) -> None:
    """What a process does that ``torchrun`` has not made the leader: learn until the leader says that it is over."""
    processor.tune()
    with joined(share, None) as team:
        for number in _FOR_THE_LEADER:  # from here on: a leader that never comes cannot say that it is over
            signal.signal(number, signal.SIG_IGN)
        Follower.of(directory, PreparedCorpus.open(corpus), team).run()


@dataclass(frozen=True)
class _Worker:
    """A process that was started, and what it says."""

    process: BaseProcess
    share: Share
    heard: Connection

    @classmethod
    def start(cls, model: Path, corpus: Path, share: Share, meeting: Path) -> _Worker:
        """It loads what it needs while others are started. Raises NMTError where the system has no process to give."""
        heard, tell = multiprocessing.Pipe(duplex=False)
        given = (model, corpus, share, meeting, torch.get_num_threads(), tell)
        process = context().Process(target=_work, args=given, daemon=True)
        try:
            with deaf_to_interrupts():
                process.start()
        except OSError:
            raise _not_started(share) from None
        tell.close()
        return cls(process, share, heard)

    def wait(self) -> None:
        """Until it is ready to meet the others. Raises NMTError where it has ended instead."""
        wait([self.heard])
        try:
            self.heard.recv_bytes()
        except EOFError:
            raise _not_started(self.share) from None

    def said(self) -> NMTError | None:
        """Why it has ended, if it knows."""
        try:
            return NMTError(*json.loads(self.heard.recv_bytes())) if self.heard.poll(1.0) else None
        except EOFError:
            return None


def _not_started(share: Share) -> NMTError:
    return NMTError(f"training process {share.rank} could not be started", "--workers 1 needs no other process")


def _work(model: Path, corpus: Path, share: Share, meeting: Path, threads: int, tell: Connection) -> None:
    """The main function of a process that was started for it."""
    begin_beside(deaf_to=_FOR_THE_LEADER)
    processor.tune()
    torch.set_num_threads(threads)
    tell.send_bytes(b"ready")
    try:
        with joined(share, meeting) as team:
            Follower.of(ModelDirectory(model), PreparedCorpus.open(corpus), team).run()
    except Left:  # the leader knows more
        os._exit(1)
    except NMTError as error:
        tell.send_bytes(json.dumps([error.message, error.hint]).encode())
        os._exit(1)


@contextmanager
def _threads(size: int) -> Iterator[None]:
    """Divide the cores among so many processes."""
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, min(before, available_cores()) // size))
    try:
        yield
    finally:
        torch.set_num_threads(before)
