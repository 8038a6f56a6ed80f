"""Any number of rows (hypotheses) for each sentence, and how they find the memory of their sentence.

Letters: B sentences, N rows, W the most rows that a sentence has.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_GAPS = 8
"""One sentence in so many may be without rows before its memory is given up: each time, all other memories are copied."""


@dataclass(frozen=True)
class Rows:
    """Which sentence each row belongs to. Rows stand sentence by sentence; a sentence that has left has none.

    The memory of a sentence is never copied for its rows: ``fold`` brings the rows to the sentences instead, as a
    (B, W, ...) view where all sentences have equally many rows, through one scatter where they have not.
    """

    sentence: Tensor  # (N,) long, ascending, each in 0 .. B - 1
    sentences: int  # B
    width: int  # W, the most rows that a sentence has
    place: Tensor | None  # (N,) where each row stands in the folded (B * W); None where that is its own number

    @classmethod
    def of(cls, sentence: Tensor, sentences: int = 0) -> Rows:
        """From the sentence of each row (N,), ascending; ``sentences`` B where the last of them may have no row."""
        counts = torch.bincount(sentence, minlength=sentences)
        sentences, width = len(counts), int(counts.max())
        if sentences * width == len(sentence):
            return cls(sentence, sentences, width, None)
        if width == 1:
            return cls(sentence, sentences, 1, sentence)
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

    def go_on(self, rows: Tensor) -> tuple[Rows, Tensor | None]:
        """The layout when row i goes on from ``rows[i]``, inside its sentence; a sentence leaves with its last row.

        Those that have left keep their places until they are many. Then the others close up, and the second value says which
        they are: (B',) sentences, ascending; else it is None.

        Raises ValueError where rows do not stand in the order of their sentences.
        """
        sentence = self.sentence[rows]
        if torch.equal(sentence, self.sentence):
            return self, None
        if bool((sentence[1:] < sentence[:-1]).any()):
            raise ValueError("reorder must keep sentences in their order; select lets them change places")
        kept, renumbered = torch.unique_consecutive(sentence, return_inverse=True)
        if (self.sentences - len(kept)) * _GAPS >= self.sentences:
            return Rows.of(renumbered), kept
        return Rows.of(sentence, self.sentences), None

    def pick(self, rows: Tensor) -> tuple[Rows, Tensor]:
        """The layout when row i goes on from ``rows[i]``, in any order, and the sentences (B',) that it takes."""
        kept, renumbered = torch.unique_consecutive(self.sentence[rows], return_inverse=True)
        return Rows.of(renumbered), kept
