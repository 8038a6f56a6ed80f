"""The endless stream of updates that a training reads, and the place in it, from which a resumed training goes on."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

import torch

from nmt_cli.corpus.batching import Batch, epoch
from nmt_cli.corpus.dataset import ParallelDataset
from nmt_cli.settings import TrainingSettings


@dataclass(frozen=True)
class Place:
    """How far the stream has been read: ``batch`` batches of epoch ``epoch``."""

    epoch: int = 0
    batch: int = 0


@dataclass(frozen=True)
class Update:
    """The batches whose gradients are added up for one update, and the place behind them."""

    batches: list[Batch]
    behind: Place


def updates(dataset: ParallelDataset, settings: TrainingSettings, place: Place) -> Iterator[Update]:
    """Epoch after epoch without end; an update may reach over the end of an epoch."""
    gathered: list[Batch] = []
    while True:
        order = epoch(dataset, budget=settings.batch_tokens, seed=settings.seed, number=place.epoch)
        for number in range(place.batch, len(order)):
            gathered.append(Batch.of(dataset, order[number]))
            place = Place(place.epoch, number + 1)
            if len(gathered) == settings.accumulate:
                yield Update(gathered, place)
                gathered = []
        place = Place(place.epoch + 1, 0)


def seed_torch(seed: int, update: int, batch: int) -> None:
    """Make what follows (dropout) a function of the seed, the update and the batch in it, and of nothing that ran before."""
    torch.manual_seed(int.from_bytes(blake2b(f"{seed} {update} {batch}".encode(), digest_size=7).digest(), "little"))
