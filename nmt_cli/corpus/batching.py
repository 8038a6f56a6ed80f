"""From ids to batches: padded tensors, and the order in which a corpus is read.

The order is a function of (seed, epoch) and of nothing else, so that a training that was stopped goes on where it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nmt_cli.text.tokenizer import EOS, PAD

Indices = npt.NDArray[np.int64]


class IdColumn(Protocol):
    """One side of rows: as they lie in a prepared corpus, or drawn afresh."""

    def ids(self, index: int) -> npt.NDArray[Any]:
        """Of one row, without EOS."""
        ...


class IdTable(Protocol):
    """Rows of ids, column by column."""

    def __getitem__(self, column: str) -> IdColumn: ...


@dataclass(frozen=True)
class Sequences:
    """Sequences of ids side by side, padded at the end."""

    tokens: Tensor  # (B, T) long, PAD behind each end
    lengths: Tensor  # (B,) long, at least 1

    @classmethod
    def of(cls, rows: Iterable[Sequence[int] | npt.NDArray[np.integer]], *, end: Sequence[int] = (EOS,)) -> Sequences:
        """Pad rows of ids, each with ``end`` behind it."""
        arrays = [np.concatenate([np.asarray(row, dtype=np.int64), np.asarray(end, dtype=np.int64)]) for row in rows]
        lengths = np.array([len(array) for array in arrays], dtype=np.int64)
        tokens = np.full((len(arrays), int(lengths.max(initial=0))), PAD, dtype=np.int64)
        tokens[np.arange(tokens.shape[1]) < lengths[:, None]] = np.concatenate(arrays) if arrays else []
        return cls(torch.from_numpy(tokens), torch.from_numpy(lengths))

    @cached_property
    def mask(self) -> Tensor:
        """(B, T) bool, True = real token."""
        return torch.arange(self.tokens.shape[1], device=self.tokens.device) < self.lengths[:, None]

    def __len__(self) -> int:
        return len(self.tokens)

    def to(self, device: torch.device) -> Sequences:
        """The same on another device."""
        return Sequences(self.tokens.to(device), self.lengths.to(device))

    def twice(self) -> Sequences:
        """All of them, and then all of them again."""
        return Sequences(self.tokens.repeat(2, 1), self.lengths.repeat(2))


@dataclass(frozen=True)
class Batch:
    """Pairs to learn from or to score; both sides end in EOS."""

    source: Sequences
    target: Sequences

    @classmethod
    def of(cls, dataset: IdTable, indices: Iterable[int]) -> Batch:
        """The pairs of a dataset at these places."""
        chosen = list(indices)
        return cls(
            Sequences.of(dataset["source"].ids(index) for index in chosen),
            Sequences.of(dataset["target"].ids(index) for index in chosen),
        )

    def to(self, device: torch.device) -> Batch:
        """The same on another device."""
        return Batch(self.source.to(device), self.target.to(device))

    def twice(self) -> Batch:
        """All pairs, and then all of them again."""
        return Batch(self.source.twice(), self.target.twice())


@dataclass(frozen=True)
class TextBatch:
    """Text to predict, token by token: lines that each begin anew, or a stretch of several streams side by side.

    Every line begins behind the EOS of another, the first one too.
    """

    inputs: Tensor  # (B, T) long: what is read
    targets: Tensor  # (B, T) long: what comes next
    mask: Tensor  # (B, T) bool
    begins: bool = True  # nothing is carried into it
    ends: bool = True  # nothing is carried out of it

    @classmethod
    def of(cls, lines: Iterable[Sequence[int] | npt.NDArray[np.integer]]) -> TextBatch:
        """Lines of ids, each for itself."""
        targets = Sequences.of(lines)
        first = targets.tokens.new_full((len(targets), 1), EOS)
        return cls(torch.cat([first, targets.tokens[:, :-1]], 1), targets.tokens, targets.mask)


@dataclass(frozen=True)
class LabelledBatch:
    """Texts, which end in EOS, and the label of each."""

    texts: Sequences
    labels: Tensor  # (B,) long

    @classmethod
    def of(cls, dataset: IdTable, indices: Iterable[int]) -> LabelledBatch:
        """The texts of a dataset at these places."""
        chosen = list(indices)
        labels = [int(dataset["label"].ids(index)[0]) for index in chosen]
        return cls(Sequences.of(dataset["text"].ids(index) for index in chosen), torch.tensor(labels))


def by_length(order: Indices, keys: Sequence[npt.NDArray[np.int64]], budget: int) -> list[Indices]:
    """Cut a sequence of places into batches of similar length.

    ``order`` is sorted by ``keys`` (the first counts most; ties keep their order) and cut so that no batch holds more than
    ``budget`` tokens of the first key, padding counted; a longer row is a batch of its own. Where the first key is odd the others
    descend: a batch that holds rows of two lengths finds their neighbours in the other keys too.
    """
    first, *others = [key[order] for key in keys]
    order = order[np.lexsort([*(np.where(first % 2, -other, other) for other in reversed(others)), first])]
    lengths = keys[0][order]
    batches, start = [], 0
    while start < len(order):
        # The lengths ascend, so the last row of a batch is its longest: rows x longest <= budget.
        reach = min(len(order), start + max(1, budget // max(1, int(lengths[start]))))
        sizes = np.arange(1, reach - start + 1) * lengths[start:reach]
        stop = start + max(1, int(np.searchsorted(sizes, budget, side="right")))
        batches.append(order[start:stop])
        start = stop
    return batches


def shared_out(lengths: npt.NDArray[np.int64], budget: int, among: int) -> list[Indices]:
    """Batches of similar length (see ``by_length``) as equal as can be, at most as many as are shared evenly ``among`` so many.

    ``lengths`` (n,) tokens of each row.
    """
    order = np.arange(len(lengths))
    batches = by_length(order, (lengths,), budget)
    wanted = ceil(len(batches) / among) * among
    enough, too_little = budget, 0  # of tokens in a batch, for so many batches
    while among > 1 and enough - too_little > 1:
        between = (enough + too_little) // 2
        found = by_length(order, (lengths,), between)
        if len(found) <= wanted:
            batches, enough = found, between
        else:
            too_little = between
    return batches


def epoch(lengths: Sequence[npt.NDArray[np.int64]], *, budget: int, seed: int, number: int) -> list[Indices]:
    """The batches of one epoch, each an array of places, in the order in which they are learnt from.

    Rows are shuffled, then sorted by length inside equal windows of about a hundred batches (bucketing is worth a factor of two on
    short sentences; windows keep batches different from epoch to epoch), and the batches are shuffled again.

    ``lengths``: of each row, EOS counted, the column that counts most first, (n,) each. ``budget``: tokens of that column in a
    batch, padding counted.
    """
    draw = np.random.Generator(np.random.Philox(key=[seed, number]))
    shuffled = draw.permutation(len(lengths[0]))
    windows = max(1, round(int(lengths[0].sum()) / (100 * budget)))
    batches: list[Indices] = []
    for window in np.array_split(shuffled, windows):
        batches += by_length(window, lengths, budget)
    return [batches[place] for place in draw.permutation(len(batches))]
