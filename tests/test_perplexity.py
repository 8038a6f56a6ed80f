"""Perplexity against its definitions by hand."""

import math

import pytest

from nmt_cli.evaluation.perplexity import Perplexity, TextSize

LINES = ["the cat sat", "a dog", "größer 今天"]
"""7 words, 3 ends, 25 characters."""


def test_the_size_of_a_text() -> None:
    assert TextSize.of(LINES) == TextSize(3, 7, 25)
    assert TextSize.of([]) == TextSize(0, 0, 0)


def test_each_figure_has_its_own_divisor() -> None:
    found = Perplexity(nll=20.0, tokens=16, unknown=2, size=TextSize.of(LINES))
    assert found.per_token == pytest.approx(math.exp(20 / 16))
    assert found.per_word == pytest.approx(math.exp(20 / (7 + 3)))
    assert found.bits_per_character == pytest.approx(20 / math.log(2) / (25 + 3))


def test_a_uniform_model_is_as_perplexed_as_it_has_words() -> None:
    """Of whole words: V = 50, whatever is said, a word and a token alike."""
    found = Perplexity(10 * math.log(50), 10, 0, TextSize.of(LINES))
    assert found.per_token == pytest.approx(50)
    assert found.per_word == pytest.approx(50)


def test_subwords_change_the_token_figure_and_not_the_others() -> None:
    coarse, fine = (Perplexity(30.0, tokens, 0, TextSize.of(LINES)) for tokens in (10, 25))
    assert coarse.per_token > fine.per_token
    assert coarse.per_word == fine.per_word
    assert coarse.bits_per_character == fine.bits_per_character


def test_a_model_that_is_sure_of_the_wrong_thing() -> None:
    assert Perplexity(1e9, 10, 0, TextSize.of(LINES)).per_token == math.exp(700)
    assert math.isfinite(Perplexity(1e9, 10, 0, TextSize.of(LINES)).per_word)
    assert Perplexity(0.0, 10, 0, TextSize.of(LINES)).per_word == 1


def test_what_is_said() -> None:
    found = Perplexity(20.0, 1600, 4, TextSize(3, 7000, 25))
    first, second, third = found.lines()
    assert (
        first
        == f"perplexity {found.per_word:.2f} a word, {found.per_token:.2f} a token; {found.bits_per_character:.3f} bits a character"
    )
    assert second == "1,600 tokens, 7,000 words, 3 lines, ends of lines counted as tokens"
    assert third == "0.25 % of the tokens are <unk>, and counted as one word"
    assert len(Perplexity(20.0, 1600, 0, TextSize(3, 7, 25)).lines()) == 2


def test_json_is_unrounded() -> None:
    found = Perplexity(1 / 3, 7, 1, TextSize(1, 2, 3))
    assert found.to_json() == {
        "perplexity_per_word": found.per_word,
        "perplexity_per_token": found.per_token,
        "bits_per_character": found.bits_per_character,
        "nll": 1 / 3,
        "tokens": 7,
        "unknown": 1,
        "lines": 1,
        "words": 2,
        "characters": 3,
    }
