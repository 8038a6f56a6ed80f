"""What a model itself thinks of given text: the log-probability of each line and of each of its tokens."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor

from nmt_cli.corpus.batching import Batch, Sequences, TextBatch, by_length
from nmt_cli.models.base import Carry, Decodable
from nmt_cli.models.language_model import LanguageModel
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.text.tokenizer import EOS, Tokenizer

_WINDOW = 4096  # lines sorted by length together
_BATCH_TOKENS = 2048


@dataclass(frozen=True)
class Scored:
    """A line, and what a model thinks of it; a blank line has no tokens."""

    text: str
    tokens: tuple[int, ...]  # EOS last
    log_probs: tuple[float, ...]  # natural, of each token

    @property
    def log_prob(self) -> float:
        """Of the line, its end counted."""
        return math.fsum(self.log_probs)

    @property
    def perplexity(self) -> float:
        """For each token; 1 for a blank line."""
        return math.exp(min(700.0, -self.log_prob / max(1, len(self.tokens))))


class Scorer(Protocol):
    """Lines in, opinions out, in order."""

    columns: int
    """How many files it reads side by side."""

    def score(self, rows: Iterable[Sequence[str]]) -> Iterator[Scored]:
        """Each row holds a line of each file."""
        ...


@dataclass(frozen=True)
class PairScorer:
    """log p(target | source), of a translation model."""

    tokenizer: Tokenizer
    model: Decodable[Any]
    columns: int = 2

    @classmethod
    def open(cls, directory: ModelDirectory) -> PairScorer:
        """From a model directory."""
        return cls(directory.tokenizer, cast("Decodable[Any]", directory.model()))

    def score(self, rows: Iterable[Sequence[str]]) -> Iterator[Scored]:
        """Sources and targets."""
        for window in _windows(rows):
            sources, targets = (self.tokenizer.encode_all([row[side] for row in window]) for side in (0, 1))
            lengths = [np.array([len(ids) + 1 for ids in side], dtype=np.int64) for side in (targets, sources)]
            found: dict[int, Tensor] = {}
            for places in by_length(np.arange(len(window)), lengths, _BATCH_TOKENS):
                batch = Batch(Sequences.of(sources[i] for i in places), Sequences.of(targets[i] for i in places))
                with torch.inference_mode():
                    found.update(zip(places.tolist(), self.model.log_probs(batch), strict=True))
            for place, (_, target) in enumerate(window):
                blank = not (sources[place] or targets[place])
                yield _scored(target, targets[place], found[place], blank)


@dataclass(frozen=True)
class LineScorer:
    """log p(line), of a language model; where it was trained on a stream, the lines are one, read in the same windows."""

    tokenizer: Tokenizer
    model: LanguageModel[Any]
    window: int  # 0: lines are independent
    columns: int = 1

    @classmethod
    def open(cls, directory: ModelDirectory) -> LineScorer:
        """From a model directory."""
        model = cast("LanguageModel[Any]", directory.model())
        return cls(directory.tokenizer, model, directory.settings.training.window)

    def score(self, rows: Iterable[Sequence[str]]) -> Iterator[Scored]:
        """Lines."""
        lines = (line for (line,) in rows)
        return self._stream(lines) if self.window else self._independent(lines)

    def _independent(self, lines: Iterable[str]) -> Iterator[Scored]:
        for window in _windows(lines):
            ids = self.tokenizer.encode_all(window)
            lengths = [np.array([len(row) + 1 for row in ids], dtype=np.int64)]
            found: dict[int, Tensor] = {}
            for places in by_length(np.arange(len(ids)), lengths, _BATCH_TOKENS):
                with torch.inference_mode():
                    log_probs, _ = self.model.token_log_probs(TextBatch.of(ids[place] for place in places))
                found.update(zip(places.tolist(), log_probs, strict=True))
            for place, (line, row) in enumerate(zip(window, ids, strict=True)):
                yield _scored(line, row, found[place], not row)

    def _stream(self, lines: Iterable[str]) -> Iterator[Scored]:
        waiting: deque[tuple[str, list[int]]] = deque()  # lines that are read, and not wholly scored

        def targets() -> Iterator[int]:
            for line in lines:
                ids = self.tokenizer.encode(line)
                waiting.append((line, ids))
                yield from (*ids, EOS) if ids else ()

        found: list[float] = []  # of the first that waits
        for log_prob in self._windows_of(targets()):
            while not waiting[0][1]:
                yield Scored(waiting.popleft()[0], (), ())
            found.append(log_prob)
            line, ids = waiting[0]
            if len(found) == len(ids) + 1:
                waiting.popleft()
                yield Scored(line, (*ids, EOS), tuple(found))
                found = []
        yield from (Scored(line, (), ()) for line, _ in waiting)

    def _windows_of(self, targets: Iterator[int]) -> Iterator[float]:
        """The log-probability of each token of a text."""
        carry: Carry = None
        before, begins = EOS, True
        while stretch := list(islice(targets, self.window)):
            one = torch.tensor([stretch])
            inputs = torch.tensor([[before, *stretch[:-1]]])
            with torch.inference_mode():
                batch = TextBatch(inputs, one, torch.ones_like(one, dtype=torch.bool), begins, ends=False)
                log_probs, carry = self.model.token_log_probs(batch, carry)
            yield from log_probs[0].double().tolist()
            before, begins = stretch[-1], False


SCORERS: dict[str, type[PairScorer] | type[LineScorer]] = {"translate": PairScorer, "lm": LineScorer}
"""Task -> how its models judge."""


def _windows(rows: Iterable[Any]) -> Iterator[list[Any]]:
    remaining = iter(rows)
    while window := list(islice(remaining, _WINDOW)):
        yield window


def _scored(text: str, ids: Sequence[int], log_probs: Tensor, blank: bool) -> Scored:
    if blank:
        return Scored(text, (), ())
    return Scored(text, (*ids, EOS), tuple(log_probs[: len(ids) + 1].double().tolist()))
