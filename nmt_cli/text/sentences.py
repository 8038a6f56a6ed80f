"""Sentences of a line, and the pieces of a line that is too long for a model. Knows no tokenizer: it asks ``fits``."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence

_CLOSING = "\"'»”’)\\]›」』）"
_SENTENCE_END = re.compile(rf"[.!?…؟۔।]+[{_CLOSING}]*(?=\s|$)|[。！？]+[{_CLOSING}]*")
_CLOSED = re.compile(rf"[.!?…؟۔।。！？][{_CLOSING}]*$")
_CLAUSE_END = re.compile(rf"[,;:،؛][{_CLOSING}]*(?=\s)|[，；：、]")
_WORD_END = re.compile(r"\S(?=\s)")
_SHORT = 64  # characters: how far the search for the end of a piece looks first
_DOTS = ("...", "…")
_LETTERS = re.compile(r"[^\W\d_](?:\.[^\W\d_])*")
_LAST_WORD = re.compile(r"\S*$")

# Without their last dot, in lower case. Only words that hardly ever end a sentence.
_ABBREVIATIONS_OF = {
    "en": "mr mrs ms dr prof st mt jr sr vs e.g i.e cf fig no vol pp p.m a.m inc ltd approx gen col sgt capt gov rev",
    "de": "z.b d.h u.a bzw ca nr str tel frl hr s.o s.u vgl evtl ggf bzgl abb kap mio mrd",
    "fr": "m mm mme mlle art p.ex env",
    "es": "sra srta dña ud uds ej núm pág",
    "ru": "т.е т.д т.п г гг ул им стр см",
}
_ABBREVIATIONS = frozenset(word for words in _ABBREVIATIONS_OF.values() for word in words.split())


def split_sentences(text: str) -> list[str]:
    """The sentences of a line, without the spaces between them; ``[]`` for a blank line.

    A sentence ends at . ! ? … ؟ ۔ । (and closing quotes and brackets) before a space or the end, and at 。 ！ ？
    anywhere; but not at the dot of a common abbreviation (*Dr.*), of letters (*J. S. Bach*, *U.S. Army*) or of one or two
    digits (*am 3. Mai*), nor at dots behind which a small letter goes on (*Well ... yes*).
    """
    starts_and_ends = zip([0, *_sentence_ends(text)], _sentence_ends(text), strict=False)
    return [piece for start, end in starts_and_ends if (piece := text[start:end].strip())]


def groups_of(text: str, count: int) -> list[str]:
    """A line in pieces of so many sentences, the last perhaps of fewer, without the spaces between them; ``[]`` if it is blank."""
    ends = _sentence_ends(text)
    ends = [*ends[count - 1 : -1 : count], ends[-1]]
    return [piece for start, end in zip([0, *ends], ends, strict=False) if (piece := text[start:end].strip())]


def lacks_sentences(text: str, other: str) -> bool:
    """Whether a text has fewer sentences than another one; not if it does not end as one does: its language may not mark them."""
    own = split_sentences(text)
    return bool(own) and _CLOSED.search(own[-1]) is not None and len(own) < len(split_sentences(other))


def pieces_within(text: str, fits: Callable[[str], bool]) -> list[str]:
    """Consecutive pieces of a line that each satisfy ``fits``, each as long as possible; ``[]`` for a blank line.

    A piece ends at the last sentence end that fits; if none fits, at the last comma, semicolon or colon; else at the
    last space; else inside a word. Nothing but whitespace between pieces is lost.

    Args:
        text: the line.
        fits: True for all pieces up to some length, False for longer ones. One character is taken to fit.

    The cost is a few calls of ``fits`` a piece, on text of about the piece's length, however long the line is.
    """
    text = text.strip()
    levels: list[Sequence[int]] = [
        _sentence_ends(text),
        [match.end() for match in _CLAUSE_END.finditer(text)],
        [match.end() for match in _WORD_END.finditer(text)],
        range(1, len(text) + 1),
    ]
    pieces: list[str] = []
    start = 0
    while start < len(text):
        stop = _too_far(text, start, fits)
        if stop is None:
            return [*pieces, text[start:]]
        found = (_furthest(text, start, stop, ends, fits) for ends in levels)
        end = next((end for end in found if end is not None), start + 1)
        pieces.append(text[start:end])
        start = end
        while text[start : start + 1].isspace():
            start += 1
    return pieces


def _sentence_ends(text: str) -> list[int]:
    """Where sentences end, the end of the text always among them."""
    ends = [match.end() for match in _SENTENCE_END.finditer(text) if not _is_inner_dot(text, match)]
    return ends if ends and ends[-1] == len(text) else [*ends, len(text)]


def _is_inner_dot(text: str, match: re.Match[str]) -> bool:
    """Whether a match is the dot of an abbreviation, of an initial or of an ordinal number; or dots within a sentence."""
    if match.end() == len(text):
        return False
    if match.group() in _DOTS:
        return text[match.end() :].lstrip()[:1].islower()
    if match.group() != ".":
        return False
    before = text[max(0, match.start() - 12) : match.start()]
    last = _LAST_WORD.search(before)
    word = last.group().lstrip("(\"'«„“[").lower() if last else ""
    if word.isdigit():
        return len(word) <= 2
    return word in _ABBREVIATIONS or _LETTERS.fullmatch(word) is not None


def _too_far(text: str, start: int, fits: Callable[[str], bool]) -> int | None:
    """An end for which the text from ``start`` does not fit, at most twice as far as needed; None if all of it fits."""
    length = _SHORT
    while fits(text[start : start + length]):
        if start + length >= len(text):
            return None
        length *= 2
    return min(start + length, len(text))


def _furthest(text: str, start: int, stop: int, ends: Sequence[int], fits: Callable[[str], bool]) -> int | None:
    """The last of the sorted ``ends`` between ``start`` and ``stop`` up to which the text fits, or None."""
    first, last = bisect_right(ends, start), bisect_left(ends, stop)
    unfit = bisect_left(ends, True, first, last, key=lambda end: not fits(text[start:end]))
    return ends[unfit - 1] if unfit > first else None
