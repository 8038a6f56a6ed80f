"""Which word of a line each of its pieces belongs to. A word is what stands between spaces."""

from __future__ import annotations

from collections.abc import Sequence

from nmt_cli.text.normalize import normalize


def words_of(surfaces: Sequence[str]) -> list[int | None]:
    """From what each piece adds to a line: the number of its word, from 0, in the normalised line.

    A piece that spells nothing by itself (a space, the first bytes of a character) goes with the one behind it; None where there is
    none. So every word has a piece, and numbers ascend. Costs O(n^2) characters: for lines as long as a model takes.
    """
    found: list[int | None] = []
    line = ""
    for surface in surfaces:
        line += surface
        found.append(normalize(line).count(" ") if normalize(surface) else None)
    following = None
    for place in reversed(range(len(found))):
        following = found[place] = following if found[place] is None else found[place]
    return found
