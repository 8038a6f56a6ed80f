"""From the text of a split to its files: the checked text, and ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import blake2b
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np

from nmt_cli.corpus.files import LABEL, TARGET
from nmt_cli.corpus.filters import LengthFilter
from nmt_cli.corpus.report import SplitCounts
from nmt_cli.corpus.rows import TEXT, RowWriter, id_type, write_rows
from nmt_cli.corpus.spool import Part
from nmt_cli.text.labels import Labels
from nmt_cli.text.tokenizer import Tokenizer

Encode = Callable[[Sequence[str]], list[list[int]]]
"""Texts, or labels -> their ids."""


@dataclass(frozen=True)
class Written:
    """A split as it was written."""

    counts: SplitCounts
    dropped: Counter[str]
    checksum: str


@dataclass(frozen=True)
class Encoding:
    """How each column becomes ids."""

    columns: Mapping[str, Encode]
    kind: np.dtype[Any]  # of the ids

    @classmethod
    def of(cls, columns: Sequence[str], tokenizer: Tokenizer, labels: Labels | None) -> Encoding:
        """By a tokenizer; ``labels``: those of a column that holds them."""
        encode: dict[str, Encode] = dict.fromkeys(columns, tokenizer.encode_all)
        if TARGET in encode:
            encode[TARGET] = tokenizer.target.encode_all
        if labels is not None:
            encode[LABEL] = labels.encode_all
        return cls(encode, id_type(tokenizer.size))

    def write(self, part: Part, path: Path, lengths: LengthFilter) -> Written:
        """Encode a split, drop what its lengths forbid, and write the rest: ``PATH.COLUMN.text`` and ``PATH.COLUMN.ids``."""
        dropped: Counter[str] = Counter()
        tokens = dict.fromkeys((name for name in self.columns if name != LABEL), 0)
        with ExitStack() as stack:

            def writer(column: str, kind: np.dtype[Any]) -> RowWriter:
                return stack.enter_context(write_rows(path.with_name(f"{path.name}.{column}"), kind))

            texts = {name: writer(f"{name}.text", TEXT) for name in self.columns}
            ids = {name: writer(f"{name}.ids", self.kind) for name in self.columns}
            for columns in part.read(f"encoding {path.name}"):
                named = dict(zip(self.columns, columns, strict=True))
                encoded = {name: self.columns[name](column) for name, column in named.items()}
                sizes = zip(*(map(len, encoded[name]) for name in tokens), strict=True)
                reasons = [None if part.complete else lengths.reason(row) for row in sizes]
                kept = [reason is None for reason in reasons]
                dropped.update(reason for reason in reasons if reason is not None)
                for name, column in named.items():
                    chosen = [*compress(encoded[name], kept)]
                    texts[name].extend_text([*compress(column, kept)])
                    ids[name].extend(chosen)
                    if name in tokens:
                        tokens[name] += sum(map(len, chosen))
            writers = (*texts.values(), *ids.values())
            checksum = blake2b("".join(each.checksum() for each in writers).encode(), digest_size=16).hexdigest()
            return Written(SplitCounts(writers[0].count, tokens), dropped, checksum)
