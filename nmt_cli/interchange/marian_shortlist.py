"""The shortlist of a student: for each source piece the target pieces that it may become, as a word aligner has seen them.

    u64 {magic, checksum, how many of the most frequent are always there, how many for each, n, m} | n u64 places | m u32 ids

The ids of the source piece i are those from place i to place i + 1. It is kept in our ids, beside the model.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from nmt_cli.errors import ModelError
from nmt_cli.models.shortlist import tensors_of
from nmt_cli.text.tokenizer import EOS, UNK

MAGIC = 0xF11A48D5013417F5

_HEAD = struct.Struct("<6Q")
_MOST = 2000  # candidates of a source piece, on average; Firefox has some fifty


def is_shortlist(head: bytes) -> bool:
    """Whether a file that begins so is one."""
    return head[:8] == struct.pack("<Q", MAGIC)


def read_shortlist(path: Path, rows: Sequence[int]) -> dict[str, Tensor]:
    """In our ids, as it is kept. ``rows``: of each of our ids from UNK on, that of Marian's.

    Raises ModelError for a file that is damaged or of another model.
    """
    size, found = len(rows), path.stat().st_size
    with open(path, "rb") as stream:
        head = stream.read(_HEAD.size)
        if len(head) < _HEAD.size:
            raise ModelError(f"{path} must be a shortlist, but has {found} bytes")
        _, _, frequent, _, count, length = _HEAD.unpack(head)
        wanted = _HEAD.size + 8 * count + 4 * length
        if found != wanted:
            raise ModelError(f"{path} must have {wanted:,} bytes, as it says, but has {found:,}", "fetch it again")
        if count != size + 1 or length > _MOST * size:  # before anything is allocated
            raise _of_another(path, size, count)
        content = head + stream.read(wanted - _HEAD.size)
    places = np.frombuffer(content, "<u8", count, _HEAD.size)
    targets = np.frombuffer(content, "<u4", length, _HEAD.size + 8 * count)
    if frequent > size or (length and int(targets.max()) >= size):
        raise _of_another(path, size, count)
    if int(places[0]) or int(places[-1]) != length or (places[1:] < places[:-1]).any():
        raise ModelError(f"{path} must have places that rise from 0 to {length:,}, but they do not")
    return _ours(places.astype(np.int64), targets, np.asarray(rows), frequent)


def _of_another(path: Path, size: int, count: int) -> ModelError:
    return ModelError(f"{path} must be for the {size:,} entries of the vocabulary, but is for {max(0, count - 1):,}")


def _ours(
    places: np.ndarray[tuple[int], np.dtype[np.int64]],
    targets: np.ndarray[tuple[int], np.dtype[np.uint32]],
    rows: np.ndarray[tuple[int], np.dtype[np.int64]],
    frequent: int,
) -> dict[str, Tensor]:
    """Lists by our ids, of our ids that can be produced; the first of Marian's vocabulary are candidates of any source."""
    ids = np.empty(len(rows), np.int64)
    ids[rows] = np.arange(UNK, UNK + len(rows))
    lists = [ids[targets[places[row] : places[row + 1]]] for row in rows]
    none = [np.empty(0, np.int64)] * UNK
    return tensors_of([*none, *map(_producible, lists)], _producible(np.append(ids[:frequent], EOS)))


def _producible(ids: np.ndarray[tuple[int], np.dtype[np.int64]]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.unique(ids[ids >= EOS])
