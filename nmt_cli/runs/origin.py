"""Weights that those of another model were made from, as its manifest records them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from nmt_cli.corpus.prepare import file_checksum


@dataclass(frozen=True)
class Origin:
    """A file of weights as it was at the time; it need not exist any more."""

    file: str = field(compare=False)  # as it was named, for a person
    checksum: str  # blake2b of the file

    @classmethod
    def of(cls, file: Path) -> Origin:
        """Of a file that is there."""
        return cls(str(file), file_checksum(file))

    def __str__(self) -> str:
        return f"the weights {self.checksum[:8]} of {Path(self.file).parent}"
