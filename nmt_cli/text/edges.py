"""Where words begin and end in what subwords spell, which is UTF-8: a subword may hold a part of a character."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from unicodedata import category

from nmt_cli.text.scripts import UNSPACED

_HYPHENS = ("-", "\u2010", "\u2011")
_LONGEST = 4
"""Bytes of a character."""


def in_word(character: str) -> bool:
    """Whether a word goes on beside such a character: a letter with what stands above or below it, a digit or _, of a script that
    puts spaces between words."""
    letter = character.isalnum() or character == "_" or (character != "" and category(character).startswith("M"))
    return letter and not UNSPACED.match(character)


def joining(character: str) -> bool:
    """The same for compounds, whose parts a hyphen joins."""
    return character in _HYPHENS or in_word(character)


def first_of(text: bytes) -> str:
    """The first character of a text; nothing where it is not whole."""
    for size in range(1, _LONGEST + 1):
        try:
            return text[:size].decode("utf-8")
        except UnicodeDecodeError:
            continue
    return ""


def last_of(text: bytes) -> str:
    """The last character of a text."""
    return shown(text[-_LONGEST:])[-1:]


def shown(text: bytes) -> str:
    """Without what is no whole character."""
    return text.decode("utf-8", "ignore")


@dataclass(frozen=True)
class Joins:
    """Whether a subword goes on with the word that the one before it ends in. Beside a script without spaces none does."""

    ends: tuple[bool, ...]  # of each id, whether what stands behind it without a space may be of the same word
    begins: tuple[bool, ...]  # of each id, whether it begins within a word, or with a hyphen

    @classmethod
    def of(cls, spellings: Sequence[bytes]) -> Joins:
        """From what each id adds to a text."""
        lasts = [last_of(spelling) for spelling in spellings]
        return cls(
            tuple(bool(last.strip()) and not UNSPACED.match(last) for last in lasts),
            tuple(joining(first_of(spelling)) for spelling in spellings),
        )

    def __call__(self, before: int, token: int) -> bool:
        """Of two ids that follow each other."""
        return self.ends[before] and self.begins[token]
