"""The tokenizer of an imported model: SentencePiece models of its own over a table."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt_cli.errors import ConfigError, DataError
from nmt_cli.settings import DataSettings
from nmt_cli.text.normalize import normalize
from nmt_cli.text.pieces import PieceTokenizer
from nmt_cli.text.plain import SPECIALS
from nmt_cli.text.tokenizer import EOS, UNK
from nmt_cli.text.units import UNITS
from nmt_cli.text.vocabulary import count_words

from .marian import ENGLISH, GERMAN, pieces, sentencepiece


def table(*models: bytes) -> list[str]:
    """All pieces of some models, in our order."""
    return [*SPECIALS, *pieces(*models)[2:]]


READER, WRITER = sentencepiece(ENGLISH), sentencepiece(GERMAN)
BOTH = PieceTokenizer([*table(READER, WRITER), ">>deu<<"], READER, WRITER)
SPELLING = sentencepiece(ENGLISH, bytes_=True, size=400)
ONE = PieceTokenizer(table(SPELLING), SPELLING, SPELLING)


def test_each_side_is_cut_by_its_own_model_over_one_table() -> None:
    assert BOTH.decode(BOTH.encode("the red house")) == "the red house"
    assert BOTH.decode(BOTH.target.encode("das rote Haus")) == "das rote Haus"
    assert BOTH.encode("das rote Haus") != BOTH.target.encode("das rote Haus")
    assert BOTH.target.target is BOTH.target
    assert BOTH.target.pieces(range(BOTH.size)) == BOTH.pieces(range(BOTH.size))
    assert ONE.target is ONE


def test_what_is_not_in_the_table_is_unknown() -> None:
    assert UNK in BOTH.encode("the Ж house")
    assert BOTH.decode(BOTH.encode("the Ж house")) == "the house"
    assert UNK not in ONE.encode("the Ж house")
    assert ONE.decode(ONE.encode("the Ж house")) == "the Ж house"


def test_normalisation_is_that_of_the_model() -> None:
    assert ONE.decode(ONE.encode("ｔｈｅ  ﬁne\u00a0house")) == "the fine house"


def test_a_language_in_front_is_one_piece() -> None:
    assert BOTH.encode(">>deu<< the house") == [BOTH.size - 1, *BOTH.encode("the house")]
    assert BOTH.encode(">>deu<<") == [BOTH.size - 1]
    assert BOTH.size - 1 not in BOTH.encode(">>fra<< the house")
    assert BOTH.size - 1 not in BOTH.encode("the >>deu<< house")


@given(st.text())
def test_any_text_has_ids_and_any_ids_a_line(text: str) -> None:
    for tokenizer in (ONE, BOTH, BOTH.target):
        ids = tokenizer.encode(text)
        assert all(index == UNK or EOS < index < tokenizer.size for index in ids)
        assert tokenizer.encode_all([text, text]) == [ids, ids]
        assert ids or not tokenizer.decode(ids)
    assert normalize("".join(ONE.surfaces(ONE.encode(text)))) == ONE.decode(ONE.encode(text))
    assert b"".join(ONE.spellings(ONE.encode(text))).decode("utf-8") == "".join(ONE.surfaces(ONE.encode(text)))


@given(st.lists(st.integers(0, ONE.size - 1)))
def test_no_ids_give_a_line_break_or_an_invalid_byte(ids: list[int]) -> None:
    assert ONE.decode(ids) == normalize(ONE.decode(ids))
    assert len(ONE.surfaces(ids)) == len(ids)
    ONE.decode(ids).encode("utf-8")


def test_blank_lines_are_empty() -> None:
    assert ONE.encode(" \u2028\t") == []
    assert ONE.encode_all([]) == []


@pytest.mark.parametrize("tokenizer", [ONE, BOTH])
def test_it_is_saved_and_loaded(tokenizer: PieceTokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path)
    loaded = UNITS["piece"].load(tmp_path)
    for text in ("the red house", "das rote Haus", "Ж"):
        assert loaded.encode(text) == tokenizer.encode(text)
        assert loaded.target.encode(text) == tokenizer.target.encode(text)
    assert loaded.pieces(range(loaded.size)) == tokenizer.pieces(range(tokenizer.size))


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"must hold pieces\.json, but does not"):
        PieceTokenizer.load(tmp_path)
    BOTH.save(tmp_path)
    (tmp_path / "target.spm").write_bytes(b"none")
    with pytest.raises(DataError, match="must hold whole SentencePiece models, but one is damaged"):
        PieceTokenizer.load(tmp_path)
    for content in ("[", '{"a": 1}', '["<pad>"]', '["<pad>", "<s>", "<unk>", "</s>", 7]', '"<pad>"'):
        (tmp_path / "pieces.json").write_text(content, encoding="utf-8")
        with pytest.raises(DataError, match=r"pieces\.json must be a list of pieces"):
            PieceTokenizer.load(tmp_path)
    (tmp_path / "source.spm").unlink()
    (tmp_path / "pieces.json").write_text("[]", encoding="utf-8")
    with pytest.raises(DataError, match=r"must hold source\.spm, but does not"):
        PieceTokenizer.load(tmp_path)


def test_they_are_not_learnt() -> None:
    with pytest.raises(ConfigError, match="pieces come with an imported model"):
        PieceTokenizer.learn(count_words(ENGLISH), DataSettings(units="piece"), sampled=1)
