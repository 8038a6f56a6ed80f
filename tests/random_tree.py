"""A model without weights: what comes next is drawn from a seed, anew behind every source and everything that was said.

Whatever a search over it gets wrong is the search's own mistake, it is as uneven as one likes, and its slow searches cost little.
"""

import random
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from nmt_cli.corpus.batching import Batch, Sequences
from nmt_cli.models.base import Decodable
from nmt_cli.scoring.scores import Scores
from nmt_cli.text.tokenizer import BOS, EOS

Ids = tuple[int, ...]


@dataclass(frozen=True)
class Said:
    """The state: of each row its source, and what was consumed behind it, the first token too."""

    rows: tuple[tuple[Ids, Ids], ...]

    def reorder(self, rows: Tensor) -> "Said":
        return Said(tuple(self.rows[row] for row in rows.tolist()))

    select = reorder


class Tree(Decodable[Said]):
    """As many ``branches`` at each node as there are tokens: EOS, EOS + 1, ... The higher the contrast, the surer it is."""

    eos = EOS

    def __init__(self, seed: int, branches: int, contrast: float) -> None:
        super().__init__()
        self.seed, self.branches, self.contrast = seed, branches, contrast

    def __repr__(self) -> str:
        return f"Tree({self.seed}, {self.branches}, {self.contrast})"

    def start(self, source: Sequences) -> tuple[Tensor, Said]:
        """See Decodable."""
        return torch.full_like(source.lengths, BOS), Said(tuple((own, ()) for own in _unpadded(source)))

    def advance(self, tokens: Tensor, lengths: Tensor, state: Said) -> tuple[Scores, Said]:
        """See Decodable."""
        rows = zip(state.rows, _unpadded(Sequences(tokens, lengths)), strict=True)
        after = Said(tuple((source, said + new) for (source, said), new in rows))
        logits = [self.logits(source, said[1:]) for source, said in after.rows]
        return Scores(torch.tensor(logits, dtype=torch.float64), torch.arange(EOS, EOS + self.branches)), after

    def log_probs(self, batch: Batch) -> Tensor:
        """See Decodable: one token after the other."""
        found = torch.zeros(batch.target.tokens.shape, dtype=torch.float64)
        for row, (source, target) in enumerate(zip(_unpadded(batch.source), _unpadded(batch.target), strict=True)):
            for place, token in enumerate(target):
                logits = torch.tensor(self.logits(source, target[:place]), dtype=torch.float64)
                found[row, place] = logits.log_softmax(0)[token - EOS]
        return found

    def logits(self, source: Ids, said: Ids) -> list[float]:
        """Of what comes next."""
        return _drawn(self.seed, self.branches, self.contrast, source, said)

    def loss(self, batch: Any, carry: Any, *, smoothing: float) -> Any:
        raise NotImplementedError


def _unpadded(sequences: Sequences) -> list[Ids]:
    return [tuple(row[:n]) for row, n in zip(sequences.tokens.tolist(), sequences.lengths.tolist(), strict=True)]


@cache
def _drawn(seed: int, branches: int, contrast: float, source: Ids, said: Ids) -> list[float]:
    draw = random.Random(repr((seed, source, said)))
    return [draw.gauss(0, contrast) for _ in range(branches)]
