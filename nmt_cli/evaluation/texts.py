"""Texts that stand line by line beside each other: references, hypotheses, the output of another system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from nmt_cli.console import warn
from nmt_cli.corpus.columns import called, check_numbers
from nmt_cli.corpus.files import language_of
from nmt_cli.corpus.reader import open_bytes, strict_lines
from nmt_cli.evaluation.metrics import looks_tokenised, looks_unspaced

EXAMPLE = "nmt score ref.de < output.de"


def read(name: str) -> list[str]:
    """The lines of a file, or of standard input. Raises DataError where it is missing or not UTF-8."""
    with open_bytes(name) as stream:
        return list(strict_lines(stream, called(name)))


def check_counts(texts: Mapping[str, Sequence[str]]) -> None:
    """Raises DataError unless every text has as many lines as the first one, and that at least one."""
    check_numbers([(name, len(lines)) for name, lines in texts.items()], EXAMPLE)


def warn_of_direction(source: str, reference: str, languages: tuple[str, ...]) -> None:
    """Warn of files whose names say that they are the wrong way round for a model of these languages."""
    found = (language_of(Path(source)), language_of(Path(reference)))
    if found == languages[::-1]:
        warn(f"{source} and {reference} are named {'-'.join(languages[::-1])}, but the model is {'-'.join(languages)}")


def warn_of_form(texts: Mapping[str, Sequence[str]], language: str | None) -> None:
    """Warn of texts that look tokenised, carry subword marks, or are scored without the language they need."""
    for name, lines in texts.items():
        for complaint in (looks_tokenised(lines), looks_unspaced(lines, language)):
            if complaint:
                warn(f"{called(name)} {complaint}")
