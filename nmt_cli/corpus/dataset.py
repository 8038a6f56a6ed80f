"""A prepared corpus, opened: text and ids of each pair, memory-mapped: opening millions of lines takes no time."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nmt_cli.corpus.prepare import FORMAT, MANIFEST
from nmt_cli.corpus.rows import TEXT, Items, Rows, id_type
from nmt_cli.errors import DataError
from nmt_cli.settings import DataSettings
from nmt_cli.text.subword import SubwordTokenizer

_AGAIN = "nmt preprocess SOURCE TARGET -o DIR makes one"


class ParallelDataset:
    """The pairs of one split. Lengths and ids are without BOS and EOS."""

    def __init__(self, folder: Path, split: str, vocabulary: int) -> None:
        """Raises DataError where a file is missing or damaged."""
        kind = id_type(vocabulary)
        self._texts = Rows(folder / f"{split}.source.text", TEXT), Rows(folder / f"{split}.target.text", TEXT)
        self._ids = Rows(folder / f"{split}.source.ids", kind), Rows(folder / f"{split}.target.ids", kind)
        if len({len(rows) for rows in (*self._texts, *self._ids)}) != 1:
            raise DataError(f"{folder} must hold as many sources as targets for {split}, but is damaged", _AGAIN)

    def __len__(self) -> int:
        return len(self._ids[0])

    def source_ids(self, index: int) -> Items:
        """(S,) ids, a view of the file (uint16, or uint32 for a large vocabulary)."""
        return self._ids[0][index]

    def target_ids(self, index: int) -> Items:
        """(T,) ids, a view of the file."""
        return self._ids[1][index]

    def source_text(self, index: int) -> str:
        """The normalised source line."""
        return self._texts[0].text(index)

    def target_text(self, index: int) -> str:
        """The normalised target line."""
        return self._texts[1].text(index)

    @property
    def source_lengths(self) -> NDArray[np.int64]:
        """(n,) subwords in each source."""
        return self._ids[0].lengths

    @property
    def target_lengths(self) -> NDArray[np.int64]:
        """(n,) subwords in each target."""
        return self._ids[1].lengths


@dataclass(frozen=True)
class PreparedCorpus:
    """What ``prepare`` wrote."""

    folder: Path
    languages: tuple[str, str]
    settings: DataSettings  # as resolved: ``vocabulary`` is the size of the tokenizer
    checksum: str  # blake2b of all splits and the tokenizer
    inputs: dict[str, str]  # blake2b of the raw files: see ``input_checksums``
    train: ParallelDataset
    dev: ParallelDataset
    test: ParallelDataset

    @classmethod
    def open(cls, folder: Path) -> "PreparedCorpus":
        """Raises DataError where the folder holds no prepared corpus, a damaged one, or one of another format."""
        try:
            manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            if manifest["format"] != FORMAT:
                raise DataError(f"{folder} must be of format {FORMAT}, but is of {manifest['format']}", _AGAIN)
            source, target = manifest["languages"]
            vocabulary = manifest["report"]["vocabulary"]
            settings = DataSettings.model_validate(manifest["settings"])
            splits = [ParallelDataset(folder, name, vocabulary) for name in ("train", "dev", "test")]
            return cls(folder, (source, target), settings, manifest["checksum"], dict(manifest["inputs"]), *splits)
        except (FileNotFoundError, NotADirectoryError):
            raise DataError(f"{folder} must be a prepared corpus, but holds no {MANIFEST}", _AGAIN) from None
        except (ValueError, KeyError, TypeError):
            raise DataError(f"{folder / MANIFEST} must describe a prepared corpus, but is damaged", _AGAIN) from None

    @cached_property
    def tokenizer(self) -> SubwordTokenizer:
        """The subwords. Raises DataError where their file is missing or damaged."""
        return SubwordTokenizer.load(self.folder)


def is_prepared(folder: Path) -> bool:
    """Whether a folder looks like a prepared corpus."""
    return (folder / MANIFEST).is_file()
