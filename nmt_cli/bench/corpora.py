"""What is learnt from while a training is measured: a prepared corpus, or sentences drawn by lot, for which no file is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from nmt_cli.corpus.batching import Batch, Indices, Sequences, TextBatch, epoch
from nmt_cli.corpus.dataset import PreparedCorpus
from nmt_cli.settings import Sizes, TrainingSettings
from nmt_cli.text.tokenizer import EOS
from nmt_cli.training.stream import Reader, StreamReader
from nmt_cli.training.tasks import TASKS
from nmt_cli.training.team import Share

_SPREAD, _RATIO_SPREAD = 0.5, 0.2  # of the logarithms: of lengths, and of target to source
_SHORTEST, _LONGEST = 2, 120


class Corpus(Protocol):
    """What the processes of a measurement read; it travels to them."""

    @property
    def sizes(self) -> Sizes:
        """What a model must know of it."""
        ...

    def reader(self, task: str, settings: TrainingSettings, share: Share) -> Reader:
        """The share that one process reads, as batches for the models of a task."""
        ...


@dataclass(frozen=True)
class Prepared:
    """A folder that ``nmt preprocess`` wrote."""

    folder: Path

    @property
    def sizes(self) -> Sizes:
        """Those of the corpus."""
        return PreparedCorpus.open(self.folder).sizes

    def reader(self, task: str, settings: TrainingSettings, share: Share) -> Reader:
        """As for a training."""
        return TASKS[task](PreparedCorpus.open(self.folder)).reader(settings, share)


@dataclass(frozen=True)
class Drawn:
    """Sentences of random ids. Their lengths are spread as those of text are, and ids are as unequal as words (Zipf 1935).

    Only lengths and the size of the vocabulary matter to the speed of a training: what the words are does not.
    """

    vocabulary: int = 8000
    length: int = 25  # mean subwords of a sentence, EOS counted, as in newspapers; captions have 15
    rows: int = 20_000
    seed: int = 1

    @property
    def sizes(self) -> Sizes:
        """As those of subwords."""
        return Sizes(self.vocabulary)

    def reader(self, task: str, settings: TrainingSettings, share: Share) -> Reader:
        """As for a training: pairs, or the targets as lines or streams."""
        columns = self.columns()
        if task == "translate":
            return _Rows(columns, ("target", "source"), _pairs, settings, share)
        if settings.window == 0:
            return _Rows(columns, ("target",), _lines, settings, share)
        return StreamReader(columns["target"], max(1, settings.batch_tokens // settings.window), settings.window, share)

    def columns(self) -> dict[str, Column]:
        """``source`` and ``target``."""
        draw = np.random.default_rng(self.seed)
        common = draw.normal(np.log(self.length - 1) - _SPREAD**2 / 2, _SPREAD, self.rows)
        longer = draw.normal(-(_RATIO_SPREAD**2) / 2, _RATIO_SPREAD, (2, self.rows)) / 2**0.5
        return {name: self._column(common + own, draw) for name, own in zip(("source", "target"), longer, strict=True)}

    def _column(self, logarithms: npt.NDArray[np.float64], draw: np.random.Generator) -> Column:
        lengths = np.exp(logarithms).round().astype(np.int64).clip(_SHORTEST, _LONGEST)
        first = EOS + 1
        weights = 1 / np.arange(3, self.vocabulary - first + 3)
        ids = draw.choice(np.arange(first, self.vocabulary), lengths.sum(), p=weights / weights.sum())
        return Column(lengths, np.split(ids, np.cumsum(lengths)[:-1]))


@dataclass(frozen=True)
class Column:
    """One side of the sentences, as a column of a corpus."""

    lengths: npt.NDArray[np.int64]
    rows: Sequence[Any]

    def __len__(self) -> int:
        return len(self.rows)

    def ids(self, index: int) -> Any:
        """Of one sentence, without EOS."""
        return self.rows[index]


Columns = Mapping[str, Column]


@dataclass(frozen=True)
class _Rows:
    """Rows in batches of similar length, the same rows in every epoch: see ``RowReader``."""

    columns: Columns
    order: tuple[str, ...]  # by whose lengths rows are sorted
    make: Callable[[Columns, Indices], Any]
    settings: TrainingSettings
    share: Share

    def epoch(self, number: int) -> list[Indices]:
        """A function of the seed and the number."""
        lengths = [self.columns[name].lengths + 1 for name in self.order]
        return epoch(lengths, budget=self.settings.batch_tokens, seed=self.settings.seed, number=number)

    def batch(self, indices: Indices, number: int = 0) -> Any:
        """The share of these rows."""
        del number
        own = indices[self.share.rows]
        return self.make(self.columns, own) if len(own) else None


def _pairs(columns: Columns, indices: Indices) -> Batch:
    source, target = (Sequences.of(columns[name].ids(row) for row in indices) for name in ("source", "target"))
    return Batch(source, target)


def _lines(columns: Columns, indices: Indices) -> TextBatch:
    return TextBatch.of(columns["target"].ids(row) for row in indices)
