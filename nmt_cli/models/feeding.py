"""Input feeding (Luong et al. 2015, section 3.3): a decoder that is told where it has just looked.

    h = stack([E y; hidden'])           hidden' is what the step before gave
    hidden = tanh(W [context; h])

What a step reads depends on the attention of the step before, so training needs a loop over time through all of it.
"""

import torch
from torch import Tensor, nn

from nmt_cli.models.alignment import Attention
from nmt_cli.models.attention_decoder import AttentionState, AttentiveDecoder, Passage, by_sentence
from nmt_cli.models.bridge import Bridge
from nmt_cli.models.recurrent_stack import Stack, apart, together
from nmt_cli.models.word_embedding import WordEmbedding


class FeedingDecoder(AttentiveDecoder):
    """The stack reads the target and its own last hidden state, which was zero at first."""

    def __init__(
        self, embedding: WordEmbedding, bridge: Bridge, stack: Stack, attend: Attention, dropout: nn.Module
    ) -> None:
        super().__init__(embedding, bridge, stack, attend)
        self.feed = nn.Linear(embedding.width, stack.cells[0].blocks * stack.width, bias=False)
        self.combine = nn.Linear(2 * stack.width, embedding.width)
        self.dropout = dropout

    def passage(self, tokens: Tensor, mask: Tensor, state: AttentionState) -> Passage:
        """W [E y; hidden'] = W1 E y + W2 hidden': the first product is made for all steps before the loop."""
        cell, *upper = self.stack.cells
        prepared, matrix, layers = cell.prepare(self.embedding(tokens)), cell.matrix(), [one.fixed() for one in upper]
        (lowest, above), hidden = apart(state.states), state.hidden[:, None]
        passed, queries = [], []
        for t in range(tokens.shape[1]):
            alive = mask[:, t : t + 1]
            read, lowest = cell.run(prepared[:, t : t + 1] + self.feed(hidden), alive, lowest, matrix)
            query, above = self.stack.climb(layers, self.stack.dropout(read), alive, above, first=1)
            context = by_sentence(self.attend, query, state)
            made = self.dropout(torch.tanh(self.combine(torch.cat([context, query], 2))))
            hidden = torch.where(alive[:, :, None], made, hidden)
            passed.append(hidden)
            queries.append(query)
        return torch.cat(passed, 1), torch.cat(queries, 1), together(lowest, above)
