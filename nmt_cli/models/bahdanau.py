"""The decoder of Bahdanau et al. 2015: it looks first, and what it sees enters the cell.

    c_i = attention of s_{i-1} over the memory
    s_i = cell([E y_{i-1}; c_i], s_{i-1})
    t_i = maxout(U s_i + V E y_{i-1} + C c_i)

The readout takes s_i, as equation 4 has it (appendix A.2.2 has s_{i-1}, which cannot know y_{i-1} but by V E). With several layers
it is the lowest that looks and sees; the others read it (Wu et al. 2016).
"""

import torch
from torch import Tensor, nn

from nmt_cli.models.alignment import Attention
from nmt_cli.models.attention_decoder import AttentionState, AttentiveDecoder, Passage, by_sentence
from nmt_cli.models.bridge import Bridge
from nmt_cli.models.recurrent_stack import Stack, apart, together
from nmt_cli.models.word_embedding import WordEmbedding


class BahdanauDecoder(AttentiveDecoder):
    """A loop over time through attention and the lowest cell; the layers above and the readout come after it."""

    def __init__(
        self, embedding: WordEmbedding, bridge: Bridge, stack: Stack, attend: Attention, dropout: nn.Module
    ) -> None:
        super().__init__(embedding, bridge, stack, attend)
        self.feed = nn.Linear(stack.width, stack.cells[0].blocks * stack.width, bias=False)
        self.readout = Maxout(2 * stack.width + embedding.width, embedding.width)
        self.dropout = dropout

    def passage(self, tokens: Tensor, mask: Tensor, state: AttentionState) -> Passage:
        """In the loop there is only what depends on s_{i-1}."""
        embedded = self.embedding(tokens)
        cell, *upper = self.stack.cells
        prepared, matrix = cell.prepare(embedded), cell.matrix()
        lowest, above = apart(state.states)
        outputs, contexts, queries = [], [], []
        for t in range(tokens.shape[1]):
            query = lowest[0][:, None]
            context = by_sentence(self.attend, query, state)
            read, lowest = cell.run(prepared[:, t : t + 1] + self.feed(context), mask[:, t : t + 1], lowest, matrix)
            outputs.append(read)
            contexts.append(context)
            queries.append(query)
        x, above = self.stack.climb(upper, self.stack.dropout(torch.cat(outputs, 1)), mask, above, first=1)
        hidden = self.dropout(self.readout(torch.cat([x, embedded, torch.cat(contexts, 1)], 2)))
        return hidden, torch.cat(queries, 1), together(lowest, above)


class Maxout(nn.Module):
    """The larger of two linear maps, feature by feature (Goodfellow et al. 2013)."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.expand = nn.Linear(inputs, 2 * width)

    def forward(self, values: Tensor) -> Tensor:
        """(..., D') -> (..., D)"""
        return torch.maximum(*self.expand(values).chunk(2, -1))
