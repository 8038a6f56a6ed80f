"""Beam search and greedy search at their edges, against the slow search of tests/oracles.py.

That they equal it on whole models is a law: see ``laws.beam_is_the_slow_search``.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from nmt_cli.errors import ConfigError, ModelError
from nmt_cli.scoring.scores import Scores
from nmt_cli.search import STRATEGIES
from nmt_cli.search.ancestral import Greedy, generate
from nmt_cli.search.base import SearchStrategy, Sentences
from nmt_cli.search.beam import BeamSearch
from nmt_cli.search.normalization import LengthPower
from nmt_cli.search.options import SearchOptions
from nmt_cli.search.pruning import Pruning
from nmt_cli.search.stopping import Bound, Patience
from nmt_cli.text.tokenizer import EOS
from tests import laws, oracles
from tests.tiny import VOCABULARY, alone, random_batch, random_model


@dataclass
class Shortlist:
    """A scorer that lets a model say some of its columns alone."""

    model: Any
    columns: Tensor
    eos: int = EOS

    def step(self, tokens: Tensor, state: Any) -> tuple[Scores, Any]:
        return self.advance(tokens[:, None], torch.ones_like(tokens), state)

    def advance(self, tokens: Tensor, lengths: Tensor, state: Any) -> tuple[Scores, Any]:
        scores, state = self.model.advance(tokens, lengths, state)
        return Scores(scores.logits[:, torch.isin(scores.columns, self.columns)], self.columns), state

    def next_of(self, index: int, source: Any) -> oracles.Next:
        """What the oracle asks: the model's distribution, divided by what the columns have of it."""
        whole = oracles.next_of(self.model, alone(source, index), VOCABULARY)

        def following(prefix: tuple[int, ...]) -> dict[int, float]:
            some = {token: value for token, value in whole(prefix).items() if token in self.columns.tolist()}
            normaliser = float(torch.tensor(list(some.values()), dtype=torch.float64).logsumexp(0))
            return {token: value - normaliser for token, value in some.items()}

        return cache(following)


@dataclass
class Table:
    """A scorer that thinks the same at every step: one row of logits over EOS, EOS + 1, ... for each sentence."""

    logits: Tensor
    eos: int = EOS

    def start(self) -> tuple[Tensor, "Places"]:
        return torch.ones(len(self.logits), dtype=torch.long), Places(torch.arange(len(self.logits)))

    def step(self, tokens: Tensor, state: "Places") -> tuple[Scores, "Places"]:
        return self.advance(tokens[:, None], torch.ones_like(tokens), state)

    def advance(self, tokens: Tensor, lengths: Tensor, state: "Places") -> tuple[Scores, "Places"]:
        assert tokens.shape[0] == len(lengths) == len(state.sentence)
        return Scores(self.logits[state.sentence], torch.arange(EOS, EOS + self.logits.shape[1])), state


@dataclass
class Places:
    """The state of Table."""

    sentence: Tensor

    def reorder(self, rows: Tensor) -> "Places":
        return Places(self.sentence[rows])

    select = reorder


@pytest.mark.parametrize("columns", [[EOS], [EOS, 7], [EOS, 4, 6, 8, 11]])
@torch.no_grad()
def test_fewer_columns_than_candidates(columns: list[int]) -> None:
    scorer = Shortlist(random_model("recurrent", seed=4), torch.tensor(columns))
    source, limits = random_batch(3, seed=4).source, torch.tensor([1, 5, 3])
    following = [scorer.next_of(index, source) for index in range(len(source))]
    for search in (BeamSearch(2), BeamSearch(6, 6, LengthPower(0.7)), BeamSearch(4, 3, stop=Patience())):
        tokens, state = scorer.model.start(source)
        found = search(scorer, tokens, state, Sentences.of(limits))
        for index, limit in enumerate(limits.tolist()):
            laws.same(found[index], oracles.beam_search(following[index], limit, search))
    first, state = scorer.model.start(source)
    greedy = Greedy()(scorer, first, state, Sentences.of(limits))
    for index, limit in enumerate(limits.tolist()):
        tokens, log_prob = oracles.greedy(following[index], limit)
        laws.same(greedy[index], [(tokens, log_prob, log_prob)])


