"""Accuracy, F1 and their tables against slow definitions, text by text."""

import math
import random

import pytest

from nmt_cli.evaluation.confusion import Confusion

NAMES = ("ab", "c", "never", "seldom")


def drawn(seed: int, texts: int = 60) -> tuple[list[int], list[int]]:
    """Mostly right; label 2 is never true nor said, label 3 seldom."""
    draw = random.Random(seed)
    true = [draw.choice([0, 0, 0, 1, 1, 3] if n % 5 == 0 else [0, 0, 1]) for n in range(texts)]
    said = [label if draw.random() < 0.7 else draw.choice([0, 1, 3]) for label in true]
    return true, said


def f1(true: list[int], said: list[int], label: int) -> tuple[float, float, float]:
    """Precision, recall, F1 = 2 right / (2 right + wrongly said + missed)."""
    right = sum(t == s == label for t, s in zip(true, said, strict=True))
    wrongly = sum(s == label != t for t, s in zip(true, said, strict=True))
    missed = sum(t == label != s for t, s in zip(true, said, strict=True))
    return (
        right / (right + wrongly) if right + wrongly else 0.0,
        right / (right + missed) if right + missed else 0.0,
        2 * right / (2 * right + wrongly + missed) if right else 0.0,
    )


@pytest.mark.parametrize("seed", range(10))
def test_against_the_definitions(seed: int) -> None:
    true, said = drawn(seed)
    found = Confusion.of(NAMES, true, said)
    assert found.texts == 60
    assert found.accuracy == pytest.approx(sum(t == s for t, s in zip(true, said, strict=True)) / 60)
    scores = [f1(true, said, label) for label in range(4)]
    for label, (precision, recall, harmonic) in zip(found.labels, scores, strict=True):
        assert (label.precision, label.recall, label.f1) == pytest.approx((precision, recall, harmonic))
    assert [label.count for label in found.labels] == [true.count(label) for label in range(4)]
    seen = sorted({*true, *said})
    assert 2 not in seen
    assert found.macro_f1 == pytest.approx(sum(scores[label][2] for label in seen) / len(seen))
    for row in range(4):
        for column in range(4):
            pairs = sum((t, s) == (row, column) for t, s in zip(true, said, strict=True))
            assert found.table[row, column] == pairs


@pytest.mark.parametrize(("right", "texts"), [(0, 7), (7, 7), (50, 60), (1, 2)])
def test_the_interval_is_wilsons(right: int, texts: int) -> None:
    """It holds the shares p for which the distance of the share found is at most z standard errors of p itself."""
    found = Confusion.of(NAMES[:2], [0] * texts, [0] * right + [1] * (texts - right))
    low, high = found.interval
    assert 0 <= low <= found.accuracy <= high <= 1
    for p in (low, high):
        if 0 < p < 1:
            assert abs(found.accuracy - p) == pytest.approx(1.96 * math.sqrt(p * (1 - p) / texts))
    assert high - low > 0


def test_nothing_right_is_zero_and_no_error() -> None:
    found = Confusion.of(NAMES, [0, 1], [1, 0])
    assert (found.accuracy, found.macro_f1) == (0, 0)
    assert {label.f1 for label in found.labels} == {0}


def test_what_is_said() -> None:
    lines = Confusion.of(("ab", "c"), [0, 0, 0, 1], [0, 0, 1, 1]).lines()
    assert lines[0] == "accuracy 75.0 [30.1, 95.4]  macro F1 73.3  4 texts"
    assert [line.split() for line in lines[2:5]] == [
        ["precision", "recall", "F1", "texts"],
        ["ab", "100.0", "66.7", "80.0", "3"],
        ["c", "50.0", "100.0", "66.7", "1"],
    ]
    assert [line.split() for line in lines[6:]] == [
        ["true", "\\", "said", "ab", "c"],
        ["ab", "2", "1"],
        ["c", "0", "1"],
    ]
    assert len({len(line) for line in lines[2:5]}) == len({len(line) for line in lines[6:]}) == 1


def test_a_matrix_that_is_too_wide_becomes_a_list() -> None:
    names = [f"label{number:02}" for number in range(30)]
    true, said = [*range(30), *range(12), 3], [*range(30), *range(1, 13), 4]
    lines = Confusion.of(names, true, said).lines()
    assert max(map(len, lines)) <= 80
    rows = [line.split() for line in lines[-11:]]
    assert rows[:3] == [["true", "said", "texts"], ["label03", "label04", "2"], ["label00", "label01", "1"]]


def test_json_is_unrounded() -> None:
    found = Confusion.of(("a", "b"), [0, 0, 1], [0, 1, 1]).to_json()
    assert found["accuracy"] == 2 / 3
    assert found["columns"] == ["a", "b"]
    assert found["confusion"] == {"a": [1, 1], "b": [0, 1]}
    assert found["labels"]["a"] == {"precision": 1.0, "recall": 0.5, "f1": 2 / 3, "texts": 2}
    assert (found["texts"], len(found["interval"])) == (3, 2)
    assert found["macro_f1"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("true", "said", "advice"),
    [
        ([0] * 50 + [1] * 50, [0] * 98 + [1] * 2, ["98 % of texts are labelled good, which 50 % are: "]),
        ([1] * 10, [0] * 10, ["100 % of texts are labelled good, which 0 % are: "]),
        ([0] * 50 + [1] * 50, [0] * 89 + [1] * 11, []),
        ([0] * 95 + [1] * 5, [0] * 100, []),  # no more often than it is true
        ([0, 1], [0, 1], []),
    ],
)
def test_one_label_for_everything(true: list[int], said: list[int], advice: list[str]) -> None:
    found = Confusion.of(("good", "bad"), true, said).advice
    assert [each.startswith(start) for each, start in zip(found, advice, strict=True)] == [True] * len(advice)
