"""Normal forms: one line stays one line, and nothing but spacing and composition changes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt_cli.text.normalize import normalize, source_key, stable_hash


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("", ""),
        ("  a  b ", "a b"),
        ("a\u2028b\u0085c\x0cd\x00e\rf\tg\u00a0h\u3000i", "a b c d e f g h i"),
        ("e\u0301", "é"),
        ("\ufeffa\ufeff", "a"),
        ("\x00\u2029", ""),
        ("👩\u200d👧 می\u200cخواهم", "👩\u200d👧 می\u200cخواهم"),
        ("\ud83d", "\ufffd"),
        ("ﬁ ½", "ﬁ ½"),
    ],
)
def test_normalize(text: str, normal: str) -> None:
    assert normalize(text) == normal


@given(st.text())
def test_normal_forms_are_stable_single_lines(text: str) -> None:
    normal = normalize(text)
    assert normalize(normal) == normal
    assert len(normal.split()) == len(normal.split(" ")) or not normal
    normal.encode("utf-8")
    assert source_key(source_key(text)) == source_key(text)


@pytest.mark.parametrize("other", ["the  cat.", "The Cat.", "ＴＨＥ ＣＡＴ.", "\ufeffthe cat.\r"])
def test_source_key_sees_through_case_width_and_spaces(other: str) -> None:
    assert source_key(other) == source_key("The cat.")


def test_source_key_keeps_letters_apart() -> None:
    assert source_key("Bär") != source_key("Bar")
    assert source_key("straße") == source_key("STRASSE")


def test_hashes_never_change() -> None:
    assert stable_hash("The cat.") == 13957007687353774267
    assert stable_hash("") != stable_hash(" ")
