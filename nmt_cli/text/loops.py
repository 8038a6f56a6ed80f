"""Loops: words that follow themselves again and again, the sign of a decoder that is caught."""

import re
from collections.abc import Sequence

LOOP = 3
"""So often in a row is a loop."""

_LONGEST_GROUP = 4
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\s\u3040-\u30ff\u3400-\u9fff]+")  # kana and ideographs stand alone


def most_repeats(text: str) -> int:
    """How often the most repeated group of 1 to 4 words stands in a row: 3 for ``a b a b a b``. One pass a size."""
    words: Sequence[str] = _WORD.findall(text)
    most = min(1, len(words))
    for size in range(1, _LONGEST_GROUP + 1):
        run = 0  # words that equal the one a group before
        for word, earlier in zip(words[size:], words, strict=False):
            run = run + 1 if word == earlier else 0
            most = max(most, run // size + 1)
    return most
