"""What self-attention remembers of the tokens that were consumed (a cache of keys and values), and how decoding looks at it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional

from nmt_cli.models.attention import Sight, bias_of, causal_bias
from nmt_cli.models.positions import Turn
from nmt_cli.scoring.rows import Rows


@dataclass(frozen=True)
class CachedSight(Sight):
    """All used slots of a layer, behind which it writes what it reads."""

    keys: Tensor  # (B, H, C, D/H)
    values: Tensor
    used: int

    def seen(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Write keys and values (B, H, W, D/H) behind the used slots; those of all used slots."""
        end = self.used + keys.shape[2]
        self.keys[:, :, self.used : end], self.values[:, :, self.used : end] = keys, values
        return self.keys[:, :, :end], self.values[:, :, :end]


@dataclass(frozen=True)
class Slots:
    """A cache that belongs to the sentence, not to the row.

    Whatever any row of a sentence consumes is written once into the sentence's next slots, and each row keeps a mask of the
    slots that are its own past. So ``reorder`` moves one bit for each slot where other caches copy keys and values, and all
    rows of a sentence attend in one matrix product. Slots that no row can see any more are swept out when they are half of all.
    """

    visible: Tensor  # (N, R) bool: the slots of its sentence that are a row's own past
    keys: Tensor  # (L, B, H, C, D/H), C >= R: room behind the used slots
    values: Tensor

    @property
    def used(self) -> int:
        """R, the slots in use."""
        return self.visible.shape[1]

    def reorder(self, rows: Tensor, layout: Rows) -> Self:
        """Row i goes on from ``rows[i]``, inside its sentence."""
        return replace(self, visible=self.visible[rows])._swept(layout)

    def select(self, rows: Tensor, layout: Rows, sentences: Tensor | None) -> Self:
        """A copy with the slots of these ``sentences`` (None: of all, in order)."""
        return replace(
            self,
            visible=self.visible[rows],
            keys=self.keys.clone() if sentences is None else self.keys[:, sentences],
            values=self.values.clone() if sentences is None else self.values[:, sentences],
        )._swept(layout)

    def _swept(self, layout: Rows) -> Self:
        """Without the slots that no row can see, where they are at least half and enough to be worth the copy."""
        if self.used < 16:
            return self
        reachable = layout.fold(self.visible).any(1)  # (B, R)
        needed = int(reachable.sum(1).max())
        if needed * 2 > self.used:
            return self
        order = torch.argsort(reachable.to(torch.uint8), dim=1, descending=True, stable=True)[:, :needed]  # (B, R')
        place = order[None, :, None, :, None].expand(len(self.keys), -1, self.keys.shape[2], -1, self.keys.shape[4])
        return replace(
            self,
            visible=self.visible.gather(1, order[layout.sentence]),
            keys=self.keys.gather(3, place),
            values=self.values.gather(3, place),
        )

    def with_room(self, slots: int) -> Self:
        """The same with room for so many more slots."""
        missing = self.used + slots - self.keys.shape[3]
        if missing <= 0:
            return self
        room = (0, 0, 0, max(missing, self.used))
        return replace(self, keys=functional.pad(self.keys, room), values=functional.pad(self.values, room))

    def consume(self, rows: Rows, real: Tensor, turn: Turn) -> tuple[list[CachedSight], Self]:
        """What each layer sees while the rows consume tokens, ``real`` (N, P) of them, and the slots when it has written there.

        Each token becomes one slot of its sentence. It sees the past of its row, those before it, and itself.
        """
        count = real.shape[1]
        room = self.with_room(rows.width * count)
        before = torch.ones(count, count, dtype=torch.bool, device=real.device).tril_()
        mask = torch.cat([self.visible[:, None].expand(-1, count, -1), _own_slots(rows, before[None])], 2)
        # Nothing is hidden from the rows that fill up a sentence: all stay finite.
        hidden = rows.fold(~mask).flatten(1, 2)
        bias = bias_of(~hidden, self.keys.dtype)[:, None]  # (B, 1, W P, R + W P)
        pairs = zip(room.keys, room.values, strict=True)
        sights = [CachedSight(bias, turn, *pair, self.used) for pair in pairs]
        return sights, replace(room, visible=torch.cat([self.visible, _own_slots(rows, real)], 1))


def _own_slots(rows: Rows, own: Tensor) -> Tensor:
    """What each row may see of its own P new slots, (N or 1, ..., P), among the W P new slots of its sentence, (N, ..., W P)."""
    mine = rows.slot[:, None] == torch.arange(rows.width, device=own.device)  # (N, W)
    for _ in range(own.dim() - 2):
        mine = mine[:, None]
    return (mine[..., None] & own[..., None, :]).flatten(-2)


@dataclass(frozen=True)
class SlotPasts:
    """The part of a decoder that makes them."""

    heads: int
    head_width: int

    def whole(self, x: Tensor, turn: Turn) -> Sight:
        """Of a layer that reads all there is at once: each position sees itself and those before it."""
        return Sight(causal_bias(x.shape[1], x), turn)

    def begin(self, rows: Rows, layers: int, like: Tensor) -> Slots:
        """No slots."""
        empty = like.new_zeros(layers, rows.sentences, self.heads, 0, self.head_width)
        return Slots(torch.zeros(len(rows.sentence), 0, dtype=torch.bool, device=like.device), empty, empty)
