"""Padding, and the order in which a corpus is read."""

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from nmt_cli.corpus.batching import Batch, Sequences, by_length, epoch, shared_out
from nmt_cli.text.tokenizer import EOS, PAD

held = settings(deadline=None, derandomize=True, max_examples=150)
Lengths = NDArray[np.int64]


@dataclass
class Side:
    """What ``Batch.of`` asks of a column."""

    lengths: Lengths
    first: int

    def ids(self, index: int) -> NDArray[np.uint16]:
        return np.full(self.lengths[index], self.first + index, dtype=np.uint16)


@dataclass
class Corpus:
    """What ``Batch.of`` asks of a data set."""

    source_lengths: Lengths
    target_lengths: Lengths

    def __getitem__(self, column: str) -> Side:
        return {"source": Side(self.source_lengths, 4), "target": Side(self.target_lengths, 5)}[column]

    @property
    def counted(self) -> tuple[Lengths, Lengths]:
        """What ``epoch`` asks for: with EOS, the target first."""
        return self.target_lengths + 1, self.source_lengths + 1


def corpus(size: int, longest: int = 60) -> Any:
    """Random lengths, the two sides about as long as each other."""
    draw = np.random.default_rng(size)
    targets = draw.integers(1, longest + 1, size)
    return cast("Any", Corpus(np.maximum(1, targets + draw.integers(-3, 4, size)), targets))


@held
@given(
    st.lists(st.lists(st.integers(4, 99), max_size=6), min_size=1, max_size=6), st.sampled_from([(), (EOS,), (7, 8)])
)
def test_sequences_are_padded_behind_their_end(rows: list[list[int]], end: tuple[int, ...]) -> None:
    made = Sequences.of(rows, end=end)
    lengths = [len(row) + len(end) for row in rows]
    width = max(lengths)
    assert made.tokens.tolist() == [
        [*row, *end] + [PAD] * (width - length) for row, length in zip(rows, lengths, strict=True)
    ]
    assert made.lengths.tolist() == lengths
    assert made.mask.tolist() == [[True] * length + [False] * (width - length) for length in lengths]
    assert len(made) == len(rows)
    assert made.tokens.dtype == made.lengths.dtype == torch.long


def test_sequences_of_nothing_and_of_memory_mapped_types() -> None:
    assert Sequences.of([]).tokens.shape == (0, 0)
    assert len(Sequences.of([])) == 0
    made = Sequences.of(np.array(row, dtype=np.uint16) for row in ([65535], [], [4, 5]))
    assert made.tokens.tolist() == [[65535, EOS, PAD], [EOS, PAD, PAD], [4, 5, EOS]]


def test_a_batch_holds_the_pairs_at_its_places() -> None:
    data = cast("Any", Corpus(np.array([1, 2, 0]), np.array([2, 0, 1])))
    batch = Batch.of(data, np.array([2, 0]))
    assert batch.source.tokens.tolist() == [[EOS, PAD], [4, EOS]]
    assert batch.target.tokens.tolist() == [[7, EOS, PAD], [5, 5, EOS]]
    moved = batch.to(torch.device("cpu"))
    assert torch.equal(moved.source.tokens, batch.source.tokens)
    assert torch.equal(moved.target.lengths, batch.target.lengths)


@held
@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 9)), max_size=60), st.integers(1, 80), st.randoms())
def test_by_length(pairs: list[tuple[int, int]], budget: int, random: Any) -> None:
    """All places once, sorted, within the budget, and no batch that its next row would still have fitted into."""
    places = list(range(len(pairs)))
    random.shuffle(places)
    keys = [np.array([pair[side] for pair in pairs], dtype=np.int64) for side in (0, 1)]
    batches = [batch.tolist() for batch in by_length(np.array(places, dtype=np.int64), keys, budget)]
    found = [place for batch in batches for place in batch]
    serpentine = {place: (first, -second if first % 2 else second) for place, (first, second) in enumerate(pairs)}
    assert found == sorted(places, key=lambda place: serpentine[place])  # stable: ties keep their order
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(pairs[place][0] for place in batch) <= budget
    for batch, following in pairwise(batches):
        assert (len(batch) + 1) * pairs[following[0]][0] > budget


