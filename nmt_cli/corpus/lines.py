"""A text, line by line, for a language model."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from nmt_cli.corpus import checks
from nmt_cli.corpus.files import ANY_UNITS, language_of
from nmt_cli.corpus.reader import read_lines
from nmt_cli.text.normalize import normalize


@dataclass(frozen=True)
class TextFile:
    """One file of text; plain, .gz, .xz or .zst."""

    columns: ClassVar[tuple[str, ...]] = ("text",)
    key: ClassVar[str] = "text"
    units: ClassVar[tuple[str, ...]] = ANY_UNITS
    whole: ClassVar[bool] = True
    noun: ClassVar[str] = "line"

    paths: tuple[Path, ...]

    def __post_init__(self) -> None:
        """Raises DataError where the file is missing, or there are several."""
        checks.check_file(self.paths, "a text")

    @property
    def name(self) -> str:
        """What messages call it."""
        return str(self.paths[0])

    def languages(self) -> tuple[str, ...] | None:
        """The language that the name of the file says: ``train.en`` and ``train.en.gz``."""
        language = language_of(self.paths[0])
        return (language,) if language else None

    def read(self) -> Iterator[tuple[str, ...]]:
        """Each line, normalised. Raises DataError for invalid UTF-8 or an empty file."""
        empty = True
        for line in read_lines(self.paths[0]):
            empty = False
            yield (normalize(line),)
        if empty:
            raise checks.empty(self.name)
