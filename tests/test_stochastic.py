"""Stochastic beam search at its edges and as it is typed. That it draws what its definition says is a law: see tests/laws.py."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nmt_cli.errors import ConfigError, ModelError
from nmt_cli.search import STRATEGIES, noise
from nmt_cli.search.ancestral import Greedy
from nmt_cli.search.base import Hypothesis, Sentences
from nmt_cli.search.head import Head
from nmt_cli.search.options import SearchOptions
from nmt_cli.search.stochastic import StochasticBeam, conditioned
from nmt_cli.text.tokenizer import EOS
from tests import laws, oracles
from tests.tiny import random_batch, random_model

from .conftest import Nmt
from .test_beam import Shortlist, Table

LINES = 20_000
"""Draws of a frequency."""


def tokens_of(found: list[list[Hypothesis]]) -> list[list[tuple[int, ...]]]:
    return [[hypothesis.tokens for hypothesis in hypotheses] for hypotheses in found]


def search(table: Table, strategy: StochasticBeam, *limits: int) -> list[list[Hypothesis]]:
    first, state = table.start()
    return strategy(table, first, state, Sentences.of(torch.tensor(limits)))


def test_keys_may_be_led_on() -> None:
    lines, tokens = torch.tensor([3, 5, 0]), torch.tensor([7, 9, 7])
    assert torch.equal(noise.keys(noise.keys(4, lines), tokens), noise.keys(4, lines, tokens))


@given(
    st.floats(-50, 50),
    st.lists(st.floats(-60, 60), min_size=1, max_size=6),
)
def test_the_stable_form_is_the_formula(maximum: float, noisy: list[float]) -> None:
    """In single steps, against decimals; the highest becomes the maximum itself, and the order stays."""
    ranked = sorted(noisy, reverse=True)
    found = conditioned(torch.tensor([ranked], dtype=torch.float64), torch.tensor([[maximum]], dtype=torch.float64))[0]
    assert float(found[0]) == maximum
    wanted = oracles.truncated(maximum, dict(enumerate(ranked)))
    for place, value in enumerate(found.tolist()):
        assert value == pytest.approx(wanted[place], rel=1e-9, abs=1e-9)
    assert found.tolist() == sorted(found.tolist(), reverse=True)


def test_impossible_children_stay_impossible() -> None:
    noisy = torch.tensor([[0.3, -1.0, -torch.inf, -torch.inf]], dtype=torch.float64)
    found = conditioned(noisy, torch.tensor([[2.0]], dtype=torch.float64))[0]
    assert found[0] == 2
    assert torch.isfinite(found[1])
    assert found[2:].tolist() == [-torch.inf] * 2


def test_a_prefix_has_its_noise_wherever_it_is_reached() -> None:
    """It is that of seed, line and prefix: a wider beam draws the same first hypotheses, with the same scores."""
    model, source = random_model("transformer", seed=5), random_batch(8, seed=5).source
    lines = torch.arange(8) * 7
    sentences = replace(Sentences.of(source.lengths + 3), lines=lines)
    wide = laws.run(model, StochasticBeam(9, 9, seed=2), source, sentences)
    narrow = laws.run(model, StochasticBeam(3, 3, seed=2), source, sentences)
    for many, few in zip(wide, narrow, strict=True):
        assert [h.tokens for h in few] == [h.tokens for h in many[:3]]
        assert [h.score for h in few] == pytest.approx([h.score for h in many[:3]], abs=1e-9)
    other = laws.run(model, StochasticBeam(3, 3, seed=3), source, sentences)
    moved = laws.run(model, StochasticBeam(3, 3, seed=2), source, replace(sentences, lines=lines + 1))
    assert tokens_of(narrow) != tokens_of(other) != tokens_of(moved) != tokens_of(narrow)


@pytest.mark.parametrize("width", [1, 3, 4])
@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_inclusion_is_what_enumeration_says(width: int, temperature: float) -> None:
    """Fifteen outputs, drawn for many lines: how often each is among the K, and how often it comes first, second, ..."""
    logits = torch.tensor([1.0, 0.2, 1.5], dtype=torch.float64)
    log_probs = dict(zip(range(EOS, EOS + 3), torch.log_softmax(logits / temperature, 0).tolist(), strict=True))
    outputs = oracles.every_sample(lambda _: log_probs, 4)
    wanted = oracles.draws_without_replacement(list(outputs.values()), width)
    places = {tokens: place for place, tokens in enumerate(outputs)}
    strategy = StochasticBeam(width, width, Head(temperature), seed=6)
    drawn = search(Table(logits.expand(LINES, -1)), strategy, *[4] * LINES)
    ranks = torch.tensor([[places[tokens] for tokens in found] for found in tokens_of(drawn)])
    assert ranks.shape == (LINES, width)
    for place in range(len(outputs)):
        for rank in range(width):
            share = sum(probability for order, probability in wanted.items() if order[rank] == place)
            check_share(int((ranks[:, rank] == place).sum()), share)
        share = sum(probability for order, probability in wanted.items() if place in order)
        check_share(int((ranks == place).any(1).sum()), share)


def check_share(count: int, share: float) -> None:
    """Within 4.5 standard deviations, and a little where they are few."""
    assert abs(count - LINES * share) < 3 + 4.5 * math.sqrt(LINES * share * (1 - share))


def test_scores_are_gumbel_perturbed_log_probabilities() -> None:
    """The score of the first is Gumbel noise alone; a score passes a bound as often as an independent one would."""
    logits = torch.tensor([1.0, 0.2, 1.5], dtype=torch.float64)
    outputs = oracles.every_sample(
        lambda _: dict(zip(range(EOS, EOS + 3), torch.log_softmax(logits, 0).tolist(), strict=True)), 3
    )
    drawn = search(Table(logits.expand(LINES, -1)), StochasticBeam(7, 7), *[3] * LINES)
    first = torch.tensor([found[0].score for found in drawn])
    for bound in (-1.0, 0.0, 0.5, 2.0):
        check_share(int((first > bound).sum()), 1 - math.exp(-math.exp(-bound)))
    for tokens, probability in outputs.items():  # all of them are among the seven, so each has its own G
        scores = torch.tensor([h.score for found in drawn for h in found if h.tokens == tokens])
        assert len(scores) == LINES
        check_share(int((scores > -0.7).sum()), 1 - math.exp(-probability * math.exp(0.7)))


def test_as_many_samples_as_there_are() -> None:
    """Two columns and a limit of 3 have three outputs: nobody invents the others, none comes twice."""
    found = search(Table(torch.tensor([[0.5, 0.2]]).double()), StochasticBeam(8, 8), 3)[0]
    assert sorted(len(hypothesis.tokens) for hypothesis in found) == [1, 2, 3]
    banned = search(Table(torch.tensor([[0.5, -torch.inf]]).double()), StochasticBeam(8, 8), 3)[0]
    assert [hypothesis.tokens for hypothesis in banned] == [(EOS,)]


def test_the_limit_of_one_is_the_end_alone() -> None:
    table = Table(torch.tensor([[-50.0, 1.0, 2.0]]).double())
    (found,) = search(table, StochasticBeam(3, 3), 1)[0]
    assert found.tokens == (EOS,)
    assert found.log_prob == pytest.approx(float(torch.log_softmax(table.logits, 1)[0, 0]))


def test_scores_that_are_no_numbers_are_an_error() -> None:
    for limits in ((5, 2), (1, 1)):
        with pytest.raises(ModelError, match="NaN"):
            search(Table(torch.tensor([[0.0, 1.0, 2.0], [0.0, torch.nan, 2.0]])), StochasticBeam(2), *limits)


def test_a_cold_beam_draws_the_greedy_output_first() -> None:
    model, source = random_model("recurrent", seed=6), random_batch(9, seed=6).source
    sentences = Sentences.of(source.lengths + 3)
    greedy = laws.run(model, Greedy(), source, sentences)
    for head in (Head(1e-6), Head(top_k=1)):
        found = laws.run(model, StochasticBeam(4, 4, head), source, sentences)
        assert [hypotheses[0].tokens for hypotheses in found] == [hypotheses[0].tokens for hypotheses in greedy]
    assert all(len(hypotheses) == 1 for hypotheses in found), "the one best token has one continuation alone"


@torch.no_grad()
def test_fewer_columns_than_samples() -> None:
    scorer = Shortlist(random_model("recurrent", seed=4), torch.tensor([EOS, 5, 9]))
    source, limits = random_batch(4, seed=4).source, torch.tensor([1, 5, 3, 4])
    first, state = scorer.model.start(source)
    search = StochasticBeam(6, 6, seed=8)
    found = search(scorer, first, state, Sentences.of(limits))
    for index, limit in enumerate(limits.tolist()):
        noise_of = laws.gumbel_of(8, index)
        laws.same(found[index], oracles.stochastic_beam_search(scorer.next_of(index, source), limit, search, noise_of))


def test_from_options() -> None:
    made = STRATEGIES["stochastic"].of
    assert made(SearchOptions()) == StochasticBeam()
    options = SearchOptions(6, 4, temperature=0.7, top_k=9, top_p=0.9, min_p=0.1, epsilon=0.01, seed=8)
    assert made(options) == StochasticBeam(6, 4, Head(0.7, 9, 0.9, 0.1, 0.01), 8)
    assert (made(options).rows, made(options).repeats) == (6, False)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n_best": 6}, "--n-best must lie between 1 and the beam (5), but is 6"),
        ({"n_best": 0}, "--n-best must lie between 1 and the beam (5), but is 0"),
        ({"seed": -1}, "--seed must be at least 0 and below 2^63, but is -1"),
        ({"temperature": 0.0}, "the temperature must be above 0, but is 0.0"),
    ],
)
def test_what_is_out_of_range(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        STRATEGIES["stochastic"].of(SearchOptions(**options))
    assert caught.value.message == said


# As it is typed.


@pytest.fixture(scope="module")
def text(small: Path) -> str:
    return "\n".join((small / "a.en").read_text(encoding="utf-8").split("\n")[:8]) + "\n\nWhy?\n"


def ask(nmt: Nmt, model: Path, text: str, *options: object) -> list[list[str]]:
    """The rows of TSV."""
    result = nmt("translate", model, "--search", "stochastic", "--format", "tsv", *options, input=text)
    assert result.exit_code == 0, result.stderr
    return [line.split("\t") for line in result.stdout.split("\n")[:-1]]


def test_translate(trained: Path, text: str, nmt: Nmt) -> None:
    head = ("--temperature", 1.3, "--top-k", 30, "--top-p", 0.98, "--min-p", 0.001, "--epsilon", 0.0005)
    words = ("--beam", 6, "--n-best", 4, "--seed", 5, *head)
    rows = ask(nmt, trained, text, *words)
    assert len(rows) == 9 * 4 + 1  # of the blank line there is one
    scores = [[float(row[2]) for row in rows if row[0] == line] for line in ("1", "8", "10")]
    assert all(found == sorted(found, reverse=True) for found in scores)
    workers = ask(nmt, trained, text, *words, "--workers", 2)
    for place in (0, 1, 4, 5):  # line, rank, text and flags; a worker has one thread, so figures agree as law 2 says
        assert [row[place] for row in rows] == [row[place] for row in workers]
    for place in (2, 3):
        figures = ([float(row[place]) for row in found] for found in (rows, workers))
        assert next(figures) == pytest.approx(next(figures), abs=1e-3)
    fewer = ask(nmt, trained, "\n".join(text.split("\n")[:2]) + "\n", *words)
    assert [row[4] for row in rows[:8]] == [row[4] for row in fewer]
    assert rows != ask(nmt, trained, text, *words, "--seed", 6)


def test_equal_lines_are_drawn_for_each_for_itself(trained: Path, nmt: Nmt) -> None:
    rows = ask(nmt, trained, "Your brother is a teacher.\n" * 8)
    assert len({row[4] for row in rows}) > 2


def test_json_says_both_scores(trained: Path, nmt: Nmt) -> None:
    words = ("--search", "stochastic", "--format", "jsonl", "--n-best", 3)
    row = json.loads(nmt("translate", trained, *words, input='{"text": "Why?"}\n').stdout)
    assert all(candidate["log_prob"] < 0 for candidate in row["candidates"])
    assert len({candidate["score"] - candidate["log_prob"] for candidate in row["candidates"]}) == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--n-best", "3", "--beam", "2"], "--n-best must lie between 1 and the beam (2), but is 3"),
        (["--temperature", "0"], "the temperature must be above 0, but is 0.0"),
        (["--seed", "-1"], "--seed must be at least 0 and below 2^63, but is -1"),
        (["--length-penalty", "0.5"], "--length-penalty means nothing to stochastic search"),
        (["--groups", "5"], "--groups means nothing to stochastic search"),
        (["--patience", "2"], "--patience means nothing to stochastic search"),
    ],
)
def test_refusals(words: list[str], said: str, trained: Path, nmt: Nmt) -> None:
    result = nmt("translate", trained, "--search", "stochastic", *words, input="one\n")
    assert (result.exit_code, result.stdout) == (2, ""), result.stderr
    lines = result.stderr.rstrip("\n").split("\n")
    assert lines[0] == f"error: {said}"
    assert all(line.startswith("hint: ") for line in lines[1:])
    assert len(lines) <= 2
