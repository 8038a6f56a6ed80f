"""The baseline language model against values worked out by hand, and against its own definition."""

import gzip
from collections import Counter
from collections.abc import Sequence
from math import exp, log, prod
from pathlib import Path
from random import Random

import pytest

from nmt_cli.text.tokenizer import BOS, EOS, PAD, UNK
from tests.kneser_ney import (
    FALLBACK,
    Discounts,
    Gram,
    KneserNey,
    Sentence,
    Vocabulary,
    adjusted,
    estimate,
    main,
    occurrences,
    read_sentences,
)

A, B = 4, 5
TINY = [(A, B), (A,)]
OUTCOMES = [UNK, EOS, *range(4, 16)]


def corpus(lines: int = 120) -> list[Sentence]:
    """Sentences of random words, some of them frequent, that like to repeat the word before; some are empty."""
    random, result = Random(5), []
    for _ in range(lines):
        words: list[int] = []
        for _ in range(random.randrange(8)):
            words.append(words[-1] if words and random.random() < 0.3 else min(4 + int(random.expovariate(0.3)), 14))
        result.append(tuple(UNK if word == 14 else word for word in words))
    return result


def plain(sentences: Sequence[Sentence], discounts: Sequence[Discounts], word: int, history: Gram) -> float:
    """The definition, one n-gram at a time and from the text itself: slow, and nothing in common with the model."""

    def count(gram: Gram) -> int:
        places = [
            (tokens[start - 1] if start else None)
            for tokens in ((BOS, *sentence, EOS) for sentence in sentences)
            for start in range(len(tokens) - len(gram) + 1)
            if tokens[start : start + len(gram)] == gram
        ]
        return len(places) if len(gram) == len(discounts) or gram[0] == BOS else len(set(places))

    def discount(times: int) -> float:
        return 0.0 if times == 0 else discounts[len(history)][min(times, 3) - 1]

    after = {other: count((*history, other)) for other in OUTCOMES}
    total = sum(after.values())
    shorter = plain(sentences, discounts, word, history[1:]) if history else 1 / len(OUTCOMES)
    if not total:
        return shorter
    freed = sum(map(discount, after.values()))
    return (max(after[word] - discount(after[word]), 0) + freed * shorter) / total


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_probabilities_sum_to_one_after_whatever_history(order: int) -> None:
    sentences = corpus()
    model = KneserNey(sentences, OUTCOMES, order)
    random = Random(1)
    seen = [(BOS, *sentence[:end]) for sentence in sentences[:40] for end in range(len(sentence) + 1)]
    unseen = [tuple(random.choices([UNK, *range(4, 16)], k=length)) for length in range(7) for _ in range(12)]
    for history in [*seen, *unseen, (15,) * 4, (15, 4), (4, 15), (BOS, 15)]:  # 15 is in the vocabulary, not in the text
        probabilities = [model.probability(word, history) for word in OUTCOMES]
        assert min(probabilities) > 0
        assert sum(probabilities) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("order", [2, 3, 4])
def test_is_its_definition(order: int) -> None:
    sentences = corpus()
    model = KneserNey(sentences, OUTCOMES, order)
    discounts = [estimate(counts.values()) for counts in adjusted(occurrences(sentences, order))]
    assert set(discounts) != {FALLBACK}  # else which order has which would not be tested
    histories = [(), (BOS,), (BOS, 4), (BOS, 5, 5), (4, 4), (5, 4, 4), (6, UNK), (9, 13, 4), (BOS, 15)]
    for history in histories:
        for word in (UNK, EOS, 4, 5, 8, 15):
            expected = plain(sentences, discounts, word, history[max(len(history) - order + 1, 0) :])
            assert model.probability(word, history) == pytest.approx(expected, rel=1e-12)


def test_is_what_it_is_by_hand() -> None:
    """Of "a b" and "a": BOS a twice, a b, b EOS and a EOS once; a follows one word, b one, EOS two. V = 4."""
    model = KneserNey(TINY, [UNK, EOS, A, B], order=2)
    assert model.discounts == [FALLBACK, FALLBACK]
    left = (0.5 + 0.5 + 1) / 4  # of the unigrams
    unigrams = {UNK: left / 4, A: 0.5 / 4 + left / 4, B: 0.5 / 4 + left / 4, EOS: 1 / 4 + left / 4}
    assert unigrams == {UNK: 0.125, A: 0.25, B: 0.25, EOS: 0.375}
    assert {word: model.probability(word, ()) for word in unigrams} == unigrams
    assert model.probability(A, (BOS,)) == (2 - 1) / 2 + 1 / 2 * 0.25
    assert model.probability(B, (BOS,)) == 0 + 1 / 2 * 0.25
    assert model.probability(B, (A,)) == (1 - 0.5) / 2 + (0.5 + 0.5) / 2 * 0.25
    assert model.probability(EOS, (A,)) == (1 - 0.5) / 2 + (0.5 + 0.5) / 2 * 0.375
    assert model.probability(EOS, (B,)) == (1 - 0.5) / 1 + 0.5 / 1 * 0.375
    assert model.probability(EOS, (UNK,)) == 0.375  # never seen: all is left to the unigrams
    assert exp(sum(model.log_probabilities((A, B)))) == pytest.approx(0.625 * 0.375 * 0.6875)


