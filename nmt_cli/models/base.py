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
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar

import torch
from torch import Tensor, nn

from nmt_cli.corpus.batching import Batch, Sequences
from nmt_cli.models.packing import EXACT, Packing
from nmt_cli.scoring.scorer import State
from nmt_cli.scoring.scores import Scores


@dataclass(frozen=True)
class Loss:
    """Sums over target tokens and their number; the division happens once, at the end.

    ``total`` is what is minimised, ``nll`` the negative log-likelihood without label smoothing, ``count`` the tokens.
    """

    total: Tensor  # ()
    nll: Tensor  # ()
    count: int


Carry = tuple[Tensor, ...] | None
"""What is carried from one stretch of a stream to the next, detached; the batch is dimension 0. None: nothing, or nothing yet."""


class Model(nn.Module, ABC):
    """Anything that can be trained."""

    @abstractmethod
    def loss(self, batch: Any, carry: Carry, *, smoothing: float) -> tuple[Loss, Carry]:
        """The loss of a batch (which the task makes), and what the next batch of the same streams begins with."""


@dataclass(frozen=True)
class Memory:
    """What an encoder hands on. It stays as it is while the decoder runs."""

    outputs: Tensor  # (B, S, D) one vector for each source token; on padding anything finite
    mask: Tensor  # (B, S)
    # (B, L, D) each: the recurrent states behind the true end (h; or h and c); empty for others
    final: tuple[Tensor, ...]

    @classmethod
    def empty(cls, sentences: int, like: Tensor) -> Memory:
        """Of an encoder that is not there, for a decoder that looks at none: S = 0; type and device are those of ``like``."""
        outputs = like.new_zeros(sentences, 0, 0)
        return cls(outputs, torch.zeros(sentences, 0, dtype=torch.bool, device=like.device), ())


S = TypeVar("S", bound=State)


class Decodable(Model, Generic[S]):
    """A model that search can decode: its own first token, then one step after the other."""

    eos: int

    def pack(self, packing: Packing = EXACT) -> None:
        """Prepare for decoding alone, where that is worth while: what becomes of the weights afterwards is not seen any more."""
        del packing

    @abstractmethod
    def start(self, source: Sequences) -> tuple[Tensor, S]:
        """Encode. Returns the first tokens (B,) to be consumed and a state with one row for each sentence."""

    def saying(self, wished: Sequence[Sequence[int]]) -> Self:
        """What begins with sentences of which the tokens ``wished`` (B, any) are asked for: itself, it can say everything."""
        del wished
        return self

    @abstractmethod
    def advance(self, tokens: Tensor, lengths: Tensor, state: S) -> tuple[Scores, S]:
        """Consume ``lengths`` (N,) of the ``tokens`` (N, P) of each row at once; scores of what comes behind the last."""

    def step(self, tokens: Tensor, state: S) -> tuple[Scores, S]:
        """Consume one token (N,) of each row."""
        return self.advance(tokens[:, None], torch.ones_like(tokens), state)

    @abstractmethod
    def log_probs(self, batch: Batch) -> Tensor:
        """Teacher forcing: the log-probability (B, T) of each target token, 0 on padding."""
