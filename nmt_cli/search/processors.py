"""What a user forbids, each in a few lines: scores and what was written so far -> scores.

A processor bans tokens, whatever they score; what is left does not become more probable by it. EOS is banned by nothing but
MinLength, so that every hypothesis can end.

Letters: N rows, T tokens written so far, V' scored columns of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from nmt_cli.errors import ConfigError
from nmt_cli.scoring.scores import Scores
from nmt_cli.text.edges import in_word, last_of, shown
from nmt_cli.text.normalize import normalize

NOTHING = -1
"""Stands behind the end of a row that is shorter than others; no token is called so."""


@dataclass(frozen=True)
class Written:
    """What stands so far in each row, without the first token, which is the model's own."""

    tokens: Tensor  # (N, T), NOTHING behind the end of a row
    lengths: Tensor  # (N,)
    sentence: Tensor  # (N,) which of the B sentences each row is for

    def last(self, count: int) -> Tensor:
        """(N, count) the last tokens of each row; NOTHING where there are fewer."""
        padded = torch.cat([self.tokens.new_full((len(self.tokens), count), NOTHING), self.tokens], 1)
        return padded.gather(1, self.lengths[:, None] + torch.arange(count))


class Processor(Protocol):
    """One thing that is forbidden or made less likely."""

    def __call__(self, scores: Scores, written: Written) -> Scores:
        """Scores of the next token of each row."""
        ...


@dataclass(frozen=True)
class MinLength:
    """EOS may not come before so many tokens, itself counted."""

    eos: int
    shortest: Tensor  # (B,) never above the limit of the sentence

    def __call__(self, scores: Scores, written: Written) -> Scores:
        """Bans EOS."""
        early = written.lengths + 1 < self.shortest[written.sentence]
        return without(scores, early[:, None] & (scores.columns == self.eos))


@dataclass(frozen=True)
class NoRepeat:
    """No ``size`` tokens in a row come twice in a hypothesis (Paulus et al. 2018)."""

    size: int

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ConfigError(f"--no-repeat must be at least 1, but is {self.size}")

    def __call__(self, scores: Scores, written: Written) -> Scores:
        """Bans what would end an n-gram that is there already."""
        if written.tokens.shape[1] < self.size:
            return scores
        grams = written.tokens.unfold(1, self.size, 1)  # (N, T - size + 1, size)
        begun = written.last(self.size - 1)  # (N, size - 1)
        again = (grams[:, :, :-1] == begun[:, None]).all(2)
        return without(scores, _mask(scores, grams[:, :, -1].masked_fill(~again, NOTHING)))


@dataclass(frozen=True)
class RepetitionPenalty:
    """The log-probability of a token that a hypothesis holds already is multiplied by ``factor`` (after Keskar et al. 2019).

    On log-probabilities, which are never above 0, it can only lower a score: bounds hold. The log-probability of a hypothesis is
    then the lowered one.
    """

    factor: float

    def __post_init__(self) -> None:
        if not 1 <= self.factor < float("inf"):
            raise ConfigError(f"--repetition-penalty must be a finite number, at least 1, but is {self.factor}")

    def __call__(self, scores: Scores, written: Written) -> Scores:
        """Lowers what was written before."""
        log_probs = scores.log_probs()
        lowered = torch.where(_mask(scores, written.tokens), log_probs * self.factor, log_probs)
        return Scores(lowered, scores.columns, lambda: scores.attention, lambda: lowered.new_zeros(len(lowered), 1))


@dataclass(frozen=True)
class Ending:
    """What a text ends in, in UTF-8, and what tokens then complete a banned word."""

    text: bytes
    whole: bool  # whether no letter or digit may stand before it, since another word would begin there
    tokens: Tensor  # (any,)

    def of(self, text: bytes) -> bool:
        """Whether a text ends so."""
        return text.endswith(self.text) and not (self.whole and in_word(last_of(text[: len(text) - len(self.text)])))


@dataclass(frozen=True)
class BannedWords:
    """Words, or phrases, that never appear, however the subwords would spell them.

    Rows are read as text: a token is banned where it would complete a banned word. A word begins where no letter or digit stands
    before it; punctuation, and what is written without spaces, does so anywhere. A longer word whose spelling begins with all of
    a banned one is banned with it, unless one token is enough for it.
    """

    endings: tuple[Ending, ...]
    spellings: Sequence[bytes]  # what each id adds to a text, in UTF-8, of which it may be a part of a character

    @classmethod
    def of(cls, words: Sequence[str], spellings: Sequence[bytes]) -> BannedWords:
        """Raises ConfigError for a word that is blank."""
        if not all(normalize(word) for word in words):
            raise ConfigError("--ban needs a word, but got a blank")
        found: dict[tuple[bytes, bool], set[int]] = {}
        for word in map(normalize, words):
            spelt, ends = word.encode("utf-8"), in_word(word[-1])
            for place in range(len(spelt)):
                rest = spelt[place:]
                tokens = {token for token, piece in enumerate(spellings) if _completes(piece, rest, ends)}
                found.setdefault((spelt[:place], in_word(word[0])), set()).update(tokens)
            tokens = {token for token, piece in enumerate(spellings) if _holds(piece, spelt, word)}
            found.setdefault((b"", False), set()).update(tokens)
        endings = (Ending(*key, torch.tensor(sorted(tokens))) for key, tokens in found.items() if tokens)
        return cls(tuple(endings), tuple(spellings))

    def __call__(self, scores: Scores, written: Written) -> Scores:
        """Bans what would complete a banned word."""
        texts = [
            b"".join(self.spellings[token] for token in row[:length])
            for row, length in zip(written.tokens.tolist(), written.lengths.tolist(), strict=True)
        ]
        banned = torch.zeros(len(texts), len(scores.columns), dtype=torch.bool)
        for ending in self.endings:
            rows = torch.tensor([ending.of(text) for text in texts])
            banned |= rows[:, None] & torch.isin(scores.columns, ending.tokens)
        return without(scores, banned)


def _completes(piece: bytes, rest: bytes, ends: bool) -> bool:
    """Whether a subword is the rest of a word; if the word ``ends`` in a letter or digit, no other follows in the subword."""
    return piece.startswith(rest) and not (ends and in_word(shown(piece[len(rest) :])[:1]))


def _holds(piece: bytes, spelt: bytes, word: str) -> bool:
    """Whether the whole of a word stands in a subword, behind its beginning."""
    places = [place for place in range(1, len(piece) - len(spelt) + 1) if piece.startswith(spelt, place)]
    return any(
        _completes(piece[place:], spelt, in_word(word[-1]))
        and not (in_word(word[0]) and in_word(last_of(piece[:place])))
        for place in places
    )


def without(scores: Scores, banned: Tensor) -> Scores:
    """The scores without what ``banned`` (N, V') says; the normaliser stays."""
    logits = scores.logits.masked_fill(banned, -torch.inf)
    return Scores(logits, scores.columns, lambda: scores.attention, lambda: scores.normaliser)


def _mask(scores: Scores, tokens: Tensor) -> Tensor:
    """(N, V') true at the columns of the ``tokens`` (N, any); NOTHING, and what is no column, is nowhere."""
    places = torch.searchsorted(scores.columns, tokens.contiguous()).clamp(max=len(scores.columns) - 1)
    known = scores.columns[places] == tokens
    mask = torch.zeros(len(tokens), len(scores.columns) + 1, dtype=torch.bool)  # one column more: for what is nowhere
    return mask.scatter_(1, places.masked_fill(~known, len(scores.columns)), True)[:, :-1]
