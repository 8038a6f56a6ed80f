"""Several processes that learn one model together: each reads its share of every batch, and their gradients are added up.

The batches, their order and the division by the number of target tokens are those of one process, so that it does not matter to
what is learnt how many there are; only dropout draws other masks. All processes hold the same weights and take the same steps
from the same sums. Number 0 leads: it plans, saves and talks; the others do what it says. It makes no difference whether they run
on one machine (``nmt train --workers``) or on several (``torchrun``), as long as these are alike: each process takes its steps by
itself, and another processor or another number of threads may round otherwise.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from enum import IntEnum
from pathlib import Path
from typing import Protocol, TypeVar

import torch
from torch import Tensor, distributed

from nmt_cli.errors import NMTError
from nmt_cli.models.base import Carry

_PATIENCE = timedelta(days=7)  # of those who wait for the leader, which may prepare a corpus or measure for hours
_MEETING = timedelta(minutes=2)  # for processes of one machine that have all said that they are ready

T = TypeVar("T")


@dataclass(frozen=True)
class Share:
    """What process ``rank`` of ``size`` reads: each ``size``-th row, so that shares of rows in order of length are equal work."""

    rank: int = 0
    size: int = 1

    @property
    def rows(self) -> slice:
        """Which rows of a batch."""
        return slice(self.rank, None, self.size)


class Left(NMTError):
    """Another process has gone."""


class Order(IntEnum):
    """What the leader says behind an update."""

    GO = 0  # to the next one
    GATHER = 1  # hand in what streams carry
    MEASURE = 2  # the model on dev, all together
    BACK = 3  # to the last saved state
    STOP = 4


@dataclass(frozen=True)
class Word:
    """An order, and how many updates there are in all as far as is known."""

    order: Order
    updates: int | None = None


class Team(Protocol):
    """The processes, seen from one of them."""

    @property
    def share(self) -> Share:
        """What this one reads of every batch."""
        ...

    def sum(self, figures: Sequence[float]) -> list[float]:
        """Of the figures of all processes."""
        ...

    def add_up(self, gradients: Tensor) -> None:
        """In place: the sum of those of all processes."""
        ...

    def tell(self, word: Word) -> None:
        """To all others, who must listen by ``hear``."""
        ...

    def hear(self) -> Word:
        """What the leader tells."""
        ...

    def gather(self, carry: Carry) -> Carry:
        """What the streams of all processes carry, in the order of the streams; of use to the leader."""
        ...

    def lines(self, own: Sequence[str]) -> list[str]:
        """The lines of all processes, in their order, from those of the share of each."""
        ...

    def agree(self, number: int) -> bool:
        """Whether all have the same number."""
        ...


@dataclass(frozen=True)
class Alone:
    """A team of one."""

    share: Share = field(default_factory=Share)

    def sum(self, figures: Sequence[float]) -> list[float]:
        """They are the sums."""
        return list(figures)

    def add_up(self, gradients: Tensor) -> None:
        """They are the sums."""

    def tell(self, word: Word) -> None:
        """Nobody listens."""

    def hear(self) -> Word:
        """Nobody speaks: there is no leader but oneself."""
        raise RuntimeError("a team of one has nobody to listen to")

    def gather(self, carry: Carry) -> Carry:
        """All that there is."""
        return carry

    def lines(self, own: Sequence[str]) -> list[str]:
        """All that there are."""
        return list(own)

    def agree(self, number: int) -> bool:
        """With oneself."""
        del number
        return True


@dataclass(frozen=True)
class Group:
    """A team that talks by ``torch.distributed`` (gloo)."""

    share: Share
    channel: distributed.ProcessGroup

    def sum(self, figures: Sequence[float]) -> list[float]:
        """As in Team."""
        sums = torch.tensor(figures, dtype=torch.float64)
        with _company():
            distributed.all_reduce(sums, group=self.channel)
        return [float(value) for value in sums]

    def add_up(self, gradients: Tensor) -> None:
        """As in Team. One message for all of them: the models of this house are small."""
        with _company():
            distributed.all_reduce(gradients, group=self.channel)

    def tell(self, word: Word) -> None:
        """As in Team."""
        self._broadcast([int(word.order), -1 if word.updates is None else word.updates])

    def hear(self) -> Word:
        """As in Team."""
        order, updates = self._broadcast([0, 0])
        return Word(Order(order), None if updates < 0 else updates)

    def gather(self, carry: Carry) -> Carry:
        """As in Team; a carry is None for all processes or for none."""
        if carry is None:
            return None
        streams = sum(self._counts(len(carry[0])))
        return tuple(self._put_together(part, streams, self.share.rows) for part in carry)

    def lines(self, own: Sequence[str]) -> list[str]:
        """As in Team."""
        said = torch.frombuffer(bytearray(json.dumps(list(own)).encode()), dtype=torch.uint8)
        counts = self._counts(len(said))
        start = sum(counts[: self.share.rank])
        whole = self._put_together(said, sum(counts), slice(start, start + len(said)))
        shares = [json.loads(bytes(part.tolist())) for part in torch.split(whole, counts)]
        lines = [""] * sum(map(len, shares))
        for rank, share in enumerate(shares):
            lines[Share(rank, self.share.size).rows] = share
        return lines

    def agree(self, number: int) -> bool:
        """As in Team."""
        return len(set(self._counts(number))) == 1

    def _counts(self, own: int) -> list[int]:
        """One number of each process."""
        place = slice(self.share.rank, self.share.rank + 1)
        counts: list[int] = self._put_together(torch.tensor([own]), self.share.size, place).tolist()
        return counts

    def _put_together(self, part: Tensor, count: int, place: slice) -> Tensor:
        """(count, ...) from the parts of all processes, of which one's own goes to this ``place``."""
        whole = part.new_zeros((count, *part.shape[1:]))
        whole[place] = part
        with _company():
            distributed.all_reduce(whole, group=self.channel)  # zero wherever it is another's
        return whole

    def _broadcast(self, numbers: list[int]) -> list[int]:
        message = torch.tensor(numbers)
        with _company():
            distributed.broadcast(message, 0, group=self.channel)
        heard: list[int] = message.tolist()
        return heard


@contextmanager
def _company() -> Iterator[None]:
    """Raises Left where another process has gone: all of them need all others."""
    try:
        yield
    except RuntimeError as error:
        raise Left(
            "a training process has ended before its work was done, perhaps for lack of memory",
            "the same command goes on from the last saved state; fewer --workers need less memory",
        ) from error


@contextmanager
def joined(share: Share, meeting: Path | None) -> Iterator[Group]:
    """A group, for as long as the block runs, of all processes that know the ``meeting``.

    It is a file on one machine, where nothing leaves the loopback device; None: where ``torchrun`` says.
    """
    if meeting is not None and os.path.exists("/sys/class/net/lo"):
        os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    method, patience = ("env://", _PATIENCE) if meeting is None else (meeting.resolve().as_uri(), _MEETING)
    with _company():
        distributed.init_process_group(
            "gloo", init_method=method, rank=share.rank, world_size=share.size, timeout=patience
        )
    try:
        with _company():
            channel = distributed.new_group(timeout=_PATIENCE)
        yield Group(share, channel)
    finally:
        distributed.destroy_process_group()


def appointed() -> Share | None:
    """The place that ``torchrun`` has given to this process; None where it was not started by it."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return None
    return Share(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))
