"""What a tokenizer is: the one way between a line of text and the ids that a model sees. Knows no algorithm."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

PAD, BOS, UNK, EOS = 0, 1, 2, 3
"""The special ids, in an order that leaves everything a decoder may ever produce in one range: EOS, ..., size - 1."""


class Tokenizer(Protocol):
    """Lines of text to ids and back; immutable."""

    @property
    def size(self) -> int:
        """How many ids there are: V, the special ones counted."""

    def encode(self, text: str) -> list[int]:
        """The ids of a line, whatever is in it, without BOS and EOS; the empty list for a blank line."""

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """``encode`` of many lines at once, which is faster."""

    def decode(self, ids: Sequence[int]) -> str:
        """The line that ids stand for; special ids are skipped. Never holds a line break or an invalid byte."""

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """The name of each id, for showing it to a person."""

    def save(self, folder: Path) -> None:
        """Write the tokenizer's files into a folder that exists."""