@pytest.mark.parametrize("search", [Greedy(), BeamSearch(1), BeamSearch(4, 4), BeamSearch(3, 2, stop=Patience())])
def test_the_limit_of_one_is_the_end_alone(search: SearchStrategy) -> None:
    model, source = random_model("transformer", seed=5), random_batch(3, seed=5).source
    for index, found in enumerate(laws.run(model, search, source, Sentences.of(torch.ones(3, dtype=torch.long)))):
        assert [hypothesis.tokens for hypothesis in found] == [(EOS,)]
        assert found[0].log_prob == pytest.approx(oracles.log_prob(model, alone(source, index), (EOS,)), abs=1e-9)
        assert found[0].score == pytest.approx(found[0].log_prob)


def test_the_end_counts_among_the_first_k_alone() -> None:
    """EOS is the third best of three: a beam of two never takes it before the limit, a beam of three does."""
    table = Table(torch.tensor([[0.0, 1.0, 2.0]]).double())
    two = BeamSearch(2, 2, LengthPower(0), Patience(1e9))(table, *table.start(), Sentences.of(torch.tensor([4])))[0]
    assert [len(hypothesis.tokens) for hypothesis in two] == [4, 4]
    three = BeamSearch(3, 3, LengthPower(0), Patience(1e9))(table, *table.start(), Sentences.of(torch.tensor([4])))[0]
    assert three[0].tokens == (EOS,)


@pytest.mark.parametrize("search", [Greedy(), Greedy(weighed=False)])
@pytest.mark.parametrize("logits", [[torch.inf, 0.0, 1.0], [0.0, torch.inf, 1.0], [-torch.inf] * 3])
def test_scores_without_end_are_an_error(search: Greedy, logits: list[float]) -> None:
    table = Table(torch.tensor([logits]).double())
    with pytest.raises(ModelError, match="NaN"):
        search(table, *table.start(), Sentences.of(torch.tensor([4])))


def test_an_end_at_the_limit_counts_whatever_its_probability() -> None:
    table = Table(torch.tensor([[-50.0, 1.0, 2.0]]).double())
    for search in (Greedy(), BeamSearch(1), BeamSearch(2), BeamSearch(3, 3, LengthPower(0.5))):
        found = search(table, *table.start(), Sentences.of(torch.tensor([3])))[0]
        assert all(len(hypothesis.tokens) == 3 and hypothesis.tokens[-1] == EOS for hypothesis in found)
        assert found[0].tokens == (EOS + 2, EOS + 2, EOS)


def test_impossible_tokens_are_never_produced() -> None:
    table = Table(torch.tensor([[0.0, -torch.inf, 1.0, -torch.inf]]).double())
    for width in (1, 2, 5):
        for hypothesis in BeamSearch(width, width)(table, *table.start(), Sentences.of(torch.tensor([3])))[0]:
            assert set(hypothesis.tokens) <= {EOS, EOS + 2}
            assert hypothesis.log_prob > -torch.inf


def test_as_many_hypotheses_as_there_are() -> None:
    """Two columns and a limit of 3 have three outputs: nobody invents the other five."""
    table = Table(torch.tensor([[0.5, 0.2]]).double())
    found = BeamSearch(8, 8)(table, *table.start(), Sentences.of(torch.tensor([3])))[0]
    assert sorted(len(hypothesis.tokens) for hypothesis in found) == [1, 2, 3]


@pytest.mark.parametrize(
    "search",
    [Greedy(), Greedy(weighed=False), BeamSearch(1), BeamSearch(4, n_best=2), BeamSearch(3, stop=Patience())],
)
def test_scores_that_are_no_numbers_are_an_error(search: SearchStrategy) -> None:
    model = random_model("recurrent", seed=6)
    with torch.no_grad():
        model.output.bias[7] = torch.nan
    source = random_batch(2, seed=6).source
    for limit in (1, 5):
        with pytest.raises(ModelError, match="must be numbers, but the model gave NaN"):
            laws.run(model, search, source, Sentences.of(torch.full((2,), limit)))


@pytest.mark.parametrize("search", [Greedy(), Greedy(weighed=False), BeamSearch(2), BeamSearch(3, stop=Patience())])
def test_one_damaged_sentence_among_others_is_an_error(search: SearchStrategy) -> None:
    table = Table(torch.tensor([[0.0, 1.0, 2.0], [0.0, torch.nan, 2.0]]))
    with pytest.raises(ModelError, match="NaN"):
        search(table, *table.start(), Sentences.of(torch.tensor([5, 2])))


