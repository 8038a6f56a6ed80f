"""Marian's ``.npz``: a zip archive of NumPy's files, one a tensor. Only plain numbers are read from it, and nothing is unpickled.

An archive may claim to be far larger unpacked than it is: what it claims is checked before anything is unpacked, and no more than
that is ever unpacked.
"""

from __future__ import annotations

import struct
import zlib
from functools import partial
from pathlib import Path
from tokenize import TokenError
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import numpy as np
from numpy.lib import format as npy

from nmt_cli.errors import ModelError
from nmt_cli.interchange.marian_items import (
    CONFIG,
    LARGEST_CONFIG,
    LONGEST_NAME,
    Floats,
    Item,
    Items,
    as_config,
    check_shape,
    collected,
)

_SUFFIX = ".npy"
_MOST_PACKED = 20
"""Times that an archive may be larger unpacked than packed: weights hardly pack at all, and a bomb a thousand times."""
_DAMAGED = (BadZipFile, ValueError, EOFError, OSError, RuntimeError, NotImplementedError, SyntaxError, TokenError, KeyError,
            struct.error, zlib.error, OverflowError, MemoryError)  # fmt: skip
"""What the readers of zip archives and of NumPy's files raise for damaged ones."""


def is_npz(head: bytes) -> bool:
    """Whether a file that begins so is of this kind."""
    return head[:4] == b"PK\x03\x04"


def read_npz(path: Path) -> Items:
    """What is in a file. Raises ModelError for one that is damaged, cut or not what it should be."""
    try:
        with ZipFile(path) as archive:
            return _read(path, archive)
    except _DAMAGED as error:
        raise ModelError(
            f"{path} must be a whole NumPy archive, but is damaged: {' '.join(str(error).split())[:100]}",
            "it was cut, or it is no model of Marian: fetch it again",
        ) from None


def _read(path: Path, archive: ZipFile) -> Items:
    members = archive.infolist()
    unpacked, limit = sum(member.file_size for member in members), _MOST_PACKED * path.stat().st_size
    if unpacked > limit:
        raise ModelError(f"{path} must not be over {limit:,} bytes unpacked, but says {unpacked:,}")
    tensors: dict[str, Item] = {}
    config = None
    for member in members:
        name = member.filename.removesuffix(_SUFFIX)
        if not 0 < len(name) < LONGEST_NAME or name in tensors or (name == CONFIG and config is not None):
            raise ModelError(f"{path} must hold each tensor once and under a short name, but has {name[:60]!r}")
        if not name.isprintable() or member.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            raise ModelError(f"{path} must hold tensors as NumPy writes them, but has {name[:60]!r}")
        shape, kind, start = _header(path, archive, member, name)
        if name == CONFIG:
            if kind.itemsize != 1 or member.file_size > LARGEST_CONFIG:
                raise ModelError(f"{path} must hold {CONFIG} as text, but it is of type {kind}")
            config = as_config(str(path), archive.read(member)[start:])
        else:
            if kind.kind != "f":
                raise ModelError(f"{path} must hold floating-point numbers, but {name} is of type {kind}")
            tensors[name] = Item(name, shape, partial(_load, path, member, start, shape, kind))
    return collected(path, tensors, config)


def _header(
    path: Path, archive: ZipFile, member: ZipInfo, name: str
) -> tuple[tuple[int, ...], np.dtype[np.generic], int]:
    """Shape, type and where the numbers begin. Raises ModelError where they are not as many bytes as the archive says."""
    with archive.open(member) as stream:
        version = npy.read_magic(stream)
        read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}.get(version)
        if read is None:
            raise ModelError(f"{path} must hold NumPy files of version 1 or 2, but {name} is of {version[0]}")
        shape, columns_first, kind = read(stream)
        start = stream.tell()
    count = check_shape(str(path), name, shape)
    if kind.hasobject or columns_first:
        raise ModelError(f"{path} must hold plain numbers row by row, but {name} does not")
    if count * kind.itemsize != member.file_size - start:
        raise ModelError(
            f"{path} must hold {count * kind.itemsize:,} bytes for {name} of shape {shape}, but has {member.file_size - start:,}"
        )
    return shape, kind, start


def _load(path: Path, member: ZipInfo, start: int, shape: tuple[int, ...], kind: np.dtype[np.generic]) -> Floats:
    """The numbers of one."""
    try:
        with ZipFile(path) as archive:
            content = archive.read(member)
        return np.frombuffer(content, kind, offset=start).reshape(shape).astype(np.float32)
    except _DAMAGED as error:
        raise ModelError(f"{path} must be a whole NumPy archive, but is damaged: {error}") from None
