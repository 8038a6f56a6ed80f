"""Texts with a label each, for a classifier."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from nmt_cli.corpus import checks
from nmt_cli.corpus.files import ANY_UNITS, LABEL, language_of
from nmt_cli.corpus.reader import read_lines
from nmt_cli.errors import DataError
from nmt_cli.text.normalize import normalize

_FORM = "a labelled text is one line, label<TAB>text; a tab inside the text must become a space first"


@dataclass(frozen=True)
class LabelledFile:
    """One file of ``label<TAB>text`` lines; plain, .gz, .xz or .zst."""

    columns: ClassVar[tuple[str, ...]] = ("text", LABEL)
    key: ClassVar[str] = "text"
    units: ClassVar[tuple[str, ...]] = ANY_UNITS
    whole: ClassVar[bool] = False
    noun: ClassVar[str] = "text"

    paths: tuple[Path, ...]

    def __post_init__(self) -> None:
        """Raises DataError where the file is missing, or there are several."""
        checks.check_file(self.paths, "labelled text")

    @property
    def name(self) -> str:
        """What messages call it."""
        return str(self.paths[0])

    def languages(self) -> tuple[str, ...] | None:
        """The language that the name of the file says."""
        language = language_of(self.paths[0])
        return (language,) if language else None

    def read(self) -> Iterator[tuple[str, ...]]:
        """Each text and its label, normalised; both are empty where the line is blank. Raises DataError: see ``labelled``."""
        return labelled(read_lines(self.paths[0]), self.name)


def labelled(lines: Iterable[str], name: str) -> Iterator[tuple[str, str]]:
    """Text and label of each line of the file ``name``, normalised; both are empty where the line is blank.

    Raises:
        DataError: not exactly one tab, a label or a text that is blank, no line at all.
    """
    number = 0
    for number, line in enumerate(lines, 1):
        yield _row(line, name, number) if normalize(line) else ("", "")
    if number == 0:
        raise checks.empty(name)


def _row(line: str, name: str, number: int) -> tuple[str, str]:
    label, text = map(normalize, checks.tab_separated(line, name, number, hint=_FORM))
    for what, side in (("label", label), ("text", text)):
        if not side:
            raise DataError(f"{name}:{number} must have a {what}, but it is blank", _FORM)
    return text, label
