"""How fast a model translates: the engine's own search, with fresh weights, over sentences drawn by lot.

What fresh weights say is nonsense, and has no end: each output becomes as long as its limit, which here is the length of its
source. So as much is computed as a trained model computes, whose translations are about as long as what they translate;
but of the logits of a trained model greedy search need not look at all (``sieve``): it is somewhat quicker than is said here.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from nmt_cli.bench.corpora import Drawn
from nmt_cli.bench.crew import everywhere
from nmt_cli.corpus.batching import by_length
from nmt_cli.corpus.limits import LengthLimit
from nmt_cli.inference.translator import Engine, Piece
from nmt_cli.runs.directory import build
from nmt_cli.search.ancestral import Greedy
from nmt_cli.search.base import Search
from nmt_cli.search.beam import BeamSearch
from nmt_cli.settings import Settings
from nmt_cli.training.team import Team

SEARCHES: dict[str, Search] = {"greedy": Greedy(weighed=False), "beam 5": BeamSearch(5)}
"""What is measured: as ``nmt translate`` searches where it writes text."""

_WARM = 0.2  # seconds that are not counted, for each that is
_LINES = 2000  # that are sorted by length together


@dataclass(frozen=True)
class Translating:
    """What was measured."""

    search: str
    lines: int  # by all processes
    seconds: float

    @property
    def lines_per_second(self) -> float:
        """Sentences."""
        return self.lines / self.seconds

    def to_json(self) -> dict[str, Any]:
        """Everything, unrounded."""
        return {"search": self.search, "lines_per_second": self.lines_per_second, "seconds": self.seconds}


def measure(settings: Settings, corpus: Drawn, workers: int, seconds: float) -> list[Translating]:
    """Translate for so many seconds with each search, in so many processes that share the cores.

    Raises ConfigError for less than one process.
    """
    found = everywhere(_Translation(settings, corpus, seconds), workers)
    return [
        Translating(name, sum(lines for lines, _ in parts), max(spent for _, spent in parts))
        for name, parts in zip(SEARCHES, zip(*found, strict=True), strict=True)
    ]


@dataclass(frozen=True)
class _Translation:
    """What each process does: batches in an order of its own, until its time is over."""

    settings: Settings
    corpus: Drawn
    seconds: float

    def __call__(self, team: Team) -> list[tuple[int, float]]:
        torch.manual_seed(self.settings.training.seed)
        model: Any = build(self.settings, self.corpus.sizes).eval()
        model.pack()
        batches = self._batches(team.share.rank)
        engines = [Engine(model, search, LengthLimit(1.0, 0.0)) for search in SEARCHES.values()]
        found = []
        for engine in engines:
            _search(engine, batches, _WARM * self.seconds)
            team.sum([0.0])  # everybody has come so far
            found.append(_search(engine, batches, self.seconds))
        return found

    def _batches(self, rank: int) -> list[list[Piece]]:
        rows = self.corpus.columns()["source"]
        lines = np.random.default_rng(rank).permutation(len(rows))[:_LINES]
        pieces = [Piece(tuple(rows.ids(line).tolist()), 0) for line in lines]
        lengths = np.array([len(piece.ids) + 1 for piece in pieces], dtype=np.int64)
        found = by_length(np.arange(len(pieces)), [lengths], self.settings.search.batch_tokens)
        order = np.random.default_rng(rank).permutation(len(found))  # a part of them is like the whole
        return [[pieces[place] for place in found[number]] for number in order]


def _search(engine: Engine, batches: Sequence[list[Piece]], seconds: float) -> tuple[int, float]:
    """How many lines were translated, in how many seconds; at least one batch."""
    started, lines = time.perf_counter(), 0
    while True:
        for batch in batches:
            engine.search(batch)
            lines += len(batch)
            spent = time.perf_counter() - started
            if spent > seconds:
                return lines, spent
