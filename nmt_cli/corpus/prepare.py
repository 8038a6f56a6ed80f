"""Text files -> a prepared corpus: a folder of checked text, subword ids and what is known of them, for others to open.

    corpus.json                                     format, languages, resolved settings, report, checksums
    subwords.model (or words.txt, characters.txt)   the tokenizer, learnt from the training split alone
    labels.txt                                      the labels, where there are any
    {train,dev,test}.COLUMN.text[.offsets]          normalised UTF-8; columns: source and target, or text, or text and label
    {train,dev,test}.COLUMN.ids[.offsets]           its ids (uint16 up to a vocabulary of 65,536), without BOS and EOS

The files are read once, into a spool; everything after reads the spool. Memory does not grow with the corpus: what is
kept of it are the smallest hashes (for the split; a text, which must stay whole, is split by blocks of lines and not by lines),
the words of a sample (for the subwords), and the hashes of dev and test where they are given.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b, file_digest
from itertools import chain
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from nmt_cli.corpus.encoding import Encoding, Written
from nmt_cli.corpus.files import LABEL, RowFiles
from nmt_cli.corpus.filters import LengthFilter
from nmt_cli.corpus.report import SPLITS, Report
from nmt_cli.corpus.split import held_out_size
from nmt_cli.corpus.spool import HASHES, Part, Spool, spool_rows
from nmt_cli.corpus.staging import check_place, staged
from nmt_cli.errors import ConfigError, DataError
from nmt_cli.settings import DataSettings
from nmt_cli.text.labels import FILE as LABELS
from nmt_cli.text.labels import Labels
from nmt_cli.text.tokenizer import Tokenizer
from nmt_cli.text.units import UNITS
from nmt_cli.text.vocabulary import Words, count_words

FORMAT = 3
MANIFEST = "corpus.json"

_SAMPLE = 500_000  # rows that subwords are learnt from; more hardly change them and cost memory


@dataclass(frozen=True)
class Inputs:
    """What a corpus is made of. ``dev`` and ``test`` are held out of ``train`` where they are not given."""

    train: RowFiles
    dev: RowFiles | None = None
    test: RowFiles | None = None
    languages: tuple[str, ...] | None = None  # None: as the names of the files say

    def given(self) -> dict[str, RowFiles]:
        """Split -> its files."""
        files = {"train": self.train, "dev": self.dev, "test": self.test}
        return {name: each for name, each in files.items() if each is not None}

    def resolved_languages(self) -> tuple[str, ...]:
        """The languages; the names of the columns of text where nothing tells them.

        Raises DataError where the names of dev or test files say other languages than those of train.
        """
        languages = self.languages or self.train.languages()
        for name, files in self.given().items():
            said = files.languages()
            if languages and said and said != languages:
                raise DataError(
                    f"the files for {name} must be {'-'.join(languages)}, but {files.name} are named {'-'.join(said)}",
                    "give source before target, or rename the files",
                )
        return languages or unknown(self.train)


def unknown(files: RowFiles) -> tuple[str, ...]:
    """What languages are called that nothing tells: by their columns."""
    return tuple(name for name in files.columns if name != LABEL)


def prepare(
    inputs: Inputs,
    folder: Path,
    settings: DataSettings,
    *,
    tokenizer: Tokenizer | None = None,
    labels: Labels | None = None,
) -> Report:
    """Write the prepared corpus ``folder``, replacing what is there; see the head of this file for what is in it.

    Blank rows, over-long or uneven ones, and training rows whose source is also in dev or test are dropped and counted.
    Test files that were given are kept whole, since scores on a part of them would not compare, and so are texts for a
    language model: what is held out of them are a few long blocks of consecutive lines.

    Args:
        inputs: what is read.
        folder: where it is written; appears whole or not at all.
        settings: what is kept, and the vocabulary size unless the data is to choose it.
        tokenizer: one to use instead of learning it, as for the fine-tuning of a model.
        labels: those that must be found, for the same purpose.

    Raises:
        ConfigError: units that this kind of text cannot be cut into.
        DataError: whatever ``read`` of the files refuses, a label that train does not have, or a corpus of which too little
            is left.
    """
    check_units(inputs, settings)
    inputs.resolved_languages()  # refuses before any work is done
    with staged(folder) as new, TemporaryDirectory(dir=new) as spool:
        spooled = _spool_all(inputs.given(), Path(spool), LengthFilter.of(settings))
        parts = _parts(spooled, inputs)
        columns = inputs.train.columns
        found = _labels(spooled, inputs) if LABEL in columns else None
        if found is not None and labels is not None:
            labels.check_same(found, inputs.train.name)
        tokenizer = tokenizer or _learn(parts["train"], columns, settings)
        asked, settings = settings.vocabulary, settings.model_copy(update={"vocabulary": tokenizer.size})
        tokenizer.save(new)
        files = [tokenizer.file]
        if found is not None:
            found.save(new)
            files.append(LABELS)
        encoding = Encoding.of(columns, tokenizer, found)
        written = {name: encoding.write(parts[name], new / name, LengthFilter.of(settings)) for name in SPLITS}
        report = _report(inputs, tokenizer.size, spooled, written)
        checksums = {name: split.checksum for name, split in written.items()}
        checksums |= {name: file_checksum(new / name) for name in files}
        manifest = _manifest(inputs, settings, asked, report, checksums)
        (new / MANIFEST).write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return report


def check_units(inputs: Inputs, settings: DataSettings) -> None:
    """Raises ConfigError for units that this kind of text cannot be cut into."""
    if settings.units not in inputs.train.units:
        raise ConfigError(
            f"data.units must be {' or '.join(inputs.train.units)} for {inputs.train.noun}s, but is {settings.units}",
            "words that are not in a list could not be translated",
        )


def check_output(folder: Path, replace: bool) -> None:
    """An empty folder may be replaced; with ``replace`` a prepared corpus too. Raises DataError for anything else, and ConfigError
    for the folder that the command runs in."""
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        if not (folder / MANIFEST).is_file():
            raise DataError(
                f"{folder} must not exist or be a prepared corpus, but is something else", "choose another name"
            )
        if not replace:
            raise DataError(f"{folder} must not exist, but is a prepared corpus already", "--force replaces it")
    check_place(folder)


def _spool_all(files: Mapping[str, RowFiles], folder: Path, lengths: LengthFilter) -> dict[str, Spool]:
    """dev and test first, so that train can leave out what they hold."""
    spooled: dict[str, Spool] = {}
    for name in reversed(list(files)):
        keys = [each.keys for each in spooled.values()]
        whole = files[name].whole
        held_out = frozenset(np.concatenate(keys).tolist()) if keys and name == "train" and not whole else frozenset()
        spooled[name] = spool_rows(files[name], folder / name, held_out, None if name == "test" or whole else lengths)
    return spooled


def _parts(spooled: Mapping[str, Spool], inputs: Inputs) -> dict[str, Part]:
    """Which rows belong to which split. Raises DataError where there is too little for train."""
    train, none = spooled["train"], np.zeros(0, HASHES)
    missing = [name for name in ("test", "dev") if name not in spooled]
    smallest = train.smallest()
    held_out = smallest.hold_out(held_out_size(len(train.keys)) // train.block, len(missing))
    if held_out is None:
        wanted = f"{len(missing) + 1} different {inputs.train.key}s ({', '.join(['train', *reversed(missing)])})"
        why = f" ({_said(train.dropped)})" if train.dropped else ""
        raise DataError(
            f"{inputs.train.name} must leave at least {wanted}, but leaves {smallest.distinct}{why}",
            "give more lines, or --dev and --test files of other text",
        )
    hashes = {name: np.array(sorted(keys), HASHES) for name, keys in zip(missing, held_out, strict=True)}
    whole = inputs.train.whole
    parts = {name: Part(spooled[name], None, none, whole or name == "test") for name in spooled if name != "train"}
    parts |= {name: Part(train, hashes[name], none, whole) for name in missing}
    return parts | {"train": Part(train, None, np.concatenate([none, *hashes.values()]), whole)}


def _learn(train: Part, columns: Sequence[str], settings: DataSettings) -> Tokenizer:
    """The vocabulary of the training split."""
    texts = [place for place, name in enumerate(columns) if name != LABEL]
    sampled = ceil(len(train.rows.keys) / _SAMPLE)
    words = _words(train, texts, sampled)
    if not words:  # a few rows, each many times, may all be missed by a sample
        words, sampled = _words(train, texts, 1), 1
    return UNITS[settings.units].learn(words, settings, sampled=sampled)


def _words(train: Part, texts: Sequence[int], one_in: int) -> Words:
    sides = (columns[place] for columns in train.read("counting words", one_in=one_in) for place in texts)
    return count_words(chain.from_iterable(sides))


def _labels(spooled: Mapping[str, Spool], inputs: Inputs) -> Labels:
    """The labels of the training files, what is held out of them counted. Raises DataError for another one in dev or test."""
    labels = Labels(_names(spooled["train"], inputs.train))
    for name, files in inputs.given().items():
        if name != "train":
            check_labels(spooled[name], files, labels)
    return labels


def _names(rows: Spool, files: RowFiles) -> set[str]:
    column = files.columns.index(LABEL)
    whole = Part(rows, None, np.zeros(0, HASHES), True)
    return {label for columns in whole.read("collecting labels") for label in columns[column]}


def check_labels(rows: Spool, files: RowFiles, labels: Labels) -> None:
    """Raises DataError, saying where it stands, for a label that is none of these; a pipe cannot be read again."""
    if _names(rows, files) <= set(labels.names):
        return
    again = files.read() if all(path.is_file() for path in files.paths) else iter(())
    for number, row in enumerate(again, 1):
        if any(row):
            labels.id_of(row[files.columns.index(LABEL)], f"{files.name}:{number}")
    raise DataError(f"{files.name} must have labels that occur in training, but has others")


def _report(inputs: Inputs, vocabulary: int, spooled: Mapping[str, Spool], written: Mapping[str, Written]) -> Report:
    noun = inputs.train.noun
    for name, split in written.items():
        if not split.counts.rows:
            raise DataError(f"{name} must hold {noun}s, but none is left: {_said(split.dropped)}")
    dropped: Counter[str] = Counter()
    for reasons in (*(each.dropped for each in spooled.values()), *(each.dropped for each in written.values())):
        dropped.update(reasons)
    read = {name: spooled[name].lines for name in SPLITS if name in spooled}
    counts = {name: split.counts for name, split in written.items()}
    return Report(inputs.resolved_languages(), noun, vocabulary, read, dict(dropped), counts)


def _manifest(
    inputs: Inputs, settings: DataSettings, asked: int | None, report: Report, checksums: dict[str, str]
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "columns": inputs.train.columns,
        "languages": report.languages,
        "settings": settings.model_dump(),
        "asked": asked,
        "report": report.to_json(),
        "inputs": input_checksums(inputs),
        "checksums": checksums,
        "checksum": blake2b("".join(checksums.values()).encode(), digest_size=16).hexdigest(),
    }


def _said(dropped: Counter[str]) -> str:
    return ", ".join(f"{rows:,} dropped: {reason}" for reason, rows in dropped.items())


def input_checksums(inputs: Inputs) -> dict[str, str]:
    """What the input files hold: ``train.1`` and the like -> blake2b of the file as it lies there."""
    return {
        f"{split}.{number}": file_checksum(path)
        for split, files in inputs.given().items()
        for number, path in enumerate(files.paths, 1)
        if path.is_file()
    }


def file_checksum(path: Path) -> str:
    """blake2b of a file as it lies there."""
    with open(path, "rb") as stream:
        return file_digest(stream, lambda: blake2b(digest_size=16)).hexdigest()
