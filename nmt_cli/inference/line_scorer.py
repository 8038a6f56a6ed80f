"""What a language model thinks of given lines."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch

from nmt_cli.corpus.batching import TextBatch, by_length
from nmt_cli.errors import DataError
from nmt_cli.inference.own_tokens import ended, otherwise
from nmt_cli.inference.scorer import BATCH_TOKENS, Asked, Scored, windows
from nmt_cli.models.base import Carry
from nmt_cli.models.language_model import LanguageModel
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.text.tokenizer import EOS, Tokenizer

LONGEST = 4096
"""Tokens of a line that is read by itself: a Transformer's memory grows with its square."""


def check_lengths(lengths: Sequence[int] | npt.NDArray[np.int64], place: Callable[[int], str]) -> None:
    """Raises DataError for the first line that is too long to be read by itself; ``place`` says of its index where it stands."""
    for index in np.flatnonzero(np.asarray(lengths) > LONGEST)[:1].tolist():
        raise DataError(
            f"{place(index)} must have at most {LONGEST:,} tokens to be read by itself, but has {lengths[index]:,}",
            "break it into lines; or let a model learn the text as a stream (training.window), whose lines may have any length",
        )


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
        for window in windows(texts):
            rows = self._tokens(window)
            check_lengths([len(row) for row in rows], [asked.place for asked in window].__getitem__)
            lengths = [np.array([len(row) for row in rows], dtype=np.int64)]
            found: dict[int, list[float]] = {}
            for places in by_length(np.arange(len(rows)), lengths, BATCH_TOKENS):
                with torch.inference_mode():
                    log_probs, _ = self.model.token_log_probs(TextBatch.of(rows[place][:-1] for place in places))
                found.update(zip(places.tolist(), log_probs.double().tolist(), strict=True))
            for place, (asked, row) in enumerate(zip(window, rows, strict=True)):
                yield Scored(asked.text, row, tuple(found[place][: len(row)]), otherwise(self.tokenizer, asked))

    def _tokens(self, window: Sequence[Asked]) -> list[tuple[int, ...]]:
        """Of each text, EOS last; none of a blank one."""
        cut = iter(self.tokenizer.encode_all([asked.text for asked in window if asked.tokens is None]))
        found: list[tuple[int, ...]] = []
        for asked in window:
            if asked.tokens is None:
                ids = next(cut)
                found.append((*ids, EOS) if ids else ())
            else:
                ends = ended(self.tokenizer, asked)
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
                yield Scored(asked.text, row, tuple(found), otherwise(self.tokenizer, asked))
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