@pytest.mark.parametrize(("width", "n_best"), [(0, 0), (0, 1), (3, 0), (3, 4), (-1, -1), (2, -1)])
def test_more_candidates_than_the_beam_holds(width: int, n_best: int) -> None:
    with pytest.raises(ConfigError, match=f"--n-best must lie between 1 and the beam .{width}., but is {n_best}"):
        BeamSearch(width, n_best)


@pytest.mark.parametrize("exponent", [-0.1, -torch.inf, torch.nan, torch.inf])
def test_length_penalties_that_no_bound_holds_for(exponent: float) -> None:
    with pytest.raises(ConfigError, match=f"length penalty .* {exponent}"):
        LengthPower(exponent)


@pytest.mark.parametrize("factor", [0.0, -1.0, torch.nan])
def test_patience_that_ends_before_anything_has(factor: float) -> None:
    """With it a sentence would be over without a hypothesis."""
    with pytest.raises(ConfigError, match=f"patience .* {factor}"):
        Patience(factor)


@pytest.mark.parametrize("margin", [0.0, -1.0, torch.nan])
def test_a_margin_that_keeps_nobody(margin: float) -> None:
    with pytest.raises(ConfigError, match=f"--prune must be above 0, but is {margin}"):
        Pruning(margin)


def test_who_is_pruned() -> None:
    """More than the margin below the best of the sentence; where there is nobody, nobody leaves."""
    none = -torch.inf
    log_probs = torch.tensor([[-1.0, -2.0, -2.5, none], [-9.0, -9.5, -11.0, -99.0], [none, none, none, none]])
    assert Pruning(1.0)(log_probs).tolist() == [[False, False, True, True], [False, False, True, True], [False] * 4]
    assert not Pruning()(log_probs[1:2]).any()


def test_length_power() -> None:
    for exponent in (0.0, 0.6, 1.0, 3.0):
        norms = LengthPower(exponent)(torch.arange(1, 6))
        assert norms.tolist() == pytest.approx([length**exponent for length in range(1, 6)])
        assert float(LengthPower(exponent)(5)) == pytest.approx(5**exponent)


def test_strategies_from_options() -> None:
    assert STRATEGIES["beam"].of(SearchOptions(4, 2, 0.6)) == BeamSearch(4, 2, LengthPower(0.6), Bound())
    assert STRATEGIES["beam"].of(SearchOptions()) == BeamSearch()
    assert STRATEGIES["beam"].of(SearchOptions(prune=2.0)) == BeamSearch(pruning=Pruning(2.0))
    assert STRATEGIES["greedy"].of(SearchOptions(beam=9)) == Greedy()
    assert STRATEGIES["greedy"].of(SearchOptions(weighed=False)) == Greedy(weighed=False)
    with pytest.raises(ConfigError, match="n-best"):
        STRATEGIES["beam"].of(SearchOptions(2, 3))
    with pytest.raises(ConfigError, match="length penalty"):
        STRATEGIES["beam"].of(SearchOptions(length_penalty=-1))
    assert STRATEGIES["beam"].uses >= {"beam", "n_best"} > STRATEGIES["greedy"].uses


def test_every_picker_is_scored_by_the_model() -> None:
    """``generate`` follows its picker, whatever it picks, and sums what the model thinks of it."""
    table = Table(torch.tensor([[0.0, 1.0, 2.0], [3.0, 1.0, 0.0]]).double())

    def worst(scores: Any, row: Tensor, step: int) -> tuple[Tensor, Tensor]:
        seen.append((row.tolist(), step))
        picked: Tensor = scores.columns[scores.logits.argmin(1)]
        return picked, scores.of(picked)

    seen: list[tuple[list[int], int]] = []
    one, two = generate(table, *table.start(), torch.tensor([3, 2]), worst)
    assert seen == [([0, 1], 1), ([1], 2)]
    log_probs = torch.log_softmax(table.logits, 1)
    assert (one.tokens, two.tokens) == ((EOS,), (EOS + 2, EOS))
    assert one.log_prob == pytest.approx(float(log_probs[0, 0]))
    assert two.log_prob == pytest.approx(float(log_probs[1, 2] + log_probs[1, 0]))
