"""BPE-dropout: what SentencePiece gives without dropout, the distribution of the paper with it, and the same text always."""

import gzip
import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt_cli.errors import ConfigError
from nmt_cli.text import bpe_dropout
from nmt_cli.text.bpe_dropout import BPEDropout
from nmt_cli.text.normalize import normalize
from nmt_cli.text.segmentation import segment
from nmt_cli.text.subword import BYTE, LEARNT, MARK, SubwordTokenizer, clean, learn
from nmt_cli.text.vocabulary import count_words
from tests import oracles

from .conftest import PHRASEBOOK

CORPORA = {
    "repetitive": ["banana bananas anna nan aaaaaaa aaab"] * 9 + ["</s> <s> <unk> <0x0A> 0x0A"] * 9,
    "scripts": ["我爱你 今天天气很好我们去公园散步吧", "Привет мир", "مرحبا بالعالم", "größer 1999 ¿qué?", "👩\u200d👧 🇩🇪"] * 9,
    "bytes": ["a b c " * 9000, "".join(map(chr, range(0x4E00, 0x4E00 + 500)))],  # most characters are not learnt
    "tiny": ["▁"],  # the mark itself is not learnt
}  # fmt: skip
KEPT = 6_000
"""Draws of a frequency."""


@cache
def tokenizer(corpus: str) -> SubwordTokenizer:
    return learn(count_words(CORPORA[corpus]), size=600, coverage=0.98 if corpus == "bytes" else 1.0)


@cache
def sampler(corpus: str, dropout: float) -> BPEDropout:
    return BPEDropout(tokenizer(corpus), dropout)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=seed))


def agrees(tokenizer: SubwordTokenizer, lines: Iterable[str]) -> None:
    lines = list(lines)
    without = BPEDropout(tokenizer, 0.0)
    for line, ids in zip(lines, tokenizer.encode_all(lines), strict=True):
        assert without.encode(line, generator()) == ids


TEXTS = st.one_of(
    st.text(),
    st.text(alphabet="abn <>/s_▁"),
    st.text(alphabet="aeiou 我爱你今天天气很好们 мирПривет"),
    st.lists(st.sampled_from(" ".join(line for lines in CORPORA.values() for line in lines).split())).map(" ".join),
)


@pytest.mark.parametrize("corpus", CORPORA)
@given(TEXTS)
def test_without_dropout_it_is_sentencepiece(corpus: str, text: str) -> None:
    assert sampler(corpus, 0.0).encode(text, generator()) == tokenizer(corpus).encode(text)


@pytest.mark.parametrize("size", [300, 1000, 2500])
def test_without_dropout_it_is_sentencepiece_on_the_phrasebook(size: int) -> None:
    sides = [(PHRASEBOOK / f"train.{side}").read_text(encoding="utf-8").splitlines() for side in ("en", "de")]
    lines = [*sides[0][:1500], *sides[1][:1500]]
    agrees(learn(count_words(lines), size=size), lines)


def test_without_dropout_it_is_sentencepiece_on_multi30k(corpora: Path) -> None:
    texts = []
    for side in ("en", "de", "fr"):
        with gzip.open(corpora / "multi30k" / f"train.{side}.gz", "rt", encoding="utf-8") as stream:
            texts += stream.read().splitlines()
    agrees(learn(count_words(texts[::4]), size=8000), texts[1::12])  # other lines: with words that it has never seen


@pytest.mark.parametrize("text", ["x" * 50_000, "我爱你" * 2_000, "banana " * 10_000])
def test_without_dropout_it_is_sentencepiece_on_the_longest_lines(text: str) -> None:
    agrees(tokenizer("scripts"), [text])


@pytest.mark.parametrize("corpus", CORPORA)
@given(TEXTS)
def test_with_all_dropped_it_is_characters_and_bytes(corpus: str, text: str) -> None:
    learnt = tokenizer(corpus).pieces(range(LEARNT, tokenizer(corpus).size))
    characters = "".join(MARK + word for word in clean(text).split())
    wanted = [
        index
        for character in characters
        for index in (
            [LEARNT + learnt.index(character)] if character in learnt else [BYTE + byte for byte in character.encode()]
        )
    ]
    assert sampler(corpus, 1.0).encode(text, generator()) == wanted


