"""Several models as one: their opinions are combined as the equations say, and every law of search holds for them."""

import math

import pytest
import torch

from nmt_cli.errors import ConfigError
from nmt_cli.scoring.scores import Scores
from nmt_cli.search.beam import BeamSearch
from nmt_cli.search.ensemble import Combination, MeanProbability, ShallowFusion
from nmt_cli.search.normalization import LengthPower
from nmt_cli.text.tokenizer import EOS
from tests import laws
from tests.tiny import random_batch, random_model
from tests.together import Mix, Together, fused, mean

WIDE = BeamSearch(4, 3)


def pair(first: str, second: str, combined: tuple[Combination, Mix]) -> Together:
    return Together([random_model(first, seed=1), random_model(second, seed=2)], combined)


JOINTS = {
    "two transformers": lambda: pair("transformer", "transformer", mean(1.0, 1.0)),
    "of two kinds": lambda: pair("transformer", "recurrent", mean(2.0, 0.5)),
    "three": lambda: Together(
        [random_model(name, seed=3) for name in ("recurrent", "gru-bahdanau", "transformer-ssru")],
        mean(1.0, 2.0, 3.0),
    ),
    "with a language model": lambda: pair("transformer", "transformer-lm", fused(0.3)),
    "with a recurrent one": lambda: pair("recurrent", "recurrent-lm", fused(1.5)),
}


@pytest.fixture(params=sorted(JOINTS))
def model(request: pytest.FixtureRequest) -> Together:
    return JOINTS[request.param]()


def test_prefixes_are_steps(model: Together) -> None:
    laws.prefixes_are_steps(model, random_batch(7, seed=2))


def test_steps_are_teacher_forcing(model: Together) -> None:
    laws.steps_are_teacher_forcing(model, random_batch(9, seed=1))


def test_neighbours_change_nothing(model: Together) -> None:
    laws.neighbours_change_nothing(model, WIDE, random_batch(6, seed=3, longest=9).source)


def test_forced_decoding_agrees(model: Together) -> None:
    laws.forced_decoding_agrees(model, WIDE, random_batch(6, seed=4, longest=9).source)


def test_wide_beam_is_brute_force(model: Together) -> None:
    laws.wide_beam_is_brute_force(model, random_batch(2, seed=5).source, 3, LengthPower(1.0))


def test_fusion_without_weight_is_the_model() -> None:
    model, source = random_model("transformer", seed=7), random_batch(9, seed=7, longest=9).source
    both = Together([model, random_model("recurrent-lm", seed=7)], fused(0.0))
    found, wanted = (laws.run(each, WIDE, source, laws.sentences_of(source)) for each in (both, model))
    for group, other in zip(found, wanted, strict=True):
        laws.same(group, [(h.tokens, h.log_prob, h.score) for h in other])


@torch.no_grad()
def test_an_ensemble_is_a_distribution() -> None:
    model, source = JOINTS["of two kinds"](), random_batch(5, seed=8).source
    scores, _ = model.step(*model.start(source))
    assert torch.allclose(scores.log_probs().exp().sum(1), torch.ones(5, dtype=torch.float64))
    each = [member.step(*member.start(source))[0].log_probs().exp() for member in model.members]
    assert torch.allclose(scores.log_probs().exp(), (2.0 * each[0] + 0.5 * each[1]) / 2.5)


def test_each_member_has_its_own_first_token() -> None:
    """A decoder begins behind BOS, a language model behind EOS."""
    model, source = JOINTS["with a language model"](), random_batch(2, seed=9).source
    _, state = model.start(source)
    firsts = [int(tokens[0]) for tokens in state.first]
    assert firsts == [int(random_model("transformer").start(source)[0][0]), EOS]
    assert firsts[0] != firsts[1]


@pytest.mark.parametrize("weight", [0.0, -1.0, math.inf, math.nan])
def test_weights_of_an_ensemble(weight: float) -> None:
    with pytest.raises(ConfigError, match="weights of an ensemble must be above 0"):
        MeanProbability((1.0, weight))


@pytest.mark.parametrize(("weights", "share"), [((1e308, 1e308), 0.5), ((3.0, 1.0), 0.75), ((1e308, 1e-308), 1.0)])
def test_only_the_ratio_of_weights_counts(weights: tuple[float, float], share: float) -> None:
    sure, other = (Scores(torch.tensor([row]), torch.arange(2)) for row in ([60.0, 0.0], [0.0, 60.0]))
    together = MeanProbability(weights)([sure, other]).log_probs()
    assert float(together[0, 0].exp()) == pytest.approx(share)


@pytest.mark.parametrize("weight", [-0.1, math.inf, math.nan])
def test_weight_of_a_language_model(weight: float) -> None:
    with pytest.raises(ConfigError, match="--lm-weight must be a finite number, not below 0"):
        ShallowFusion(weight)
