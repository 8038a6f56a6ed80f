"""From characters to subwords, merge by merge: byte-pair encoding (Sennrich et al. 2016) of one word; merges may be passed over.

The order is SentencePiece's: of all neighbours that together are a learnt piece, those whose piece was learnt first are merged, and
of equal ones the leftmost.
"""

import sys
from collections.abc import Iterable, Mapping
from itertools import pairwise

_NEVER = sys.maxsize
"""The rank of a merge that there is not."""


def segment(word: str, passed: Iterable[int], learnt: Mapping[str, int]) -> list[str]:
    """The pieces of a word.

    Args:
        word: with the mark of its beginning.
        passed: how many of the possible merges are passed over at each step, the first ones; where that is all of them, the word
            is finished. So it is where ``passed`` ends: it must be as long as the word to be segmented to the end.
        learnt: piece -> its rank, the first learnt the lowest.
    """
    pieces = [*word]
    ranks = [learnt.get(left + right, _NEVER) for left, right in pairwise(pieces)]
    for number in passed:
        place = _place(ranks, number)
        if place is None:
            break
        made = pieces[place] + pieces.pop(place + 1)
        pieces[place] = made
        del ranks[place]
        if place > 0:
            ranks[place - 1] = learnt.get(pieces[place - 1] + made, _NEVER)
        if place < len(ranks):
            ranks[place] = learnt.get(made + pieces[place + 1], _NEVER)
    return pieces


def _place(ranks: list[int], number: int) -> int | None:
    """Where the merge is before which ``number`` come, if there is one."""
    if number >= len(ranks):
        return None
    # Sorting keeps the order of equal ones. Nothing is passed over at most steps.
    place = sorted(range(len(ranks)), key=ranks.__getitem__)[number] if number else ranks.index(min(ranks))
    return place if ranks[place] < _NEVER else None
