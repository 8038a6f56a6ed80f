"""What a model itself thinks of given text: the log-probability of each line and of each of its tokens."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Any, Protocol, cast

import numpy as np
import torch

from nmt_cli.corpus.batching import Batch, Sequences, TextBatch, by_length
from nmt_cli.errors import DataError
from nmt_cli.inference.pieces import in_pieces
from nmt_cli.models.base import Carry, Decodable
from nmt_cli.models.language_model import LanguageModel
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.text.normalize import normalize
from nmt_cli.text.tokenizer import EOS, UNK, Tokenizer

_WINDOW = 4096  # texts sorted by length together
_BATCH_TOKENS = 2048

Ids = Sequence[int]


@dataclass(frozen=True)
class Asked:
    """A text that is to be judged."""

    text: str
    source: str = ""  # whose translation it is
    tokens: tuple[int, ...] | None = None  # as a search wrote it, EOS last; None: as the tokenizer cuts the text
    place: str = ""  # for messages: file and line


@dataclass(frozen=True)
class Scored:
    """A text, and what a model thinks of it; a blank one has no tokens."""

    text: str
    tokens: tuple[int, ...]  # EOS last
    log_probs: tuple[float, ...]  # natural, of each token
    otherwise: bool = False  # these tokens were given, and the tokenizer would cut the text into others

    @property
    def log_prob(self) -> float:
        """Of the text, its end counted."""
        return math.fsum(self.log_probs)

    @property
    def perplexity(self) -> float:
        """For each token; 1 for a blank text."""
        return math.exp(min(700.0, -self.log_prob / max(1, len(self.tokens))))


class Scorer(Protocol):
    """Texts in, opinions out, in order."""

    @property
    def columns(self) -> int:
        """How many files it needs side by side: 1, or 2 where what it judges has a source."""
        ...

    @property
    def independent(self) -> bool:
        """Whether a text is judged for itself, and not as the one that comes behind the last."""
        ...

    def score(self, texts: Iterable[Asked]) -> Iterator[Scored]:
        """Raises DataError where the tokens that are given cannot be those of the text."""
        ...


@dataclass(frozen=True)
class PairScorer:
    """log p(target | source), of a translation model."""

    tokenizer: Tokenizer
    model: Decodable[Any]
    longest: int  # subwords of a source that is translated in one piece
    columns: int = 2
    independent: bool = True

    @classmethod
    def open(cls, directory: ModelDirectory) -> PairScorer:
        """From a model directory. Raises ModelError where the model has no weights."""
        model = cast("Decodable[Any]", directory.model())
        return cls(directory.tokenizer, model, directory.settings.data.max_length)

    def score(self, texts: Iterable[Asked]) -> Iterator[Scored]:
        """See Scorer. A translation in pieces is given in pieces, each with its EOS: so the source is cut again."""
        for window in _windows(texts):
            parts = self._parts(window)
            pairs = [pair for each in parts for pair in each]
            lengths = [np.array([len(pair[side]) for pair in pairs], dtype=np.int64) for side in (1, 0)]
            found: dict[int, list[float]] = {}
            for places in by_length(np.arange(len(pairs)), lengths, _BATCH_TOKENS) if pairs else []:
                sources, targets = (Sequences.of((pairs[i][side] for i in places), end=()) for side in (0, 1))
                with torch.inference_mode():
                    log_probs = self.model.log_probs(Batch(sources, targets)).double().tolist()
                found.update(zip(places.tolist(), log_probs, strict=True))
            numbers = iter(range(len(pairs)))
            for asked, each in zip(window, parts, strict=True):
                scored = [value for _, target in each for value in found[next(numbers)][: len(target)]]
                tokens = tuple(token for _, target in each for token in target)
                yield Scored(asked.text, tokens, tuple(scored), _otherwise(self.tokenizer, asked))

    def _parts(self, window: Sequence[Asked]) -> list[list[tuple[Ids, Ids]]]:
        """Source and target of each text, EOS last: usually one pair, none if both are blank."""
        free = [place for place, asked in enumerate(window) if asked.tokens is None]
        lines = list(dict.fromkeys(window[place].source for place in free))
        sources = dict(zip(lines, self.tokenizer.encode_all(lines), strict=True))
        targets = dict(zip(free, self.tokenizer.encode_all([window[place].text for place in free]), strict=True))
        found: list[list[tuple[Ids, Ids]]] = []
        for place, asked in enumerate(window):
            if asked.tokens is None:
                source, target = sources[asked.source], targets[place]
                found.append([((*source, EOS), (*target, EOS))] if source or target else [])
            else:
                found.append(self._given(asked, _ended(self.tokenizer, asked)))
        return found

    def _given(self, asked: Asked, ends: list[tuple[int, ...]]) -> list[tuple[Ids, Ids]]:
        cut = in_pieces(self.tokenizer, asked.source, self.longest)
        if len(cut) != len(ends):
            raise DataError(
                f"{asked.place} must have tokens that end {len(cut)} times in </s> ({EOS}), as often as its source has pieces, "
                f"but they end {len(ends)} times"
            )
        return [((*source, EOS), target) for source, target in zip(cut, ends, strict=True)]


@dataclass(frozen=True)
class LineScorer:
    """log p(line), of a language model; where it was trained on a stream, the lines are one, read in the same windows."""

    tokenizer: Tokenizer
    model: LanguageModel[Any]
    window: int  # 0: lines are independent
    columns: int = 1

    @classmethod
    def open(cls, directory: ModelDirectory) -> LineScorer:
        """From a model directory. Raises ModelError where the model has no weights."""
        model = cast("LanguageModel[Any]", directory.model())
        return cls(directory.tokenizer, model, directory.settings.training.window)

    @property
    def independent(self) -> bool:
        """Not on a stream."""
        return self.window == 0

    def score(self, texts: Iterable[Asked]) -> Iterator[Scored]:
        """See Scorer."""
        return self._independent(texts) if self.independent else self._stream(texts)

    def _independent(self, texts: Iterable[Asked]) -> Iterator[Scored]:
        for window in _windows(texts):
            rows = self._tokens(window)
            lengths = [np.array([len(row) for row in rows], dtype=np.int64)]
            found: dict[int, list[float]] = {}
            for places in by_length(np.arange(len(rows)), lengths, _BATCH_TOKENS):
                with torch.inference_mode():
                    log_probs, _ = self.model.token_log_probs(TextBatch.of(rows[place][:-1] for place in places))
                found.update(zip(places.tolist(), log_probs.double().tolist(), strict=True))
            for place, (asked, row) in enumerate(zip(window, rows, strict=True)):
                yield Scored(asked.text, row, tuple(found[place][: len(row)]), _otherwise(self.tokenizer, asked))

    def _tokens(self, window: Sequence[Asked]) -> list[tuple[int, ...]]:
        """Of each text, EOS last; none of a blank one."""
        cut = iter(self.tokenizer.encode_all([asked.text for asked in window if asked.tokens is None]))
        found: list[tuple[int, ...]] = []
        for asked in window:
            if asked.tokens is None:
                ids = next(cut)
                found.append((*ids, EOS) if ids else ())
            else:
                ends = _ended(self.tokenizer, asked)
                if len(ends) > 1:
                    raise DataError(f"{asked.place} must have tokens that end once in </s> ({EOS}), and end there")
                found.append(ends[0] if ends else ())
        return found

    def _stream(self, texts: Iterable[Asked]) -> Iterator[Scored]:
        waiting: deque[tuple[Asked, tuple[int, ...]]] = deque()  # texts that are read, and not wholly scored

        def targets() -> Iterator[int]:
            for asked in texts:
                (row,) = self._tokens([asked])
                waiting.append((asked, row))
                yield from row

        found: list[float] = []  # of the first that waits
        for log_prob in self._windows_of(targets()):
            while not waiting[0][1]:
                yield Scored(waiting.popleft()[0].text, (), ())
            found.append(log_prob)
            asked, row = waiting[0]
            if len(found) == len(row):
                waiting.popleft()
                yield Scored(asked.text, row, tuple(found), _otherwise(self.tokenizer, asked))
                found = []
        yield from (Scored(asked.text, (), ()) for asked, _ in waiting)

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


def _windows(texts: Iterable[Asked]) -> Iterator[list[Asked]]:
    remaining = iter(texts)
    while window := list(islice(remaining, _WINDOW)):
        yield window


def _ended(tokenizer: Tokenizer, asked: Asked) -> list[tuple[int, ...]]:
    """The tokens that were given, cut behind each EOS. Raises DataError where they cannot be those of the text."""
    tokens = asked.tokens or ()
    for token in tokens:
        if not (EOS <= token < tokenizer.size or (token == UNK and tokenizer.unknown)):
            raise DataError(
                f"{asked.place} must have tokens from {EOS} to {tokenizer.size - 1}, the ids of the model, but has {token}",
                "without tokens the text is judged as the tokenizer cuts it",
            )
    if tokens and tokens[-1] != EOS:
        raise DataError(f"{asked.place} must have tokens that end in </s> ({EOS}), but they end in {tokens[-1]}")
    parts = _cut(tokens)
    spelt = " ".join(filter(None, map(tokenizer.decode, parts)))
    if spelt != normalize(asked.text):
        raise DataError(
            f"{asked.place} must have tokens that spell '{asked.text[:60]}', but to this model they spell '{spelt[:60]}'",
            "ids mean something to the model that wrote them; without tokens the text is judged as the tokenizer cuts it",
        )
    return parts


def _cut(tokens: Sequence[int]) -> list[tuple[int, ...]]:
    """Behind each EOS; there is one at the end."""
    ends = [place + 1 for place, token in enumerate(tokens) if token == EOS]
    return [tuple(tokens[start:end]) for start, end in pairwise([0, *ends])]


def _otherwise(tokenizer: Tokenizer, asked: Asked) -> bool:
    """Whether the tokens that were given are not those into which the tokenizer would cut the text that they spell."""
    return any(tokenizer.encode(tokenizer.decode(part)) != list(part[:-1]) for part in _cut(asked.tokens or ()))
