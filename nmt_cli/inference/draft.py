"""Translations of a long text that are kept while they come, so that whoever is interrupted goes on where he was.

    REASON<TAB>TRANSLATION      a line for each line of the text; the reason why it is left out, or none

The name of the file is a hash of all that its lines depend on: another model, text or search finds another file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

_NEWLINE = b"\n"


@dataclass(frozen=True)
class Draft:
    """A file of translations, as far as they have come."""

    path: Path

    @classmethod
    def of(cls, folder: Path, *depends: str) -> Draft:
        """The one in ``folder`` that belongs to all that it ``depends`` on."""
        return cls(folder / blake2b("\n".join(depends).encode(), digest_size=16).hexdigest())

    def __len__(self) -> int:
        """How many whole lines it has."""
        return sum(1 for _ in self._lines())

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """(reason, translation) of each line."""
        for line in self._lines():
            reason, _, text = line.decode("utf-8").rstrip("\n").partition("\t")
            yield reason, text

    def go_on(self, lines: Iterable[tuple[str, str]]) -> None:
        """Write more lines behind those that are there; what of a last line was cut off is taken away first."""
        with open(self.path, "ab") as stream:
            stream.truncate(sum(map(len, self._lines())))
            for reason, text in lines:
                stream.write(f"{reason}\t{text}".encode() + _NEWLINE)
            stream.flush()
            os.fsync(stream.fileno())

    def _lines(self) -> Iterator[bytes]:
        """The whole ones."""
        if self.path.exists():
            with open(self.path, "rb") as stream:
                yield from (line for line in stream if line.endswith(_NEWLINE))
