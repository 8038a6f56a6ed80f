"""The same segmentation for everybody: each subword is written as its number, and words are split at spaces."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nmt_cli.corpus.dataset import Dataset, PreparedCorpus
from nmt_cli.text.tokenizer import EOS


@dataclass(frozen=True)
class Text:
    """A folder with ``train.source``, ``train.target``, ``dev.source`` and ``dev.target``."""

    folder: Path
    size: int  # V
    source_tokens: int  # of train, EOS counted
    target_tokens: int

    @classmethod
    def of(cls, corpus: PreparedCorpus, folder: Path) -> Text:
        """A corpus of pairs, written into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        splits: dict[str, Dataset] = {"train": corpus.train, "dev": corpus.dev}
        for name, split in splits.items():
            for side in ("source", "target"):
                rows = (split[side].ids(index) for index in range(len(split)))
                _write(folder / f"{name}.{side}", (" ".join(map(str, row)) for row in rows))
        tokens = {side: int((corpus.train[side].lengths + 1).sum()) for side in ("source", "target")}
        return cls(folder, corpus.tokenizer.size, tokens["source"], tokens["target"])

    def path(self, name: str) -> Path:
        """``train.source``, for example."""
        return self.folder / name

    def words(self, specials: Iterable[str]) -> list[str]:
        """The vocabulary behind special words."""
        return [*specials, *map(str, range(EOS + 1, self.size))]

    def write(self, name: str, lines: Iterable[str]) -> Path:
        """A file beside the text."""
        return _write(self.folder / name, lines)


def _write(path: Path, lines: Iterable[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path
