"""Texts that stand line by line beside each other: references, hypotheses, the output of another system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nmt_cli.console import warn
from nmt_cli.corpus.reader import STDIN, open_bytes, strict_lines
from nmt_cli.errors import DataError

EXAMPLE = "nmt score ref.de < output.de"


def read(name: str) -> list[str]:
    """The lines of a file, or of standard input. Raises DataError where it is missing or not UTF-8."""
    with open_bytes(name) as stream:
        return list(strict_lines(stream, called(name)))


def called(name: str) -> str:
    """What messages call it."""
    return "standard input" if name == STDIN else name


def check_counts(texts: Mapping[str, Sequence[str]]) -> None:
    """Raises DataError unless every text has as many lines as the first one, and that at least one."""
    (first, reference), *others = texts.items()
    if not reference:
        raise DataError(f"{called(first)} must have lines, but is empty")
    for name, lines in others:
        if len(lines) != len(reference):
            raise DataError(
                f"{called(name)} must have as many lines as {called(first)}, "
                f"but has {len(lines):,} and that has {len(reference):,}",
                "line 7 of the one must be line 7 of the other, blank lines included" if lines else EXAMPLE,
            )


def warn_of_form(texts: Mapping[str, Sequence[str]], language: str | None) -> None:
    """Warn of texts that look tokenised, carry subword marks, or are scored without the language they need."""
    from nmt_cli.evaluation.metrics import looks_tokenised, looks_unspaced

    for name, lines in texts.items():
        for complaint in (looks_tokenised(lines), looks_unspaced(lines, language)):
            if complaint:
                warn(f"{called(name)} {complaint}")
