"""The coverage penalty equals its equation, stops no search too early, and is refused where nothing attends."""

import math
from functools import partial
from typing import Any

import pytest
import torch

from nmt_cli.corpus.batching import Sequences
from nmt_cli.errors import ConfigError
from nmt_cli.search.base import Sentences
from nmt_cli.search.beam import BeamSearch
from nmt_cli.search.coverage import CoveragePenalty
from nmt_cli.search.normalization import LengthPower
from nmt_cli.search.stopping import Patience
from tests import laws, oracles
from tests.tiny import VOCABULARY, alone, random_batch, random_model

ATTENTIVE = ("recurrent", "gru-additive", "gru-bahdanau", "lstm-feeding", "transformer", "transformer-ssru")


def penalty_of(model: Any, source: Sequences, tokens: tuple[int, ...], weight: float) -> float:
    """The equation, for one sentence: step by step over its tokens."""
    token, state = model.start(source)
    spent = [0.0] * int(source.lengths[0])
    for following in tokens:
        scores, state = model.step(token, state)
        spent = [before + float(now) for before, now in zip(spent, scores.attention[0], strict=True)]
        token = torch.tensor([following])
    return weight * sum(math.log(min(1.0, amount)) for amount in spent)


@pytest.mark.parametrize("architecture", ATTENTIVE)
@torch.no_grad()
def test_it_is_the_equation_within_a_beam(architecture: str) -> None:
    model, source = random_model(architecture, seed=2), random_batch(5, seed=2).source
    sentences = Sentences.of(torch.tensor([4, 2, 7, 5, 6]), source.lengths)
    for width, n_best, exponent, weight in ((3, 2, 1.0, 0.4), (4, 4, 0.0, 1.5), (2, 1, 0.6, 0.1)):
        search = BeamSearch(width, n_best, LengthPower(exponent), Patience(1e9), CoveragePenalty(weight))
        for index, found in enumerate(laws.run(model, search, source, sentences)):
            own = alone(source, index)
            following, penalty = oracles.next_of(model, own, VOCABULARY), partial(penalty_of, model, own, weight=weight)
            laws.same(found, oracles.beam_search(following, int(sentences.limits[index]), search, penalty))


@pytest.mark.parametrize("architecture", ATTENTIVE)
def test_the_bound_holds_with_it(architecture: str) -> None:
    model, source = random_model(architecture, seed=3), random_batch(12, seed=3, longest=10).source
    sentences = Sentences.of(source.lengths + 7, source.lengths)
    early, late = (
        laws.run(model, BeamSearch(4, 2, LengthPower(1.0), stop, CoveragePenalty(0.3)), source, sentences)
        for stop in (BeamSearch().stop, Patience(1e9))
    )
    assert [[h.tokens for h in found] for found in early] == [[h.tokens for h in found] for found in late]


def test_it_changes_what_wins() -> None:
    model, source = random_model("recurrent", seed=4), random_batch(12, seed=4, longest=10).source
    sentences = Sentences.of(source.lengths + 7, source.lengths)
    plain, covering = (
        laws.run(model, BeamSearch(5, penalty=CoveragePenalty(weight)), source, sentences) for weight in (0.0, 5.0)
    )
    assert [found[0].tokens for found in plain] != [found[0].tokens for found in covering]


def test_a_model_without_attention_is_refused() -> None:
    model, source = random_model("rnn-bottleneck"), random_batch(2).source
    with pytest.raises(
        ConfigError, match="--coverage needs a model with attention, but the decoder of this one has none"
    ):
        laws.run(model, BeamSearch(2, penalty=CoveragePenalty(0.2)), source, laws.sentences_of(source))


@pytest.mark.parametrize("weight", [-0.1, math.inf, math.nan])
def test_what_is_out_of_range(weight: float) -> None:
    with pytest.raises(ConfigError, match="--coverage must be a finite number, not below 0"):
        CoveragePenalty(weight)
