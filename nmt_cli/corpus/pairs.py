"""The pairs of a parallel corpus as its files hold them: read once, in order, checked and normalised."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import ClassVar

from nmt_cli.corpus import checks
from nmt_cli.corpus.files import ARCHIVES, CODE, language_of
from nmt_cli.corpus.reader import read_lines
from nmt_cli.errors import ConfigError
from nmt_cli.text.normalize import normalize

_LANGUAGES = re.compile(
    r"([a-z]{2,3}(?:_[A-Za-z0-9]{2,8})*)-([a-z]{2,3}(?:_[A-Za-z0-9]{2,8})*)"
)  # two, a hyphen between


@dataclass(frozen=True)
class PairFiles:
    """Two aligned files, or one file of ``source<TAB>target`` lines; plain, .gz, .xz or .zst."""

    columns: ClassVar[tuple[str, ...]] = ("source", "target")
    key: ClassVar[str] = "source"
    units: ClassVar[tuple[str, ...]] = ("subword",)  # a word that is not in a list could not be translated
    whole: ClassVar[bool] = False
    noun: ClassVar[str] = "pair"

    paths: tuple[Path, ...]

    def __post_init__(self) -> None:
        """Raises DataError where a file is missing or both are the same."""
        checks.check_files(self.paths)

    @property
    def name(self) -> str:
        """What messages call it."""
        return " and ".join(str(path) for path in self.paths)

    def languages(self) -> tuple[str, str] | None:
        """The languages that the names of the files say: ``train.en`` and ``train.de.gz``, or ``corpus.en-de.tsv``."""
        if len(self.paths) == 1:
            parts = [part for part in self.paths[0].name.split(".")[1:] if f".{part}" not in ARCHIVES]
            found = [match for part in parts if (match := _LANGUAGES.fullmatch(part))]
            return (found[-1][1], found[-1][2]) if found else None
        source, target = map(language_of, self.paths)
        return (source, target) if source and target and source != target else None

    def read(self) -> Iterator[tuple[str, str]]:
        """Each line as normalised (source, target); both are empty where the line is blank on both sides.

        Raises:
            DataError: invalid UTF-8, unequal counts, not exactly one tab, an empty file; when all lines have been read:
                lines that are blank on one side, or source and target with the same content.
        """
        blank = checks.OneSided([str(path) for path in self.paths])
        number, copies = 0, 0
        for number, (source, target) in enumerate(self._raw(), 1):
            source, target = normalize(source), normalize(target)
            if source and target:
                copies += source == target
                yield source, target
            elif source or target:
                blank.note(0 if target else 1, number)
            else:
                copies += 1
                yield "", ""
        if number == 0:
            raise checks.empty(str(self.paths[0]))
        blank.check()
        checks.check_copies(copies, number, self.name)

    def _raw(self) -> Iterator[tuple[str, str]]:
        if len(self.paths) == 1:
            name = str(self.paths[0])
            for number, line in enumerate(read_lines(name), 1):
                yield checks.tab_separated(line, name, number) if line.strip() else ("", "")
            return
        for source, target in zip_longest(*map(read_lines, self.paths)):
            if source is None or target is None:
                raise checks.unequal_lines(self.paths)
            yield source, target


def parse_languages(text: str, count: int = 2) -> tuple[str, ...]:
    """``en-de`` or ``pt_BR-zh_Hans`` as two languages, ``en`` as one. Raises ConfigError where it is anything else."""
    if count == 1:
        if not CODE.fullmatch(text):
            raise ConfigError(f"--languages must be one language code, but is '{text}'", "for example --languages en")
        return (text,)
    match = _LANGUAGES.fullmatch(text)
    if match is None or match[1] == match[2]:
        raise ConfigError(f"--languages must be two language codes, but is '{text}'", "for example --languages en-de")
    return match[1], match[2]
