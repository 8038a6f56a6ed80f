"""Marian's own container, ``.bin``: tensors as they lie in memory, of which some may be whole numbers of 8 bits.

    u64 version, 1 | u64 n | n headers of u64 {length of the name, type, dimensions, length of the data}
    the names, each ended by NUL | the shapes, i32 | u64 padding, and so many bytes | the data, one after the other

A tensor of type intgemm8 is int8 values and behind them one float32, by which they are to be divided. The embeddings lie row by
row; all other matrices of this type lie transposed, as the product with them wants it. (A type that only fits one kind of
processor is refused: only such files as every processor can read are handed on.)

The file is mapped, not read, and no length in it is believed before it is known to lie within the file.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from nmt_cli.errors import ModelError
from nmt_cli.interchange.marian_items import (
    CONFIG,
    LARGEST_CONFIG,
    LONGEST_NAME,
    MOST_DIMENSIONS,
    Floats,
    Item,
    Items,
    as_config,
    check_shape,
    collected,
)

VERSION = 1
CHARACTERS, INTGEMM8 = 0x0101, 0x4101
FLOATS = {0x0402: "<f2", 0x0404: "<f4", 0x0408: "<f8"}
EMBEDDING = "Wemb"
"""In the name of whatever lies row by row."""
PRECISION = "_QuantMultA"
"""The end of the names of scales for inputs, which matter to whole numbers alone."""

_HEAD, _HEADER, _LENGTH, _SCALE = struct.Struct("<QQ"), struct.Struct("<QQQQ"), struct.Struct("<Q"), struct.Struct("<f")
_ALIGNED = 256  # data may be filled up to a multiple of so many bytes


@dataclass(frozen=True)
class _Header:
    """What is said of a tensor before its data."""

    name: str
    kind: int
    shape: tuple[int, ...]
    start: int
    size: int  # bytes, with what fills them up


def is_binary(head: bytes) -> bool:
    """Whether a file that begins so is of this kind."""
    return head[:8] == _LENGTH.pack(VERSION)


def read_binary(path: Path) -> Items:
    """What is in a file. Raises ModelError for one that is damaged, cut or not what it should be."""
    with open(path, "rb") as stream:
        content = memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
    tensors: dict[str, Item] = {}
    config = None
    for header in _headers(path, content):
        if header.name in tensors or (header.name == CONFIG and config is not None):
            raise ModelError(f"{path} must hold each tensor once, but has {header.name} twice")
        data = content[header.start : header.start + header.size]
        if header.name == CONFIG:
            if header.kind != CHARACTERS or header.size > LARGEST_CONFIG:
                raise ModelError(f"{path} must hold {CONFIG} as text, but it is of type {header.kind:#x}")
            config = as_config(str(path), bytes(data))
        elif not header.name.endswith(PRECISION):
            tensors[header.name] = Item(header.name, header.shape, _loader(path, header, data))
    return collected(path, tensors, config)


def _headers(path: Path, content: memoryview) -> Iterator[_Header]:
    """All headers, with where the data lies. Nothing is allocated by what they say."""
    cursor = _Cursor(path, content)
    version, count = _HEAD.unpack(cursor.take(_HEAD.size))
    if version != VERSION:
        raise ModelError(f"{path} must be of version {VERSION}, but is of {version}")
    cursor.check(count * (_HEADER.size + 1))
    heads = [_HEADER.unpack(cursor.take(_HEADER.size)) for _ in range(count)]
    names = [cursor.name(length) for length, *_ in heads]
    shapes = [cursor.shape(name, dimensions) for name, (_, _, dimensions, _) in zip(names, heads, strict=True)]
    (padding,) = _LENGTH.unpack(cursor.take(_LENGTH.size))
    cursor.take(padding)
    for name, shape, (_, kind, _, size) in zip(names, shapes, heads, strict=True):
        start = cursor.place
        cursor.take(size)
        yield _Header(name, kind, shape, start, size)


@dataclass
class _Cursor:
    """A place in the file, which moves on."""

    path: Path
    content: memoryview
    place: int = 0

    def check(self, size: int) -> None:
        """Raises ModelError where so many bytes do not follow."""
        if size > len(self.content) - self.place:
            raise ModelError(
                f"{self.path} must have {self.place + size:,} bytes or more, as it says, but has {len(self.content):,}",
                "it was cut, or it is no model of Marian: fetch it again",
            )

    def take(self, size: int) -> memoryview:
        """The next bytes."""
        self.check(size)
        taken = self.content[self.place : self.place + size]
        self.place += size
        return taken

    def name(self, size: int) -> str:
        """The next name, which ends in NUL."""
        if not 1 < size <= LONGEST_NAME:
            raise ModelError(f"{self.path} must hold names of 1 to {LONGEST_NAME - 1} bytes, but one has {size - 1:,}")
        found = bytes(self.take(size))
        if found[-1] or not found[:-1].isascii() or not found[:-1].decode("ascii").isprintable():
            raise ModelError(f"{self.path} must hold names in ASCII that end in NUL, but has {found[:60]!r}")
        return found[:-1].decode("ascii")

    def shape(self, name: str, dimensions: int) -> tuple[int, ...]:
        """The next shape."""
        if dimensions > MOST_DIMENSIONS:
            raise ModelError(
                f"{self.path} must hold tensors of up to {MOST_DIMENSIONS} dimensions, but {name} has {dimensions:,}"
            )
        shape = struct.unpack(f"<{dimensions}i", self.take(4 * dimensions))
        check_shape(str(self.path), name, shape)
        return shape


def _loader(path: Path, header: _Header, data: memoryview) -> partial[Floats]:
    """How the numbers are to be read. Raises ModelError where the shape, the type and the length of the data do not agree."""
    count = check_shape(str(path), header.name, header.shape)
    if header.kind == INTGEMM8:
        _check_size(path, header, count + _SCALE.size)
        (scale,) = _SCALE.unpack(data[count : count + _SCALE.size])
        if not 0 < scale < float("inf"):
            raise ModelError(f"{path} must divide {header.name} by a number above 0, but does by {scale}")
        if len(header.shape) != 2:
            raise ModelError(f"{path} must hold a matrix of 8 bits in {header.name}, but it has {header.shape}")
        return partial(_whole, data[:count], header.shape, scale, header.name)
    if header.kind not in FLOATS:
        raise ModelError(
            f"{path} must hold float32 or intgemm8, but {header.name} is of type {header.kind:#x}",
            "marian-conv --gemm-type intgemm8, or float32, writes what every processor can read",
        )
    kind = np.dtype(FLOATS[header.kind])
    _check_size(path, header, count * kind.itemsize)
    return partial(_floats, data[: count * kind.itemsize], kind, header.shape)


def _check_size(path: Path, header: _Header, wanted: int) -> None:
    if not wanted <= header.size < wanted + _ALIGNED:
        raise ModelError(
            f"{path} must hold {wanted:,} bytes for {header.name} of shape {header.shape}, but has {header.size:,}"
        )


def _whole(data: memoryview, shape: tuple[int, int], scale: float, name: str) -> Floats:
    """Values of 8 bits."""
    values = np.frombuffer(data, np.int8)
    matrix = values.reshape(shape) if EMBEDDING in name else values.reshape(shape[::-1]).T
    return matrix.astype(np.float32) / np.float32(scale)


def _floats(data: memoryview, kind: np.dtype[np.floating], shape: tuple[int, ...]) -> Floats:
    return np.frombuffer(data, kind).reshape(shape).astype(np.float32)
