"""What a parallel corpus must be. Each check raises a DataError that names file, rule, line and value; none guesses."""

import os
from array import array
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nmt_cli.corpus.reader import open_bytes, raw_lines
from nmt_cli.errors import DataError

Lengths = NDArray[np.float64]

_TWO_FILES = "nmt takes two aligned files, or one file of source<TAB>target lines"


def check_files(paths: Sequence[Path]) -> None:
    """The files are one or two, and two different ones."""
    if len(paths) not in (1, 2):
        raise DataError(f"a corpus must be one file or two, but is {len(paths)}", _TWO_FILES)
    _check_existence(paths)
    if len(paths) == 2 and paths[0].is_file() and os.path.samefile(*paths):
        raise DataError(f"source and target must be two files, but both are {paths[0]}", _TWO_FILES)


def check_file(paths: Sequence[Path], what: str) -> None:
    """There is one file. ``what`` is what it should hold."""
    if len(paths) != 1:
        raise DataError(f"{what} must be one file, but is {len(paths)}")
    _check_existence(paths)


def _check_existence(paths: Sequence[Path]) -> None:
    for path in paths:
        if path.is_dir():
            raise DataError(f"{path} must be a file, but is a folder")
        if not path.exists():
            raise DataError(f"{path} must be a file, but there is none")


def tab_separated(line: str, name: str, number: int, *, hint: str | None = None) -> tuple[str, str]:
    """The two sides of a line with one tab. Raises DataError, with a ``hint`` at its form, where it has not exactly one."""
    sides = line.split("\t")
    if len(sides) != 2:
        hint = hint or ("a tab inside a sentence must become a space first" if len(sides) > 2 else _TWO_FILES)
        raise DataError(f"{name}:{number} must hold exactly one tab, but holds {len(sides) - 1}", hint)
    return sides[0], sides[1]


class OneSided:
    """Collects the lines that are blank on one side only, so that the error can say how many there are."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._first: tuple[str, int] | None = None
        self._counts = dict.fromkeys(names, 0)

    def note(self, side: int, number: int) -> None:
        """Line ``number`` is blank on ``side`` (0 source, 1 target) and not on the other."""
        name = self._names[min(side, len(self._names) - 1)]
        self._first = self._first or (name, number)
        self._counts[name] += 1

    def check(self) -> None:
        """Raises DataError if any line was noted."""
        if self._first is None:
            return
        name, number = self._first
        counts = ", ".join(f"{count:,} in {name}" for name, count in self._counts.items() if count)
        raise DataError(
            f"{name}:{number} must not be blank where the other side is not; lines like this: {counts}",
            _drop_hint(self._names),
        )


def _drop_hint(names: Sequence[str]) -> str:
    keep = "awk -F'\\t' 'NF == 2 && $1 ~ /[^ ]/ && $2 ~ /[^ ]/'"
    if len(names) == 1:
        return f"look there first; to drop such lines: {keep} {names[0]} > clean.tsv"
    if any(name.endswith((".gz", ".xz", ".zst")) for name in names):
        return "look there first: are the files still aligned? then drop such lines from both"
    return f"look there first; to drop such lines: paste {' '.join(names)} | {keep} > clean.tsv, and give that one file"


def unequal_lines(paths: Sequence[Path]) -> DataError:
    """The error for two files with different numbers of lines: both counts, and where the files seem to part.

    Reads both files again; needs 8 bytes of memory a line.
    """
    if not all(path.is_file() for path in paths):  # pipes cannot be read twice
        return DataError(f"{paths[0]} and {paths[1]} must have equally many lines, but one ends before the other")
    lengths = [_line_lengths(path) for path in paths]
    counts = [len(each) for each in lengths]
    for path, count in zip(paths, counts, strict=True):
        if count == 0:
            return empty(str(path))
    message = f"{paths[0]} and {paths[1]} must have equally many lines, but have {counts[0]:,} and {counts[1]:,}"
    line = parting_line(*lengths)
    short = paths[0] if counts[0] < counts[1] else paths[1]
    if line > min(counts):
        return DataError(message, f"the lengths of the lines agree as far as {short} goes: its end seems to be missing")
    return DataError(message, f"by the lengths of the lines they seem to part near line {line:,}: compare both there")


def empty(name: str) -> DataError:
    """The error for a file without lines."""
    return DataError(f"{name} must have lines, but is empty")


def parting_line(source: Lengths, target: Lengths) -> int:
    """The line (from 1) from which two files with a different number of lines fit better when the longer is moved up.

    The cost of a pair is the squared distance of its log length ratio from the usual one, after the idea of Gale and
    Church (1993). Costs O(n); exact for one gap, a compromise for several. One behind the shorter file's last line if
    its end is missing.

    Args:
        source: (n,) characters in each line.
        target: (m,) characters in each line.
    """
    short, long = sorted((np.log1p(source), np.log1p(target)), key=len)
    n, gap = len(short), len(long) - len(short)
    usual = np.median(long) - np.median(short)
    unmoved = (long[:n] - short - usual) ** 2
    moved = (long[gap:] - short - usual) ** 2
    costs = np.concatenate([[0.0], np.cumsum(unmoved - moved)])  # of moving from each line on, up to a constant
    return int(np.flatnonzero(costs <= costs.min() + 1e-9)[-1]) + 1


def _line_lengths(path: Path) -> Lengths:
    with open_bytes(path) as stream:
        return np.frombuffer(array("I", (len(line) for line in raw_lines(stream))), dtype=np.uintc).astype(np.float64)


def check_copies(copies: int, lines: int, name: str) -> None:
    """Not every line is the same on both sides."""
    if copies == lines:
        raise DataError(f"{name} must differ, but source and target are the same in all {lines:,} lines", _TWO_FILES)
