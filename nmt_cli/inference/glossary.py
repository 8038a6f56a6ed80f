"""A glossary: terms that have to be translated in one way, read from a file of ``source<TAB>target`` lines."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from nmt_cli.corpus.reader import open_bytes, strict_lines
from nmt_cli.errors import DataError
from nmt_cli.text.normalize import normalize
from nmt_cli.text.scripts import UNSPACED

_EXAMPLE = "solar panel<TAB>Solarmodul"
_SPACED = rf"(?!{UNSPACED.pattern})\w"
"""A letter or digit of a script that puts spaces between words."""


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
    def _pattern(self) -> re.Pattern[str]:
        longest_first = sorted(self.terms, key=len, reverse=True)
        return re.compile("|".join(map(_whole, longest_first)))

    def wanted(self, source: str) -> tuple[str, ...]:
        """The target terms for a line, in the order of their source terms; the longest term wins where several match."""
        if not self.terms:
            return ()
        found = self._pattern.findall(normalize(source).lower())
        return tuple(dict.fromkeys(self.terms[term] for term in found))

    def missing(self, source: str, translation: str) -> tuple[str, ...]:
        """The target terms that a translation should hold and does not."""
        return tuple(term for term in self.wanted(source) if not re.search(_whole(term), translation))


def _whole(term: str) -> str:
    """A pattern of a term that is no part of a longer word; beside a script without spaces a word may begin or end anywhere."""
    before = "" if UNSPACED.match(term[0]) else rf"(?<!{_SPACED})"
    behind = "" if UNSPACED.match(term[-1]) else rf"(?!{_SPACED})"
    return before + re.escape(term) + behind
