"""The prepared corpus that goes with a model."""

from __future__ import annotations

from pathlib import Path

from nmt_cli.corpus.dataset import PreparedCorpus, is_prepared
from nmt_cli.corpus.files import FILES
from nmt_cli.errors import DataError
from nmt_cli.runs.directory import CORPUS, ModelDirectory
from nmt_cli.runs.vocabulary import Vocabulary


def own_corpus(directory: ModelDirectory) -> Path | None:
    """Where a model still holds what it was trained on; a corpus of an earlier training in its place is none."""
    folder = directory.path / CORPUS
    held = is_prepared(folder) and PreparedCorpus.open(folder).checksum == directory.manifest.corpus
    return folder if held else None


def corpus_for(directory: ModelDirectory, folder: Path, otherwise: str = "") -> PreparedCorpus:
    """The corpus in a folder; ``otherwise``: what else a user could do, where the hint tells him to prepare one.

    Raises DataError where there is none, or one of another task or vocabulary.
    """
    corpus, kind = PreparedCorpus.open(folder), FILES[directory.manifest.task]
    units = Vocabulary(corpus.settings.units, corpus.tokenizer)
    if corpus.columns != kind.columns or not Vocabulary.of(directory).is_that_of(units):
        raise DataError(
            f"{corpus.folder} must have the task and the vocabulary of {directory.path}, but has others",
            f"nmt preprocess --tokenizer {directory.path} prepares one that has{otherwise}",
        )
    return corpus
