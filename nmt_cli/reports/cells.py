"""Text in the cells of a terminal, of which a Chinese character or an emoji takes two and an accent none."""

import unicodedata
from collections.abc import Iterable

from rich.cells import cell_len

_UNSEEN = frozenset(("Cc", "Cs", "Zl", "Zp"))


def letters_of(word: str) -> list[str]:
    """The word in pieces that take room: a letter with its accents, an emoji with what is joined to it."""
    letters: list[str] = []
    for character in word:
        if letters and (cell_len(character) == 0 or letters[-1].endswith("\u200d")):
            letters[-1] += character
        else:
            letters.append(character)
    return letters


def filled(words: Iterable[str], width: int) -> list[str]:
    """The words in lines, two spaces between them; blank ones are left away."""
    lines: list[str] = []
    for word in (shortened(plain(word), width) for word in words if word):
        if lines and cell_len(lines[-1]) + 2 + cell_len(word) <= width:
            lines[-1] += f"  {word}"
        else:
            lines.append(word)
    return lines


def shortened(text: str, width: int) -> str:
    """The text, or as much of it as fits, with an ellipsis."""
    letters = letters_of(text)
    if cell_len(text) <= width:
        return text
    while letters and cell_len("".join(letters)) + 1 > width:
        letters.pop()
    return "".join(letters) + "…"


def at_left(text: str, width: int) -> str:
    """The text at the left of its room."""
    return text + " " * (width - cell_len(text))


def at_right(text: str, width: int) -> str:
    """The text at the right of its room."""
    return " " * (width - cell_len(text)) + text


def plain(text: str) -> str:
    """The text without what could move the cursor or turn the line around; joiners inside of emoji stay."""
    kept = (character for character in text if unicodedata.category(character) != "Cf" or character in "\u200c\u200d")
    return "".join("\ufffd" if unicodedata.category(character) in _UNSEEN else character for character in kept)
