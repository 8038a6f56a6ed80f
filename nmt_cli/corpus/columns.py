"""Texts that stand line by line beside each other, read together."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from itertools import zip_longest

from nmt_cli.corpus.reader import STDIN, open_bytes, strict_lines
from nmt_cli.errors import DataError


def called(name: str) -> str:
    """What messages call a file."""
    return "standard input" if name == STDIN else name


def side_by_side(names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The lines of files that stand beside each other, as they are read: memory does not grow with them.

    Raises:
        DataError: a file that is missing, empty or not UTF-8; unequal numbers of lines, but only where the shorter file ends.
    """
    check_stdin(names)
    with ExitStack() as stack:
        columns = [stack.enter_context(closing(_lines(name))) for name in names]
        number = 0
        for number, row in enumerate(zip_longest(*columns), 1):
            if None in row:
                rest = [
                    0 if line is None else 1 + sum(1 for _ in left) for line, left in zip(row, columns, strict=True)
                ]
                check_numbers([(name, number - 1 + lines) for name, lines in zip(names, rest, strict=True)])
            yield row
        if number == 0:
            check_numbers([(name, 0) for name in names])


def _lines(name: str) -> Generator[str]:
    """Each file by itself, so that what is wrong with one is not said of another."""
    with open_bytes(name) as stream:
        yield from strict_lines(stream, called(name))


def check_stdin(names: Sequence[str]) -> None:
    """Raises DataError where standard input is asked for twice."""
    if names.count(STDIN) > 1:
        raise DataError("standard input can be read once only, but is asked for twice")


def check_numbers(counts: Sequence[tuple[str, int]], example: str | None = None) -> None:
    """Raises DataError unless every file, by its name, has as many lines as the first one, and that at least one.

    ``example`` is the hint where a file is empty.
    """
    (first, wanted), *others = counts
    if not wanted:
        raise DataError(f"{called(first)} must have lines, but is empty")
    for name, lines in others:
        if lines != wanted:
            raise DataError(
                f"{called(name)} must have as many lines as {called(first)}, but has {lines:,} and that has {wanted:,}",
                "line 7 of the one must be line 7 of the other, blank lines included" if lines else example,
            )
