"""DESIGN.md's laws 1 to 4 over every registered architecture and strategy, on random weights that are far from uniform."""

from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch

from nmt_cli.corpus.batching import Sequences
from nmt_cli.models import ARCHITECTURES
from nmt_cli.search import STRATEGIES
from nmt_cli.search.ancestral import Greedy
from nmt_cli.search.base import SearchStrategy, Sentences, Wish
from nmt_cli.search.beam import BeamSearch
from nmt_cli.search.constrained import ConstrainedBeam
from nmt_cli.search.diverse import DiverseBeamSearch
from nmt_cli.search.exact import ExactSearch
from nmt_cli.search.head import Head
from nmt_cli.search.mbr import MinimumBayesRisk
from nmt_cli.search.normalization import GoogleNorm, LengthPower
from nmt_cli.search.sampling import Sampling
from nmt_cli.search.stochastic import StochasticBeam
from nmt_cli.search.stopping import Patience
from tests import laws, oracles
from tests.tiny import TINY, entropy, random_batch, random_model

SEARCHES: dict[str, SearchStrategy] = {
    "greedy": Greedy(),
    "sample": Sampling(3, Head(1.5, top_k=5), seed=2),
    "beam": BeamSearch(4, n_best=3),
    "diverse": DiverseBeamSearch(BeamSearch(4, 3), 2),
    "stochastic": StochasticBeam(4, 3, Head(2.0)),
    "exact": ExactSearch(BeamSearch(3, 2, LengthPower(0)), nodes=40, width=7),
    "mbr": MinimumBayesRisk(Sampling(6, Head(epsilon=0.02), seed=3), oracles.judge, 3),
}
"""One of each: test_drawn_laws draws all others."""


@cache
def model_of(name: str, dtype: torch.dtype = torch.float64) -> Any:
    return random_model(name, seed=1, dtype=dtype)


def test_nothing_registered_is_left_out() -> None:
    assert {settings["architecture"] for settings in TINY.values()} == {
        name for name in ARCHITECTURES if ARCHITECTURES[name].task in ("translate", "lm")
    }
    assert SEARCHES.keys() == STRATEGIES.keys()


@pytest.fixture(params=sorted(TINY))
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def model(name: str) -> Any:
    return model_of(name)


@pytest.fixture(params=SEARCHES)
def strategy(request: pytest.FixtureRequest) -> SearchStrategy:
    return SEARCHES[request.param]


def test_the_models_are_not_flat(model: Any) -> None:
    assert entropy(model) < 1


def test_steps_are_teacher_forcing(model: Any) -> None:
    laws.steps_are_teacher_forcing(model, random_batch(9, seed=1))


def test_packing_changes_nothing(model: Any) -> None:
    laws.packing_changes_nothing(model, random_batch(7, seed=19))


def test_one_sentence_is_read_like_many(model: Any) -> None:
    laws.one_sentence_is_read_like_many(model, random_batch(1, seed=20).source)


def test_one_sentence_is_read_like_many_in_single_precision(name: str) -> None:
    laws.one_sentence_is_read_like_many(model_of(name, torch.float32), random_batch(1, seed=21).source, 1e-3)


def test_prefixes_are_steps(model: Any) -> None:
    laws.prefixes_are_steps(model, random_batch(7, seed=2))


def test_neighbours_change_nothing(model: Any, strategy: SearchStrategy) -> None:
    laws.neighbours_change_nothing(model, strategy, random_batch(4, seed=3, longest=12).source)


def test_neighbours_change_only_ties_in_single_precision(name: str, strategy: SearchStrategy) -> None:
    source = random_batch(4, seed=4, longest=12).source
    laws.neighbours_change_only_ties(model_of(name, torch.float32), model_of(name), strategy, source)


def test_forced_decoding_agrees(model: Any, strategy: SearchStrategy) -> None:
    laws.forced_decoding_agrees(model, strategy, random_batch(5, seed=5, longest=12).source)


