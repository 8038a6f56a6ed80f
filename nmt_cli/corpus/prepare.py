"""Text files -> a prepared corpus: a folder of checked text, subword ids and what is known of them, for others to open.

    corpus.json                                     format, languages, resolved settings, report, checksums
    subwords.model                                  the tokenizer, learnt from the training split alone
    {train,dev,test}.{source,target}.text[.offsets] normalised UTF-8
    {train,dev,test}.{source,target}.ids[.offsets]  its ids (uint16 up to a vocabulary of 65,536), without BOS and EOS

The files are read once, into a spool; everything after reads the spool. Memory does not grow with the corpus: what is
kept of it are the smallest hashes (for the split), the words of a sample (for the subwords), and the hashes of dev and
test where they are given.
"""

import json
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import blake2b, file_digest
from itertools import chain, compress
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from nmt_cli.corpus.filters import LengthFilter
from nmt_cli.corpus.pairs import PairFiles
from nmt_cli.corpus.report import SPLITS, Report, SplitCounts
from nmt_cli.corpus.rows import TEXT, RowWriter, id_type, write_rows
from nmt_cli.corpus.split import held_out_size
from nmt_cli.corpus.spool import HASHES, Part, Spool, spool_pairs
from nmt_cli.corpus.staging import staged
from nmt_cli.errors import DataError
from nmt_cli.settings import DataSettings
from nmt_cli.text.subword import FILE as SUBWORDS
from nmt_cli.text.subword import SubwordTokenizer, learn
from nmt_cli.text.vocabulary import Words, choose_size, count_words

FORMAT = 1
MANIFEST = "corpus.json"
UNKNOWN = ("source", "target")
"""What languages are called that nothing tells."""
SIDES = ("source", "target")

_SAMPLE = 500_000  # pairs that subwords are learnt from; more hardly change them and cost memory


@dataclass(frozen=True)
class Inputs:
    """What a corpus is made of. ``dev`` and ``test`` are held out of ``train`` where they are not given."""

    train: PairFiles
    dev: PairFiles | None = None
    test: PairFiles | None = None
    languages: tuple[str, str] | None = None  # None: as the names of the files say

    def given(self) -> dict[str, PairFiles]:
        """Split -> its files."""
        files = {"train": self.train, "dev": self.dev, "test": self.test}
        return {name: each for name, each in files.items() if each is not None}

    def resolved_languages(self) -> tuple[str, str]:
        """The languages; ``source`` and ``target`` where nothing tells them.

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
        return languages or UNKNOWN


def prepare(
    inputs: Inputs, folder: Path, settings: DataSettings, *, tokenizer: SubwordTokenizer | None = None
) -> Report:
    """Write the prepared corpus ``folder``, replacing what is there; see the head of this file for what is in it.

    Pairs blank on both sides, over-long or uneven ones, and training pairs whose source is also in dev or test are
    dropped and counted. Test files that were given are kept whole, since scores on a part of them would not compare.

    Args:
        inputs: what is read.
        folder: where it is written; appears whole or not at all.
        settings: what is kept, and the vocabulary size unless the data is to choose it.
        tokenizer: subwords to use instead of learning them, as for the fine-tuning of a model.

    Raises:
        DataError: whatever ``PairFiles.read`` refuses, or a corpus of which too little is left.
    """
    languages = inputs.resolved_languages()
    with staged(folder) as new, TemporaryDirectory(dir=new) as spool:
        spooled = _spool_all(inputs.given(), Path(spool), LengthFilter.of(settings))
        parts = _parts(spooled, inputs)
        tokenizer = tokenizer or _learn(parts["train"], settings)
        settings = settings.model_copy(update={"vocabulary": tokenizer.size})
        tokenizer.save(new)
        written = {name: _write(parts[name], new / name, tokenizer, settings) for name in SPLITS}
        report = _report(languages, tokenizer, spooled, written)
        checksums = {name: split.checksum for name, split in written.items()}
        manifest = _manifest(inputs, settings, report, checksums | {"tokenizer": _checksum(new / SUBWORDS)})
        (new / MANIFEST).write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return report


def check_output(folder: Path, replace: bool) -> None:
    """An empty folder may be replaced; with ``replace`` a prepared corpus too. Raises DataError for anything else."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not (folder / MANIFEST).is_file():
        raise DataError(
            f"{folder} must not exist or be a prepared corpus, but is something else", "choose another name"
        )
    if not replace:
        raise DataError(f"{folder} must not exist, but is a prepared corpus already", "--force replaces it")


def _spool_all(files: Mapping[str, PairFiles], folder: Path, lengths: LengthFilter) -> dict[str, Spool]:
    """dev and test first, so that train can leave out what they hold."""
    spooled: dict[str, Spool] = {}
    for name in reversed(list(files)):
        keys = [each.keys for each in spooled.values()]
        held_out = frozenset(np.concatenate(keys).tolist()) if keys and name == "train" else frozenset()
        spooled[name] = spool_pairs(files[name], folder / name, held_out, lengths if name != "test" else None)
    return spooled


