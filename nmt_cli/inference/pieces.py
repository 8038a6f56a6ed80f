"""A line in ids, in as many pieces as a model needs: it has never seen a source that is longer than those it was trained on."""

from __future__ import annotations

from collections.abc import Sequence

from nmt_cli.text.normalize import normalize
from nmt_cli.text.sentences import pieces_within
from nmt_cli.text.tokenizer import Tokenizer


def in_pieces(tokenizer: Tokenizer, line: str, longest: int) -> list[list[int]]:
    """No piece if the line is blank, one if it is not too long, else several, each of at most ``longest`` ids."""
    text = normalize(line)
    ids = tokenizer.encode(text)
    if len(ids) <= longest:
        return [ids] if ids else []
    return [tokenizer.encode(part) for part in pieces_within(text, lambda part: len(tokenizer.encode(part)) <= longest)]


def first_words(line: str, parts: Sequence[str]) -> list[int]:
    """In which word of the normalised line, from 0, each of its parts begins: a word may be cut into several."""
    text, place, found = normalize(line), 0, []
    for part in parts:
        place += text[place : place + 1] == " "
        found.append(text.count(" ", 0, place))
        place += len(part)
    return found
