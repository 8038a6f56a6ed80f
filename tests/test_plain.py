"""Words and characters as they stand: what is learnt, what is unknown, what is written down and read again."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt_cli.errors import ConfigError, DataError
from nmt_cli.settings import DataSettings
from nmt_cli.text.normalize import normalize
from nmt_cli.text.plain import SPECIALS, CharacterTokenizer, PlainTokenizer, WordTokenizer
from nmt_cli.text.tokenizer import BOS, EOS, PAD, UNK
from nmt_cli.text.units import UNITS
from nmt_cli.text.vocabulary import Words, count_words

LINES = ["the cat sat on the mat", "the dog sat", "a cat , a dog"]
WORDS = count_words(LINES)
KINDS = (WordTokenizer, CharacterTokenizer)


def learnt(
    kind: type[PlainTokenizer], words: Words = WORDS, *, vocabulary: int | None = None, sampled: int = 1
) -> PlainTokenizer:
    settings = DataSettings(units="word" if kind is WordTokenizer else "character", vocabulary=vocabulary)
    return kind.learn(words, settings, sampled=sampled)


def everything(kind: type[PlainTokenizer], lines: list[str]) -> PlainTokenizer:
    """A tokenizer that knows whatever occurs."""
    return learnt(kind, count_words(map(normalize, lines)), vocabulary=1_000_000)


def test_the_most_frequent_words_come_first_and_ties_by_code_point() -> None:
    assert learnt(WordTokenizer).units == (
        *SPECIALS,
        "the",
        "a",
        "cat",
        "dog",
        "sat",
    )  # 3, then twice each; once: unknown
    assert learnt(WordTokenizer, vocabulary=6).units == (*SPECIALS, "the", "a")
    assert learnt(WordTokenizer, vocabulary=100).units[9:] == (",", "mat", "on")  # asked for: also what occurs once
    assert learnt(WordTokenizer, sampled=3).units[9:] == (",", "mat", "on")  # once in a sample is often


def test_characters_are_counted_with_their_words_and_the_space_with_all() -> None:
    counted = CharacterTokenizer.count(Counter({"ab": 3, "b": 2}))
    assert counted == {"a": 3, "b": 5, " ": 5}
    assert learnt(CharacterTokenizer, Counter({"ab": 3, "b": 2})).units == (*SPECIALS, " ", "b", "a")


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_the_corpus_changes_nothing(kind: type[PlainTokenizer]) -> None:
    assert learnt(kind, count_words(reversed(LINES))).units == learnt(kind).units


def test_special_ids_are_where_all_tokenizers_have_them() -> None:
    assert (SPECIALS.index("<pad>"), SPECIALS.index("<s>"), SPECIALS.index("<unk>"), SPECIALS.index("</s>")) == (
        PAD, BOS, UNK, EOS,
    )  # fmt: skip
    for kind in KINDS:
        tokenizer = learnt(kind)
        assert tokenizer.size == len(tokenizer.units)
        assert tokenizer.unknown
        assert tokenizer.encode("") == tokenizer.encode(" \u2028\x00 ") == []
        assert min(tokenizer.encode("the cat")) > EOS


def test_what_is_not_in_the_list_is_unknown() -> None:
    words = learnt(WordTokenizer)
    assert words.encode("the  bird sat\x00") == [4, UNK, words.units.index("sat")]
    assert words.decode(words.encode("the bird sat")) == "the <unk> sat"
    assert words.pieces([4, UNK, EOS]) == ["the", "<unk>", "</s>"]
    characters = learnt(CharacterTokenizer)
    assert characters.encode("thé") == [characters.units.index("t"), characters.units.index("h"), UNK]
    assert characters.decode([UNK, *characters.encode("a t")]) == "<unk>a t"


def test_the_marks_of_special_ids_in_a_text_are_no_ids_of_theirs() -> None:
    """``<unk>`` in a benchmark's text is an unknown word; ``</s>`` must not end a line."""
    words = everything(WordTokenizer, ["<unk> </s> <s> <pad> the"])
    assert words.units == (*SPECIALS, "the")
    assert words.encode("<unk> </s> <s> <pad> the") == [UNK, UNK, UNK, UNK, 4]
    characters = everything(CharacterTokenizer, ["</s>"])
    assert characters.decode(characters.encode("</s>")) == "</s>"
    assert EOS not in characters.encode("</s>")


def test_special_ids_but_the_unknown_word_are_skipped_in_writing() -> None:
    words = learnt(WordTokenizer)
    assert words.decode([BOS, 4, UNK, PAD, 6, EOS]) == "the <unk> cat"
    assert words.decode([]) == words.decode([EOS]) == ""


@given(st.lists(st.text(), min_size=1, max_size=5))
@pytest.mark.parametrize("kind", KINDS)
def test_a_known_line_comes_back_as_it_was(kind: type[PlainTokenizer], lines: list[str]) -> None:
    known = [normalize(line) for line in lines]
    if not any(word not in SPECIALS for line in known for word in line.split()):
        return
    tokenizer = everything(kind, lines)
    for line, ids in zip(known, tokenizer.encode_all(lines), strict=True):
        if not set(line.split()) & set(SPECIALS):
            assert tokenizer.decode(ids) == line
        assert ids == tokenizer.encode(line)


@given(st.text(), st.text())
def test_a_line_is_its_characters(text: str, known: str) -> None:
    tokenizer = everything(CharacterTokenizer, [known + " x"])
    assert len(tokenizer.encode(text)) == len(normalize(text))


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_is_read_as_it_was_written(kind: type[PlainTokenizer], tmp_path: Path) -> None:
    tokenizer = everything(kind, ["größer 今天 😀 e\u0301 # \" ' <a>", "\ufeffx"])
    tokenizer.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [kind.file]
    assert kind.load(tmp_path).units == tokenizer.units
    assert UNITS["word" if kind is WordTokenizer else "character"].load(tmp_path).size == tokenizer.size


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "but does not"),
        (b"", "must begin with <pad> <s> <unk> </s> and hold each unit once, but is damaged"),
        (b"<pad>\n<s>\n</s>\n<unk>\na\n", "but is damaged"),
        (b"<pad>\n<s>\n<unk>\n</s>\na\na\n", "but is damaged"),
        (b"<pad>\n<s>\n<unk>\n</s>\n\xff\n", "must be UTF-8, but is damaged"),
    ],
)
def test_a_damaged_list_is_refused(
    kind: type[PlainTokenizer], content: bytes | None, said: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / kind.file).write_bytes(content)
    with pytest.raises(DataError, match=said) as caught:
        kind.load(tmp_path)
    assert kind.file in caught.value.message


def test_nothing_to_learn_from() -> None:
    for words in (Counter[str](), Counter({"once": 1}), Counter({"<unk>": 9})):
        with pytest.raises(DataError, match="there is none that occurs twice"):
            learnt(WordTokenizer, words)


def test_sizes_that_are_asked_for() -> None:
    assert DataSettings(units="word", vocabulary=5).vocabulary == 5
    with pytest.raises(ValueError, match="between 261 and 65,000 for subwords"):
        DataSettings(vocabulary=65_001)
    assert DataSettings(units="word", vocabulary=100_000).vocabulary == 100_000
    with pytest.raises(ConfigError, match="must be a known name, but is 'words'"):
        UNITS["words"]
