"""Sampled rows: a function of (seed, epoch, column, row), whatever else is read; the text never changes."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest

from nmt_cli.corpus.batching import Batch, LabelledBatch
from nmt_cli.corpus.dataset import PreparedCorpus
from nmt_cli.corpus.labelled import LabelledFile
from nmt_cli.corpus.pairs import PairFiles
from nmt_cli.corpus.prepare import Inputs, prepare
from nmt_cli.corpus.sampled import SampledDataset
from nmt_cli.settings import DataSettings
from nmt_cli.text.bpe_dropout import BPEDropout
from nmt_cli.text.subword import SubwordTokenizer
from nmt_cli.text.tokenizer import EOS

LINE = "the {} houses of größere Städte are older than the {} bridges ▁ 😀"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> PreparedCorpus:
    """Pairs whose sides are the same text, all but one."""
    place = tmp_path_factory.mktemp("sampled")
    lines = "".join(LINE.format(a, b) + "\n" for a, b in product(range(10), range(10)))
    (place / "a.en").write_text(lines + "one more\n", encoding="utf-8")
    (place / "a.de").write_text(lines + "eine mehr\n", encoding="utf-8")
    prepare(Inputs(PairFiles((place / "a.en", place / "a.de"))), place / "corpus", DataSettings())
    return PreparedCorpus.open(place / "corpus")


def sampled(corpus: PreparedCorpus, *, dropout: float = 0.3, seed: int = 1, epoch: int = 0) -> SampledDataset:
    assert isinstance(corpus.tokenizer, SubwordTokenizer)
    return SampledDataset(corpus.train, BPEDropout(corpus.tokenizer, dropout), seed, epoch)


def rows(dataset: SampledDataset, column: str, places: Sequence[int]) -> list[tuple[int, ...]]:
    return [tuple(dataset[column].ids(place).tolist()) for place in places]


def test_a_row_is_the_same_in_any_order_and_any_process(corpus: PreparedCorpus) -> None:
    places = range(len(corpus.train))
    first = rows(sampled(corpus), "source", places)
    assert rows(sampled(corpus), "source", places[::-1]) == first[::-1]
    assert rows(sampled(corpus), "source", [7]) == [first[7]]
    assert len(sampled(corpus)) == len(first)


def test_seed_epoch_column_and_row_each_make_another_draw(corpus: PreparedCorpus) -> None:
    places = range(len(corpus.train))
    drawn = [
        rows(sampled(corpus, seed=seed, epoch=epoch), column, places)
        for seed, epoch, column in product((1, 2), (0, 1), ("source", "target"))
    ]
    every = [row for each in drawn for row in each]
    assert len({each[0] for each in drawn}) == len(drawn)
    assert len(set(every)) > 0.99 * len(every)  # the lines are so long that two hardly ever agree


def test_every_row_decodes_to_its_text(corpus: PreparedCorpus) -> None:
    dataset = sampled(corpus)
    for column, place in product(("source", "target"), range(len(dataset))):
        assert corpus.tokenizer.decode(dataset[column].ids(place).tolist()) == corpus.train[column].text(place).replace(
            "▁", "_"
        )


def test_lengths_are_those_of_the_rows_of_this_epoch(corpus: PreparedCorpus) -> None:
    dataset = sampled(corpus, epoch=3)
    lengths = dataset["target"].lengths
    assert lengths.dtype == np.int64
    assert lengths.tolist() == [len(row) for row in rows(dataset, "target", range(len(dataset)))]
    assert lengths.sum() > corpus.train["target"].lengths.sum()


class Together(BPEDropout):
    """Draws when two threads stand before it."""

    barrier = Barrier(2, timeout=60)

    def encode(self, text: str, draw: np.random.Generator) -> list[int]:
        self.barrier.wait()
        return super().encode(text, draw)


def test_threads_do_not_disturb_each_other(corpus: PreparedCorpus) -> None:
    assert isinstance(corpus.tokenizer, SubwordTokenizer)
    together = SampledDataset(corpus.train, Together(corpus.tokenizer, 0.3), seed=1, epoch=0)
    with ThreadPoolExecutor(2) as threads:
        found = [ids.tolist() for ids in threads.map(together["source"].ids, range(10))]
    assert [tuple(ids) for ids in found] == rows(sampled(corpus), "source", range(10))


def test_without_dropout_the_rows_are_those_of_the_corpus(corpus: PreparedCorpus) -> None:
    dataset = sampled(corpus, dropout=0.0)
    assert dataset["source"].ids(0).dtype == corpus.train["source"].ids(0).dtype
    for place in range(len(dataset)):
        assert np.array_equal(dataset["source"].ids(place), corpus.train["source"].ids(place))


def test_batches_are_made_of_them(corpus: PreparedCorpus) -> None:
    dataset = sampled(corpus)
    batch = Batch.of(dataset, [5, 2])
    for side, column in ((batch.source, "source"), (batch.target, "target")):
        for row, length, wanted in zip(side.tokens, side.lengths, rows(dataset, column, [5, 2]), strict=True):
            assert row[: int(length)].tolist() == [*wanted, EOS]


def test_labels_are_not_cut(tmp_path: Path) -> None:
    lines = "".join(f"{'abc'[n % 3]}\t{LINE.format(n, n * n)}\n" for n in range(60))
    (tmp_path / "kinds.tsv").write_text(lines, encoding="utf-8")
    prepare(Inputs(LabelledFile((tmp_path / "kinds.tsv",))), tmp_path / "corpus", DataSettings())
    corpus = PreparedCorpus.open(tmp_path / "corpus")
    dataset = sampled(corpus, dropout=0.9)
    assert dataset["label"] is corpus.train["label"]
    places = range(len(dataset))
    assert LabelledBatch.of(dataset, places).labels.equal(LabelledBatch.of(corpus.train, places).labels)
