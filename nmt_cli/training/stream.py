"""The endless stream of updates that a training reads, and the place in it, from which a resumed training goes on."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from hashlib import blake2b
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt
import torch
from numpy.lib.stride_tricks import sliding_window_view

from nmt_cli.corpus.batching import Indices, TextBatch, epoch
from nmt_cli.corpus.dataset import Column, PreparedCorpus
from nmt_cli.corpus.sampled import SampledColumn, SampledDataset
from nmt_cli.errors import ConfigError
from nmt_cli.settings import TrainingSettings
from nmt_cli.text.bpe_dropout import BPEDropout
from nmt_cli.text.subword import SubwordTokenizer
from nmt_cli.text.tokenizer import EOS, PAD
from nmt_cli.training.team import Share


@dataclass(frozen=True)
class Place:
    """How far the stream has been read: ``batch`` batches of epoch ``epoch``."""

    epoch: int = 0
    batch: int = 0


@dataclass(frozen=True)
class Update:
    """The batches whose gradients are added up for one update, and the place behind them."""

    batches: list[Any]  # None where the share of a batch is empty
    behind: Place


class Reader(Protocol):
    """How a corpus is cut into batches; what a batch is, is between the task and its models.

    The batches are the same for all processes of a team; what is read of them is a share.
    """

    def epoch(self, number: int) -> Sequence[Indices]:
        """Which rows, or which stretch, each batch of an epoch holds."""
        ...

    def batch(self, indices: Indices, number: int) -> Any:
        """One of them; None where the share of it is empty."""
        ...


class Rows(Protocol):
    """Rows of ids, as one epoch reads them."""

    def __getitem__(self, column: str) -> Column | SampledColumn: ...

    def __len__(self) -> int: ...


Epochs = Callable[[int], Rows]
"""The rows of each epoch: always the same, or cut into subwords afresh."""


def epochs_of(corpus: PreparedCorpus, settings: TrainingSettings) -> Epochs:
    """Of the training split. Raises ConfigError for BPE-dropout where there are no merges."""
    if settings.bpe_dropout == 0:
        return lambda _: corpus.train
    if corpus.settings.units != "subword":
        raise ConfigError(f"training.bpe_dropout needs subwords, but data.units is {corpus.settings.units}")
    dropout = BPEDropout(cast("SubwordTokenizer", corpus.tokenizer), settings.bpe_dropout)
    return lru_cache(1)(lambda number: SampledDataset(corpus.train, dropout, settings.seed, number))


@dataclass(frozen=True)
class RowReader:
    """Rows in batches of similar length, in another order in each epoch."""

    epochs: Epochs
    columns: tuple[str, ...]  # by whose lengths rows are sorted, the one that counts most first
    make: Callable[[Rows, Indices], Any]
    settings: TrainingSettings
    share: Share = field(default_factory=Share)

    def epoch(self, number: int) -> list[Indices]:
        """A function of the seed and the number."""
        rows = self.epochs(number)
        lengths = [rows[name].lengths + 1 for name in self.columns]
        return epoch(lengths, budget=self.settings.batch_tokens, seed=self.settings.seed, number=number)

    def batch(self, indices: Indices, number: int) -> Any:
        """These rows."""
        own = indices[self.share.rows]
        return self.make(self.epochs(number), own) if len(own) else None


class Lines(Protocol):
    """A text as rows of ids."""

    def __len__(self) -> int: ...

    def ids(self, index: int) -> Any:
        """Of one line, without EOS."""
        ...


@dataclass(frozen=True)
class StreamReader:
    """A text from its beginning to its end, as ``streams`` equal pieces that are read side by side, ``window`` tokens at a time.

    Backpropagation through time is cut at the edges of a window; what the model remembers is carried over them. The last pieces
    are shorter where the text does not divide: every token is predicted once.
    """

    text: Lines
    streams: int
    window: int
    share: Share = field(default_factory=Share)

    @cached_property
    def tokens(self) -> npt.NDArray[np.integer]:
        """(B, T + 1) the pieces: EOS in front of the text and behind each line, PAD behind its end; the last column of each is the
        next one's first. They are views of one array, in the type of the ids.

        Raises:
            ConfigError: fewer pieces than processes: what one of them carries could not be kept.
        """
        predicted = sum(len(self.text.ids(i)) + 1 for i in range(len(self.text)))
        length = -(-predicted // self.streams)
        streams = -(-predicted // length)  # fewer where the text is short
        check_streams(streams, self.share)
        whole = np.full(streams * length + 1, PAD, dtype=np.asarray(self.text.ids(0)).dtype)
        whole[0], end = EOS, 1
        for i in range(len(self.text)):
            ids = self.text.ids(i)
            whole[end : end + len(ids)] = ids
            end += len(ids) + 1
            whole[end - 1] = EOS
        return sliding_window_view(whole, length + 1)[::length]

    def epoch(self, number: int) -> list[Indices]:
        """The windows, always in the order of the text."""
        del number
        return [np.array([start]) for start in range(0, self.tokens.shape[1] - 1, self.window)]

    def batch(self, indices: Indices, number: int) -> TextBatch:
        """The window that begins at this token."""
        del number
        start = int(indices[0])
        window = self.tokens[self.share.rows, start : start + self.window + 1]
        piece = torch.from_numpy(window.astype(np.int64))
        inputs, targets = piece[:, :-1], piece[:, 1:]
        return TextBatch(inputs, targets, targets != PAD, begins=start == 0, ends=False)


def check_streams(streams: int, share: Share) -> None:
    """Raises ConfigError where some process would have none."""
    if streams < share.size:
        raise ConfigError(
            f"a text must be read as at least as many streams as there are --workers ({share.size}), but is {streams}",
            "a smaller training.window or a larger training.batch_tokens makes more streams",
        )


def updates(reader: Reader, accumulate: int, place: Place) -> Iterator[Update]:
    """Epoch after epoch without end; an update may reach over the end of an epoch."""
    gathered: list[Any] = []
    while True:
        order = reader.epoch(place.epoch)
        for number in range(place.batch, len(order)):
            gathered.append(reader.batch(order[number], place.epoch))
            place = Place(place.epoch, number + 1)
            if len(gathered) == accumulate:
                yield Update(gathered, place)
                gathered = []
        place = Place(place.epoch + 1, 0)


def seed_torch(seed: int, update: int, batch: int, rank: int) -> None:
    """Make what follows (dropout) a function of the seed, the update, the batch in it and the process, and of nothing that ran
    before."""
    key = f"{seed} {update} {batch} {rank}"
    torch.manual_seed(int.from_bytes(blake2b(key.encode(), digest_size=7).digest(), "little"))
