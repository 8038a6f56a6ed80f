"""Sentences, and pieces of lines that are too long."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt_cli.text.sentences import groups_of, pieces_within, split_sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("", []),
        ("   ", []),
        ("no end", ["no end"]),
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("Dr. Who met J. S. Bach. He left.", ["Dr. Who met J. S. Bach.", "He left."]),
        ("Am 3. Mai war es kalt. Gut.", ["Am 3. Mai war es kalt.", "Gut."]),
        ("The U.S. Army came at 5 p.m. He left.", ["The U.S. Army came at 5 p.m. He left."]),
        ("Come on now ... what is it? Well… Nothing.", ["Come on now ... what is it?", "Well…", "Nothing."]),
        ("It was in 1999. Then it ended.", ["It was in 1999.", "Then it ended."]),
        ("Das ist z.B. gut. Ja.", ["Das ist z.B. gut.", "Ja."]),
        ('"Go!" he said. "No." She left.', ['"Go!"', "he said.", '"No."', "She left."]),
        ("Version 3.5 is out... Really?", ["Version 3.5 is out...", "Really?"]),
        ("我爱你。你呢？好！", ["我爱你。", "你呢？", "好！"]),
        ("هل أنت بخير؟ نعم.", ["هل أنت بخير؟", "نعم."]),
        ("Dr.", ["Dr."]),
    ],
)
def test_split_sentences(text: str, sentences: list[str]) -> None:
    assert split_sentences(text) == sentences


@pytest.mark.parametrize(
    ("limit", "pieces"),
    [
        (99, ["One two. Three, four five. Six"]),
        (18, ["One two.", "Three, four five.", "Six"]),
        (26, ["One two. Three, four five.", "Six"]),
        (12, ["One two.", "Three,", "four five.", "Six"]),
        (4, ["One", "two.", "Thre", "e,", "four", "five", ".", "Six"]),
    ],
)
def test_pieces_end_where_it_hurts_least(limit: int, pieces: list[str]) -> None:
    assert pieces_within("One two. Three, four five. Six", lambda text: len(text) <= limit) == pieces


@given(st.text(alphabet="ab .,。!x\u0301", max_size=200), st.integers(1, 30))
def test_pieces_fit_and_lose_only_spaces(text: str, limit: int) -> None:
    pieces = pieces_within(text, lambda piece: len(piece) <= limit)
    assert all(0 < len(piece) <= limit for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


@pytest.mark.parametrize(
    ("text", "count", "groups"),
    [
        ("", 1, []), ("  ", 2, []), ("A dog", 1, ["A dog"]), ("A dog. A cat.", 1, ["A dog.", "A cat."]),
        ("A dog. A cat.", 2, ["A dog. A cat."]), ("A. dog! A cat? A cow", 2, ["A. dog! A cat?", "A cow"]),
        ("犬。猫。牛。", 2, ["犬。猫。", "牛。"]), ("A dog. A cat.", 9, ["A dog. A cat."]),
    ],
)  # fmt: skip
def test_groups_of_sentences(text: str, count: int, groups: list[str]) -> None:
    assert groups_of(text, count) == groups


@given(st.text("ab .!?…。", max_size=40), st.integers(1, 4))
def test_groups_hold_all_sentences_and_no_more_than_their_number(text: str, count: int) -> None:
    groups, sentences = groups_of(text, count), split_sentences(text)
    assert "".join("".join(groups).split()) == "".join(text.split())
    assert len(groups) <= len(sentences)
    assert all(group for group in groups)


def test_what_never_fits_is_cut_to_characters() -> None:
    assert pieces_within("ab c", lambda _: False) == ["a", "b", "c"]


def test_cost_grows_with_the_line_and_not_with_its_square() -> None:
    seen = 0

    def fits(text: str) -> bool:
        nonlocal seen
        seen += len(text)
        return len(text) <= 200

    text = "word, " * 50_000
    start = time.perf_counter()
    assert len(pieces_within(text, fits)) < 2000
    assert seen < 40 * len(text)
    assert time.perf_counter() - start < 5
