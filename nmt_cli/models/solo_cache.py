"""What self-attention remembers of one sentence decoded by itself, and how attention looks: see ``cache`` and ``solo``."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

from nmt_cli.models.arithmetic import Array
from nmt_cli.models.positions import Turn, unturned


def attend(asking: Array, keys: Array, values: Array, bias: Array | None) -> Array:
    """softmax(Q K^T / sqrt(d)) V of queries (M, H, D/H) over keys and values (H, S, D/H): (M, D).

    ``bias`` (M, S) hides what a query may not see; None where nothing is hidden.
    """
    scores = np.matmul(asking.transpose(1, 0, 2), keys.transpose(0, 2, 1))  # (H, M, S)
    scores *= 1 / math.sqrt(keys.shape[2])
    if bias is not None:
        scores += bias
    weights = torch.softmax(torch.from_numpy(scores), 2).numpy()
    found = np.matmul(weights, values)  # (H, M, D/H)
    return found.transpose(1, 0, 2).reshape(len(asking), -1)  # type: ignore[no-any-return]


class SoloMemory:
    """How the rows look at their memory, all of which is there."""

    def look(self, asking: Array, keys: Tensor, values: Tensor, heads: int) -> Array:
        """See Looking: queries (M, D), keys and values (1, H, S, D/H) -> (M, D)"""
        return attend(asking.reshape(len(asking), heads, -1), keys.numpy()[0], values.numpy()[0], None)


@dataclass(frozen=True)
class SoloSight:
    """How one layer looks at the used slots, into some of which it writes what it reads."""

    pairs: Array  # (C, 2 D) keys and values side by side
    written: Array  # (N, P) the slots that the tokens take
    used: int  # R
    bias: Array | None  # (M, R); None where nothing is hidden
    turn: Turn

    def look_back(self, projected: Array, heads: int) -> Array:
        """See LookingBack: (M, 3 D) -> (M, D)"""
        parts = projected.reshape(len(projected), 3, heads, -1)
        if self.turn is not unturned:  # as it mostly is: then it costs nothing
            both = torch.from_numpy(projected).view(*self.written.shape, 3 * heads, -1)[:, :, : 2 * heads]
            both.copy_(self.turn(both))
        self.pairs[self.written.ravel()] = projected[:, self.pairs.shape[1] // 2 :]
        keys, values = self.pairs[: self.used].reshape(self.used, 2, heads, -1).transpose(1, 2, 0, 3)
        return attend(parts[:, 0], keys, values, self.bias)


@dataclass(frozen=True)
class SoloSlots:
    """Each token takes a slot, and each row keeps a mask of the slots that are its past: see Slots."""

    visible: Array  # (N, R) bool
    pairs: Array  # (L, C, 2 D) keys and values side by side, C >= R

    @classmethod
    def none(cls, layers: int, width: int, like: Tensor) -> Self:
        """Of one row that has consumed nothing."""
        return cls(np.zeros((1, 0), dtype=bool), like.new_zeros(layers, 0, 2 * width).numpy())

    @property
    def used(self) -> int:
        """R, the slots in use."""
        return self.visible.shape[1]  # type: ignore[no-any-return]

    def reorder(self, rows: Array) -> Self:
        """Row i goes on from ``rows[i]``."""
        return replace(self, visible=self.visible[rows])

    def select(self, rows: Array) -> Self:
        """The same, of a copy."""
        return type(self)(self.visible[rows], self.pairs.copy())

    def consume(self, real: Array, turn: Turn) -> tuple[list[SoloSight], Self]:
        """See SoloPast."""
        if real.size == 1 and real.all() and self.visible.all():  # as in greedy search: nothing is free, nothing hidden
            room = self._seeing(np.ones((1, self.used + 1), dtype=bool))
            return room._sights(np.array([[self.used]]), None, turn), room
        own, room = self._claimed(*real.shape)
        mask = room.visible[:, None]  # (N, P, R) what was before, and oneself
        if real.size == 1 and real.all():
            room.visible[0, own[0, 0]] = True
        else:
            of, ahead = np.arange(len(real))[:, None], np.arange(real.shape[1])
            mask = np.repeat(mask, real.shape[1], 1)
            mask[of[:, None], ahead[:, None], own[:, None]] = ahead <= ahead[:, None]
            room.visible[of, own] = real
        bias = None if mask.all() else np.where(mask.reshape(-1, room.used), 0, -np.inf).astype(room.pairs.dtype)
        return room._sights(own, bias, turn), room

    def _sights(self, written: Array, bias: Array | None, turn: Turn) -> list[SoloSight]:
        """For each layer."""
        return [SoloSight(pairs, written, self.used, bias, turn) for pairs in self.pairs]

    def _claimed(self, rows: int, length: int) -> tuple[Array, Self]:
        """For each row so many slots (N, P) that no row sees, and a cache that has them, whose mask nobody else has."""
        free = np.flatnonzero(~self.visible.any(0))[: rows * length]
        missing = rows * length - len(free)
        own = np.concatenate([free, np.arange(self.used, self.used + missing)]).reshape(rows, length)
        visible = np.zeros((rows, self.used + missing), dtype=bool)
        visible[:, : self.used] = self.visible
        return own, self._seeing(visible)

    def _seeing(self, visible: Array) -> Self:
        """With that mask (N, R), and at least so many slots."""
        layers, room, width = self.pairs.shape
        if visible.shape[1] <= room:
            return type(self)(visible, self.pairs)
        more = np.zeros((layers, max(visible.shape[1], 2 * room) - room, width), dtype=self.pairs.dtype)
        return type(self)(visible, np.concatenate([self.pairs, more], 1))
