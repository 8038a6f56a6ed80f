"""Which pairs are held out for dev and test: those whose source hashes are smallest.

So the choice does not depend on the order of the corpus, all pairs of one source are on one side, and a corpus that
grows keeps most of its test set. A text would be full of holes: it is cut into blocks of consecutive lines, each of them known
by the hash of its first line, and a handful is held out.
"""

from heapq import heappush, heappushpop

_CAPACITY = 8192  # hashes kept: more than two sides of _MOST pairs can use
_SHARE, _LEAST, _MOST = 0.02, 200, 2000
_BLOCKS, _SHORTEST = 5, 40  # blocks of a text on a side, fewer where they would have fewer lines


def held_out_size(pairs: int) -> int:
    """How many of ``pairs`` go to dev, and as many to test: 2 %, within 200 to 2,000, at most a tenth, at least 1."""
    return max(1, min(pairs // 10, max(_LEAST, min(_MOST, round(_SHARE * pairs)))))


def block_size(lines: int) -> int:
    """How many consecutive lines of a text of so many are held out together."""
    size = held_out_size(lines)
    return size // max(1, min(_BLOCKS, size // _SHORTEST))


class SmallestHashes:
    """The smallest hashes of a stream and how often each occurred, in bounded memory."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self._largest: list[int] = []  # a heap of negated hashes: the largest on top

    def add(self, key: int) -> None:
        """Count one pair."""
        if key in self._counts:
            self._counts[key] += 1
        elif len(self._largest) < _CAPACITY:
            heappush(self._largest, -key)
            self._counts[key] = 1
        elif key < -self._largest[0]:
            del self._counts[-heappushpop(self._largest, -key)]
            self._counts[key] = 1

    @property
    def distinct(self) -> int:
        """How many different hashes are kept."""
        return len(self._counts)

    def hold_out(self, pairs: int, sides: int) -> list[frozenset[int]] | None:
        """The hashes of each held-out side, of ``pairs`` pairs each, or None where train would be left with nothing.

        Hashes in rising order; one that stands for more pairs than there is room for is passed over, unless a side
        would stay empty.
        """
        free = dict(sorted(self._counts.items()))
        if len(free) <= sides:
            return None
        return [_take(free, pairs) for _ in range(sides)]


def _take(free: dict[int, int], pairs: int) -> frozenset[int]:
    """Move hashes of about ``pairs`` pairs out of ``free``."""
    taken, room = [], pairs
    for key, count in free.items():
        if count <= room:
            taken.append(key)
            room -= count
        if not room:
            break
    if not taken:
        taken = [min(free, key=lambda key: (free[key], key))]
    for key in taken:
        del free[key]
    return frozenset(taken)
