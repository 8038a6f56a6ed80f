"""DESIGN.md's laws 1 to 4 over every registered architecture and strategy, on random weights that are far from uniform."""

from functools import cache
from typing import Any

import pytest
import torch

from nmt_cli.models import ARCHITECTURES
from nmt_cli.search import STRATEGIES
from nmt_cli.search.base import SearchStrategy
from nmt_cli.search.beam import BeamSearch
from nmt_cli.search.diverse import DiverseBeamSearch
from nmt_cli.search.exact import ExactSearch
from nmt_cli.search.head import Head
from nmt_cli.search.mbr import MinimumBayesRisk
from nmt_cli.search.normalization import GoogleNorm, LengthPower, Normalization
from nmt_cli.search.sampling import Sampling
from nmt_cli.search.stochastic import StochasticBeam
from nmt_cli.search.stopping import Patience
from tests import laws, oracles
from tests.tiny import TINY, entropy, random_batch, random_model

SEARCHES: dict[str, list[SearchStrategy]] = {
    "greedy": [STRATEGIES["greedy"]()],
    "sample": [Sampling(3, Head(top_k=5), seed=2), Sampling(2, Head(2.0, top_p=0.9, epsilon=0.01))],
    "beam": [
        BeamSearch(1),
        BeamSearch(4, n_best=3),
        BeamSearch(5, norm=LengthPower(0)),
        BeamSearch(3, norm=GoogleNorm(0.6)),
        BeamSearch(3, n_best=2, norm=LengthPower(0.6)),
        BeamSearch(4, n_best=4, stop=Patience()),
        BeamSearch(2, stop=Patience(2.0)),
    ],
    "diverse": [
        DiverseBeamSearch(BeamSearch(4, 3)),
        DiverseBeamSearch(BeamSearch(6, 4, LengthPower(0.6)), 3, 0.9),
        DiverseBeamSearch(BeamSearch(4, 4, stop=Patience()), 2),
    ],
    "stochastic": [StochasticBeam(4, 3), StochasticBeam(3, 3, Head(2.0, top_k=6), seed=5)],
    "exact": [
        ExactSearch(BeamSearch(3, 2, LengthPower(0)), nodes=400, width=16),
        ExactSearch(BeamSearch(2, norm=GoogleNorm(0.6)), nodes=60, width=7),
    ],
    "mbr": [
        MinimumBayesRisk(Sampling(8, Head(1.5), seed=3), oracles.judge, 3),
        MinimumBayesRisk(BeamSearch(5, 5), oracles.judge, 2),
    ],
}
WHOLLY = ("transformer", "recurrent")
"""The models for which every case of a search is tried; the others try the first of each search."""


@cache
def model_of(architecture: str, seed: int, dtype: torch.dtype = torch.float64) -> Any:
    return random_model(architecture, seed=seed, dtype=dtype)


SEEDS = {"transformer": (1, 2, 3), "recurrent": (1, 2, 3)}
"""Of the random weights; one for the models that are not named here."""

CASES = [
    pytest.param(name, seed, strategy, id=f"{name}-{seed}-{kind}{index}")
    for name in sorted(TINY)
    for seed in SEEDS.get(name, (1,))
    for kind, strategies in SEARCHES.items()
    for index, strategy in enumerate(strategies)
    if index == 0 or (name in WHOLLY and seed == 1)
]


def test_nothing_registered_is_left_out() -> None:
    assert {settings["architecture"] for settings in TINY.values()} == {
        name for name in ARCHITECTURES if ARCHITECTURES[name].task in ("translate", "lm")
    }
    assert set(SEARCHES) == set(STRATEGIES)


@pytest.fixture(
    params=[pytest.param((name, seed), id=f"{name}-{seed}") for name in sorted(TINY) for seed in SEEDS.get(name, (1,))]
)
def model(request: pytest.FixtureRequest) -> Any:
    return model_of(*request.param)


def test_the_models_are_not_flat(model: Any) -> None:
    assert entropy(model) < 1


