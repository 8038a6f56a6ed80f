"""The translator: lines in, translations out, in order, one for one.

Inside, lines are sorted by length and searched in batches; what a line becomes does not depend on its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from nmt_cli.corpus.batching import Sequences, by_length
from nmt_cli.corpus.limits import LengthLimit
from nmt_cli.inference.flags import SPLIT, flags
from nmt_cli.inference.pieces import in_pieces
from nmt_cli.models.base import Decodable
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.search.base import Hypothesis, SearchStrategy, Sentences, Wish
from nmt_cli.search.certificate import Certificate
from nmt_cli.text.tokenizer import Tokenizer

_USUAL_ROWS = 5
"""Hypotheses of a sentence for which the batch size is meant; a wider beam gets smaller batches, not more memory."""

Ids = Sequence[int]


class Piece(NamedTuple):
    """A line, or a part of a line that is too long, as a search sees it."""

    ids: tuple[int, ...]
    line: int  # which line it is, since noise depends on that; 0 where nothing does
    wish: Wish = Wish()


Searched = list[list[Hypothesis]]


@dataclass(frozen=True)
class Candidate:
    """One translation of a line."""

    text: str
    score: float  # what the search ranked by
    log_prob: float  # natural logarithm, EOS included; of a split line, the sum over its pieces
    tokens: tuple[int, ...]  # of a split line, the pieces one after the other
    certificate: Certificate | None = None  # of exact search; of a split line, of all pieces


@dataclass(frozen=True)
class Translation:
    """What a line became: candidates, best first, never none."""

    source: str
    candidates: tuple[Candidate, ...]
    flags: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The best translation."""
        return self.candidates[0].text


@dataclass(frozen=True)
class Engine:
    """A model and a search: source ids -> hypotheses. Knows no text."""

    model: Decodable[Any]
    strategy: SearchStrategy
    limit: LengthLimit

    @classmethod
    def open(cls, directory: ModelDirectory, strategy: SearchStrategy) -> Engine:
        """Raises ModelError where the model does not translate."""
        limit = directory.of_task("translate", "a translation model").manifest.limit
        return cls(directory.model(), strategy, limit)  # type: ignore[arg-type]

    def search(self, pieces: Sequence[Piece]) -> Searched:
        """Hypotheses of each source (ids without EOS)."""
        sources, lines, wishes = zip(*pieces, strict=True)
        batch = Sequences.of(sources)
        limits = torch.tensor([self.limit(length) for length in batch.lengths.tolist()])
        with torch.inference_mode():
            sentences = Sentences(limits, torch.tensor(lines), batch.lengths, wishes)
            return self.strategy(self.model, *self.model.start(batch), sentences)


Run = Callable[[list[list[Piece]]], Iterable[Searched]]
"""Batches of sources -> their hypotheses, in order; one process does it, or several."""


@dataclass(frozen=True)
class Translator:
    """Built from a path alone: ``Translator.open(Path("model"), BeamSearch()).translate(["A line ."])``."""

    tokenizer: Tokenizer
    run: Run
    max_length: int  # subwords of a source, EOS not counted
    batch_tokens: int  # padded source tokens searched at once
    repeats: bool  # whether equal lines get equal translations
    window: int = 4096  # lines sorted by length together

    @classmethod
    def open(cls, path: Path, strategy: SearchStrategy) -> Translator:
        """A translator in this process. Raises ModelError where there is no model."""
        directory = ModelDirectory.open(path)
        engine = Engine.open(directory, strategy)
        return cls.of(directory, strategy, lambda batches: map(engine.search, batches))

    @classmethod
    def of(cls, directory: ModelDirectory, strategy: SearchStrategy, run: Run) -> Translator:
        """A translator over whatever runs the searches of a strategy."""
        settings = directory.settings
        budget = max(1, settings.search.batch_tokens * _USUAL_ROWS // max(_USUAL_ROWS, strategy.rows))
        return cls(directory.tokenizer, run, settings.data.max_length, budget, strategy.repeats)

    def immediate(self) -> Translator:
        """The same, but each line is answered before the next is read."""
        return replace(self, window=1)

    def translate(self, lines: Sequence[str]) -> list[Translation]:
        """All lines, in order."""
        return list(self.stream(lines))

    def stream(self, lines: Iterable[str]) -> Iterator[Translation]:
        """The lines in order, a window at a time: memory does not grow with the input."""
        remaining = iter(enumerate(lines))
        while window := list(islice(remaining, self.window)):
            yield from self._window(window)

    def _window(self, lines: list[tuple[int, str]]) -> Iterator[Translation]:
        pieces = [self._pieces(number, line) for number, line in lines]
        distinct = list(dict.fromkeys(piece for line in pieces for piece in line))  # each is searched once
        lengths = np.array([len(ids) + 1 for ids, *_ in distinct], dtype=np.int64)
        batches = by_length(np.arange(len(distinct)), (lengths,), self.batch_tokens) if distinct else []
        batches.reverse()  # the longest first: the last batches are short ones, and workers end together
        found: dict[Piece, list[Hypothesis]] = {}
        for places, hypotheses in zip(
            batches, self.run([[distinct[place] for place in batch] for batch in batches]), strict=True
        ):
            found.update(zip((distinct[place] for place in places), hypotheses, strict=True))
        for (_, line), parts in zip(lines, pieces, strict=True):
            yield self._joined(line, [found[part] for part in parts])

    def _pieces(self, number: int, line: str) -> list[Piece]:
        """A line in ids, in as many pieces as it needs."""
        parts = in_pieces(self.tokenizer, line, self.max_length)
        return [Piece(tuple(part), 0 if self.repeats else number + (place << 40)) for place, part in enumerate(parts)]

    def _joined(self, line: str, parts: list[list[Hypothesis]]) -> Translation:
        if not parts:
            return Translation(line, (Candidate("", 0.0, 0.0, ()),))
        ranked = [
            Candidate(
                " ".join(filter(None, (self.tokenizer.decode(part.tokens) for part in chosen))),
                sum(part.score for part in chosen) / len(chosen),
                sum(part.log_prob for part in chosen),
                tuple(token for part in chosen for token in part.tokens),
                Certificate.joined([part.certificate for part in chosen if part.certificate is not None]),
            )
            for chosen in zip(*parts, strict=False)  # the first of each piece, the second of each piece, ...
        ]
        best = ranked[0]
        split = (SPLIT,) if len(parts) > 1 else ()
        return Translation(line, tuple(ranked), (*split, *flags(line, best.text, best.tokens, best.log_prob)))
