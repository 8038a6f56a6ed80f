"""A glossary: terms that have to be translated in one way, read from a file of ``source<TAB>target`` lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from nmt_cli.corpus.reader import open_bytes, strict_lines
from nmt_cli.errors import DataError
from nmt_cli.text.edges import joining
from nmt_cli.text.normalize import normalize
from nmt_cli.text.scripts import UNSPACED

_EXAMPLE = "solar panel<TAB>Solarmodul"


@dataclass(frozen=True)
class Glossary:
    """Source terms, in small letters, and what each has to become."""

    terms: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Glossary:
        """Raises DataError for a line that is no pair, and for a term with two translations."""
        terms: dict[str, str] = {}
        with open_bytes(str(path)) as stream:
            for number, line in enumerate(strict_lines(stream, str(path)), 1):
                if not line.strip():
                    continue
                source, _, target = (normalize(part) for part in line.partition("\t"))
                if not (source and target) or "\t" in line.partition("\t")[2]:
                    raise DataError(f"{path}:{number} must be source<TAB>target, but is '{line[:60]}'", _EXAMPLE)
                if terms.setdefault(source.lower(), target) != target:
                    raise DataError(
                        f"{path}:{number} must give '{source}' one translation, "
                        f"but it has two: '{terms[source.lower()]}' and '{target}'"
                    )
        return cls(terms)

    @cached_property
    def _lengths(self) -> list[int]:
        """How long terms are, in characters, the longest first."""
        return sorted({len(term) for term in self.terms}, reverse=True)

    def wanted(self, source: str) -> tuple[str, ...]:
        """The target terms for a line, in the order of their source terms; the longest term wins where several match.

        Costs a look into the table for each length that terms have, at each place of the line: however many terms there are.
        """
        text, place, found = normalize(source).lower(), 0, []
        while self.terms and place < len(text):
            ends = (place + length for length in self._lengths if place + length <= len(text))
            end = next((end for end in ends if text[place:end] in self.terms and _alone(text, place, end)), None)
            if end is not None:
                found.append(self.terms[text[place:end]])
            place = place + 1 if end is None else end
        return tuple(dict.fromkeys(found))

    def missing(self, source: str, translation: str) -> tuple[str, ...]:
        """The target terms that a translation should hold and does not."""
        return tuple(term for term in self.wanted(source) if not _holds(translation, term))


def _holds(text: str, term: str) -> bool:
    """Whether a term stands in a text as a word, or words, of its own."""
    place = text.find(term)
    while place >= 0:
        if _alone(text, place, place + len(term)):
            return True
        place = text.find(term, place + 1)
    return False


def _alone(text: str, begin: int, end: int) -> bool:
    """Whether what stands there is no part of a longer word; beside a script without spaces a word may begin or end anywhere."""
    before, behind = text[begin - 1 : begin], text[end : end + 1]
    begins = bool(UNSPACED.match(text[begin])) or not joining(before)
    return begins and (bool(UNSPACED.match(text[end - 1])) or not joining(behind))
