"""The vocabulary of a model, or of a prepared corpus, for another corpus: models that work together need the same one."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from nmt_cli.corpus.dataset import PreparedCorpus, is_prepared
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class Vocabulary:
    """A tokenizer, and what units it cuts text into."""

    units: str
    tokenizer: Tokenizer

    @classmethod
    def open(cls, folder: Path) -> Vocabulary:
        """Raises DataError or ModelError where the folder is neither, or is damaged."""
        if is_prepared(folder):
            corpus = PreparedCorpus.open(folder)
            return cls(corpus.settings.units, corpus.tokenizer)
        return cls.of(ModelDirectory.open(folder))

    @classmethod
    def of(cls, directory: ModelDirectory) -> Vocabulary:
        """That of a model."""
        return cls(directory.settings.data.units, directory.tokenizer)

    @property
    def digest(self) -> str:
        """What tells it from others: blake2b of its pieces."""
        pieces = "\n".join(self.tokenizer.pieces(range(self.tokenizer.size)))
        return blake2b(f"{self.units}\n{pieces}".encode(), digest_size=16).hexdigest()

    def is_that_of(self, other: Vocabulary) -> bool:
        """Whether the same text has the same ids."""
        pieces = [each.tokenizer.pieces(range(each.tokenizer.size)) for each in (self, other)]
        return self.units == other.units and pieces[0] == pieces[1]
