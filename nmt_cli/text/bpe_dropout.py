"""BPE-dropout (Provilkov et al. 2020): merges are left out at random, so that a model meets a word in many segmentations.

Algorithm 1 of the paper, word by word: at each step every possible merge is dropped with probability p, and the first of those that
are left is done; where none is left, the word is finished. What was dropped may come back at the next step.

The number of merges that are dropped before the first kept one is geometric, and whether later ones are dropped too makes no
difference. So one number a step draws from the same distribution, and a word whose numbers came up before is only looked up.

SentencePiece's own sampling drops for good: a merge that was dropped comes back only when a neighbour has changed, so that the same
p leaves more pieces. Subword-nmt and Hugging Face's tokenizers do as the paper does.
"""

from functools import lru_cache

import numpy as np

from nmt_cli.errors import ConfigError
from nmt_cli.text.segmentation import segment
from nmt_cli.text.subword import BYTE, LEARNT, MARK, SubwordTokenizer, clean

_KEPT = 2**16
"""Segmentations of words; about 50 MB."""
_LONGEST_KEPT = 24
"""Characters. Longer words, such as a whole line in a script without spaces, hardly come again."""


class BPEDropout:
    """Draws segmentations over the merges of a tokenizer; without dropout its one segmentation."""

    def __init__(self, tokenizer: SubwordTokenizer, dropout: float) -> None:
        """``dropout``: the p of the paper, which takes 0.1. Raises ConfigError where it is no probability."""
        if not 0 <= dropout <= 1:
            raise ConfigError(f"the probability of BPE-dropout must lie between 0 and 1, but is {dropout}")
        self.dropout = dropout
        self.size = tokenizer.size
        pieces = tokenizer.pieces(range(LEARNT, tokenizer.size))
        self._learnt = {piece: index for index, piece in enumerate(pieces, LEARNT)}
        self._looked_up = lru_cache(_KEPT)(self._segmented)

    def encode(self, text: str, draw: np.random.Generator) -> list[int]:
        """The ids of a line, whatever is in it, without BOS and EOS. They decode to the same as those of ``tokenizer.encode``."""
        text = clean(text)
        if not text:
            return []
        dropped = self._dropped(len(text), draw)
        ids: list[int] = []
        start = 0
        for word in text.split(" "):
            end = start + len(word)
            found = self._looked_up if len(word) <= _LONGEST_KEPT else self._segmented
            ids += found(word, dropped[start:end])
            start = end + 1
        return ids

    def _dropped(self, steps: int, draw: np.random.Generator) -> tuple[int, ...]:
        """How many merges are dropped before one is kept.

        A word has as many as characters: the most steps there are, since the mark of its beginning makes it one longer.
        """
        if self.dropout == 1:
            return (steps,) * steps  # as many as there may be merges
        return tuple((draw.geometric(1 - self.dropout, steps) - 1).tolist())

    def _segmented(self, word: str, dropped: tuple[int, ...]) -> tuple[int, ...]:
        """The ids of a word; of a character that was not learnt, those of its bytes."""
        ids: list[int] = []
        for piece in segment(MARK + word, dropped, self._learnt):
            index = self._learnt.get(piece)
            ids += (BYTE + byte for byte in piece.encode()) if index is None else (index,)
        return tuple(ids)
