"""The encoder-decoder: an encoder turns the source into a memory, a decoder reads the memory and what it has produced so far.

    p(target | source) = product over t of p(target_t | target_1 .. target_{t-1}, memory(source))

Sutskever et al. 2014; Cho et al. 2014. This file holds what all of them share; the encoders and decoders are the other files.
"""

from abc import abstractmethod
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from nmt_cli.corpus.batching import Batch, Sequences
from nmt_cli.models.base import Carry, Decodable, Loss, Memory
from nmt_cli.models.layers import Output, put_back, shifted
from nmt_cli.models.packing import EXACT, Packing
from nmt_cli.scoring.scorer import State
from nmt_cli.scoring.scores import Scores
from nmt_cli.text.tokenizer import BOS, EOS

S = TypeVar("S", bound=State)


class Encoder(nn.Module):
    """Source -> memory."""

    @abstractmethod
    def forward(self, source: Sequences) -> Memory:
        """Padding does not touch what is remembered of the real tokens."""

    def pack(self, packing: Packing) -> None:
        """Prepare for reading alone, where that is worth while: what becomes of the weights afterwards is not seen any more."""
        del packing


class Decoder(nn.Module, Generic[S]):
    """Memory and what was produced so far -> hidden states, from which the output layer predicts."""

    aligning: int = 0
    """Of the layers that look at the memory, from 0, the one whose attention is taken for the alignment."""

    @property
    @abstractmethod
    def looking(self) -> int:
        """How many of its layers look at the memory."""

    def pack(self, packing: Packing) -> None:
        """Prepare for decoding alone, where that is worth while: what becomes of the weights afterwards is not seen any more."""
        del packing

    @abstractmethod
    def forward(self, tokens: Tensor, memory: Memory) -> Tensor:
        """Teacher forcing: the hidden states (B, T, D) behind each of the ``tokens`` (B, T), the first token included.

        Padding at the end does not touch what stands before it.
        """

    @abstractmethod
    def start(self, memory: Memory) -> S:
        """The state with one row for each sentence and nothing consumed. What depends on the memory alone is computed here."""

    @abstractmethod
    def advance(self, tokens: Tensor, lengths: Tensor, state: S) -> tuple[Tensor, S]:
        """Consume ``lengths`` (N,) of the ``tokens`` (N, P); the hidden state (N, D) behind the last of each row."""

    @abstractmethod
    def attention(self, hidden: Tensor, state: S) -> Tensor | None:
        """(N, S) weights over the source in the step that led to ``hidden`` (N, D) and ``state``; None where there are none.

        Where several layers look, they are those of ``aligning``.
        """

    @abstractmethod
    def alignments(self, tokens: Tensor, memory: Memory) -> list[Tensor]:
        """(B, T, S) of each layer that looks, the lowest first, by teacher forcing: where it looks at each position."""

    def alignment(self, tokens: Tensor, memory: Memory) -> Tensor | None:
        """(B, T, S) of the layer ``aligning``; None where none looks."""
        return self.alignments(tokens, memory)[self.aligning] if self.looking else None

    def read(self, tokens: Tensor, memory: Memory, carry: Carry) -> tuple[Tensor, Carry]:
        """A stretch of a stream: hidden states (B, T, D) behind each of the ``tokens``, and what the next stretch begins with.

        ``carry`` is what an earlier call gave, None at the beginning; the batch is dimension 0 of each of its tensors. A decoder
        that can carry nothing begins each stretch anew.
        """
        del carry
        hidden: Tensor = self(tokens, memory)
        return hidden, None


class EncoderDecoder(Decodable[S]):
    """An encoder, a decoder and an output layer."""

    eos = EOS

    def __init__(self, encoder: Encoder, decoder: Decoder[S], output: Output) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.output = output

    def loss(self, batch: Batch, carry: Carry = None, *, smoothing: float = 0.0) -> tuple[Loss, None]:
        """Sums over the real target tokens of the batch. There is no carry: sentences are independent."""
        del carry
        hidden, targets = self._hidden(batch)
        total, nll = self.output.loss(hidden, targets, smoothing)
        return Loss(total, nll, len(targets)), None

    def agreement_loss(self, batch: Batch, *, smoothing: float, weight: float) -> Loss:
        """The loss of two passes with what they disagree in (R-Drop), sums over the real target tokens of the batch.

        Both are one pass over twice the rows, which fills the processor better. Each row has dropout of its own; weights that are
        dropped (``recurrent_dropout``) are dropped for both.
        """
        hidden, targets = self._hidden(batch.twice())
        one, other = hidden.tensor_split(2)
        total, nll = self.output.agreement((one, other), targets[: len(one)], smoothing, weight)
        return Loss(total, nll, len(one))

    def log_probs(self, batch: Batch) -> Tensor:
        """(B, T) by teacher forcing, 0 on padding."""
        return put_back(self.output.of(*self._hidden(batch)), batch.target.mask)

    def _hidden(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Hidden states (M, D) and targets (M,) of the M real target tokens: the output layer never sees padding."""
        hidden = self.decoder(shifted(batch.target.tokens), self.encoder(batch.source))
        return hidden[batch.target.mask], batch.target.tokens[batch.target.mask]

    def pack(self, packing: Packing = EXACT) -> None:
        """See Decodable."""
        self.encoder.pack(packing)
        self.decoder.pack(packing)
        self.output.pack(packing)

    def start(self, source: Sequences) -> tuple[Tensor, S]:
        """The first tokens (B,) and the state of the encoded source."""
        return torch.full_like(source.lengths, BOS), self.decoder.start(self.encoder(source))

    def advance(self, tokens: Tensor, lengths: Tensor, state: S) -> tuple[Scores, S]:
        """Consume ``lengths`` (N,) of the ``tokens`` (N, P) of each row at once."""
        hidden, state = self.decoder.advance(tokens, lengths, state)
        return self.output.scores(hidden, lambda: self.decoder.attention(hidden, state)), state
