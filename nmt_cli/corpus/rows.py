"""Rows of different lengths in two flat files: the items of all rows, and the offset at which each row begins.

``NAME`` holds the items, ``NAME.offsets`` n + 1 offsets in items (uint64); both little-endian, nothing else in them.
Read by memory-mapping, so a row costs a page of the disk and not the file.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from nmt_cli.errors import DataError

Items = NDArray[Any]

TEXT = np.dtype("u1")
_OFFSETS = np.dtype("<u8")


def id_type(vocabulary: int) -> np.dtype[Any]:
    """The smallest type that holds the ids of a vocabulary: uint16 up to 65,536."""
    return np.dtype("<u2") if vocabulary <= 2**16 else np.dtype("<u4")


class RowWriter:
    """Appends rows to a pair of files; made by ``write_rows``."""

    def __init__(self, items: BinaryIO, offsets: BinaryIO, kind: np.dtype[Any]) -> None:
        self._items, self._offsets, self._kind = items, offsets, kind
        self._digest = blake2b(digest_size=16)
        self._end = 0
        self.count = 0
        offsets.write(np.zeros(1, _OFFSETS).tobytes())

    def extend_text(self, rows: Sequence[str]) -> None:
        """Append lines as UTF-8."""
        encoded = [row.encode("utf-8") for row in rows]
        self._append(b"".join(encoded), [len(row) for row in encoded])

    def extend(self, rows: Sequence[Sequence[int]]) -> None:
        """Append rows of numbers."""
        lengths = [len(row) for row in rows]
        items = np.fromiter(chain.from_iterable(rows), self._kind, sum(lengths))
        self._append(items.tobytes(), lengths)

    def _append(self, items: bytes, lengths: list[int]) -> None:
        offsets = (np.cumsum(lengths, dtype=_OFFSETS) + np.uint64(self._end)).astype(_OFFSETS).tobytes()
        self._items.write(items)
        self._offsets.write(offsets)
        self._digest.update(items)
        self._digest.update(offsets)
        self._end += sum(lengths)
        self.count += len(lengths)

    def checksum(self) -> str:
        """blake2b of the rows so far and of how they were cut into calls."""
        return self._digest.hexdigest()


@contextmanager
def write_rows(path: Path, kind: np.dtype[Any]) -> Iterator[RowWriter]:
    """Open a pair of files for writing."""
    with open(path, "wb") as items, open(_offsets_of(path), "wb") as offsets:
        yield RowWriter(items, offsets, kind)


class Rows:
    """A pair of files, memory-mapped."""

    def __init__(self, path: Path, kind: np.dtype[Any]) -> None:
        """Raises DataError where a file is missing or the two do not fit each other."""
        self._items = mapped(path, kind)
        self._offsets = mapped(_offsets_of(path), _OFFSETS)
        if len(self._offsets) == 0 or int(self._offsets[-1]) != len(self._items):
            raise DataError(f"{path} must be as long as its offsets say, but is damaged", "nmt preprocess again")

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __getitem__(self, index: int) -> Items:
        """Row ``index``, a view of the file."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self._items[int(self._offsets[index]) : int(self._offsets[index + 1])]

    def text(self, index: int) -> str:
        """Row ``index`` as text."""
        return self[index].tobytes().decode("utf-8")

    def texts(self, start: int, stop: int) -> list[str]:
        """Rows ``start`` to ``stop - 1`` as text, read at once."""
        ends = (self._offsets[start : stop + 1] - self._offsets[start]).tolist()
        joined = self._items[int(self._offsets[start]) : int(self._offsets[stop])].tobytes()
        return [joined[ends[i] : ends[i + 1]].decode("utf-8") for i in range(stop - start)]

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """(n,) items in each row."""
        offsets = self._offsets.astype(np.int64)
        return offsets[1:] - offsets[:-1]


def chunks(count: int, size: int) -> Iterable[tuple[int, int]]:
    """``(start, stop)`` of consecutive chunks of ``range(count)``."""
    return ((start, min(count, start + size)) for start in range(0, count, size))


def _offsets_of(path: Path) -> Path:
    return path.with_name(path.name + ".offsets")


def mapped(path: Path, kind: np.dtype[Any]) -> Items:
    """A file of numbers, memory-mapped. Raises DataError where it is missing or holds a part of a number."""
    try:
        if path.stat().st_size == 0:  # an empty file cannot be mapped
            return np.zeros(0, kind)
        return np.memmap(path, kind, mode="r")
    except FileNotFoundError:
        raise DataError(f"{path} must be a file, but there is none", "nmt preprocess again") from None
    except ValueError:
        raise DataError(f"{path} must hold whole numbers of {kind.itemsize} bytes, but is damaged") from None
