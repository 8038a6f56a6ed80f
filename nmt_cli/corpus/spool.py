"""The usable rows of a corpus on disk, between reading and encoding: normalised text and a hash of each row.

What a split holds is said by hashes, so that it can be read from the spool a chunk at a time.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import compress, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nmt_cli.console import progress
from nmt_cli.corpus import filters
from nmt_cli.corpus.files import LABEL, RowFiles
from nmt_cli.corpus.filters import LengthFilter
from nmt_cli.corpus.rows import TEXT, Rows, chunks, mapped, write_rows
from nmt_cli.corpus.split import SmallestHashes, block_size
from nmt_cli.text.normalize import source_key, stable_hash

Hashes = NDArray[np.uint64]

HASHES = np.dtype("<u8")

_CHUNK = 4096  # rows handled at once


@dataclass(frozen=True)
class Spool:
    """The usable rows of one group of files, on disk, with the hash of the text by which each is known."""

    lines: int
    dropped: Counter[str]
    columns: tuple[Rows, ...]
    keys: Hashes
    block: int  # consecutive rows that are held out together

    def smallest(self) -> SmallestHashes:
        """Of the blocks: each has the hash of its first row. A rest that makes no block stays in train."""
        found = SmallestHashes()
        for start, stop in chunks(len(self.keys) // self.block * self.block, _CHUNK * self.block):
            for key in self.keys[start : stop : self.block].tolist():
                found.add(key)
        return found

    def blocks(self, start: int, stop: int) -> Hashes:
        """The hash of the block in which each of these rows stands."""
        return self.keys[np.arange(start, stop) // self.block * self.block]


@dataclass(frozen=True)
class Part:
    """The rows of a split: those of ``rows`` whose block's hash is in ``wanted`` (None: any) and not in ``unwanted``."""

    rows: Spool
    wanted: Hashes | None
    unwanted: Hashes
    complete: bool  # whether all rows are kept, whatever their length

    def read(self, description: str, *, one_in: int = 1) -> Iterator[list[list[str]]]:
        """The columns, a chunk at a time; of one in so many rows if they are many, chosen by their hash."""
        total = len(self.rows.keys)
        with progress(description, total) as bar:
            for start, stop in chunks(total, _CHUNK):
                blocks = self.rows.blocks(start, stop)
                chosen = ~np.isin(blocks, self.unwanted)
                if one_in > 1:
                    chosen &= self.rows.keys[start:stop] % np.uint64(one_in) == 0
                if self.wanted is not None:
                    chosen &= np.isin(blocks, self.wanted)
                if chosen.any():
                    yield [[*compress(column.texts(start, stop), chosen)] for column in self.rows.columns]
                bar.update(stop)


def spool_rows(files: RowFiles, path: Path, held_out: frozenset[int], lengths: LengthFilter | None) -> Spool:
    """Read, check and normalise the rows of files into a spool."""
    dropped: Counter[str] = Counter()
    places = [path.with_name(f"{path.name}.{kind}") for kind in (*files.columns, "keys")]
    key_column, texts = files.columns.index(files.key), [i for i, name in enumerate(files.columns) if name != LABEL]
    count = 0
    with ExitStack() as stack:
        columns = [stack.enter_context(write_rows(place, TEXT)) for place in places[:-1]]
        keys = stack.enter_context(open(places[-1], "wb"))
        bar = stack.enter_context(progress(f"reading {path.name}", None))
        for chunk in _batched(files.read()):
            count += len(chunk)
            kept, hashes = [], []
            for row in chunk:
                key = stable_hash(source_key(row[key_column]))
                if not row[key_column]:
                    dropped[filters.BLANK] += 1
                elif key in held_out:
                    dropped[filters.held_out(files.key)] += 1
                elif lengths is not None and lengths.surely_long([row[i] for i in texts]):
                    dropped[lengths.long] += 1
                else:
                    kept.append(row)
                    hashes.append(key)
            for place, column in enumerate(columns):
                column.extend_text([row[place] for row in kept])
            keys.write(np.array(hashes, HASHES).tobytes())
            bar.update(count)
    spooled = tuple(Rows(place, TEXT) for place in places[:-1])
    return Spool(count, dropped, spooled, mapped(places[-1], HASHES), block_size(len(spooled[0])) if files.whole else 1)


def _batched(rows: Iterator[tuple[str, ...]]) -> Iterator[list[tuple[str, ...]]]:
    """Lists of at most _CHUNK rows."""
    while chunk := list(islice(rows, _CHUNK)):
        yield chunk
