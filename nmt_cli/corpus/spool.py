"""The usable pairs of a corpus on disk, between reading and encoding: normalised text and the hash of each source.

What a split holds is said by hashes, so that it can be read from the spool a chunk at a time.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import compress, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nmt_cli.console import progress
from nmt_cli.corpus import filters
from nmt_cli.corpus.filters import LengthFilter
from nmt_cli.corpus.pairs import PairFiles
from nmt_cli.corpus.rows import TEXT, Rows, chunks, mapped, write_rows
from nmt_cli.corpus.split import SmallestHashes
from nmt_cli.text.normalize import source_key, stable_hash

Hashes = NDArray[np.uint64]

HASHES = np.dtype("<u8")

_CHUNK = 4096  # pairs handled at once


@dataclass(frozen=True)
class Spool:
    """The usable pairs of one group of files, on disk, with the hash of each source."""

    lines: int
    dropped: Counter[str]
    source: Rows
    target: Rows
    keys: Hashes
    smallest: SmallestHashes


@dataclass(frozen=True)
class Part:
    """The pairs of a split: those of ``pairs`` whose hash is in ``wanted`` (None: any) and not in ``unwanted``."""

    pairs: Spool
    wanted: Hashes | None
    unwanted: Hashes
    complete: bool  # whether all pairs are kept, whatever their length

    def read(self, description: str, *, one_in: int = 1) -> Iterator[tuple[list[str], list[str]]]:
        """Sources and targets, a chunk at a time; of one in so many sources if they are many, chosen by their hash."""
        total = len(self.pairs.keys)
        with progress(description, total) as bar:
            for start, stop in chunks(total, _CHUNK):
                keys = self.pairs.keys[start:stop]
                chosen = ~np.isin(keys, self.unwanted)
                if one_in > 1:
                    chosen &= keys % np.uint64(one_in) == 0
                if self.wanted is not None:
                    chosen &= np.isin(keys, self.wanted)
                if chosen.any():
                    rows = (self.pairs.source, self.pairs.target)
                    sources, targets = ([*compress(each.texts(start, stop), chosen)] for each in rows)
                    yield sources, targets
                bar.update(stop)


def spool_pairs(files: PairFiles, path: Path, held_out: frozenset[int], lengths: LengthFilter | None) -> Spool:
    """Read, check and normalise the pairs of files into a spool."""
    dropped: Counter[str] = Counter()
    smallest = SmallestHashes()
    places = [path.with_name(f"{path.name}.{kind}") for kind in ("source", "target", "keys")]
    count = 0
    with (
        write_rows(places[0], TEXT) as sources,
        write_rows(places[1], TEXT) as targets,
        open(places[2], "wb") as keys,
        progress(f"reading {path.name}", None) as bar,
    ):
        for chunk in _batched(files.read()):
            count += len(chunk)
            kept, hashes = [], []
            for source, target in chunk:
                key = stable_hash(source_key(source))
                if (reason := _reason(source, target, key in held_out, lengths)) is not None:
                    dropped[reason] += 1
                    continue
                smallest.add(key)
                kept.append((source, target))
                hashes.append(key)
            sources.extend_text([source for source, _ in kept])
            targets.extend_text([target for _, target in kept])
            keys.write(np.array(hashes, HASHES).tobytes())
            bar.update(count)
    return Spool(count, dropped, Rows(places[0], TEXT), Rows(places[1], TEXT), mapped(places[2], HASHES), smallest)


def _reason(source: str, target: str, held_out: bool, lengths: LengthFilter | None) -> str | None:
    """Why a pair is dropped before there are subwords to count, or None."""
    if not source:
        return filters.BLANK
    if held_out:
        return filters.HELD_OUT
    if lengths is not None and lengths.surely_long(source, target):
        return lengths.long
    return None


def _batched(pairs: Iterator[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    """Lists of at most _CHUNK pairs."""
    while chunk := list(islice(pairs, _CHUNK)):
        yield chunk
