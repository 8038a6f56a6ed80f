"""Any number of rows (hypotheses) for each sentence, and how they find the memory of their sentence.

Letters: B sentences, N rows, W the most rows that a sentence has.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


def closing_up(sentence: Tensor) -> tuple[Tensor, Tensor]:
    """An order (N,) of rows whose ``sentence`` (N,) may have lost others, and the sentence (N,) of each in it, without gaps.

    The last sentences take the places of those who have left, so that no more of them move than have left.
    """
    present = torch.bincount(sentence) > 0
    count = int(present.sum())
    places = torch.arange(len(present), device=sentence.device)
    places[count:][present[count:]] = places[:count][~present[:count]]
    placed, order = torch.sort(places[sentence], stable=True)
    return order, placed


def staying(stays: Tensor) -> Tensor:
    """(B',) the places of the sentences where ``stays`` (B,) is true, in the order in which few of them move."""
    places = torch.nonzero(stays)[:, 0]
    order, _ = closing_up(places)
    return places[order]


@dataclass(frozen=True)
class Closing:
    """Sentences have left or changed places, and those that go on stand side by side."""

    kept: Tensor  # (B',) which sentence comes to each place
    moving: Tensor  # (M,) the places to which another comes

    @classmethod
    def of(cls, kept: Tensor) -> Closing:
        """From the sentence (B',) of each place."""
        return cls(kept, torch.nonzero(kept != torch.arange(len(kept), device=kept.device))[:, 0])

    def within(self, held: Tensor) -> Tensor:
        """What is ``held`` (B, ...) of each sentence, in the same memory (B', ...): only what moves is copied."""
        if len(self.moving):
            held.index_copy_(0, self.moving, held.index_select(0, self.kept[self.moving]))
        return held[: len(self.kept)]


@dataclass(frozen=True)
class Rows:
    """Which sentence each row belongs to. Rows stand sentence by sentence, and each has one at least.

    The memory of a sentence is never copied for its rows: ``fold`` brings the rows to the sentences instead, as a
    (B, W, ...) view where all sentences have equally many rows, through one scatter where they have not.
    """

    sentence: Tensor  # (N,) long, ascending, each in 0 .. B - 1
    sentences: int  # B
    width: int  # W, the most rows that a sentence has
    place: Tensor | None  # (N,) where each row stands in the folded (B * W); None where that is its own number

    @classmethod
    def of(cls, sentence: Tensor) -> Rows:
        """From the sentence of each row (N,), ascending."""
        counts = torch.bincount(sentence)
        sentences, width = len(counts), int(counts.max())
        if sentences * width == len(sentence):
            return cls(sentence, sentences, width, None)
        first = torch.cumsum(counts, 0) - counts
        inside = torch.arange(len(sentence), device=sentence.device) - first[sentence]
        return cls(sentence, sentences, width, sentence * width + inside)

    @classmethod
    def one_each(cls, sentences: int, device: torch.device) -> Rows:
        """One row for each sentence."""
        return cls(torch.arange(sentences, device=device), sentences, 1, None)

    def fold(self, values: Tensor) -> Tensor:
        """(N, ...) -> (B, W, ...), zero where a sentence has fewer rows."""
        if self.place is not None:
            room = values.new_zeros(self.sentences * self.width, *values.shape[1:])
            values = room.index_copy_(0, self.place, values)
        return values.view(self.sentences, self.width, *values.shape[1:])

    def unfold(self, values: Tensor) -> Tensor:
        """(B, W, ...) -> (N, ...)"""
        flat = values.reshape(self.sentences * self.width, *values.shape[2:])
        return flat if self.place is None else flat[self.place]

    def go_on(self, rows: Tensor) -> tuple[Rows, Closing | None]:
        """The layout when row i goes on from ``rows[i]``, and how sentences close up; None where all stay in their places.

        Raises ValueError where the rows of a sentence do not stand together: ``select`` lets sentences repeat.
        """
        sentence = self.sentence[rows]
        if torch.equal(sentence, self.sentence):
            return self, None
        kept, renumbered = torch.unique_consecutive(sentence, return_inverse=True)
        closing = Closing.of(kept)
        if len(closing.moving) and len(kept.unique()) < len(kept):
            raise ValueError("reorder must keep the rows of a sentence together; select lets sentences repeat")
        stay = len(kept) == self.sentences and not len(closing.moving)
        return Rows.of(renumbered), None if stay else closing

    def pick(self, rows: Tensor) -> tuple[Rows, Tensor]:
        """The layout when row i goes on from ``rows[i]``, in any order, and the sentences (B',) that it takes."""
        kept, renumbered = torch.unique_consecutive(self.sentence[rows], return_inverse=True)
        return Rows.of(renumbered), kept
