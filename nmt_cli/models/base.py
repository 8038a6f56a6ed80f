"""What a model is to the rest of the house, and the letters in which shapes are written.

    B  sentences of a batch        N  rows: hypotheses, any number for each sentence, sentence by sentence
    S  source length               T  target length (both count EOS)
    P  tokens consumed at once     R  slots of a cache
    D  width                       H  heads
    L  layers                      V  vocabulary, V' its columns that are scored

The batch is dimension 0 of every tensor that crosses a function. Masks are bool, True = real token. Log-probabilities are
natural and float32 (float64 in a float64 model); impossible is -inf.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, Protocol, Self, TypeVar

import torch
from torch import Tensor, nn

from nmt_cli.corpus.batching import Batch, Sequences


@dataclass(frozen=True)
class Loss:
    """Sums over target tokens and their number; the division happens once, at the end.

    ``total`` is what is minimised, ``nll`` the negative log-likelihood without label smoothing, ``count`` the tokens.
    """

    total: Tensor  # ()
    nll: Tensor  # ()
    count: int


class Model(nn.Module, ABC):
    """Anything that can be trained."""

    @abstractmethod
    def loss(self, batch: Batch, carry: object | None, *, smoothing: float) -> tuple[Loss, object | None]:
        """The loss of a batch, and what the next batch of the same streams needs (None unless the task has streams)."""


@dataclass(frozen=True)
class Memory:
    """What an encoder hands on. It stays as it is while the decoder runs."""

    outputs: Tensor  # (B, S, D) one vector for each source token; on padding anything finite
    mask: Tensor  # (B, S)
    final: tuple[
        Tensor, ...
    ]  # (B, L, D) each: the recurrent states behind the true end (h; or h and c); empty for others


class State(Protocol):
    """All that a decoder needs to go one step further: the memory of the encoder, which stays as it is, and what was consumed.

    A state is spent by ``step``, ``advance`` and ``reorder``; whoever needs it again calls ``select`` first.
    """

    @property
    def rows(self) -> Rows:
        """Which sentence each row belongs to."""
        ...

    def reorder(self, rows: Tensor) -> Self:
        """Row i goes on from row ``rows[i]``. Rows move, repeat and vanish inside their sentence; every sentence keeps one."""
        ...

    def select(self, rows: Tensor) -> Self:
        """A copy in which sentences may also leave, repeat or change places; it never disturbs the original."""
        ...


S = TypeVar("S", bound=State)


class Decodable(Model, Generic[S]):
    """A model that search can decode: its own first token, then one step after the other."""

    eos: int

    @abstractmethod
    def start(self, source: Sequences) -> tuple[Tensor, S]:
        """Encode. Returns the first tokens (B,) to be consumed and a state with one row for each sentence."""

    @abstractmethod
    def advance(self, tokens: Tensor, lengths: Tensor, state: S) -> tuple[Scores, S]:
        """Consume ``lengths`` (N,) of the ``tokens`` (N, P) of each row at once; scores of what comes behind the last."""

    def step(self, tokens: Tensor, state: S) -> tuple[Scores, S]:
        """Consume one token (N,) of each row."""
        return self.advance(tokens[:, None], torch.ones_like(tokens), state)

    @abstractmethod
    def log_probs(self, batch: Batch) -> Tensor:
        """Teacher forcing: the log-probability (B, T) of each target token, 0 on padding."""


class Scores:
    """What a model thinks of the next token, in raw form: the normaliser and the attention are computed when asked for."""

    def __init__(self, logits: Tensor, columns: Tensor, attention: Callable[[], Tensor | None] = lambda: None) -> None:
        """``logits`` (N, V'); ``columns`` (V',) the ids they stand for, ascending; ``attention`` () -> (N, S)."""
        self.logits = logits
        self.columns = columns
        self._attention = attention

    @cached_property
    def normaliser(self) -> Tensor:
        """(N, 1) log of the sum of exponentials, over all columns."""
        return self.logits.logsumexp(1, keepdim=True)

    @cached_property
    def attention(self) -> Tensor | None:
        """(N, S) weights over the source, or None where the model has none."""
        return self._attention()

    def log_probs(self) -> Tensor:
        """(N, V')"""
        return self.logits - self.normaliser

    def best(self, k: int) -> tuple[Tensor, Tensor]:
        """The ``k`` (at most V') best tokens of each row: log-probabilities (N, k), descending, and ids (N, k)."""
        values, places = top(self.logits, min(k, self.logits.shape[1]))
        return values - self.normaliser, self.columns[places]

    def of(self, tokens: Tensor) -> Tensor:
        """(N,) the log-probability of one token a row; -inf for a token that is no column."""
        places = torch.searchsorted(self.columns, tokens.contiguous()).clamp(max=len(self.columns) - 1)
        values = (self.logits.gather(1, places[:, None]) - self.normaliser)[:, 0]
        return values.masked_fill(self.columns[places] != tokens, -torch.inf)


def top(values: Tensor, k: int, block: int = 64) -> tuple[Tensor, Tensor]:
    """``torch.topk`` over the last dimension of (N, V), by blocks.

    The k best values lie in the k blocks with the highest maxima, so only those are sorted: exact, and several times faster for
    a small k in a large vocabulary.
    """
    rows, columns = values.shape
    blocks = columns // block
    if k == 1:
        best = values.max(1, keepdim=True)
        return best.values, best.indices
    if blocks < 4 * k:
        return values.topk(k)
    head = values[:, : blocks * block].view(rows, blocks, block)
    chosen = head.amax(2).topk(k).indices  # (N, k)
    pool = head.gather(1, chosen[:, :, None].expand(-1, -1, block)).view(rows, -1)
    places = (chosen[:, :, None] * block + torch.arange(block, device=values.device)).view(rows, -1)
    if blocks * block < columns:
        tail = torch.arange(blocks * block, columns, device=values.device).expand(rows, -1)
        pool, places = torch.cat([pool, values[:, blocks * block :]], 1), torch.cat([places, tail], 1)
    best_values, inside = pool.topk(k)
    return best_values, places.gather(1, inside)


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
