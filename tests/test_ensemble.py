"""Several models as one: their opinions are combined as the equations say, and every law of search holds for them."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from nmt_cli.corpus.batching import Batch, Sequences
from nmt_cli.errors import ConfigError
from nmt_cli.models.base import Decodable
from nmt_cli.search.ancestral import Greedy
from nmt_cli.search.base import Hypothesis, SearchStrategy
from nmt_cli.search.beam import BeamSearch
from nmt_cli.search.ensemble import Combination, Joint, MeanProbability, ShallowFusion
from nmt_cli.search.normalization import LengthPower
from nmt_cli.search.sampling import Sampling
from nmt_cli.text.tokenizer import EOS
from tests import laws
from tests.tiny import random_batch, random_model

Mix = Callable[[Tensor], Tensor]
"""Log-probabilities (members, B, T) of each token -> those of all together (B, T)."""

SEARCHES: list[SearchStrategy] = [Greedy(), BeamSearch(4, 3), Sampling(3), BeamSearch(3, 2, LengthPower(0))]


class Together(Decodable[Any]):
    """Members behind one face, for the laws: each is encoded by itself, and teacher forcing combines what each of them says."""

    eos = EOS

    def __init__(self, members: list[Any], combined: tuple[Combination, Mix]) -> None:
        super().__init__()
        self.members = members
        self.joint, self.mix = Joint(tuple(members), combined[0]), combined[1]

    def start(self, source: Sequences) -> tuple[Tensor, Any]:
        return self.joint.start([member.start(begins(member, source)) for member in self.members])

    def advance(self, tokens: Tensor, lengths: Tensor, state: Any) -> Any:
        return self.joint.advance(tokens, lengths, state)

    def step(self, tokens: Tensor, state: Any) -> Any:
        return self.joint.step(tokens, state)

    def loss(self, batch: Any, carry: Any, *, smoothing: float) -> Any:
        raise NotImplementedError

    def log_probs(self, batch: Batch) -> Tensor:
        each = [member.log_probs(Batch(begins(member, batch.source), batch.target)) for member in self.members]
        return self.mix(torch.stack(each))


def mean(*weights: float) -> tuple[Combination, Mix]:
    shares = torch.tensor(weights, dtype=torch.float64)[:, None, None]
    return MeanProbability(weights), lambda logs: ((logs.exp() * shares).sum(0) / shares.sum()).log()


def fused(weight: float) -> tuple[Combination, Mix]:
    return ShallowFusion(weight), lambda logs: logs[0] + weight * logs[1]


def begins(member: Any, source: Sequences) -> Sequences:
    """What a member reads: the source, or the beginning of a line."""
    task = "lm" if type(member).__name__ == "LanguageModel" else "translate"
    return Sequences.of([[EOS]] * len(source), end=()) if task == "lm" else source


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


@pytest.mark.parametrize("search", SEARCHES)
def test_neighbours_change_nothing(model: Together, search: SearchStrategy) -> None:
    laws.neighbours_change_nothing(model, search, random_batch(7, seed=3, longest=9).source)


@pytest.mark.parametrize("search", SEARCHES)
def test_forced_decoding_agrees(model: Together, search: SearchStrategy) -> None:
    laws.forced_decoding_agrees(model, search, random_batch(7, seed=4, longest=9).source)


@pytest.mark.parametrize("exponent", [0.0, 1.0])
def test_wide_beam_is_brute_force(model: Together, exponent: float) -> None:
    laws.wide_beam_is_brute_force(model, random_batch(2, seed=5).source, 3, exponent)


@pytest.mark.parametrize("name", ["transformer", "recurrent"])
def test_twice_the_same_model_is_the_model(name: str) -> None:
    model, source = random_model(name, seed=6), random_batch(9, seed=6, longest=9).source
    for weights in ((1.0, 1.0), (0.2, 7.0)):
        twice = Together([model, model], mean(*weights))
        for search in SEARCHES:
            both, one = (laws.run(each, search, source, laws.sentences_of(source)) for each in (twice, model))
            same(both, one)


@pytest.mark.parametrize("name", ["transformer", "recurrent"])
def test_fusion_without_weight_is_the_model(name: str) -> None:
    model, source = random_model(name, seed=7), random_batch(9, seed=7, longest=9).source
    both = Together([model, random_model("recurrent-lm", seed=7)], fused(0.0))
    for search in SEARCHES:
        same(*(laws.run(each, search, source, laws.sentences_of(source)) for each in (both, model)))


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


@pytest.mark.parametrize("weight", [-0.1, math.inf, math.nan])
def test_weight_of_a_language_model(weight: float) -> None:
    with pytest.raises(ConfigError, match="--lm-weight must be a finite number, not below 0"):
        ShallowFusion(weight)


def same(found: list[list[Hypothesis]], wanted: list[list[Hypothesis]]) -> None:
    assert [[h.tokens for h in group] for group in found] == [[h.tokens for h in group] for group in wanted]
    for group, other in zip(found, wanted, strict=True):
        assert [h.log_prob for h in group] == pytest.approx([h.log_prob for h in other], abs=1e-9)
