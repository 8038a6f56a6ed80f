"""A prepared corpus, opened: text and ids of each row, memory-mapped: opening millions of lines takes no time."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmt_cli.corpus.files import FILES, LABEL
from nmt_cli.corpus.prepare import FORMAT, MANIFEST
from nmt_cli.corpus.rows import TEXT, Items, Rows, id_type
from nmt_cli.errors import DataError
from nmt_cli.settings import DataSettings, Sizes
from nmt_cli.text.labels import Labels
from nmt_cli.text.tokenizer import Tokenizer
from nmt_cli.text.units import UNITS

_AGAIN = "nmt preprocess makes one"


@dataclass(frozen=True)
class Column:
    """One side of the rows of a split: text, and its ids without BOS and EOS."""

    texts: Rows
    rows: Rows

    def __len__(self) -> int:
        return len(self.rows)

    def text(self, index: int) -> str:
        """The normalised text of a row."""
        return self.texts.text(index)

    def all_texts(self) -> list[str]:
        """The texts of all rows."""
        return self.texts.texts(0, len(self.texts))

    def ids(self, index: int) -> Items:
        """The ids of a row, a view of the file (uint16, or uint32 for a large vocabulary)."""
        return self.rows[index]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(n,) ids in each row."""
        return self.rows.lengths


class Dataset:
    """The rows of one split, column by column."""

    def __init__(self, folder: Path, split: str, kinds: Mapping[str, np.dtype[Any]]) -> None:
        """``kinds``: column -> the type of its ids. Raises DataError where a file is missing or damaged."""
        self._columns = {
            name: Column(Rows(folder / f"{split}.{name}.text", TEXT), Rows(folder / f"{split}.{name}.ids", kind))
            for name, kind in kinds.items()
        }
        counts = {len(rows) for column in self._columns.values() for rows in (column.texts, column.rows)}
        if len(counts) != 1:
            raise DataError(f"{folder} must hold as many rows in each column of {split}, but is damaged", _AGAIN)
        (self._count,) = counts

    def __getitem__(self, column: str) -> Column:
        return self._columns[column]

    def __len__(self) -> int:
        """How many rows there are."""
        return self._count


@dataclass(frozen=True)
class PreparedCorpus:
    """What ``prepare`` wrote."""

    folder: Path
    columns: tuple[str, ...]
    languages: tuple[str, ...]
    settings: DataSettings  # as resolved: ``vocabulary`` is the size of the tokenizer
    asked: int | None  # the size that was asked for; None: the data was to choose it
    checksum: str  # blake2b of all splits and the tokenizer
    inputs: dict[str, str]  # blake2b of the raw files: see ``input_checksums``
    train: Dataset
    dev: Dataset
    test: Dataset

    @classmethod
    def open(cls, folder: Path) -> "PreparedCorpus":
        """Raises DataError where the folder holds no prepared corpus, a damaged one, or one of another format."""
        try:
            manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            if manifest["format"] != FORMAT:
                raise DataError(f"{folder} must be of format {FORMAT}, but is of {manifest['format']}", _AGAIN)
            columns = tuple(manifest["columns"])
            kind = id_type(manifest["report"]["vocabulary"])
            settings = DataSettings.model_validate(manifest["settings"])
            splits = [Dataset(folder, name, dict.fromkeys(columns, kind)) for name in ("train", "dev", "test")]
            languages, inputs = tuple(manifest["languages"]), dict(manifest["inputs"])
            return cls(folder, columns, languages, settings, manifest["asked"], manifest["checksum"], inputs, *splits)
        except (FileNotFoundError, NotADirectoryError):
            raise DataError(f"{folder} must be a prepared corpus, but holds no {MANIFEST}", _AGAIN) from None
        except (ValueError, KeyError, TypeError):
            raise DataError(f"{folder / MANIFEST} must describe a prepared corpus, but is damaged", _AGAIN) from None

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Between text and ids. Raises DataError where its file is missing or damaged."""
        return UNITS[self.settings.units].load(self.folder)

    @cached_property
    def labels(self) -> Labels | None:
        """The labels, where there is a column of them. Raises DataError where their file is missing or damaged."""
        return Labels.load(self.folder) if LABEL in self.columns else None

    @property
    def task(self) -> str:
        """What it was prepared for."""
        return next(task for task in FILES if FILES[task].columns == self.columns)

    @property
    def sizes(self) -> Sizes:
        """What a model must know of it."""
        return Sizes(self.tokenizer.size, len(self.labels or ()), self.tokenizer.unknown)

    def save_vocabulary(self, folder: Path) -> None:
        """Write what a model needs to read text: the tokenizer, and the labels if there are any."""
        self.tokenizer.save(folder)
        if self.labels is not None:
            self.labels.save(folder)


def is_prepared(folder: Path) -> bool:
    """Whether a folder looks like a prepared corpus."""
    return (folder / MANIFEST).is_file()
