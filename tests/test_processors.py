"""What is forbidden never appears, and what is left keeps its probability: each rule at its edges.

That every search finds within any of them what its definition says is a law: see tests/laws.py.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nmt_cli.corpus.batching import Sequences
from nmt_cli.errors import ConfigError
from nmt_cli.scoring.scores import Scores
from nmt_cli.search.ancestral import Greedy
from nmt_cli.search.base import Hypothesis, SearchStrategy, Sentences
from nmt_cli.search.beam import BeamSearch
from nmt_cli.search.normalization import LengthPower
from nmt_cli.search.processed import Prefixes, Processed, ProcessedState
from nmt_cli.search.processors import (
    NOTHING,
    BannedWords,
    MinLength,
    NoRepeat,
    Processor,
    RepetitionPenalty,
    Written,
)
from nmt_cli.search.sampling import Sampling
from nmt_cli.text.tokenizer import EOS
from tests import laws, oracles
from tests.rules import SPELLINGS, SURFACES, shown
from tests.tiny import VOCABULARY, alone, random_batch, random_model

Tokens = tuple[int, ...]
NO_PREFIX = Prefixes(torch.zeros(20, 1, dtype=torch.long), torch.zeros(20, dtype=torch.long))


def found(
    model: Any,
    search: SearchStrategy,
    source: Sequences,
    sentences: Sentences,
    *processors: Processor,
    prefixes: Prefixes = NO_PREFIX,
) -> list[list[Hypothesis]]:
    """A search over a model behind processors."""
    with torch.no_grad():
        first, state = model.start(source)
        processed = Processed(model, processors, prefixes)
        return search(processed, first, ProcessedState.start(state, len(source)), sentences)


def repeats(tokens: Tokens, size: int) -> bool:
    grams = [tokens[place : place + size] for place in range(len(tokens) - size + 1)]
    return len(set(grams)) < len(grams)


RULES: dict[str, tuple[Callable[[int], Processor], Callable[[Tokens], bool]]] = {
    "nothing comes twice": (lambda _: NoRepeat(1), lambda tokens: not repeats(tokens, 1)),
    "no pair comes twice": (lambda _: NoRepeat(2), lambda tokens: not repeats(tokens, 2)),
    "no triple comes twice": (lambda _: NoRepeat(3), lambda tokens: not repeats(tokens, 3)),
    "at least three": (
        lambda count: MinLength(EOS, torch.full((count,), 3)),
        lambda tokens: len(tokens) >= 3,
    ),
    "never ab": (
        lambda _: BannedWords.of(["ab"], SPELLINGS),
        lambda tokens: not (f"{shown(tokens)} ".replace(".", " ") + " ").count(" ab "),
    ),
}
"""A processor for so many sentences, and what then holds of every hypothesis."""
SEARCHES: list[SearchStrategy] = [Greedy(), BeamSearch(4, 3), Sampling(5), BeamSearch(3, 3, LengthPower(0))]


@pytest.mark.parametrize("name", ["transformer", "recurrent"])
def test_no_processor_changes_nothing(name: str) -> None:
    model, source = random_model(name, seed=1), random_batch(6, seed=1).source
    sentences = laws.sentences_of(source)
    for search in SEARCHES:
        assert found(model, search, source, sentences) == laws.run(model, search, source, sentences)


@pytest.mark.parametrize("rule", sorted(RULES))
def test_what_is_forbidden_never_appears(rule: str) -> None:
    """And a model that is asked without the rule breaks it: the test could fail."""
    model, source = random_model("recurrent", seed=2), random_batch(12, seed=2, longest=9).source
    make, holds = RULES[rule]
    sentences = Sentences.of(source.lengths + 5)
    broken = 0
    for search in SEARCHES:
        for free, bound in zip(
            laws.run(model, search, source, sentences),
            found(model, search, source, sentences, make(len(source))),
            strict=True,
        ):
            assert bound
            assert all(holds(hypothesis.tokens) for hypothesis in bound)
            assert all(hypothesis.tokens[-1] == EOS for hypothesis in bound)
            broken += sum(not holds(hypothesis.tokens) for hypothesis in free)
    assert broken


def test_a_prefix_has_the_last_word() -> None:
    """Of another length in each sentence; the log-probability is that of forced decoding."""
    model, source = random_model("recurrent", seed=4), random_batch(4, seed=4).source
    begun = [(), (5,), (9, 4), (7, 7, 7)]
    prefixes = Prefixes(
        torch.tensor([[*row, *[0] * (3 - len(row))] for row in begun]), torch.tensor([len(row) for row in begun])
    )
    sentences = Sentences.of(source.lengths + 5)
    for search in SEARCHES:
        for index, hypotheses in enumerate(found(model, search, source, sentences, NoRepeat(1), prefixes=prefixes)):
            for hypothesis in hypotheses:
                assert hypothesis.tokens[: len(begun[index])] == begun[index]
                assert not repeats(hypothesis.tokens[len(begun[index]) :], 1)
                wanted = oracles.log_prob(model, alone(source, index), hypothesis.tokens)
                assert hypothesis.log_prob == pytest.approx(wanted, abs=1e-9)


def test_where_everything_is_forbidden_it_ends() -> None:
    """EOS is too early by MinLength, and all the rest is a repetition."""
    model, source = random_model("recurrent", seed=6), random_batch(3, seed=6).source
    every = tuple(range(EOS + 1, VOCABULARY))
    prefixes = Prefixes(torch.tensor([every] * 3), torch.full((3,), len(every)))
    late = MinLength(EOS, torch.full((3,), 15))
    for search in SEARCHES:
        for hypotheses in found(
            model, search, source, Sentences.of(torch.full((3,), 20)), NoRepeat(1), late, prefixes=prefixes
        ):
            assert {h.tokens for h in hypotheses} == {(*every, EOS)}


@pytest.mark.parametrize("name", ["transformer", "recurrent", "transformer-ssru"])
@torch.no_grad()
def test_a_prefix_consumed_at_once_is_so_many_steps(name: str) -> None:
    model, source = random_model(name, seed=7), random_batch(3, seed=7).source
    processed = Processed(model, (NoRepeat(2), RepetitionPenalty(1.5)), NO_PREFIX)
    rows = [[4, 5, 4], [6], [7, 7]]
    first, state = model.start(source)
    tokens = torch.tensor([[int(first[place]), *row, *[0] * (3 - len(row))] for place, row in enumerate(rows)])
    scores, _ = processed.advance(tokens, torch.tensor([1 + len(row) for row in rows]), ProcessedState.start(state, 3))
    for place, row in enumerate(rows):
        start, within = model.start(alone(source, place))
        stepping: Any = ProcessedState.start(within, 1)
        for token in [int(start[0]), *row]:
            single, stepping = processed.step(torch.tensor([token]), stepping)
        assert torch.allclose(scores.log_probs()[place], single.log_probs()[0], atol=1e-9)


@given(st.lists(st.lists(st.integers(4, 6), max_size=9), min_size=1, max_size=4), st.integers(1, 4))
def test_no_repeat_is_its_definition(rows: list[list[int]], size: int) -> None:
    longest = max(map(len, rows))
    table = torch.tensor([row + [NOTHING] * (longest - len(row)) for row in rows], dtype=torch.long)
    written = Written(
        table.view(len(rows), longest),
        torch.tensor([len(row) for row in rows]),
        torch.zeros(len(rows), dtype=torch.long),
    )
    scores = NoRepeat(size)(flat(len(rows)), written)
    for row, logits in zip(rows, scores.logits, strict=True):
        for token in range(EOS, VOCABULARY):
            again = repeats(tuple(row), size) or tuple([*row, token][-size:]) in {
                tuple(row[place : place + size]) for place in range(len(row) - size + 1)
            }
            fresh = not repeats((*row, token), size)
            if fresh:
                assert logits[token - EOS] == 0
            elif again and len(row) >= size and not repeats(tuple(row), size):
                assert logits[token - EOS] == -torch.inf


def test_the_repetition_penalty_multiplies_log_probabilities() -> None:
    written = Written(
        torch.tensor([[5, 7, NOTHING], [4, 4, 9]]), torch.tensor([2, 3]), torch.zeros(2, dtype=torch.long)
    )
    before = flat(2)
    after = RepetitionPenalty(1.3)(before, written)
    ratio = after.log_probs() / before.log_probs()
    expected = torch.ones(2, VOCABULARY - EOS)
    expected[0, [5 - EOS, 7 - EOS]] = 1.3
    expected[1, [4 - EOS, 9 - EOS]] = 1.3
    assert torch.allclose(ratio, expected)
    assert after.best(1)[0].max() <= 0


@pytest.mark.parametrize(
    ("text", "banned"),
    [
        ([], {" ab"}),
        ([5], {"b", "b."}),  # " a" goes on to "ab", or to "ab."; "bc" makes another word of it
        ([4], {" ab"}),
        ([5, 7], {" ab"}),
        ([11, 7, 5], {"b", "b."}),
        ([8], {" ab"}),
    ],
)
def test_banned_words_are_read_as_text(text: list[int], banned: set[str]) -> None:
    tokens = torch.tensor([text], dtype=torch.long).view(1, len(text))
    written = Written(tokens, torch.tensor([len(text)]), torch.tensor([0]))
    logits = BannedWords.of(["ab"], SPELLINGS)(flat(1), written).logits[0]
    gone = {SURFACES[EOS + place] for place in torch.nonzero(logits.isneginf())[:, 0].tolist()}
    assert gone == banned | {" ab"}


@pytest.mark.parametrize(
    ("word", "said", "banned"),
    [
        ("Shirt", "T-", True), ("Shirt", "(", True), ("Shirt", "„", True), ("Shirt", "", True), ("Shirt", "a ", True),
        ("Shirt", "T", False), ("Shirt", "3", False), ("Shirt", "é", False), ("Shirt", "-\U0001f600", True),
        (".", "Herr", True), (".", "a ", True), ("-Shirt", "T", False), ("T-Shirt", "T-", True), ("T-Shirt", "AT-", False),
        ("犬", "白い", True), ("犬", "dog", True),
    ],
)  # fmt: skip
def test_where_a_banned_word_begins(word: str, said: str, banned: bool) -> None:
    """Behind whatever is no letter or digit; punctuation and unspaced scripts anywhere."""
    spellings = [b""] * (EOS + 1) + [each.encode("utf-8") for each in (said, "Shirt", ".", "犬")]
    last = EOS + 2 + ("Shirt", ".", "犬").index(word if word in (".", "犬") else "Shirt")
    written = Written(torch.tensor([[EOS + 1]]), torch.tensor([1]), torch.tensor([0]))
    logits = BannedWords.of([word], spellings)(flat(1), written).logits[0]
    assert bool(logits[last - EOS].isneginf()) == banned


@pytest.mark.parametrize(
    ("piece", "banned"),
    [
        ("T-Shirt", True),
        (" (Shirt)", True),
        ("TShirt", False),
        ("T-Shirts", False),
        ("Shirt Shirts", True),
        ("x Shirt", True),
    ],
)
def test_a_banned_word_within_one_token(piece: str, banned: bool) -> None:
    spellings = [b""] * (EOS + 1) + [piece.encode("utf-8")]
    nothing = Written(torch.zeros(1, 0, dtype=torch.long), torch.tensor([0]), torch.tensor([0]))
    assert bool(BannedWords.of(["Shirt"], spellings)(flat(1), nothing).logits[0, 1].isneginf()) == banned


def test_a_banned_word_that_bytes_spell() -> None:
    """Only its last byte is banned, behind all others; a piece that spells it at once is banned too."""
    spelt = "\U0001f600".encode()
    spellings = [b"", b"", b"", b"", *(bytes([value]) for value in spelt), b" \xf0\x9f\x98\x80", b"a"]
    rows = torch.tensor([[4, 5, 6], [9, 5, 6]])
    written = Written(rows, torch.tensor([3, 3]), torch.tensor([0, 0]))
    gone = BannedWords.of(["\U0001f600"], spellings)(flat(2), written).logits.isneginf()
    assert [torch.nonzero(row)[:, 0].add(EOS).tolist() for row in gone] == [[7, 8], [8]]


def test_a_banned_phrase() -> None:
    written = Written(torch.tensor([[4], [5]]), torch.tensor([1, 1]), torch.tensor([0, 0]))
    logits = BannedWords.of(["ab c"], SPELLINGS)(flat(2), written).logits
    assert logits.isneginf().tolist() == [[token + EOS == 11 for token in range(VOCABULARY - EOS)], [False] * 9]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: NoRepeat(0), "--no-repeat must be at least 1, but is 0"),
        (lambda: RepetitionPenalty(0.9), "--repetition-penalty must be a finite number, at least 1, but is 0.9"),
        (lambda: RepetitionPenalty(float("inf")), "--repetition-penalty must be a finite number"),
        (lambda: BannedWords.of([" "], SPELLINGS), "--ban needs a word, but got a blank"),
    ],
)
def test_what_is_out_of_range(make: Callable[[], Processor], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make()


def flat(rows: int) -> Scores:
    """All tokens are equally probable."""
    logits: Tensor = torch.zeros(rows, VOCABULARY - EOS)
    return Scores(logits, torch.arange(EOS, VOCABULARY))