def test_lower_orders_count_the_words_before() -> None:
    grams = list(adjusted(occurrences([(A, B), (A, B), (B, B)], order=3)))
    assert grams[0] == {(A,): 1, (B,): 3, (EOS,): 1}
    assert grams[1] == {(BOS, A): 2, (BOS, B): 1, (A, B): 1, (B, B): 1, (B, EOS): 2}
    assert grams[2] == {(BOS, A, B): 2, (A, B, EOS): 2, (BOS, B, B): 1, (B, B, EOS): 1}


def test_discounts_come_from_counts_of_counts() -> None:
    counts = [1] * 10 + [2] * 4 + [3] * 2 + [4] + [99] * 7
    assert estimate(counts) == pytest.approx((5 / 9, 7 / 6, 17 / 9))
    assert estimate([1, 2, 3]) == pytest.approx((1 / 3, 1, 3))


@pytest.mark.parametrize(
    "counts",
    [[], [1, 1, 1], [2, 3, 4], [1, 2, 2, 4], [1] * 10 + [2] + [3] * 10, [1] * 9 + [2] * 2 + [3] + [4] * 8],
    ids=["none", "only 1", "no 1", "no 3", "D2 < 0", "D3 < 0"],
)
def test_discounts_that_cannot_be_estimated_are_fixed(counts: list[int]) -> None:
    assert estimate(counts) == FALLBACK


def test_perplexity_is_exp_of_the_mean() -> None:
    model = KneserNey(TINY, [UNK, EOS, A, B], order=2)
    text = [(A, B), (), (UNK,)]
    each = [0.625, 0.375, 0.6875, 0.5 * 0.375, 0.5 * 0.125, 0.375]  # EOS thrice, UNK once
    assert [p for sentence in text for p in model.log_probabilities(sentence)] == pytest.approx([log(p) for p in each])
    assert model.perplexity(text) == pytest.approx(exp(-sum(map(log, each)) / 6))


def test_whoever_has_read_nothing_is_as_perplexed_as_there_are_words() -> None:
    assert KneserNey([], OUTCOMES).perplexity([(4, 5, UNK), ()]) == pytest.approx(len(OUTCOMES))


@pytest.mark.parametrize("word", [PAD, BOS, 16])
def test_only_outcomes_have_a_probability(word: int) -> None:
    with pytest.raises(KeyError):
        KneserNey(corpus(), OUTCOMES).probability(word, (BOS,))


def test_vocabulary_is_the_most_frequent_words() -> None:
    text = ["c <unk> b", "<unk> <unk> c", "a b </s> d", "d d a"]
    ids = Vocabulary([line.split() for line in text], size=4 + 3)
    assert ids.ids == {"d": 4, "a": 5, "b": 6}  # d thrice; a, b and c twice, in the order of the alphabet
    assert ids.outcomes == [UNK, EOS, 4, 5, 6]
    assert ids(["a", "c", "<unk>", "d", "</s>"]) == (5, UNK, UNK, 4, UNK)
    everything = Vocabulary([line.split() for line in text], size=100)
    assert list(everything.ids) == ["d", "a", "b", "c", "</s>"]
    assert EOS not in everything(["</s>"])  # spelt like a symbol, yet a word


def test_files_are_normalised_and_scored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train, dev, test = (str(tmp_path / name) for name in ("train.gz", "dev", "test"))
    Path(train).write_bytes(gzip.compress(" a\u00a0 b\r\n\n \u3000\na\n".encode()))
    Path(dev).write_text("a b\n\nc\n", encoding="utf-8")
    Path(test).write_text("a\n", encoding="utf-8")
    assert read_sentences(train) == [["a", "b"], ["a"]]
    main(train, dev, test, vocabulary=6, order=2)
    each = [0.625, 0.375, 0.6875, 0.5 * 0.125, 0.375]
    assert capsys.readouterr().out.splitlines() == [
        f"dev: 5 tokens, 20.00% <unk>, perplexity {prod(each) ** -0.2:.2f}",
        f"test: 2 tokens, 0.00% <unk>, perplexity {(0.625 * 0.4375) ** -0.5:.2f}",
    ]


def test_the_corpus_of_these_tests_has_what_it_takes() -> None:
    counts = Counter(word for sentence in corpus() for word in sentence)
    assert counts[UNK] > 0
    assert counts[15] == 0
    assert () in corpus()
