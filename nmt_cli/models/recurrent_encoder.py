"""Recurrent encoders: a stack over the source, and the source read from its end."""

from __future__ import annotations

from dataclasses import replace

from nmt_cli.corpus.batching import Sequences
from nmt_cli.models.base import Memory
from nmt_cli.models.cells import reverse
from nmt_cli.models.encoder_decoder import Encoder
from nmt_cli.models.recurrent_stack import Stack
from nmt_cli.models.word_embedding import WordEmbedding


class RecurrentEncoder(Encoder):
    """Embeddings, then a stack. It reads one way or both: that is a matter of the layers in the stack.

    The memory holds the uppermost outputs, and of all layers the states at the true end of each row.
    """

    def __init__(self, embedding: WordEmbedding, stack: Stack) -> None:
        super().__init__()
        self.embedding = embedding
        self.stack = stack

    def forward(self, source: Sequences) -> Memory:
        """``outputs`` (B, S, D), ``final`` h (and c) (B, L, D)."""
        x = self.embedding(source.tokens)
        outputs, final = self.stack(x, source.mask, self.stack.rest(x))
        return Memory(outputs, source.mask, final)


class ReversedSource(Encoder):
    """Another encoder that gets each source from its last word to its first (Sutskever et al. 2014, section 3.3).

    The first words of source and target come close to each other. EOS stays behind; the memory stands in the order of the source.
    """

    def __init__(self, encoder: RecurrentEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    @property
    def embedding(self) -> WordEmbedding:
        """That of the encoder; it gives its vectors in the order of reading."""
        return self.encoder.embedding

    def forward(self, source: Sequences) -> Memory:
        """As the encoder's."""
        words = source.lengths - 1
        memory: Memory = self.encoder(Sequences(reverse(source.tokens, words), source.lengths))
        return replace(memory, outputs=reverse(memory.outputs, words))