def _parts(spooled: Mapping[str, Spool], inputs: Inputs) -> dict[str, Part]:
    """Which pairs belong to which split. Raises DataError where there is too little for train."""
    train, none = spooled["train"], np.zeros(0, HASHES)
    missing = [name for name in ("test", "dev") if name not in spooled]
    held_out = train.smallest.hold_out(held_out_size(len(train.keys)), len(missing))
    if held_out is None:
        wanted = f"{len(missing) + 1} different sources ({', '.join(['train', *reversed(missing)])})"
        why = f" ({_said(train.dropped)})" if train.dropped else ""
        raise DataError(
            f"{inputs.train.name} must leave at least {wanted}, but leaves {train.smallest.distinct}{why}",
            "give more lines, or --dev and --test files of other text",
        )
    hashes = {name: np.array(sorted(keys), HASHES) for name, keys in zip(missing, held_out, strict=True)}
    parts = {name: Part(spooled[name], None, none, name == "test") for name in spooled if name != "train"}
    parts |= {name: Part(train, hashes[name], none, False) for name in missing}
    return parts | {"train": Part(train, None, np.concatenate([none, *hashes.values()]), False)}


def _learn(train: Part, settings: DataSettings) -> SubwordTokenizer:
    """The subwords of the training split."""
    coverage = settings.character_coverage
    sampled = ceil(len(train.pairs.keys) / _SAMPLE)
    words = _words(train, sampled) or _words(train, 1)  # a few sources, each many times, may all be missed by a sample
    size = settings.vocabulary or choose_size(words, coverage=coverage, sampled=sampled)
    return learn(words, size=size, coverage=coverage)


def _words(train: Part, one_in: int) -> Words:
    sides = chain.from_iterable(train.read("counting words", one_in=one_in))
    return count_words(chain.from_iterable(sides))


@dataclass(frozen=True)
class _Written:
    """A split as it was written."""

    counts: SplitCounts
    dropped: Counter[str]
    checksum: str


def _write(part: Part, path: Path, tokenizer: SubwordTokenizer, settings: DataSettings) -> _Written:
    """Encode a split, drop what its lengths forbid, and write the rest."""
    lengths = LengthFilter.of(settings)
    dropped: Counter[str] = Counter()
    subwords = [0, 0]
    with ExitStack() as stack:

        def writer(side: str, kind: np.dtype[Any]) -> RowWriter:
            return stack.enter_context(write_rows(path.with_name(f"{path.name}.{side}"), kind))

        texts = [writer(f"{side}.text", TEXT) for side in SIDES]
        ids = [writer(f"{side}.ids", id_type(tokenizer.size)) for side in SIDES]
        for sides in part.read(f"encoding {path.name}"):
            encoded = [tokenizer.encode_all(side) for side in sides]
            reasons = [lengths.reason(len(source), len(target)) for source, target in zip(*encoded, strict=True)]
            kept = [part.complete or reason is None for reason in reasons]
            dropped.update(reason for reason in reasons if reason is not None and not part.complete)
            for side in range(2):
                chosen = [*compress(encoded[side], kept)]
                texts[side].extend_text([*compress(sides[side], kept)])
                ids[side].extend(chosen)
                subwords[side] += sum(map(len, chosen))
        checksum = blake2b("".join(each.checksum() for each in (*texts, *ids)).encode(), digest_size=16).hexdigest()
        return _Written(SplitCounts(texts[0].count, *subwords), dropped, checksum)


def _report(
    languages: tuple[str, str],
    tokenizer: SubwordTokenizer,
    spooled: Mapping[str, Spool],
    written: Mapping[str, _Written],
) -> Report:
    for name, split in written.items():
        if not split.counts.pairs:
            raise DataError(f"{name} must hold pairs, but none is left: {_said(split.dropped)}")
    dropped: Counter[str] = Counter()
    for reasons in (*(each.dropped for each in spooled.values()), *(each.dropped for each in written.values())):
        dropped.update(reasons)
    read = {name: spooled[name].lines for name in SPLITS if name in spooled}
    counts = {name: split.counts for name, split in written.items()}
    return Report(languages, tokenizer.size, read, dict(dropped), counts)


def _manifest(inputs: Inputs, settings: DataSettings, report: Report, checksums: dict[str, str]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "languages": report.languages,
        "settings": settings.model_dump(),
        "report": report.to_json(),
        "inputs": input_checksums(inputs),
        "checksums": checksums,
        "checksum": blake2b("".join(checksums.values()).encode(), digest_size=16).hexdigest(),
    }


def _said(dropped: Counter[str]) -> str:
    return ", ".join(f"{pairs:,} dropped: {reason}" for reason, pairs in dropped.items())


def input_checksums(inputs: Inputs) -> dict[str, str]:
    """What the input files hold: ``train.1`` and the like -> blake2b of the file as it lies there."""
    return {
        f"{split}.{number}": _checksum(path)
        for split, pairs in inputs.given().items()
        for number, path in enumerate(pairs.paths, 1)
        if path.is_file()
    }


def _checksum(path: Path) -> str:
    with open(path, "rb") as stream:
        return file_digest(stream, lambda: blake2b(digest_size=16)).hexdigest()
