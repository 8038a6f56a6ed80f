"""The language model: a decoder without an encoder. It reads a text and says at each place what comes next.

    p(text) = product over t of p(token_t | token_1 .. token_{t-1})

Recurrent: Mikolov et al. 2010, Zaremba et al. 2014. Its decoder is that of an encoder-decoder that looks at no memory; its output
layer may share the embedding (Press & Wolf 2017; Inan et al. 2017).
"""

from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from nmt_cli.corpus.batching import Batch, Sequences, TextBatch
from nmt_cli.models.base import Carry, Decodable, Loss, Memory
from nmt_cli.models.encoder_decoder import Decoder
from nmt_cli.models.layers import Output, put_back
from nmt_cli.models.packing import EXACT, Packing
from nmt_cli.scoring.scorer import State
from nmt_cli.scoring.scores import Scores
from nmt_cli.settings import Sizes
from nmt_cli.text.tokenizer import EOS, UNK

S = TypeVar("S", bound=State)


class LanguageModel(Decodable[S], Generic[S]):
    """A decoder and an output layer."""

    eos = EOS

    def __init__(self, decoder: Decoder[S], output: Output) -> None:
        super().__init__()
        self.decoder = decoder
        self.output = output

    def loss(self, batch: TextBatch, carry: Carry = None, *, smoothing: float = 0.0) -> tuple[Loss, Carry]:
        """Sums over the real tokens of the batch. What is carried is detached: backpropagation through time ends there."""
        hidden, carried = self._read(batch, carry)
        total, nll = self.output.loss(hidden[batch.mask], batch.targets[batch.mask], smoothing)
        return Loss(total, nll, int(batch.mask.sum())), None if batch.ends else carried

    def token_log_probs(self, batch: TextBatch, carry: Carry = None) -> tuple[Tensor, Carry]:
        """(B, T) the log-probability of each target, 0 on padding, and what is carried out of the batch."""
        hidden, carried = self._read(batch, carry)
        found = self.output.of(hidden[batch.mask], batch.targets[batch.mask])
        return put_back(found, batch.mask), None if batch.ends else carried

    def _read(self, batch: TextBatch, carry: Carry) -> tuple[Tensor, Carry]:
        memory = Memory.empty(len(batch.inputs), self.output.embedding)
        return self.decoder.read(batch.inputs, memory, None if batch.begins else carry)

    def pack(self, packing: Packing = EXACT) -> None:
        """See Decodable."""
        self.decoder.pack(packing)
        self.output.pack(packing)

    def start(self, source: Sequences) -> tuple[Tensor, S]:
        """Go on behind what was said before, ``source`` (B, S), S at least 1: a line begins behind an EOS.

        Its last tokens (B,) are the first to be consumed; what stands before them is consumed here.
        """
        state = self.decoder.start(Memory.empty(len(source), self.output.embedding))
        before = source.lengths - 1
        if int(before.max()) > 0:
            _, state = self.decoder.advance(source.tokens[:, :-1], before, state)
        return source.tokens.gather(1, before[:, None])[:, 0], state

    def advance(self, tokens: Tensor, lengths: Tensor, state: S) -> tuple[Scores, S]:
        """Consume ``lengths`` (N,) of the ``tokens`` (N, P) of each row at once."""
        hidden, state = self.decoder.advance(tokens, lengths, state)
        return self.output.scores(hidden), state

    def log_probs(self, batch: Batch) -> Tensor:
        """(B, T) of each target token behind its source, 0 on padding."""
        return put_back(self.output.of(*self._hidden(batch)), batch.target.mask)

    def _hidden(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Hidden states (M, D) in front of the M real target tokens, and these (M,)."""
        source, target = batch.source, batch.target
        places = torch.arange(source.tokens.shape[1] + target.tokens.shape[1] - 1, device=source.tokens.device)
        behind = places - source.lengths[:, None]  # (B, S + T - 1) place in the target; negative inside the source
        tokens = torch.where(
            behind < 0,
            source.tokens.gather(1, places.clamp(max=source.tokens.shape[1] - 1).expand(len(source), -1)),
            target.tokens.gather(1, behind.clamp(0, target.tokens.shape[1] - 1)),
        )
        hidden = self.decoder(tokens, Memory.empty(len(source), self.output.embedding))
        first = source.lengths[:, None] - 1 + torch.arange(target.tokens.shape[1], device=tokens.device)
        found = hidden.gather(1, first[:, :, None].expand(-1, -1, hidden.shape[2]))
        return found[target.mask], target.tokens[target.mask]


def output_of(table: nn.Parameter, sizes: Sizes) -> Output:
    """The output layer over a table (V, D); where a text may hold unknown words, they are predicted like any other."""
    return Output(table, UNK if sizes.unknown else EOS)
