"""IBM Model 1 equals its loops, and learns what pairs of lines tell of their words."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt_cli.evaluation.lexicon import Lexicon, Pairs
from tests import oracles

LINES = st.lists(st.integers(1, 6), min_size=1, max_size=5)


def arrays(pairs: list[tuple[list[int], list[int]]]) -> Pairs:
    return [(np.array(source, dtype=np.uint16), np.array(target, dtype=np.uint16)) for source, target in pairs]


@given(st.lists(st.tuples(LINES, LINES), min_size=1, max_size=6), st.integers(1, 4))
def test_it_equals_the_loops(pairs: list[tuple[list[int], list[int]]], rounds: int) -> None:
    lexicon, wanted = Lexicon.learn(arrays(pairs), rounds), oracles.model_one(pairs, rounds)
    for (_, target), (source, ids) in zip(pairs, arrays(pairs), strict=True):
        table = lexicon.table(source, ids)
        rows = [[wanted[s, w] for w in target] for s in [0, *source.tolist()]]
        assert table == pytest.approx(np.array(rows), abs=1e-12)
    assert len(lexicon.keys) == len(wanted)


def test_probabilities_of_a_source_word_sum_to_one() -> None:
    draw = np.random.default_rng(1)
    pairs = [(draw.integers(1, 50, draw.integers(1, 9)), draw.integers(1, 50, draw.integers(1, 9))) for _ in range(80)]
    lexicon = Lexicon.learn(pairs)
    sums = np.bincount(lexicon.keys >> 32, lexicon.probabilities)
    assert sums[np.unique(lexicon.keys >> 32)] == pytest.approx(1)


def test_it_finds_a_dictionary() -> None:
    """Each source word w is translated as w + 100, in any order; 7 stands in every target and translates nothing."""
    draw = np.random.default_rng(2)
    sources = [draw.permutation(np.arange(1, 40))[: draw.integers(2, 8)] for _ in range(400)]
    orders = [draw.permutation(len(source)) for source in sources]
    pairs = [(source, np.append(source[order] + 100, 7)) for source, order in zip(sources, orders, strict=True)]
    lexicon = Lexicon.learn(pairs)
    for (source, target), order in zip(pairs, orders, strict=True):
        assert lexicon.align(source, target).tolist() == [*order, -1]


def test_what_was_never_seen_comes_from_nothing() -> None:
    lexicon = Lexicon.learn(arrays([([1, 2], [3])]))
    unseen = np.array([9, 9])
    assert lexicon.table(unseen, unseen).tolist() == [[0, 0]] * 3
    assert lexicon.align(unseen, unseen).tolist() == [-1, -1]


def test_ids_may_be_large() -> None:
    large = np.array([65_534], dtype=np.uint16)
    assert Lexicon.learn([(large, large)]).table(large, large).tolist() == [[1], [1]]
