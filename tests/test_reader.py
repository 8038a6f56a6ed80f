"""Lines are what stands between two ``\\n``, whatever else is in them."""

import gzip
import io
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest

from nmt_cli.corpus.reader import lenient_lines, read_lines
from nmt_cli.errors import DataError


@pytest.mark.parametrize("sign", ["\u2028", "\u2029", "\u0085", "\x0b", "\x0c", "\x1c", "\x00", "a\rb", "\ufeffx"])
def test_only_a_line_feed_ends_a_line(tmp_path: Path, sign: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(f"one\n.{sign}.\nthree\n".encode())
    assert list(read_lines(path)) == ["one", f".{sign}.", "three"]


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", []),
        (b"\n", [""]),
        (b"a", ["a"]),
        (b"a\n\nb", ["a", "", "b"]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n", ["a", "\ufeffb"]),
    ],
)
def test_ends_of_lines_and_files(tmp_path: Path, content: bytes, lines: list[str]) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    assert list(read_lines(path)) == lines


def _zstd(content: bytes) -> bytes:
    import sys

    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return bytes(zstd.compress(content))


@pytest.mark.parametrize(("suffix", "pack"), [("gz", gzip.compress), ("xz", lzma.compress), ("zst", _zstd)])
def test_archives(tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / f"a.en.{suffix}"
    path.write_bytes(pack("ä\nb\n".encode()))
    assert list(read_lines(path)) == ["ä", "b"]
    path.write_bytes(pack(b"a\n" * 1000)[:-9])
    with pytest.raises(DataError, match="damaged"):
        list(read_lines(path))


def test_invalid_bytes_are_named_by_file_line_and_byte(tmp_path: Path) -> None:
    path = tmp_path / "a.de"
    path.write_bytes(b"gut\nstra\xdfe\n")
    with pytest.raises(DataError, match=r"a\.de:2 must be UTF-8, but byte 5 of the line is 0xdf"):
        list(read_lines(path))


def test_lenient_lines_warn_and_go_on() -> None:
    warnings: list[str] = []
    assert list(lenient_lines(io.BytesIO(b"a\n\xff\nc"), "stdin", warnings.append)) == ["a", "\ufffd", "c"]
    assert len(warnings) == 1
    assert "stdin:2" in warnings[0]


@pytest.mark.parametrize("name", ["missing.en", "."])
def test_what_is_no_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="must be a file"):
        list(read_lines(tmp_path / name))