def test_steps_are_teacher_forcing(model: Any) -> None:
    laws.steps_are_teacher_forcing(model, random_batch(9, seed=1))


def test_prefixes_are_steps(model: Any) -> None:
    laws.prefixes_are_steps(model, random_batch(7, seed=2))


@pytest.mark.parametrize(("name", "seed", "strategy"), CASES)
def test_neighbours_change_nothing(name: str, seed: int, strategy: SearchStrategy) -> None:
    laws.neighbours_change_nothing(model_of(name, seed), strategy, random_batch(9, seed=3, longest=12).source)


@pytest.mark.parametrize(("name", "seed", "strategy"), [case for case in CASES if case.values[1] == 1])
def test_neighbours_change_only_ties_in_single_precision(name: str, seed: int, strategy: SearchStrategy) -> None:
    single, double = model_of(name, seed, torch.float32), model_of(name, seed)
    laws.neighbours_change_only_ties(single, double, strategy, random_batch(12, seed=4, longest=12).source)


@pytest.mark.parametrize(("name", "seed", "strategy"), CASES)
def test_forced_decoding_agrees(name: str, seed: int, strategy: SearchStrategy) -> None:
    laws.forced_decoding_agrees(model_of(name, seed), strategy, random_batch(9, seed=5, longest=12).source)


@pytest.mark.parametrize(("name", "seed", "strategy"), [case for case in CASES if case.values[1] == 1])
def test_retelling_is_teacher_forcing(name: str, seed: int, strategy: SearchStrategy) -> None:
    laws.retelling_is_teacher_forcing(random_model(name, seed=seed), strategy, random_batch(6, seed=18).source)


def test_reorder_commutes(model: Any) -> None:
    laws.reorder_commutes(model, random_batch(6, seed=6).source)


def test_copies_do_not_disturb(model: Any) -> None:
    laws.copies_do_not_disturb(model, random_batch(5, seed=7).source)


def test_beam_of_one_is_greedy(model: Any) -> None:
    laws.beam_of_one_is_greedy(model, random_batch(20, seed=8, longest=12).source)


@pytest.mark.parametrize("exponent", [0.0, 0.6, 1.0])
def test_wide_beam_is_brute_force(model: Any, exponent: float) -> None:
    laws.wide_beam_is_brute_force(model, random_batch(3, seed=9).source, 3, exponent)


NORMS = pytest.mark.parametrize("norm", [LengthPower(0), LengthPower(1.0), GoogleNorm(0.6), LengthPower(2.5)])


@NORMS
def test_exact_is_brute_force(model: Any, norm: Normalization) -> None:
    laws.exact_is_brute_force(model, random_batch(3, seed=16).source, 4, norm)


@NORMS
def test_certificates_are_true(model: Any, norm: Normalization) -> None:
    laws.certificates_are_true(model, random_batch(3, seed=17).source, 4, norm)


@pytest.mark.parametrize("exponent", [0.0, 1.0])
def test_bound_costs_nothing(model: Any, exponent: float) -> None:
    laws.bound_costs_nothing(model, random_batch(20, seed=10, longest=10).source, exponent)


def test_beam_is_the_slow_search(model: Any) -> None:
    laws.beam_is_the_slow_search(model, random_batch(6, seed=11).source, torch.tensor([1, 9, 2, 5, 7, 3]))


def test_diverse_beam_is_the_slow_search(model: Any) -> None:
    laws.diverse_beam_is_the_slow_search(model, random_batch(5, seed=13).source, torch.tensor([6, 1, 4, 2, 7]))


def test_stochastic_beam_is_the_slow_search(model: Any) -> None:
    laws.stochastic_beam_is_the_slow_search(model, random_batch(5, seed=14).source, torch.tensor([5, 1, 4, 2, 3]))


def test_stochastic_beam_draws_without_replacement(model: Any) -> None:
    laws.stochastic_beam_draws_without_replacement(model, random_batch(1, seed=15).source)


def test_long_lives_forget_nothing(model: Any) -> None:
    laws.long_lives_forget_nothing(model, random_batch(4, seed=12).source)
