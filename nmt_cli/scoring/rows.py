"""Any number of rows (hypotheses) for each sentence, and how they find the memory of their sentence.

Letters: B sentences, N rows, W the most rows that a sentence has.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Rows:
    """Which sentence each row belongs to. Rows stand sentence by sentence; every sentence has at least one.

    The memory of a sentence is never copied for its rows: ``fold`` brings the rows to the sentences instead, as a
    (B, W, ...) view where all sentences have equally many rows, through one scatter where they have not.
    """

    sentence: Tensor  # (N,) long, ascending from 0 to B - 1
    sentences: int  # B
    width: int  # W, the most rows that a sentence has
    place: Tensor | None  # (N,) where each row stands in the folded (B * W); None where that is its own number

    @classmethod
    def of(cls, sentence: Tensor) -> Rows:
        """From the sentence of each row (N,), ascending without gaps."""
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

    @property
    def slot(self) -> Tensor:
        """(N,) which of its sentence's W places each row has."""
        if self.place is None:
            return torch.arange(len(self.sentence), device=self.sentence.device) % self.width
        return self.place - self.sentence * self.width

    def fold(self, values: Tensor) -> Tensor:
        """(N, ...) -> (B, W, ...), zero where a sentence has fewer rows."""
        if self.place is not None:
            room = values.new_zeros(self.sentences * self.width, *values.shape[1:])
            values = room.index_copy(0, self.place, values)
        return values.view(self.sentences, self.width, *values.shape[1:])

    def unfold(self, values: Tensor) -> Tensor:
        """(B, W, ...) -> (N, ...)"""
        flat = values.reshape(self.sentences * self.width, *values.shape[2:])
        return flat if self.place is None else flat[self.place]

    def inside(self, rows: Tensor) -> Rows:
        """``pick`` for rows that stay inside their sentences. Raises ValueError where a sentence is left without a row."""
        layout, sentences = self.pick(rows)
        if sentences is not None:
            raise ValueError("reorder must keep every sentence in its place; select lets sentences leave")
        return layout

    def pick(self, rows: Tensor) -> tuple[Rows, Tensor | None]:
        """The layout when row i goes on from ``rows[i]``, and the sentences (B',) that it takes (None: all, in order)."""
        if rows.shape == self.sentence.shape and bool((self.sentence[rows] == self.sentence).all()):
            return self, None
        kept, renumbered = torch.unique_consecutive(self.sentence[rows], return_inverse=True)
        everything = len(kept) == self.sentences and bool((kept[1:] > kept[:-1]).all())
        return Rows.of(renumbered), None if everything else kept
