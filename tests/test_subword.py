"""Subwords: every text has ids, none of them is UNK, and what they decode to is one valid line."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt_cli.errors import DataError
from nmt_cli.text.normalize import normalize
from nmt_cli.text.subword import SubwordTokenizer, learn
from nmt_cli.text.tokenizer import BOS, EOS, PAD, UNK, Tokenizer
from nmt_cli.text.vocabulary import choose_size, count_words, smallest_size

LINES = [
    f"the {color} {thing} is {state} ."
    for color in ("red", "blue", "old")
    for thing in ("house", "horse", "tree")
    for state in ("here", "there", "gone")
]
TOKENIZER = learn(count_words(LINES), size=400)


def test_special_ids_leave_one_range_for_output() -> None:
    assert (PAD, BOS, UNK, EOS) == (0, 1, 2, 3)
    assert TOKENIZER.pieces(range(5)) == ["<pad>", "<s>", "<unk>", "</s>", "<0x00>"]


@pytest.mark.parametrize(
    "text",
    [
        "the red house is here .",
        "Ελλάδα Привет мир",
        "مرحبا بالعالم",
        "我爱你",
        "👩\u200d👩\u200d👧 🇩🇪 😀",
        "</s> <pad> <unk> <0x0A>",
        "1234567890",
        "\ufffd",
        "x" * 50_000,
        "house " * 10_000,
    ],
)
def test_every_text_comes_back(text: str) -> None:
    ids = TOKENIZER.encode(text)
    assert min(ids) > EOS
    assert TOKENIZER.decode(ids) == normalize(text)
    assert TOKENIZER.encode_all([text, text]) == [ids, ids]


@given(st.text())
def test_no_text_gives_special_ids(text: str) -> None:
    ids = TOKENIZER.encode(text)
    assert all(EOS < index < TOKENIZER.size for index in ids)
    assert TOKENIZER.decode(ids) == normalize(text).replace("▁", "_")


@given(st.lists(st.integers(0, 260)))
def test_no_ids_give_a_line_break_or_an_invalid_byte(ids: list[int]) -> None:
    text = TOKENIZER.decode(ids)
    assert text == normalize(text)
    text.encode("utf-8")


def test_bytes_that_spell_line_breaks_become_spaces() -> None:
    letter = 4 + ord("a")
    for signs in (b"\n", b"\r", b"\0", "\u2028".encode(), "\u0085".encode()):
        assert TOKENIZER.decode([BOS, letter, *(4 + byte for byte in signs), letter, EOS, PAD]) == "a a"


def test_blank_lines_are_empty() -> None:
    assert TOKENIZER.encode(" \u2028\t") == []
    assert TOKENIZER.decode([]) == ""


def test_digits_stand_alone() -> None:
    tokenizer = learn(count_words(["1999 2000 2001"] * 100), size=400)
    assert len(tokenizer.encode("2000")) >= 4


@pytest.mark.parametrize(
    "lines",
    [["a"], ["cat dog bird"] * 3, ["1 2 3", "12 34"], ["我爱你", "今天天气很好我们去公园散步吧"], ["▁"], ["\u200b"]],
)
@pytest.mark.parametrize("size", [261, 300, 8000])
def test_tiny_corpora_neither_fail_nor_exceed_what_they_need(
    lines: list[str], size: int, capfd: pytest.CaptureFixture[str]
) -> None:
    words = count_words(lines)
    tokenizer = learn(words, size=size)
    assert tokenizer.size <= max(size, smallest_size(words, coverage=0.9995))
    assert tokenizer.decode(tokenizer.encode(lines[0])) == lines[0].replace("▁", "_")
    assert capfd.readouterr() == ("", "")


def test_a_large_alphabet_becomes_bytes_at_its_rare_end() -> None:
    lines = ["a b c " * 9000, "".join(map(chr, range(0x4E00, 0x4E00 + 500)))]
    words = count_words(lines)
    assert smallest_size(words, coverage=0.98) < 300 < smallest_size(words, coverage=1.0)
    tokenizer = learn(words, size=300, coverage=0.98)
    assert tokenizer.decode(tokenizer.encode("一丁")) == "一丁"


def test_learning_does_not_depend_on_order(tmp_path: Path) -> None:
    TOKENIZER.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["subwords.model"]
    model = (tmp_path / "subwords.model").read_bytes()
    learn(count_words(reversed(LINES)), size=400).save(tmp_path)
    assert (tmp_path / "subwords.model").read_bytes() == model


def test_saved_and_loaded_is_the_same(tmp_path: Path) -> None:
    TOKENIZER.save(tmp_path)
    loaded: Tokenizer = SubwordTokenizer.load(tmp_path)
    assert loaded.size == TOKENIZER.size
    assert loaded.encode(LINES[0]) == TOKENIZER.encode(LINES[0])


def test_what_cannot_be_loaded_or_learnt(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"must hold subwords\.model"):
        SubwordTokenizer.load(tmp_path)
    (tmp_path / "subwords.model").write_bytes(b"nonsense")
    with pytest.raises(DataError, match="damaged"):
        SubwordTokenizer.load(tmp_path)
    with pytest.raises(DataError, match="there is none"):
        learn(count_words(["", " "]), size=300)


@pytest.mark.parametrize(
    ("types", "words", "low", "high"),
    [
        (1_300, 300_000, 1_500, 2_500),  # a phrase book
        (28_000, 620_000, 7_500, 8_500),  # Multi30k
        (200_000, 15_000_000, 14_000, 18_000),  # half a million sentences
        (1_000_000, 500_000_000, 30_000, 32_000),  # ten million
        (10, 10, 261, 400),
    ],
)
def test_vocabulary_grows_with_the_corpus(types: int, words: int, low: int, high: int) -> None:
    counted = count_words([])
    letters = str.maketrans("0123456789", "abcdefghij")
    counted.update({str(index).translate(letters): words // types for index in range(types)})
    assert low <= choose_size(counted, coverage=0.9995) <= high


def test_a_script_without_spaces_has_words_too() -> None:
    spaced, unspaced = count_words(["wo ai ni ma"] * 100), count_words(["我爱你们今天天气好吗"] * 100)
    assert choose_size(unspaced, coverage=1.0) >= choose_size(spaced, coverage=1.0)
