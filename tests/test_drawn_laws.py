"""The laws of DESIGN.md where Hypothesis draws everything: models of any settings, batches, searches with any options, wishes.

The definitions of searches are held against trees (tests/random_tree.py): there a slow search costs little, and many are tried.
What a model must be to a search, and neighbours must not be, is held against models with weights.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt_cli.corpus.batching import Batch, Sequences
from nmt_cli.search import STRATEGIES
from nmt_cli.search.base import Sentences, Wish
from nmt_cli.search.beam import BeamSearch
from nmt_cli.search.constrained import Constrained, ConstrainedBeam
from nmt_cli.search.diverse import DiverseBeamSearch
from nmt_cli.search.exact import ExactSearch
from nmt_cli.search.mbr import MinimumBayesRisk
from nmt_cli.search.normalization import Normalization
from nmt_cli.search.sampling import Sampling
from nmt_cli.search.stochastic import StochasticBeam
from tests import drawn, laws
from tests.drawn import Recipe
from tests.random_tree import Tree
from tests.rules import Rules

Asked = tuple[Sequences, Sentences]
AskedOfTree = tuple[Tree, Sequences, Sentences]
WEIGHTS = st.tuples(st.floats(0.1, 9), st.floats(0.1, 9))


def test_every_search_is_drawn() -> None:
    assert drawn.SEARCHES.keys() == STRATEGIES.keys()


# Searches are what their definitions say.


@settings(max_examples=60)
@given(drawn.asked_of_trees(), drawn.beams(), drawn.rules())
def test_greedy_and_beam_are_the_slow_searches(asked: AskedOfTree, search: BeamSearch, rules: Rules) -> None:
    laws.greedy_is_the_slow_search(*asked, rules)
    laws.beam_is_the_slow_search(*asked, search, rules=rules)


@settings(max_examples=60)
@given(drawn.asked_of_trees(), drawn.diverse(), drawn.rules())
def test_diverse_beam_is_the_slow_search(asked: AskedOfTree, search: DiverseBeamSearch, rules: Rules) -> None:
    laws.diverse_beam_is_the_slow_search(*asked, search, rules=rules)


@settings(max_examples=40)
@given(drawn.asked_of_trees(limit=5), drawn.stochastic(), drawn.rules())
def test_stochastic_beam_is_the_slow_search(asked: AskedOfTree, search: StochasticBeam, rules: Rules) -> None:
    laws.stochastic_beam_is_the_slow_search(*asked, search, rules=rules)


@settings(max_examples=40)
@given(drawn.TREES, drawn.sources(2), st.integers(1, 4), drawn.NORMS, drawn.rules(), st.integers(1, 6))
def test_a_wide_beam_is_brute_force(
    tree: Tree, source: Sequences, limit: int, norm: Normalization, rules: Rules, n_best: int
) -> None:
    laws.wide_beam_is_brute_force(tree, source, limit, norm, rules, n_best)


@settings(max_examples=40)
@given(drawn.TREES, drawn.sources(2), st.integers(1, 4), drawn.exact(st.just(10_000)), drawn.rules())
def test_exact_search_is_brute_force(
    tree: Tree, source: Sequences, limit: int, search: ExactSearch, rules: Rules
) -> None:
    laws.exact_is_brute_force(tree, source, limit, search, rules=rules)


@settings(max_examples=40)
@given(drawn.TREES, drawn.sources(2), st.integers(1, 4), drawn.exact(st.integers(1, 40)), drawn.rules())
def test_certificates_are_true(tree: Tree, source: Sequences, limit: int, search: ExactSearch, rules: Rules) -> None:
    laws.certificates_are_true(tree, source, limit, search, rules=rules)


@settings(max_examples=30)
@given(drawn.TREES, drawn.sources(3), drawn.beams())
def test_the_bound_costs_nothing(tree: Tree, source: Sequences, search: BeamSearch) -> None:
    laws.bound_costs_nothing(tree, source, search)


@settings(max_examples=15)
@given(
    drawn.TREES, drawn.sources(1), st.integers(1, 3), st.builds(Sampling, st.just(1), drawn.HEADS, drawn.SEEDS),
    drawn.rules(),
)  # fmt: skip
def test_samples_are_as_frequent_as_probable(
    tree: Tree, source: Sequences, limit: int, search: Sampling, rules: Rules
) -> None:
    laws.samples_are_as_frequent_as_probable(tree, source, limit, search, rules)


@settings(max_examples=15)
@given(drawn.TREES, drawn.sources(1), st.integers(1, 3), drawn.stochastic(3))
def test_a_stochastic_beam_draws_without_replacement(
    tree: Tree, source: Sequences, limit: int, search: StochasticBeam
) -> None:
    laws.stochastic_beam_draws_without_replacement(tree, source, limit, search)


@settings(max_examples=40)
@given(drawn.asked_of_trees(), drawn.mbr(), drawn.rules())
def test_minimum_bayes_risk_is_the_definition(asked: AskedOfTree, search: MinimumBayesRisk, rules: Rules) -> None:
    laws.mbr_is_the_definition(*asked, search, rules)


@settings(max_examples=40)
@given(st.data(), drawn.TREES, drawn.sources(2), st.integers(1, 4), drawn.NORMS, st.integers(1, 4))
def test_a_wide_constrained_beam_is_brute_force(
    data: st.DataObject, tree: Tree, source: Sequences, limit: int, norm: Normalization, n_best: int
) -> None:
    wishes = [Wish(terms=data.draw(drawn.disjoint())) for _ in range(len(source))]
    laws.wide_constrained_beam_is_brute_force(tree, source, limit, norm, wishes, n_best, data.draw(drawn.JOINS))


# Models, and what is around a search.


@settings(max_examples=20)
@given(drawn.RECIPES, drawn.sources(4), st.integers(1, 6), st.data())
def test_states(recipe: Recipe, source: Sequences, steps: int, data: st.DataObject) -> None:
    """Steps are teacher forcing, prefixes are steps, rows move with all that they have, copies are copies."""
    targets = data.draw(drawn.texts(len(source), len(source)))
    batch = Batch(source, Sequences.of(targets))
    laws.steps_are_teacher_forcing(recipe.model, batch)
    laws.prefixes_are_steps(recipe.model, batch)
    laws.reorder_commutes(recipe.model, source)
    laws.copies_do_not_disturb(recipe.model, source, [steps])


@pytest.mark.parametrize("kind", STRATEGIES)
@settings(max_examples=7)
@given(st.data(), drawn.RECIPES, drawn.asked(limit=7), drawn.rules(), WEIGHTS)
def test_searches(
    kind: str, data: st.DataObject, recipe: Recipe, asked: Asked, rules: Rules, weights: tuple[float, float]
) -> None:
    """Neighbours change nothing, scores are those of forced decoding, and twice the same model is the model."""
    search = data.draw(drawn.SEARCHES[kind])
    laws.neighbours_change_nothing(recipe.model, rules.around(search), *asked)
    laws.forced_decoding_agrees(recipe.model, search, *asked, rules)
    laws.twice_the_model_is_the_model(recipe.model, *asked, rules.around(search), weights)


@settings(max_examples=15)
@given(drawn.RECIPES, drawn.asked(terms=True), drawn.CONSTRAINED, drawn.rules(forbidding=False))
def test_terms_are_met(recipe: Recipe, asked: Asked, search: ConstrainedBeam, rules: Rules) -> None:
    laws.terms_are_met(recipe.model, *asked, search, rules)
    either = Constrained(BeamSearch(search.width, search.n_best, search.norm), search)
    laws.neighbours_change_nothing(recipe.model, rules.around(either), *asked)
    laws.forced_decoding_agrees(recipe.model, either, *asked, rules)


@settings(max_examples=30)
@given(drawn.asked_of_trees(terms=True), drawn.CONSTRAINED, drawn.rules())
def test_terms_are_met_or_nothing_is_found(asked: AskedOfTree, search: ConstrainedBeam, rules: Rules) -> None:
    laws.terms_are_met(*asked, search, rules)
