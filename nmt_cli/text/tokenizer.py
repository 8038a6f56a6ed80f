"""What a tokenizer is: the one way between a line of text and the ids that a model sees. Knows no algorithm."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Protocol, Self

from nmt_cli.settings import DataSettings
from nmt_cli.text.vocabulary import Words

PAD, BOS, UNK, EOS = 0, 1, 2, 3
"""The special ids, in an order that leaves everything a decoder may ever produce in one range: EOS, ..., size - 1."""


class Tokenizer(Protocol):
    """Lines of text to ids and back; immutable."""

    unknown: ClassVar[bool]
    """Whether a text may hold what has no id of its own, and is UNK."""
    file: ClassVar[str]
    """The name of its file in a folder."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """From a folder in which it was saved. Raises DataError where it is not there or damaged."""

    @classmethod
    def learn(cls, words: Words, settings: DataSettings, *, sampled: int) -> Self:
        """From the words of a corpus, counted in one of ``sampled`` rows. Raises DataError where there is nothing to learn."""

    @property
    def size(self) -> int:
        """How many ids there are: V, the special ones counted."""

    @property
    def target(self) -> "Tokenizer":
        """What cuts the text of the other side, where a model reads otherwise than it writes; else itself. The ids are the same."""

    def encode(self, text: str) -> list[int]:
        """The ids of a line, whatever is in it, without BOS and EOS; the empty list for a blank line."""

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """``encode`` of many lines at once, which is faster."""

    def decode(self, ids: Sequence[int]) -> str:
        """The line that ids stand for; special ids are skipped. Never holds a line break or an invalid byte."""

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """The name of each id, for showing it to a person."""

    def surfaces(self, ids: Sequence[int]) -> list[str]:
        """What each id adds to the line: joined and normalised they are ``decode``. Nothing for special ids."""

    def spellings(self, ids: Sequence[int]) -> list[bytes]:
        """What each id by itself adds to the line, in UTF-8: perhaps a part of a character. Nothing for special ids."""

    def save(self, folder: Path) -> None:
        """Write the tokenizer's files into a folder that exists."""
