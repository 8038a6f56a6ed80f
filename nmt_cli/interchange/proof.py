"""Whether a model says elsewhere what it says here: log-probabilities of given translations, and greedy search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from nmt_cli.console import count
from nmt_cli.corpus.batching import Batch, Sequences
from nmt_cli.corpus.dataset import PreparedCorpus
from nmt_cli.corpus.dev import dev_alone
from nmt_cli.corpus.files import FILES
from nmt_cli.corpus.limits import LengthLimit
from nmt_cli.errors import ModelError
from nmt_cli.evaluation.metrics import each_score
from nmt_cli.inference.translator import Engine, Piece, Searched
from nmt_cli.models.base import Decodable
from nmt_cli.runs.corpora import own_corpus
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.search.ancestral import Greedy
from nmt_cli.text.tokenizer import EOS

LINES = 50
TOLERANCE = 1e-3
"""How far log-probabilities of a token may lie apart; nearer ties may fall to either side in greedy search."""

_LONGEST = 40  # subwords of a random line
_SEED = 1

Ids = tuple[int, ...]
Pair = tuple[Ids, Ids]
"""A source and a translation, without EOS."""
LogProbs = Callable[[Sequence[Pair]], list[list[float]]]
"""The log-probability of each token of each translation, EOS last."""
Search = Callable[[list[Piece]], Searched]
"""Greedy search, one hypothesis a source."""


@dataclass(frozen=True)
class Trial:
    """What a proof is made on."""

    pairs: tuple[Pair, ...]
    origin: str  # where it is from, as a message says it

    @classmethod
    def of(cls, directory: ModelDirectory, dev: Sequence[Path], folder: Path) -> Trial:
        """Lines of text, of files or of the model's own dev split; where there are too few of them, of random subwords.

        ``folder`` is room for a while. Raises DataError where the files cannot be used.
        """
        found = _of_text(directory, dev, folder)[:LINES]
        drawn = _random(directory, LINES - len(found))
        said = [count(len(found), "line of text", "lines of text")] if found else []
        said += [count(len(drawn), "line of random subwords", "lines of random subwords")] if drawn else []
        return cls((*found, *drawn), " and ".join(said))


@dataclass(frozen=True)
class Proof:
    """What was found, on so many lines."""

    worst: float  # of the differences of two log-probabilities of a token
    mean: float  # of them
    tokens: int
    widest: float  # how much less probable what the other search chose first otherwise is, to our model; 0 where nothing differs
    texts: tuple[str, ...]  # of our greedy search
    others: tuple[str, ...]  # of theirs

    @property
    def equal(self) -> int:
        """Greedy translations that are the same text."""
        return sum(text == other for text, other in zip(self.texts, self.others, strict=True))

    def check(self) -> None:
        """Raises ModelError where it is not the same model."""
        if not self.worst <= TOLERANCE:
            raise ModelError(
                f"log-probabilities of the exported model must lie within {TOLERANCE} of ours, but {self.worst:.4f} lies between",
                "nothing was written; this is a mistake of ours: please report it, with the model's config.toml",
            )
        if not self.widest <= TOLERANCE:
            raise ModelError(
                f"greedy search must find the same where no tie is nearer than {TOLERANCE}, but chose what is {self.widest:.4f} "
                "less probable",
                "nothing was written; this is a mistake of ours: please report it, with the model's config.toml",
            )

    def __str__(self) -> str:
        """Of an exact one."""
        return (
            f"{self.tokens:,} log-probabilities within {self.worst:.1e}, greedy translations equal in {self.equal} of "
            f"{len(self.texts)}{', the others by ties' if self.equal < len(self.texts) else ''}"
        )

    @property
    def likeness(self) -> str:
        """Of one that is not exact."""
        _, chrf = islice(each_score(self.others, [self.texts]), 2)
        return (
            f"chrF2 {chrf.score:.1f} between its greedy translations and those of float32, equal in {self.equal} of "
            f"{len(self.texts)}; a log-probability differs by {self.mean:.3f} on average"
        )


def prove(directory: ModelDirectory, trial: Trial, log_probs: LogProbs, search: Search) -> Proof:
    """Our model beside ``log_probs`` and a greedy ``search`` of another engine."""
    model = cast("Decodable[Any]", directory.model())
    ours, theirs = _log_probs(model, trial.pairs), log_probs(trial.pairs)
    apart = np.abs(np.concatenate([np.subtract(a, b) for a, b in zip(ours, theirs, strict=True)]))
    pieces = [Piece(source, 0) for source, _ in trial.pairs]
    own, others = _greedy(model, directory, pieces), [found[0].tokens for found in search(pieces)]
    decode = directory.tokenizer.decode
    return Proof(
        float(apart.max()),
        float(apart.mean()),
        len(apart),
        _widest(model, pieces, own, others),
        tuple(map(decode, own)),
        tuple(map(decode, others)),
    )


def _log_probs(model: Decodable[Any], pairs: Sequence[Pair]) -> list[list[float]]:
    sources, targets = zip(*pairs, strict=True)
    batch = Batch(Sequences.of(sources), Sequences.of(targets))
    with torch.inference_mode():
        rows = model.log_probs(batch).tolist()
    return [row[: len(target) + 1] for row, target in zip(rows, targets, strict=True)]


def _greedy(model: Decodable[Any], directory: ModelDirectory, pieces: list[Piece]) -> list[Ids]:
    engine = Engine(model, Greedy(), cast("LengthLimit", directory.manifest.limit))
    return [found[0].tokens for found in engine.search(pieces)]


def _widest(model: Decodable[Any], pieces: Sequence[Piece], own: Sequence[Ids], others: Sequence[Ids]) -> float:
    """Where two translations part, how much more probable to our model its own token is; of all lines the most."""
    parted = [place for place in range(len(pieces)) if own[place] != others[place]]
    if not parted:
        return 0.0
    found = []
    for tokens in (own, others):
        pairs = [(pieces[place].ids, _until(tokens[place], own[place], others[place])) for place in parted]
        batch = Batch(Sequences.of(source for source, _ in pairs), Sequences.of((ids for _, ids in pairs), end=()))
        with torch.inference_mode():
            rows = model.log_probs(batch)
        found.append(rows.gather(1, batch.target.lengths[:, None] - 1)[:, 0])
    return float((found[0] - found[1]).abs().max())


def _until(tokens: Ids, one: Ids, other: Ids) -> Ids:
    """Up to where the two part, that token included: each ends in EOS, so that neither is the beginning of the other."""
    place = next(place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return tokens[: place + 1]


def _of_text(directory: ModelDirectory, dev: Sequence[Path], folder: Path) -> list[Pair]:
    """Pairs of the files, or of the model's own dev split where it still has one."""
    if dev:
        room = folder / "dev"
        room.mkdir()
        kind, data, languages = FILES["translate"], directory.settings.data, directory.manifest.languages
        corpus = dev_alone(kind(tuple(dev)), room, data, directory.tokenizer, None, languages)
    elif (own := own_corpus(directory)) is not None:
        corpus = PreparedCorpus.open(own)
    else:
        return []
    sides = [corpus.dev[side] for side in ("source", "target")]
    return [
        (tuple(map(int, sides[0].ids(index))), tuple(map(int, sides[1].ids(index)))) for index in range(len(corpus.dev))
    ]


def _random(directory: ModelDirectory, lines: int) -> list[Pair]:
    """Pairs of subwords drawn alike, of all lengths."""
    draw = np.random.Generator(np.random.Philox(key=_SEED))
    longest, size = min(_LONGEST, directory.settings.data.max_length), directory.tokenizer.size

    def side() -> Ids:
        return tuple(draw.integers(EOS + 1, size, draw.integers(1, longest + 1)).tolist())

    return [(side(), side()) for _ in range(lines)]
