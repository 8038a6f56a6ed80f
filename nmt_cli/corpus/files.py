"""What a corpus is read from: files whose lines are rows of one or two columns. One kind of files for each task."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Protocol

from nmt_cli.registry import Registry

ARCHIVES = (".gz", ".xz", ".zst")
CODE = re.compile(r"[a-z]{2,3}([-_][A-Za-z0-9]{2,8})*")
"""A language."""
_NO_LANGUAGE = frozenset({
    "txt", "tsv", "csv", "dat", "raw", "tok", "bpe", "out", "bak", "log", "src", "tgt", "trg", "ref", "hyp", "sys",
})  # fmt: skip

ANY_UNITS = ("subword", "word", "character")

LABEL = "label"
"""The column that holds no text but one of a few names."""
TARGET = "target"
"""The column of translations."""


class RowFiles(Protocol):
    """The files of one split, checked when they are read."""

    columns: ClassVar[tuple[str, ...]]
    """What stands in a row."""
    key: ClassVar[str]
    """The column by whose text rows are held out, and by which a row of train is known in dev or test."""
    units: ClassVar[tuple[str, ...]]
    """What their text may be cut into."""
    whole: ClassVar[bool]
    """Whether every row is kept: a text from which lines are left out is another text. Long blocks of it are held out."""
    noun: ClassVar[str]
    """What a row is called."""

    def __init__(self, paths: tuple[Path, ...]) -> None:
        """Raises DataError where a file is missing, or there are too many."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files."""

    @property
    def name(self) -> str:
        """What messages call the files."""

    def languages(self) -> tuple[str, ...] | None:
        """The languages that the names of the files say, or None."""

    def read(self) -> Iterator[tuple[str, ...]]:
        """Each row, normalised, in the order of ``columns``; all of it empty where the line is blank.

        Raises:
            DataError: whatever is no row, with file and line.
        """


FILES: Registry[type[RowFiles]] = Registry(
    "task",
    {
        "translate": "nmt_cli.corpus.pairs:PairFiles",
        "lm": "nmt_cli.corpus.lines:TextFile",
        "classify": "nmt_cli.corpus.labelled:LabelledFile",
    },
)
"""Task -> its kind of files."""


def language_of(path: Path) -> str | None:
    """The language that a suffix says: ``en`` of ``train.en`` and ``train.en.gz``; None where it is no language code."""
    parts = [part for part in path.name.split(".")[1:] if f".{part}" not in ARCHIVES]
    last = parts[-1] if parts else ""
    return last if CODE.fullmatch(last) and last not in _NO_LANGUAGE else None
