"""A translation beside its source, token by token: what the model thought of each token, and which source it belongs to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nmt_cli.search.base import Hypothesis
from nmt_cli.text.tokenizer import Tokenizer
from nmt_cli.text.words import words_of

Links = tuple[tuple[int, int], ...]
"""Pairs of a place in the source and a place in the target, from 0, ascending."""


@dataclass(frozen=True)
class Side:
    """A line, or a part of one, in pieces; EOS is the last."""

    pieces: tuple[str, ...]
    words: tuple[
        int | None, ...
    ]  # the word of the whole line, from 0, that each piece belongs to; None: to none, as EOS

    @classmethod
    def of(cls, tokenizer: Tokenizer, ids: Sequence[int], first: int) -> Side:
        """``first`` is the number of its first word."""
        words = words_of(tokenizer.surfaces(ids))
        return cls(tuple(tokenizer.pieces(ids)), tuple(None if word is None else first + word for word in words))


@dataclass(frozen=True)
class Part:
    """S pieces that were translated together, and the T pieces that they became."""

    source: Side
    target: Side
    log_probs: tuple[float, ...]  # (T,) natural
    attention: tuple[
        tuple[float, ...], ...
    ]  # (T, S) where the model looked while it wrote each; S = 0 where nobody asked

    @property
    def links(self) -> Iterator[tuple[int, int]]:
        """Each piece of the target to the piece of the source that was looked at most, where both are of words: EOS is of none."""
        spelling = [place for place, word in enumerate(self.source.words) if word is not None]
        for place, (weights, word) in enumerate(zip(self.attention, self.target.words, strict=True)):
            if weights and spelling and word is not None:
                yield max(spelling, key=weights.__getitem__), place


@dataclass(frozen=True)
class Reading:
    """The parts of a line: one, unless it was too long for the model; none, if it is blank. No part looks at another."""

    parts: tuple[Part, ...]

    @property
    def source_pieces(self) -> list[str]:
        """Of all parts, EOS behind each."""
        return [piece for part in self.parts for piece in part.source.pieces]

    @property
    def pieces(self) -> list[str]:
        """Likewise, of the translation."""
        return [piece for part in self.parts for piece in part.target.pieces]

    @property
    def log_probs(self) -> list[float]:
        """Of each of the ``pieces``."""
        return [log_prob for part in self.parts for log_prob in part.log_probs]

    @property
    def links(self) -> Links:
        """Of ``source_pieces`` and ``pieces``."""
        return tuple(sorted((i + s, j + t) for part, s, t in self._placed() for i, j in part.links))

    @property
    def word_links(self) -> Links:
        """Of the words of both lines: two are linked where any of their pieces are (Garg et al. 2019)."""
        words = ((part.source.words[i], part.target.words[j]) for part in self.parts for i, j in part.links)
        return tuple(sorted({(i, j) for i, j in words if i is not None and j is not None}))

    @property
    def pharaoh(self) -> str:
        """``word_links`` as word aligners write them: ``0-0 1-2 2-1``."""
        return " ".join(f"{i}-{j}" for i, j in self.word_links)

    @property
    def attention(self) -> list[list[float]]:
        """(T, S): a row for each of the ``pieces``, a column for each of the ``source_pieces``."""
        width = len(self.source_pieces)
        return [
            [*[0.0] * start, *weights, *[0.0] * (width - start - len(weights))]
            for part, start, _ in self._placed()
            for weights in part.attention
        ]

    def _placed(self) -> Iterator[tuple[Part, int, int]]:
        """Each part, and where it begins among the pieces of both sides."""
        source = target = 0
        for part in self.parts:
            yield part, source, target
            source, target = source + len(part.source.pieces), target + len(part.target.pieces)


def read(tokenizer: Tokenizer, sources: Sequence[Side], hypotheses: Sequence[Hypothesis]) -> Reading | None:
    """What each part of a line became, beside it; None where that was not retold."""
    found: list[Part] = []
    first = 0  # the translations of the parts are joined by spaces
    for source, hypothesis in zip(sources, hypotheses, strict=False):
        if hypothesis.retelling is None:
            return None
        target = Side.of(tokenizer, hypothesis.tokens, first)
        first += len(tokenizer.decode(hypothesis.tokens).split())
        found.append(Part(source, target, hypothesis.retelling.log_probs, hypothesis.retelling.attention))
    return Reading(tuple(found)) if found else None
