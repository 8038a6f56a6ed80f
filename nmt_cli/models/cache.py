"""What self-attention remembers of the tokens that were consumed (a cache of keys and values), and how decoding looks at it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional

from nmt_cli.models.attention import RowsSight, Sight, bias_of, causal_bias
from nmt_cli.models.lanes import filled
from nmt_cli.models.positions import Turn
from nmt_cli.models.solo_cache import SoloSlots
from nmt_cli.scoring.rows import Closing, Rows


@dataclass(frozen=True, kw_only=True)
class CachedSight(RowsSight):
    """All used slots of a layer, into some of which it writes what it reads."""

    keys: Tensor  # (B, H, C, D/H)
    values: Tensor
    written: Tensor  # (N P H,) which of the B H C vectors the heads of the tokens take
    used: int  # R

    def seen(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Write keys and values (N, P, H, D/H) of what is read into their slots; those (B, H, R, D/H) of all used slots."""
        return self._with(self.keys, keys), self._with(self.values, values)

    def _with(self, slots: Tensor, fresh: Tensor) -> Tensor:
        slots.flatten(0, 2).index_copy_(0, self.written, fresh.reshape(self.written.shape[0], -1))
        return slots[:, :, : self.used]


@dataclass(frozen=True)
class Slots:
    """A cache that belongs to the sentence, not to the row.

    Whatever any row of a sentence consumes is written once into a slot of the sentence, and each row keeps a mask of the slots
    that are its own past. So ``reorder`` moves one bit for each slot where other caches copy keys and values, and all rows of a
    sentence attend in one matrix product. A slot that no row sees any more is the next to be written.
    """

    visible: Tensor  # (N, R) bool: the slots of its sentence that are a row's own past
    keys: Tensor  # (L, B, H, C, D/H), C >= R: room behind the used slots
    values: Tensor

    @property
    def used(self) -> int:
        """R, the slots that are looked at."""
        return self.visible.shape[1]

    def reorder(self, rows: Tensor, layout: Rows, closing: Closing | None) -> Self:
        """Row i goes on from ``rows[i]``; the slots of all sentences stay, or close up in the memory that they have."""
        del layout
        moved = replace(self, visible=self.visible[rows])
        if closing is None:
            return moved
        for layer in (*self.keys.unbind(0), *self.values.unbind(0)):
            closing.within(layer[:, :, : self.used])
        count = len(closing.kept)
        return replace(moved, keys=self.keys[:, :count], values=self.values[:, :count])

    def select(self, rows: Tensor, layout: Rows, sentences: Tensor) -> Self:
        """A copy with the slots of these ``sentences``."""
        del layout
        keys, values = self._those(self.keys, sentences), self._those(self.values, sentences)
        return replace(self, visible=self.visible[rows], keys=keys, values=values)

    def _those(self, held: Tensor, sentences: Tensor) -> Tensor:
        """Of these ``sentences`` what is used, with the same room behind it."""
        kept = held.new_empty(held.shape[0], len(sentences), *held.shape[2:])
        for old, new in zip(held.unbind(0), kept.unbind(0), strict=True):
            torch.index_select(old[:, :, : self.used], 0, sentences, out=new[:, :, : self.used])
        return kept

    def with_room(self, slots: int) -> Self:
        """The same with so many slots in use; what is new is seen by nobody."""
        visible = functional.pad(self.visible, (0, max(0, slots - self.used)))
        return replace(self, visible=visible, keys=self._with(self.keys, slots), values=self._with(self.values, slots))

    def _with(self, held: Tensor, slots: int) -> Tensor:
        """What is not used yet may hold anything. What is new is zero: attention gives it no weight, yet reads it."""
        *whose, room, width = held.shape
        if slots > room:
            more = held.new_empty(*whose, max(slots, 2 * self.used), width)
            more[..., : self.used, :] = held[..., : self.used, :]
            held = more
        held[..., self.used : slots, :] = 0
        return held

    def consume(self, rows: Rows, real: Tensor, turn: Turn) -> tuple[list[CachedSight], Self]:
        """What each layer sees while the rows consume tokens, ``real`` (N, P) of them, and the slots when it has written there.

        Each token becomes one slot of its sentence. It sees the past of its row, those before it, and itself.
        """
        count = real.shape[1]
        own, room = self._claimed(rows, count)  # (N, P) slots
        after = room.visible.scatter(1, own, real)
        if count == 1:
            mask = room.visible.scatter(1, own, True)[:, None]
        else:
            before = torch.ones(count, count, dtype=torch.bool, device=real.device).tril_()
            mask = room.visible[:, None].expand(-1, count, -1)
            mask = mask.scatter(2, own[:, None].expand(-1, count, -1), before.expand(len(own), -1, -1))  # (N, P, R)
        # Nothing is hidden from the rows that fill up a sentence: all stay finite.
        bias = None if bool(mask.all()) else rows.fold(bias_of(mask, self.keys.dtype)).flatten(1, 2)[:, None]
        _, _, heads, slots, _ = room.keys.shape
        head = rows.sentence[:, None] * heads + torch.arange(heads, device=own.device)  # (N, H)
        written = (head[:, None] * slots + own[:, :, None]).flatten()
        sights = [
            CachedSight(bias, turn, rows=rows, keys=keys, values=values, written=written, used=room.used)
            for keys, values in zip(room.keys.unbind(0), room.values.unbind(0), strict=True)
        ]
        return sights, replace(room, visible=after)

    def _claimed(self, rows: Rows, count: int) -> tuple[Tensor, Self]:
        """For each row ``count`` slots (N, P) of its sentence that no row sees and no other gets, and the cache that has them."""
        if rows.width == 1 and bool(self.visible.all()):  # as in greedy search: none is free
            ahead = torch.arange(self.used, self.used + count, device=self.visible.device)
            return ahead.expand(len(self.visible), -1), self.with_room(self.used + count)
        wanted = rows.width * count
        taken = rows.fold(self.visible).any(1)  # (B, R)
        needed = int(taken.sum(1).max()) + wanted
        room = self.with_room(filled(max(needed, self.used)))
        free = functional.pad(taken.logical_not_(), (0, room.used - self.used), value=True).byte().topk(wanted).indices
        return rows.unfold(free.view(rows.sentences, rows.width, count)), room


@dataclass(frozen=True)
class SlotPasts:
    """The part of a decoder that makes them."""

    heads: int  # H
    width: int  # D

    def whole(self, x: Tensor, turn: Turn) -> Sight:
        """Of a layer that reads all there is at once: each position sees itself and those before it."""
        return Sight(causal_bias(x.shape[1], x), turn)

    def begin(self, rows: Rows, layers: int, like: Tensor) -> Slots:
        """No slots, and room for a translation that is somewhat longer than the source."""
        slots = filled(like.shape[1] + like.shape[1] // 4)
        room = like.new_empty(2, layers, rows.sentences, self.heads, slots, self.width // self.heads)
        return Slots(torch.zeros(len(rows.sentence), 0, dtype=torch.bool, device=like.device), room[0], room[1])

    def begin_solo(self, layers: int, like: Tensor) -> SoloSlots:
        """No slots, for one sentence by itself."""
        return SoloSlots.none(layers, self.width, like)