@pytest.mark.parametrize("corpus", CORPORA)
@given(TEXTS, st.sampled_from([0.0, 0.1, 0.6, 0.999, 1.0]), st.integers(0, 99))
def test_every_sample_decodes_to_the_text(corpus: str, text: str, dropout: float, seed: int) -> None:
    ids = sampler(corpus, dropout).encode(text, generator(seed))
    assert tokenizer(corpus).decode(ids) == normalize(text).replace("▁", "_")


RANKS = {"an": 0, "ana": 1, "na": 2, "ban": 3, "bana": 4, "aa": 5, "nana": 6, "anana": 7}


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("word", ["b", "an", "bana", "banana", "aaaaa", "anaan", "bbb"])
def test_geometric_numbers_have_the_distribution_of_the_paper(word: str, p: float) -> None:
    """To the last bits: every tuple of numbers with its probability, against every set of merges that may be dropped."""
    every = len(word) - 1  # as many merges as there may be, or more
    found: defaultdict[tuple[str, ...], float] = defaultdict(float)
    for numbers in product(range(every + 1), repeat=every):
        probability = math.prod(p**number * (1 - p if number < every else 1) for number in numbers)
        found[tuple(segment(word, numbers, RANKS))] += probability
    wanted = oracles.bpe_dropout(word, RANKS, p)
    for pieces in {*found, *wanted}:
        assert found[pieces] == pytest.approx(wanted.get(pieces, 0.0), abs=1e-12)


@pytest.mark.parametrize("p", [0.1, 0.4, 0.8])
@pytest.mark.parametrize("word", ["anna", "nan", "banana", "aaaaa"])
def test_draws_have_the_distribution_of_the_paper(word: str, p: float) -> None:
    tokens, draw = tokenizer("repetitive"), generator(len(word))
    ranks = {piece: rank for rank, piece in enumerate(tokens.pieces(range(LEARNT, tokens.size)))}
    wanted = oracles.bpe_dropout(MARK + word, ranks, p)
    line = f"{word} bananas {word}"  # what stands between and behind draws for itself
    found: Counter[str] = Counter()
    for _ in range(KEPT // 2):
        pieces = " ".join(tokens.pieces(sampler("repetitive", p).encode(line, draw)))
        first, between, last = (f"{MARK}{each}".strip() for each in pieces.split(MARK)[1:])
        assert between.replace(" ", "") == f"{MARK}bananas"
        found.update([first, last])
    expected = {" ".join(pieces): probability * KEPT for pieces, probability in wanted.items()}
    assert set(found) <= set(expected)
    frequent = [pieces for pieces, count in expected.items() if count >= 5]
    cells = [(found[pieces], expected[pieces]) for pieces in frequent]
    rest = (KEPT - sum(count for count, _ in cells), KEPT - sum(count for _, count in cells))
    cells += [rest] if rest[1] >= 5 else []
    statistic, freedom = sum((count - mean) ** 2 / mean for count, mean in cells), len(cells) - 1
    assert freedom >= 2
    assert statistic < freedom + 4 * (2 * freedom) ** 0.5 + 8  # beyond 99.9 % of chi-square


def test_what_is_looked_up_is_what_would_be_worked_out(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = CORPORA["repetitive"] + CORPORA["scripts"]
    kept, draw = BPEDropout(tokenizer("scripts"), 0.3), generator()
    found = [kept.encode(line, draw) for line in lines]
    monkeypatch.setattr(bpe_dropout, "_LONGEST_KEPT", 0)
    fresh, draw = BPEDropout(tokenizer("scripts"), 0.3), generator()
    assert [fresh.encode(line, draw) for line in lines] == found


def test_more_dropout_leaves_more_pieces() -> None:
    line = " ".join(CORPORA["repetitive"])
    lengths = [len(sampler("repetitive", p).encode(line, generator())) for p in (0.0, 0.1, 0.3, 0.6, 1.0)]
    assert lengths == sorted(set(lengths))


@pytest.mark.parametrize("dropout", [-0.1, 1.1, math.nan])
def test_what_is_no_probability(dropout: float) -> None:
    with pytest.raises(ConfigError, match="must lie between 0 and 1"):
        BPEDropout(tokenizer("tiny"), dropout)
