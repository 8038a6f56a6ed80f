"""Where words begin and end in subwords, which may hold parts of characters."""

import pytest

from nmt_cli.text.edges import Joins, first_of, in_word, last_of


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        (b"", "", ""),
        (b" ab", " ", "b"),
        ("é".encode(), "é", "é"),
        ("\U0001f600".encode(), "\U0001f600", "\U0001f600"),
        ("é".encode()[:1], "", ""),
        ("é".encode()[1:], "", ""),
        ("é".encode()[1:] + b"abc", "", "c"),
    ],
)
def test_the_edges_of_a_text(text: bytes, first: str, last: str) -> None:
    assert (first_of(text), last_of(text)) == (first, last)


@pytest.mark.parametrize(
    ("character", "inside"),
    [
        ("a", True),
        ("é", True),
        ("7", True),
        ("_", True),
        ("\u0301", True),
        ("-", False),
        ("犬", False),
        (".", False),
        ("", False),
    ],
)
def test_what_words_are_made_of(character: str, inside: bool) -> None:
    assert in_word(character) == inside


@pytest.mark.parametrize(
    ("before", "token", "joined"),
    [
        (" Haus", "aufgabe", True), (" Haus", "2", True), (" Haus", " tür", False), (" Haus", ".", False), (" Haus", "", False),
        (" C++", "x", True), (" C++", ".", False), (" 犬", "abc", False), (" Haus", "犬", False), ("", "aufgabe", False),
        (" ", "aufgabe", False), (" Haus", "_x", True), (" Haus", "-", True), (" Haus", " -", False), (" क", "\u093f", True),
    ],
)  # fmt: skip
def test_what_goes_on_with_a_word(before: str, token: str, joined: bool) -> None:
    assert Joins.of([before.encode(), token.encode()])(0, 1) == joined
