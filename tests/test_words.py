"""Which word each piece of a line belongs to: every word has its pieces, whatever the line is made of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt_cli.inference.pieces import Cutter, first_words
from nmt_cli.text.normalize import normalize
from nmt_cli.text.plain import CharacterTokenizer, WordTokenizer
from nmt_cli.text.subword import learn
from nmt_cli.text.tokenizer import BOS, EOS, PAD, UNK, Tokenizer
from nmt_cli.text.vocabulary import count_words
from nmt_cli.text.words import words_of

LINES = ["the red house is here .", "the blue horses are there ."] * 3
SUBWORDS = learn(count_words(LINES), size=320)
PLAIN = [WordTokenizer(["red", "house"]), CharacterTokenizer([*"abc "])]


def check(tokenizer: Tokenizer, ids: list[int]) -> None:
    """Numbers ascend, and are those of the words of the decoded line."""
    surfaces = tokenizer.surfaces(ids)
    assert len(surfaces) == len(ids)
    words = [word for word in words_of(surfaces) if word is not None]
    assert words == sorted(words)
    assert sorted(set(words)) == list(range(len(tokenizer.decode(ids).split())))


@given(st.lists(st.integers(0, SUBWORDS.size - 1)))
def test_any_subwords(ids: list[int]) -> None:
    check(SUBWORDS, ids)


@given(st.lists(st.sampled_from([0x20, 0x0A, 0x41, 0xC2, 0xA0, 0xE2, 0x80, 0xA8, 0xEF, 0xBB, 0xBF, 0xCC, 0x81, -1])))
def test_any_bytes(values: list[int]) -> None:
    """Of spaces, marks and characters in several bytes, also cut; among them the piece of a space."""
    names = SUBWORDS.pieces(range(SUBWORDS.size))
    check(SUBWORDS, [names.index("▁" if value < 0 else f"<0x{value:02X}>") for value in values])


@given(st.text())
def test_surfaces_spell_the_line(text: str) -> None:
    ids = SUBWORDS.encode(text)
    assert normalize("".join(SUBWORDS.surfaces(ids))) == SUBWORDS.decode(ids)
    assert b"".join(SUBWORDS.spellings(ids)).decode("utf-8") == "".join(SUBWORDS.surfaces(ids))
    check(SUBWORDS, ids)


@pytest.mark.parametrize("tokenizer", PLAIN, ids=["word", "character"])
@given(st.data())
def test_whole_units(tokenizer: Tokenizer, data: st.DataObject) -> None:
    ids = data.draw(st.lists(st.integers(0, tokenizer.size - 1)))
    check(tokenizer, ids)
    assert normalize("".join(tokenizer.surfaces(ids))) == tokenizer.decode(ids)
    assert b"".join(tokenizer.spellings(ids)).decode("utf-8") == "".join(tokenizer.surfaces(ids))


def test_special_ids_belong_to_no_word() -> None:
    ids = [PAD, BOS, *SUBWORDS.encode("the house"), EOS]
    assert words_of(SUBWORDS.surfaces(ids))[-1] is None
    assert SUBWORDS.surfaces([PAD, BOS, UNK, EOS]) == [""] * 4
    assert SUBWORDS.spellings([PAD, BOS, UNK, EOS]) == [b""] * 4


def test_a_piece_goes_with_what_it_begins() -> None:
    assert words_of([" the", " ", "", "今", "b", " ", ""]) == [0, 1, 1, 1, 1, None, None]
    assert words_of([]) == []
    assert words_of(["\ufeff", "a"]) == [0, 0]


@given(
    st.lists(
        st.sampled_from(["the", "house", "今天天气很好", "x" * 30, ". ", "。", "is", "▁", "e\u0301"]), max_size=30
    ),
    st.sampled_from(["", " "]),
)
def test_parts_of_a_line_know_their_words(words: list[str], between: str) -> None:
    """However it is cut, also inside a word, its parts together have the words of the whole."""
    line = between.join(words)
    parts = Cutter(SUBWORDS, 7)(line)
    firsts = first_words(line, [SUBWORDS.decode(part) for part in parts])
    whole = normalize(line).split()
    spelt = [""] * len(whole)
    for part, first in zip(parts, firsts, strict=True):
        for surface, word in zip(SUBWORDS.surfaces(part), words_of(SUBWORDS.surfaces(part)), strict=True):
            assert word is not None
            spelt[first + word] += surface.strip(" ")
    assert spelt == [word.replace("▁", "_") for word in whole]
