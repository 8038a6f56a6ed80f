"""What a translation model thinks of given translations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch

from nmt_cli.corpus.batching import Batch, Sequences, by_length
from nmt_cli.errors import DataError
from nmt_cli.inference.own_tokens import ended, otherwise
from nmt_cli.inference.pieces import Cutter
from nmt_cli.inference.scorer import BATCH_TOKENS, Asked, Scored, windows
from nmt_cli.models.base import Decodable
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.text.tokenizer import EOS, Tokenizer

Ids = Sequence[int]


@dataclass(frozen=True)
class PairScorer:
    """log p(target | source), of a translation model."""

    tokenizer: Tokenizer
    model: Decodable[Any]
    cut: Cutter  # as the source was cut for the translation
    columns: int = 2
    independent: bool = True

    @classmethod
    def open(cls, directory: ModelDirectory) -> PairScorer:
        """From a model directory. Raises ModelError where the model has no weights."""
        model = cast("Decodable[Any]", directory.model())
        return cls(directory.tokenizer, model, Cutter.of(directory))

    def score(self, texts: Iterable[Asked]) -> Iterator[Scored]:
        """See Scorer. A translation in pieces is given in pieces, each with its EOS: so the source is cut again."""
        for window in windows(texts):
            parts = self._parts(window)
            pairs = [pair for each in parts for pair in each]
            lengths = [np.array([len(pair[side]) for pair in pairs], dtype=np.int64) for side in (1, 0)]
            found: dict[int, list[float]] = {}
            for places in by_length(np.arange(len(pairs)), lengths, BATCH_TOKENS) if pairs else []:
                sources, targets = (Sequences.of((pairs[i][side] for i in places), end=()) for side in (0, 1))
                with torch.inference_mode():
                    log_probs = self.model.log_probs(Batch(sources, targets)).double().tolist()
                found.update(zip(places.tolist(), log_probs, strict=True))
            numbers = iter(range(len(pairs)))
            for asked, each in zip(window, parts, strict=True):
                scored = [value for _, target in each for value in found[next(numbers)][: len(target)]]
                tokens = tuple(token for _, target in each for token in target)
                yield Scored(asked.text, tokens, tuple(scored), otherwise(self.tokenizer.target, asked))

    def _parts(self, window: Sequence[Asked]) -> list[list[tuple[Ids, Ids]]]:
        """Source and target of each text, EOS last: usually one pair, none if both are blank."""
        free = [place for place, asked in enumerate(window) if asked.tokens is None]
        lines = list(dict.fromkeys(window[place].source for place in free))
        sources = dict(zip(lines, self.tokenizer.encode_all(lines), strict=True))
        encode = self.tokenizer.target.encode_all
        targets = dict(zip(free, encode([window[place].text for place in free]), strict=True))
        found: list[list[tuple[Ids, Ids]]] = []
        for place, asked in enumerate(window):
            if asked.tokens is None:
                source, target = sources[asked.source], targets[place]
                found.append([((*source, EOS), (*target, EOS))] if source or target else [])
            else:
                found.append(self._given(asked, ended(self.tokenizer, asked)))
        return found

    def _given(self, asked: Asked, ends: list[tuple[int, ...]]) -> list[tuple[Ids, Ids]]:
        cut = self.cut(asked.source)
        if len(cut) != len(ends):
            raise DataError(
                f"{asked.place} must have tokens that end {len(cut)} times in </s> ({EOS}), as often as its source has pieces, "
                f"but they end {len(ends)} times"
            )
        return [((*source, EOS), target) for source, target in zip(cut, ends, strict=True)]
