"""A dev set that stands alone: files that a trained model is measured on, read as its own dev split was."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nmt_cli.corpus.dataset import Dataset, PreparedCorpus
from nmt_cli.corpus.encoding import Encoding
from nmt_cli.corpus.files import RowFiles
from nmt_cli.corpus.filters import LengthFilter
from nmt_cli.corpus.prepare import check_labels
from nmt_cli.corpus.rows import id_type
from nmt_cli.corpus.spool import HASHES, Part, spool_rows
from nmt_cli.errors import DataError
from nmt_cli.settings import DataSettings
from nmt_cli.text.labels import Labels
from nmt_cli.text.tokenizer import Tokenizer


def dev_alone(
    files: RowFiles,
    folder: Path,
    settings: DataSettings,
    tokenizer: Tokenizer,
    labels: Labels | None,
    languages: tuple[str, ...],
) -> PreparedCorpus:
    """A corpus, written into ``folder``, of which nothing but dev is of use: train and test are the same rows.

    Blank rows are left out, over-long and uneven ones too, as in every dev split.

    Raises:
        DataError: whatever ``read`` of the files refuses, a label that is none of these, or no row that is left.
    """
    lengths = LengthFilter.of(settings)
    rows = spool_rows(files, folder / "spool", frozenset(), None if files.whole else lengths)
    if labels is not None:
        check_labels(rows, files, labels)
        labels.save(folder)
    tokenizer.save(folder)
    part = Part(rows, None, np.zeros(0, HASHES), files.whole)
    written = Encoding.of(files.columns, tokenizer, labels).write(part, folder / "dev", lengths)
    if not written.counts.rows:
        raise DataError(f"{files.name} must hold {files.noun}s, but none of its {rows.lines:,} lines is left")
    dev = Dataset(folder, "dev", dict.fromkeys(files.columns, id_type(tokenizer.size)))
    size = settings.vocabulary
    return PreparedCorpus(folder, files.columns, languages, settings, size, written.checksum, {}, dev, dev, dev)