@held
@given(st.lists(st.integers(1, 30), max_size=40), st.integers(1, 80), st.integers(1, 4))
def test_shared_out(lengths: list[int], budget: int, among: int) -> None:
    """The smallest batches of which there are still so many that all workers have equally many, found by trying all sizes."""
    counted = np.array(lengths, dtype=np.int64)
    fewest = by_length(np.arange(len(lengths)), (counted,), budget)
    wanted = -(-len(fewest) // among) * among
    tried = (by_length(np.arange(len(lengths)), (counted,), size) for size in range(1, budget + 1))
    best = next(batches for batches in tried if len(batches) <= wanted) if among > 1 else fewest
    found = shared_out(counted, budget, among)
    assert [batch.tolist() for batch in found] == [batch.tolist() for batch in best]


@pytest.mark.parametrize(("budget", "among", "sizes"), [(640, 1, [80, 20]), (640, 2, [50, 50]), (6400, 2, [50, 50])])
def test_workers_get_equal_work(budget: int, among: int, sizes: list[int]) -> None:
    """Of batches as large as may be, the last is what happens to be left, and of one batch the second worker gets nothing."""
    assert [len(batch) for batch in shared_out(np.full(100, 8), budget, among)] == sizes


def test_a_row_longer_than_the_budget_is_a_batch_of_its_own() -> None:
    keys = [np.array([3, 500, 3, 4, 900])]
    batches = by_length(np.arange(5), keys, 12)
    assert [batch.tolist() for batch in batches] == [[0, 2, 3], [1], [4]]


def test_by_length_takes_some_places_of_many() -> None:
    batches = by_length(np.array([9, 2, 7]), [np.arange(10)], 100)
    assert [batch.tolist() for batch in batches] == [[2, 7, 9]]


@pytest.mark.parametrize(("size", "budget"), [(1, 50), (300, 50), (300, 5000), (5000, 400)])
def test_an_epoch_covers_each_pair_once_within_the_budget(size: int, budget: int) -> None:
    data = corpus(size)
    batches = epoch(data.counted, budget=budget, seed=1, number=0)
    assert sorted(np.concatenate(batches).tolist()) == list(range(size))
    for batch in batches:
        lengths = data.target_lengths[batch] + 1
        assert len(batch) == 1 or len(batch) * lengths.max() <= budget


def listed(data: Any, seed: int, number: int) -> list[list[int]]:
    return [batch.tolist() for batch in epoch(data.counted, budget=300, seed=seed, number=number)]


def test_an_epoch_is_a_function_of_seed_and_number() -> None:
    data = corpus(2000)
    wanted = listed(data, 5, 3)
    np.random.default_rng(0).random(100)
    torch.manual_seed(99)
    listed(data, 5, 2)
    assert listed(data, 5, 3) == wanted


def test_epochs_and_seeds_differ_in_order_and_in_batches() -> None:
    data = corpus(20_000)
    orders = [listed(data, seed, number) for seed, number in ((0, 0), (0, 1), (1, 0), (1, 1))]
    for index, order in enumerate(orders):
        for other in orders[:index]:
            assert order != other
            shared = {frozenset(batch) for batch in order} & {frozenset(batch) for batch in other}
            assert len(shared) < 0.02 * len(order)  # the pairs meet others, not only in another order


def test_batches_of_an_epoch_do_not_come_by_length() -> None:
    data = corpus(20_000)
    means = np.array([data.target_lengths[batch].mean() for batch in epoch(data.counted, budget=300, seed=2, number=0)])
    assert abs(np.corrcoef(means[1:], means[:-1])[0, 1]) < 0.1


@pytest.mark.parametrize("longest", [20, 60, 200])
def test_bucketing_wastes_little_padding(longest: int) -> None:
    data = corpus(20_000, longest)
    real: Counter[str] = Counter()
    held_: Counter[str] = Counter()
    for batch in epoch(data.counted, budget=2000, seed=3, number=0):
        for side, lengths in (("source", data.source_lengths), ("target", data.target_lengths)):
            real[side] += int((lengths[batch] + 1).sum())
            held_[side] += int((lengths[batch] + 1).max()) * len(batch)
    assert 1 - real["target"] / held_["target"] < 0.05
    assert 1 - (real["source"] + real["target"]) / (held_["source"] + held_["target"]) < 0.1
