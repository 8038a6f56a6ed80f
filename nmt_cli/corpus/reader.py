"""Lines of text from files, pipes and compressed files.

A line ends at ``\\n`` and nowhere else; one ``\\r`` just before it is dropped, and so is a byte order mark at the start of a file.
U+2028, U+0085, ``\\x0c`` and any other ``\\r`` are part of the line: whoever splits at them shifts a corpus against its other side.
"""

import gzip
import lzma
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from nmt_cli.errors import DataError

STDIN = "-"
_BOM = b"\xef\xbb\xbf"


@contextmanager
def open_bytes(path: str | Path) -> Iterator[BinaryIO]:
    """The bytes of a file, unpacked if its name ends in .gz, .xz or .zst; ``-`` is standard input.

    Raises:
        DataError: no such file, a folder, or a damaged archive.
    """
    name = str(path)
    if name == STDIN:
        yield sys.stdin.buffer
        return
    try:
        with _opener(name)(name) as stream:
            yield cast("BinaryIO", stream)
    except FileNotFoundError:
        raise DataError(f"{name} must be a file, but there is none") from None
    except IsADirectoryError:
        raise DataError(f"{name} must be a file, but is a folder") from None
    except (EOFError, lzma.LZMAError, gzip.BadGzipFile, zlib.error, _zstd().ZstdError) as error:
        raise DataError(f"{name} must be a whole archive, but is damaged: {error}") from None


def _opener(name: str) -> Callable[[str], IO[bytes]]:
    if name.endswith(".gz"):
        return lambda path: cast("IO[bytes]", gzip.open(path, "rb"))
    if name.endswith(".xz"):
        return lambda path: lzma.open(path, "rb")
    if name.endswith(".zst"):
        return lambda path: cast("IO[bytes]", _zstd().open(path, "rb"))
    return lambda path: open(path, "rb")


@contextmanager
def packed(name: str, stream: BinaryIO) -> Iterator[BinaryIO]:
    """A stream into an open one, packed as ``open_bytes`` unpacks a file of that name. The same content is the same archive."""
    if name.endswith(".gz"):
        with gzip.GzipFile("", "wb", fileobj=stream, mtime=0) as archive:
            yield cast("BinaryIO", archive)
    elif name.endswith(".xz"):
        with lzma.open(stream, "wb") as archive:
            yield cast("BinaryIO", archive)
    elif name.endswith(".zst"):
        with _zstd().open(stream, "wb") as archive:
            yield archive
    else:
        yield stream


def _zstd() -> Any:
    """Python's own module from 3.14 on, its backport before; imported late, since hardly anybody needs it."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


def raw_lines(stream: BinaryIO) -> Iterator[bytes]:
    """The lines of a stream as bytes, without their ends, as soon as each has arrived."""
    first = True
    for line in stream:
        if first:
            line, first = line.removeprefix(_BOM), False
        yield line.removesuffix(b"\n").removesuffix(b"\r") if line.endswith(b"\n") else line


def read_lines(path: str | Path) -> Iterator[str]:
    """The lines of a file.

    Raises:
        DataError: no such file, a damaged archive, or a line that is not UTF-8 (with file, line and byte).
    """
    with open_bytes(path) as stream:
        yield from strict_lines(stream, str(path))


def strict_lines(stream: BinaryIO, name: str) -> Iterator[str]:
    """The lines of an open stream; ``name`` is what errors call it. Raises DataError where a line is not UTF-8."""
    for number, line in enumerate(raw_lines(stream), 1):
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{name}:{number} must be UTF-8, but byte {error.start + 1} of the line is 0x{line[error.start]:02x}",
                "convert the file first, for example: iconv -f latin1 -t utf-8",
            ) from None


def lenient_lines(stream: BinaryIO, name: str, warn: Callable[[str], None]) -> Iterator[str]:
    """The lines of an open stream; invalid UTF-8 becomes U+FFFD, and ``warn`` is told the line."""
    for number, line in enumerate(raw_lines(stream), 1):
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError:
            warn(f"{name}:{number} is not valid UTF-8: the invalid bytes were read as U+FFFD")
            yield line.decode("utf-8", errors="replace")
