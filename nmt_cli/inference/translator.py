"""The translator: lines in, translations out, in order, one for one.

Inside, lines are sorted by length and searched in batches; what a line becomes does not depend on its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import torch

from nmt_cli.corpus.batching import Sequences, shared_out
from nmt_cli.corpus.limits import LengthLimit
from nmt_cli.errors import DataError
from nmt_cli.inference.flags import SPLIT, TERM, flags
from nmt_cli.inference.glossary import Glossary
from nmt_cli.inference.pieces import Cutter, first_words
from nmt_cli.inference.reading import Reading, Side, read
from nmt_cli.inference.together import Startable, Together
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.runs.processes import available_cores
from nmt_cli.search.base import Hypothesis, Search, Sentences, Wish
from nmt_cli.search.certificate import Certificate
from nmt_cli.text.tokenizer import EOS, Tokenizer

WORTHWHILE = 200
"""Lines from which workers repay their start (about two seconds each)."""
_EACH = WORTHWHILE // 2
"""Lines for each core from which batches are cut so that all cores get equal work."""
_USUAL_ROWS, _FEWEST_ROWS = 5, 2
"""Hypotheses of a sentence for which the batch size is meant: a wider beam gets smaller batches, not more memory, and greedy
search larger ones."""

Ids = Sequence[int]


class Piece(NamedTuple):
    """A line, or a part of a line that is too long, as a search sees it."""

    ids: tuple[int, ...]
    line: int  # which line it is, since noise depends on that; 0 where nothing does
    wish: Wish = Wish()


Searched = list[list[Hypothesis]]


class Line(NamedTuple):
    """What is to be translated, and how the translation begins."""

    text: str
    prefix: str = ""


@dataclass(frozen=True)
class Candidate:
    """One translation of a line."""

    text: str
    score: float  # what the search ranked by
    log_prob: float  # natural logarithm, EOS included; of a split line, the sum over its pieces; see Hypothesis
    tokens: tuple[int, ...]  # of a split line, the pieces one after the other
    certificate: Certificate | None = None  # of exact search; of a split line, of all pieces
    reading: Reading | None = None  # token by token; None where nobody asked, or of a blank line
    source: str = ""
    marks: tuple[str, ...] = ()  # the flags that are known from the beginning: SPLIT and TERM

    @cached_property
    def flags(self) -> tuple[str, ...]:
        """What a reader of this one should look at twice; looked for when somebody asks."""
        return (*self.marks, *flags(self.source, self.text, self.tokens, self.log_prob))


@dataclass(frozen=True)
class Translation:
    """What a line became: candidates, best first, never none."""

    source: str
    candidates: tuple[Candidate, ...]

    @property
    def text(self) -> str:
        """The best translation."""
        return self.candidates[0].text

    @property
    def marks(self) -> tuple[str, ...]:
        """Of the best translation."""
        return self.candidates[0].marks


@dataclass(frozen=True)
class Engine:
    """A model and a search: source ids -> hypotheses. Knows no text."""

    model: Startable
    strategy: Search
    limit: LengthLimit

    @classmethod
    def open(cls, directory: ModelDirectory, strategy: Search, together: Together | None = None) -> Engine:
        """A model, and those that translate ``together`` with it. Raises what ``Together.open`` raises."""
        model = (together or Together()).open(directory)
        limit = cast("LengthLimit", directory.manifest.limit)
        return cls(model, strategy, limit)

    def search(self, pieces: Sequence[Piece]) -> Searched:
        """Hypotheses of each source (ids without EOS)."""
        sources, lines, wishes = zip(*pieces, strict=True)
        batch = Sequences.of(sources)
        limits = torch.tensor([self.limit(length) for length in batch.lengths.tolist()])
        with torch.inference_mode():
            sentences = Sentences(limits, torch.tensor(lines), batch.lengths, wishes)
            model = self.model.saying([wish.tokens for wish in wishes])
            return self.strategy(model, *model.start(batch), sentences)


Run = Callable[[list[list[Piece]]], Iterable[Searched]]
"""Batches of sources -> their hypotheses, in order; one process does it, or several."""


@dataclass(frozen=True)
class Translator:
    """Built from a path alone: ``Translator.open(Path("model"), BeamSearch()).translate(["A line ."])``."""

    tokenizer: Tokenizer
    run: Run
    cut: Cutter
    batch_tokens: int  # padded source tokens searched at once
    repeats: bool  # whether equal lines get equal translations
    window: int = 4096  # lines sorted by length together
    cores: int = field(default_factory=available_cores)  # among which the batches of many lines can be shared
    glossary: Glossary = field(default_factory=Glossary)

    @classmethod
    def open(cls, path: Path, strategy: Search, together: Together | None = None) -> Translator:
        """A translator in this process. Raises ModelError where there is no model."""
        return cls.here(ModelDirectory.open(path), strategy, together)

    @classmethod
    def here(cls, directory: ModelDirectory, strategy: Search, together: Together | None = None) -> Translator:
        """The same, of a directory that is open. Raises what ``Engine.open`` raises."""
        engine = Engine.open(directory, strategy, together)
        return cls.of(directory, strategy, lambda batches: map(engine.search, batches))

    @classmethod
    def of(cls, directory: ModelDirectory, strategy: Search, run: Run) -> Translator:
        """A translator over whatever runs the searches of a strategy."""
        settings = directory.settings
        budget = max(1, settings.search.batch_tokens * _USUAL_ROWS // max(_FEWEST_ROWS, strategy.rows))
        return cls(directory.tokenizer, run, Cutter.of(directory), budget, strategy.repeats)

    def immediate(self) -> Translator:
        """The same, but each line is answered before the next is read."""
        return replace(self, window=1)

    def knowing(self, glossary: Glossary) -> Translator:
        """The same, with terms that have to appear: the search must be one that takes them."""
        return replace(self, glossary=glossary)

    def translate(self, lines: Sequence[str]) -> list[Translation]:
        """All lines, in order."""
        return list(self.stream(Line(line) for line in lines))

    def stream(self, lines: Iterable[Line]) -> Iterator[Translation]:
        """The lines in order, a window at a time: memory does not grow with the input."""
        remaining = iter(enumerate(lines))
        while window := list(islice(remaining, self.window)):
            yield from self._window(window)

    def _window(self, lines: list[tuple[int, Line]]) -> Iterator[Translation]:
        pieces = [self._pieces(number, line) for number, line in lines]
        distinct = list(dict.fromkeys(piece for line in pieces for piece in line))  # each is searched once
        lengths = np.array([len(ids) + 1 for ids, *_ in distinct], dtype=np.int64)
        # for the cores, not for those who work on them: with one worker or several, a line has the same neighbours
        among = max(1, min(self.cores, len(distinct) // _EACH))
        batches = shared_out(lengths, self.batch_tokens, among)
        batches.reverse()  # the longest first: the last batches are short ones, and workers end together
        found: dict[Piece, list[Hypothesis]] = {}
        for places, hypotheses in zip(
            batches, self.run([[distinct[place] for place in batch] for batch in batches]), strict=True
        ):
            found.update(zip((distinct[place] for place in places), hypotheses, strict=True))
        for (_, line), parts in zip(lines, pieces, strict=True):
            yield self._joined(line.text, parts, [found[part] for part in parts])

    def _pieces(self, number: int, line: Line) -> list[Piece]:
        """A line in ids, in as many pieces as it needs (see ``Cutter``); a prefix begins the first of them.

        Raises DataError for a prefix that cannot be written.
        """
        parts = self.cut(line.text)
        prefix = tuple(self.tokenizer.target.encode(line.prefix))
        if any(token < EOS for token in prefix):  # UNK, which no model writes
            raise DataError(
                f"the prefix of line {number + 1} must be spelt in subwords that the model can write, "
                f"but is '{line.prefix[:60]}'"
            )
        return [
            Piece(
                tuple(part),
                0 if self.repeats else number + (place << 40),
                Wish(() if place else prefix, self._terms(part)),
            )
            for place, part in enumerate(parts)
        ]

    def _terms(self, part: Ids) -> tuple[tuple[int, ...], ...]:
        """What the glossary wants for a piece."""
        if not self.glossary.terms:
            return ()
        encode, wanted = self.tokenizer.target.encode, self.glossary.wanted(self.tokenizer.decode(part))
        return tuple(tuple(encode(term)) for term in wanted)

    def _sources(self, line: str, pieces: Sequence[Piece]) -> list[Side]:
        """What is read of each piece of a line, words numbered through."""
        firsts = first_words(line, [self.tokenizer.decode(piece.ids) for piece in pieces])
        return [Side.of(self.tokenizer, (*piece.ids, EOS), first) for piece, first in zip(pieces, firsts, strict=True)]

    def _joined(self, line: str, pieces: Sequence[Piece], parts: list[list[Hypothesis]]) -> Translation:
        if not parts:
            return Translation(line, (Candidate("", 0.0, 0.0, ()),))
        long = sum(len(piece.ids) for piece in pieces) > self.cut.longest
        sources = [] if parts[0][0].retelling is None else self._sources(line, pieces)
        ranked = [
            self._candidate(line, sources, chosen, long)
            for chosen in zip(*parts, strict=False)  # the first of each piece, the second of each piece, ...
        ]
        return Translation(line, tuple(ranked))

    def _candidate(self, line: str, sources: Sequence[Side], chosen: Sequence[Hypothesis], long: bool) -> Candidate:
        """What a hypothesis of each piece of a line make together, which may have been too ``long`` for one."""
        text = " ".join(filter(None, (self.tokenizer.decode(part.tokens) for part in chosen)))
        log_prob = sum(part.log_prob for part in chosen)
        tokens = tuple(token for part in chosen for token in part.tokens)
        split = (SPLIT,) if len(chosen) > 1 and long else ()
        unplaced = (TERM,) if self.glossary.missing(line, text) else ()
        return Candidate(
            text,
            sum(part.score for part in chosen) / len(chosen),
            log_prob,
            tokens,
            Certificate.joined([part.certificate for part in chosen if part.certificate is not None]),
            read(self.tokenizer, sources, chosen),
            line,
            (*split, *unplaced),
        )
