"""How many sentences the lines of a corpus have, as a model is told that learns from them."""

from typing import cast

import numpy as np
import pytest

from nmt_cli.corpus.dataset import Column
from nmt_cli.corpus.sentences import most_sentences


class Lines:
    """As much of a column as is asked for."""

    def __init__(self, lines: list[str]) -> None:
        self.lines, self.lengths = lines, np.array([len(line) for line in lines])

    def text(self, index: int) -> str:
        return self.lines[index]


@pytest.mark.parametrize(
    ("one", "two", "three", "most"),
    [(10, 0, 0, 1), (9, 1, 0, 2), (99, 1, 0, 1), (98, 2, 0, 2), (970, 20, 10, 2), (970, 19, 11, 3), (0, 0, 1, 3)],
)
def test_one_line_in_a_hundred_does_not_count(one: int, two: int, three: int, most: int) -> None:
    lines = ["A dog."] * one + ["A dog. A cat."] * two + ["A dog. A cat. A cow."] * three
    assert most_sentences(cast("Column", Lines(lines))) == most


def test_a_sample_of_a_large_corpus_is_enough() -> None:
    assert most_sentences(cast("Column", Lines(["A dog.", "A dog. A cat.", "A dog."] * 20_000))) == 2
