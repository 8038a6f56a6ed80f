"""The signs of a bad model, each on an output that has it and on one that has not."""

import time

import pytest

from nmt_cli.errors import DataError
from nmt_cli.evaluation.health import health

SOURCES = [f"source number {index}" for index in range(10)]
REFERENCES = [f"Satz Nummer {index}" for index in range(10)]


def test_a_healthy_output() -> None:
    found = health(SOURCES, REFERENCES, REFERENCES)
    assert (found.lines, found.length_ratio, found.most_common_output) == (10, 1.0, None)
    assert (found.empty, found.most_common, found.duplicated, found.copied, found.repeated) == (0, 0, 0, 0, 0)
    assert found.advice == []
    assert found.to_json()["advice"] == []


def test_empty_outputs_count_only_where_the_source_is_not_blank() -> None:
    found = health([*SOURCES[:8], "", " "], [*REFERENCES[:6], "", " ", "", ""], REFERENCES)
    assert found.empty == 2 / 8
    assert found.advice[0].startswith("25 % of outputs are empty")
    assert health([""], [""], [""]).advice == []


def test_collapse_onto_one_sentence() -> None:
    found = health(SOURCES, ["Ein Mann."] * 9 + ["Zwei Hunde im Schnee."], REFERENCES)
    assert (found.most_common, found.most_common_output, found.duplicated) == (0.9, "Ein Mann.", 0.9)
    assert found.advice == [
        "90 % of outputs are the same sentence: 'Ein Mann.' (learning rate too high or data misaligned)"
    ]


def test_the_sentence_of_a_collapse_is_named_in_one_line() -> None:
    outputs, references = [" ".join(map(str, range(100)))] * 10, [f"{'x' * 200} {index}" for index in range(10)]
    (advice,) = health(SOURCES, outputs, references).advice
    assert advice.startswith("100 % of outputs are the same sentence: '0 1 2 3")
    assert advice.endswith(" 22 2…' (learning rate too high or data misaligned)")
    assert len(advice) < 160


def test_collapse_onto_many_sentences() -> None:
    sources = [f"source {index}" for index in range(100)]
    outputs = [f"Satz {index // 2}" for index in range(100)]
    found = health(sources, outputs, [f"Satz {index}" for index in range(100)])
    assert (found.most_common, found.duplicated) == (0.02, 1.0)
    assert found.advice == ["100 % of outputs are shared by different sources: little training or data misaligned"]


def test_equal_sources_may_have_equal_outputs() -> None:
    assert health(["Hello."] * 5, ["Hallo."] * 5, ["Hallo."] * 5).most_common == 0


def test_what_the_references_share_is_no_collapse() -> None:
    sources, same = ["Yes.", "Yeah.", "Yep."], ["Ja."] * 3
    found = health(sources, same, same)
    assert (found.most_common, found.duplicated, found.advice) == (1.0, 0, [])


def test_copies_of_the_source() -> None:
    found = health(
        ["Berlin", "a dog", "a cat", ""], ["Berlin", " a dog", "eine Katze", ""], ["Berlin", "ein Hund", "x", ""]
    )
    assert found.copied == 0.25
    assert any(sentence.startswith("25 % of outputs copy their source") for sentence in found.advice)


@pytest.mark.parametrize(
    ("hypothesis", "reference", "looped"),
    [
        ("der der der Hund", "der Hund", True),
        ("ein Hund und ein Hund und ein Hund und", "ein Hund", True),
        ("a b c d a b c d x a b c d", "a b", False),
        ("a b c d a b c d a b c d", "a b", True),
        ("x a b c d a b c d a b c", "a b", False),
        ("sehr sehr gut", "gut", False),
        ("nein nein nein", "no no no", False),
        ("nein nein nein nein", "no no no", True),
        ("的的的的的", "的", True),
        ("hahaha 10000", "ha", False),
        ("", "", False),
    ],
)
def test_loops(hypothesis: str, reference: str, looped: bool) -> None:
    assert health(["s"], [hypothesis], [reference]).repeated == looped


def test_loops_are_advised_on() -> None:
    found = health(["s"], ["weiter weiter weiter"], ["weiter und immer weiter"])
    assert found.advice == ["100 % of outputs are caught in a loop: little training"]


@pytest.mark.parametrize(
    ("hypothesis", "ratio", "word"), [("abc", 0.3, "raise the length penalty"), ("abc def ghi jkl mno", 1.5, "loops")]
)
def test_lengths(hypothesis: str, ratio: float, word: str) -> None:
    found = health(["s"], [hypothesis], ["abcde fghij"])
    assert found.length_ratio == ratio
    assert f"{100 * ratio:.0f} % of the reference length comes out: {word}" in found.advice[0]


def test_blank_references_have_no_length_ratio() -> None:
    found = health(["s"], ["abc"], [" "])
    assert (found.length_ratio, found.advice) == (None, [])


@pytest.mark.parametrize("line", ["a " * 10_000, "a b c d e " * 2_000, "x" * 50_000, " " * 50_000, "的" * 10_000])
def test_long_lines_take_no_time(line: str) -> None:
    begin = time.perf_counter()
    health(["s"], [line], ["t"])
    assert time.perf_counter() - begin < 1


def test_unequal_or_no_lines() -> None:
    with pytest.raises(DataError, match=r"but have 1, 2 and 1$"):
        health(["a"], ["a", "b"], ["a"])
    with pytest.raises(DataError, match="must have lines"):
        health([], [], [])
