"""Perplexity: how surprised a language model is by a text. Knows no model: it is told the sum of the surprises.

    perplexity = exp(-1/N sum of log p)

N is what makes figures differ. For each token it depends on the vocabulary; for each word (what stands between spaces, and the end
of each line) and in bits for each character (spaces and line ends counted) it does not, so that models with different vocabularies
can be compared, as long as they know the same words: all that is <unk> counts as one word, and the more a model does not know, the
better its figures look. The end of a line is predicted and counts, as in the published figures for whole words.
"""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

_LARGEST = 700.0  # exp of more is no float


@dataclass(frozen=True)
class TextSize:
    """How long a text is."""

    lines: int
    words: int
    characters: int

    @classmethod
    def of(cls, lines: Iterable[str]) -> "TextSize":
        """Of normalised lines that are not blank."""
        sizes = [(len(line.split()), len(line)) for line in lines]
        return cls(len(sizes), sum(words for words, _ in sizes), sum(characters for _, characters in sizes))


@dataclass(frozen=True)
class Perplexity:
    """What a language model says of a text."""

    nll: float  # the sum over all tokens, in nats
    tokens: int  # predicted, the end of each line counted
    unknown: int  # of them, words that have no id of their own
    size: TextSize

    @property
    def per_token(self) -> float:
        """Depends on the vocabulary."""
        return math.exp(min(_LARGEST, self.nll / max(1, self.tokens)))

    @property
    def per_word(self) -> float:
        """Compares over vocabularies that know the same words."""
        return math.exp(min(_LARGEST, self.nll / max(1, self.size.words + self.size.lines)))

    @property
    def bits_per_character(self) -> float:
        """Compares over vocabularies that know the same words, and over languages somewhat."""
        return self.nll / math.log(2) / max(1, self.size.characters + self.size.lines)

    def lines(self) -> list[str]:
        """For a person."""
        said = [
            f"perplexity {self.per_word:.2f} a word, {self.per_token:.2f} a token; "
            f"{self.bits_per_character:.3f} bits a character",
            f"{self.tokens:,} tokens, {self.size.words:,} words, {self.size.lines:,} lines, ends of lines counted as tokens",
        ]
        if self.unknown:
            said.append(f"{100 * self.unknown / self.tokens:.2f} % of the tokens are <unk>, and counted as one word")
        return said

    def to_json(self) -> dict[str, Any]:
        """Everything, unrounded."""
        return {
            "perplexity_per_word": self.per_word,
            "perplexity_per_token": self.per_token,
            "bits_per_character": self.bits_per_character,
            "nll": self.nll,
            "tokens": self.tokens,
            "unknown": self.unknown,
            **asdict(self.size),
        }