def test_retelling_is_teacher_forcing(name: str, strategy: SearchStrategy) -> None:
    laws.retelling_is_teacher_forcing(random_model(name, seed=1), strategy, random_batch(4, seed=18).source)


def test_reorder_commutes(model: Any) -> None:
    laws.reorder_commutes(model, random_batch(6, seed=6).source)


def test_copies_do_not_disturb(model: Any) -> None:
    laws.copies_do_not_disturb(model, random_batch(5, seed=7).source)


def test_long_lives_forget_nothing(model: Any) -> None:
    laws.long_lives_forget_nothing(model, random_batch(4, seed=12).source)


def test_beam_of_one_is_greedy(model: Any) -> None:
    laws.beam_of_one_is_greedy(model, random_batch(12, seed=8, longest=12).source)


def test_wide_beam_is_brute_force(model: Any) -> None:
    laws.wide_beam_is_brute_force(model, random_batch(3, seed=9).source, 3, LengthPower(0.6))


def test_exact_is_brute_force(model: Any) -> None:
    search = ExactSearch(BeamSearch(3, 3, GoogleNorm(0.6)), width=5)
    laws.exact_is_brute_force(model, random_batch(3, seed=16).source, 3, search)


def test_certificates_are_true(model: Any) -> None:
    searches = [ExactSearch(BeamSearch(2, 2, LengthPower(0)), nodes, width=3) for nodes in (3, 13)]
    laws.certificates_are_true(model, random_batch(3, seed=17).source, 3, *searches)


def test_bound_costs_nothing(model: Any) -> None:
    laws.bound_costs_nothing(model, random_batch(6, seed=10).source, BeamSearch(4, 3))


def asked(*limits: int, seed: int) -> tuple[Sequences, Sentences]:
    return random_batch(len(limits), seed=seed).source, Sentences.of(torch.tensor(limits))


def test_greedy_is_the_slow_search(model: Any) -> None:
    laws.greedy_is_the_slow_search(model, *asked(4, 1, 9, seed=0))


def test_beam_is_the_slow_search(model: Any) -> None:
    searches = [BeamSearch(4, 3), BeamSearch(3, 3, LengthPower(0.6), Patience())]
    laws.beam_is_the_slow_search(model, *asked(1, 7, 2, 4, seed=11), *searches)


def test_diverse_beam_is_the_slow_search(model: Any) -> None:
    laws.diverse_beam_is_the_slow_search(model, *asked(6, 1, 4, seed=13), DiverseBeamSearch(BeamSearch(4, 3), 2))


def test_stochastic_beam_is_the_slow_search(model: Any) -> None:
    laws.stochastic_beam_is_the_slow_search(model, *asked(4, 1, 3, seed=14), StochasticBeam(4, 3, Head(1.5)))


def test_mbr_is_the_definition(model: Any) -> None:
    search = MinimumBayesRisk(Sampling(8, Head(1.5), seed=3), oracles.judge, 3)
    laws.mbr_is_the_definition(model, *asked(6, 1, 4, seed=2), search)


def test_samples_are_as_frequent_as_probable(model: Any) -> None:
    laws.samples_are_as_frequent_as_probable(model, random_batch(1, seed=15).source, 3, Sampling(seed=3))


def test_stochastic_beam_draws_without_replacement(model: Any) -> None:
    laws.stochastic_beam_draws_without_replacement(model, random_batch(1, seed=15).source, 3, StochasticBeam(2, 2))


def test_terms_are_met(model: Any) -> None:
    source, sentences = asked(2, 6, 5, seed=1)
    terms: list[tuple[tuple[int, ...], ...]] = [((5,),), ((6, 7), (7, 8)), ((4, 4, 5),)]
    sentences = replace(sentences, wishes=tuple(Wish(terms=own) for own in terms))
    laws.terms_are_met(model, source, sentences, ConstrainedBeam(4, 2))


def test_twice_the_model_is_the_model(model: Any) -> None:
    laws.twice_the_model_is_the_model(model, *asked(6, 1, 4, seed=6), BeamSearch(4, 3), (0.2, 7.0))
