"""Texts that stand line by line beside each other: references, hypotheses, the output of another system."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import zip_longest

from nmt_cli.console import warn
from nmt_cli.corpus.reader import STDIN, open_bytes, strict_lines
from nmt_cli.errors import DataError
from nmt_cli.evaluation.metrics import looks_tokenised, looks_unspaced

EXAMPLE = "nmt score ref.de < output.de"


def read(name: str) -> list[str]:
    """The lines of a file, or of standard input. Raises DataError where it is missing or not UTF-8."""
    with open_bytes(name) as stream:
        return list(strict_lines(stream, called(name)))


def called(name: str) -> str:
    """What messages call it."""
    return "standard input" if name == STDIN else name


def side_by_side(names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The lines of files that stand beside each other, as they are read: memory does not grow with them.

    Raises:
        DataError: what ``read`` and ``check_counts`` refuse, but unequal counts only where the shorter file ends.
    """
    if names.count(STDIN) > 1:
        raise DataError("standard input can be read once only, but is asked for twice")
    with ExitStack() as stack:
        columns = [strict_lines(stack.enter_context(open_bytes(name)), called(name)) for name in names]
        number = 0
        for number, row in enumerate(zip_longest(*columns), 1):
            if None in row:
                rest = [
                    0 if line is None else 1 + sum(1 for _ in left) for line, left in zip(row, columns, strict=True)
                ]
                _check_numbers([(name, number - 1 + lines) for name, lines in zip(names, rest, strict=True)])
            yield row
        if number == 0:
            _check_numbers([(name, 0) for name in names])


def check_counts(texts: Mapping[str, Sequence[str]]) -> None:
    """Raises DataError unless every text has as many lines as the first one, and that at least one."""
    _check_numbers([(name, len(lines)) for name, lines in texts.items()])


def _check_numbers(counts: Sequence[tuple[str, int]]) -> None:
    (first, wanted), *others = counts
    if not wanted:
        raise DataError(f"{called(first)} must have lines, but is empty")
    for name, lines in others:
        if lines != wanted:
            raise DataError(
                f"{called(name)} must have as many lines as {called(first)}, but has {lines:,} and that has {wanted:,}",
                "line 7 of the one must be line 7 of the other, blank lines included" if lines else EXAMPLE,
            )


def warn_of_form(texts: Mapping[str, Sequence[str]], language: str | None) -> None:
    """Warn of texts that look tokenised, carry subword marks, or are scored without the language they need."""
    for name, lines in texts.items():
        for complaint in (looks_tokenised(lines), looks_unspaced(lines, language)):
            if complaint:
                warn(f"{called(name)} {complaint}")
