"""Loops: words, or parts of a word, that follow themselves again and again, the sign of a decoder that is caught."""

import re
from collections.abc import Sequence

LOOP = 3
"""So often in a row is a loop."""

_LONGEST_GROUP = 4
_SPELT = re.compile(r"(\S{1,4}?)\1{9,}")
"""A word that is a loop: ten times the same one to four characters, which no language spells."""
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\s\u3040-\u30ff\u3400-\u9fff]+")  # kana and ideographs stand alone


def most_repeats(text: str) -> int:
    """How often the most repeated group of 1 to 4 words stands in a row: 3 for ``a b a b a b``. One pass a size.

    So do 1 to 4 characters, where they do it ten times.
    """
    words: Sequence[str] = _WORD.findall(text)
    most = max([min(1, len(words)), *(len(found[0]) // len(found[1]) for found in _SPELT.finditer(text))])
    for size in range(1, _LONGEST_GROUP + 1):
        run = 0  # words that equal the one a group before
        for word, earlier in zip(words[size:], words, strict=False):
            run = run + 1 if word == earlier else 0
            most = max(most, run // size + 1)
    return most
