"""Diverse beam search at its edges and as it is typed. That it is what its definition says is a law: see tests/laws.py."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from nmt_cli.errors import ConfigError, ModelError
from nmt_cli.scoring.scores import Scores
from nmt_cli.search import STRATEGIES
from nmt_cli.search.base import Sentences
from nmt_cli.search.beam import BeamSearch
from nmt_cli.search.coverage import CoveragePenalty
from nmt_cli.search.diverse import DiverseBeamSearch
from nmt_cli.search.normalization import GoogleNorm, LengthPower
from nmt_cli.search.options import SearchOptions
from nmt_cli.search.stopping import Patience
from nmt_cli.text.tokenizer import EOS
from tests import laws, oracles
from tests.tiny import random_batch, random_model

from .conftest import Nmt
from .test_beam import Shortlist


@dataclass
class Constant:
    """A scorer that thinks the same at every step, of EOS, EOS + 1, ...; it counts the rows of each step."""

    logits: list[float]
    seen: list[int] = field(default_factory=list)
    eos: int = EOS

    def step(self, tokens: Tensor, state: "Constant") -> tuple[Scores, "Constant"]:
        self.seen.append(len(tokens))
        logits = torch.tensor(self.logits, dtype=torch.float64).expand(len(tokens), -1)
        return Scores(logits, torch.arange(EOS, EOS + len(self.logits))), state

    def advance(self, tokens: Tensor, lengths: Tensor, state: "Constant") -> tuple[Scores, "Constant"]:
        raise NotImplementedError

    def reorder(self, rows: Tensor) -> "Constant":
        del rows
        return self

    select = reorder

    def search(self, strategy: DiverseBeamSearch, *limits: int) -> list[list[tuple[int, ...]]]:
        """The tokens that are found."""
        self.seen.clear()
        first = torch.ones(len(limits), dtype=torch.long)
        found = strategy(self, first, self, Sentences.of(torch.tensor(limits)))
        return [[hypothesis.tokens for hypothesis in hypotheses] for hypotheses in found]


A, B, C = EOS + 1, EOS + 2, EOS + 3


def test_what_groups_say_to_each_other() -> None:
    """At every length: the first says A; A is then worth 1.5, so the second says B; 1.5 against 1.4, so the third says A again."""
    scorer = Constant([-9.0, 2.0, 1.9, 0.0])
    assert scorer.search(DiverseBeamSearch(BeamSearch(3, 3), 3, 0.5), 3) == [[(A, A, EOS), (B, B, EOS)]]
    assert scorer.search(DiverseBeamSearch(BeamSearch(3, 3), 3, 2.5), 3) == [[(A, A, EOS), (B, B, EOS), (C, C, EOS)]]
    assert scorer.search(DiverseBeamSearch(BeamSearch(3, 3), 3, 0.04), 3) == [[(A, A, EOS)]]


def test_an_end_is_heard_like_any_token() -> None:
    """The first ends and could go on with A: both are lowered for the second, which says B, and B again."""
    found = Constant([3.0, 2.0, 1.9]).search(DiverseBeamSearch(BeamSearch(2, 2, stop=Patience(9)), 2, 1.2), 3)
    assert found == [[(EOS,), (B, B, EOS)]]


def test_without_diversity_all_groups_find_the_same() -> None:
    model, source = random_model("transformer", seed=2), random_batch(6, seed=2).source
    sentences = Sentences.of(source.lengths + 4)
    one = laws.run(model, BeamSearch(1), source, sentences)
    for index, found in enumerate(laws.run(model, DiverseBeamSearch(BeamSearch(4, 4), 4, 0.0), source, sentences)):
        assert [h.tokens for h in found] == [one[index][0].tokens]


def test_one_group_is_the_beam() -> None:
    """To the last bit, whatever the beam, and whatever lambda."""
    model, source = random_model("recurrent", seed=3), random_batch(6, seed=3, longest=10).source
    sentences = Sentences.of(source.lengths + 3, source.lengths)
    beams = [
        BeamSearch(1),
        BeamSearch(5, 3),
        BeamSearch(6, 6, LengthPower(0.0)),
        BeamSearch(4, 2, GoogleNorm(0.6), Patience()),
        BeamSearch(3, 3, stop=Patience(0.5)),
        BeamSearch(4, 3, penalty=CoveragePenalty(0.3)),
    ]
    for beam in beams:
        found = laws.run(model, DiverseBeamSearch(beam, 1, 0.8), source, sentences)
        assert found == laws.run(model, beam, source, sentences)


def test_one_step_for_all_groups() -> None:
    """The first with one row a sentence, none with more than the beam, and one for each length."""
    scorer = Constant([-2.0, 2.0, 1.9, 0.0, 0.3])
    scorer.search(DiverseBeamSearch(BeamSearch(6, 6, stop=Patience(9)), 3, 0.5), 5, 3)
    assert scorer.seen == [2, 12, 12, 6, 6]


def test_the_limit_of_one_is_the_end_alone() -> None:
    assert Constant([-50.0, 1.0, 2.0]).search(DiverseBeamSearch(BeamSearch(4, 4), 2), 1, 1) == [[(EOS,)]] * 2


@pytest.mark.parametrize("columns", [[EOS], [EOS, 7], [EOS, 5, 9]])
@torch.no_grad()
def test_fewer_columns_than_candidates(columns: list[int]) -> None:
    scorer = Shortlist(random_model("recurrent", seed=4), torch.tensor(columns))
    source, limits = random_batch(3, seed=4).source, torch.tensor([1, 5, 3])
    following = [scorer.next_of(index, source) for index in range(len(source))]
    for width, n_best, groups in ((4, 4, 2), (6, 6, 6), (6, 3, 2)):
        search = DiverseBeamSearch(BeamSearch(width, n_best), groups, 0.7)
        tokens, state = scorer.model.start(source)
        found = search(scorer, tokens, state, Sentences.of(limits))
        for index, limit in enumerate(limits.tolist()):
            laws.same(found[index], oracles.diverse_beam_search(following[index], limit, search))


def test_impossible_tokens_are_never_produced() -> None:
    scorer = Constant([0.0, -torch.inf, 1.0, -torch.inf])
    for groups in (1, 2, 4):
        for tokens in scorer.search(DiverseBeamSearch(BeamSearch(4, 4), groups, 5.0), 4)[0]:
            assert set(tokens) <= {EOS, B}


def test_scores_that_are_no_numbers_are_an_error() -> None:
    with pytest.raises(ModelError, match="must be numbers, but the model gave NaN"):
        Constant([0.0, torch.nan, 1.0]).search(DiverseBeamSearch(BeamSearch(4), 2), 3)


def test_from_options() -> None:
    made = STRATEGIES["diverse"].of
    assert made(SearchOptions()) == DiverseBeamSearch(BeamSearch())
    assert DiverseBeamSearch(BeamSearch()).count == 5
    options = SearchOptions(6, 4, 0.6, groups=3, diversity=0.2, patience=2.0, coverage=0.1)
    beam = BeamSearch(6, 4, LengthPower(0.6), Patience(2.0), CoveragePenalty(0.1))
    assert made(options) == DiverseBeamSearch(beam, 3, 0.2)
    assert DiverseBeamSearch(beam, 3, 0.2).part.width == DiverseBeamSearch(beam, 3).part.n_best == 2
    assert made(options).rows == 6


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"groups": 0}, "--groups must divide the beam (6), but is 0"),
        ({"groups": -1}, "--groups must divide the beam (6), but is -1"),
        ({"groups": 4}, "--groups must divide the beam (6), but is 4"),
        ({"groups": 12}, "--groups must divide the beam (6), but is 12"),
        ({"diversity": -0.1}, "--diversity must be a finite number, not below 0, but is -0.1"),
        ({"diversity": torch.nan}, "--diversity must be a finite number, not below 0, but is nan"),
        ({"diversity": torch.inf}, "--diversity must be a finite number, not below 0, but is inf"),
        ({"n_best": 7}, "--n-best must lie between 1 and the beam (6), but is 7"),
    ],
)
def test_what_is_out_of_range(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        STRATEGIES["diverse"].of(SearchOptions(beam=6, **options))
    assert caught.value.message == said


# As it is typed.


@pytest.fixture
def ask(small: Path, nmt: Nmt) -> Callable[..., list[list[str]]]:
    """The candidates of some lines."""
    lines = (small / "a.en").read_text(encoding="utf-8").split("\n")[:8]

    def run(model: Path, *options: object) -> list[list[str]]:
        text = "".join(json.dumps({"text": line}) + "\n" for line in lines)
        result = nmt("translate", model, "--format", "jsonl", *options, input=text)
        assert result.exit_code == 0, result.stderr
        rows = [json.loads(row) for row in result.stdout.split("\n")[:-1]]
        return [[candidate["translation"] for candidate in row["candidates"]] for row in rows]

    return run


def test_translate(trained: Path, ask: Callable[..., list[list[str]]]) -> None:
    best = ("--n-best", 3, "--beam", 6)
    beam = ask(trained, *best)
    assert ask(trained, "--search", "diverse", *best, "--groups", 1) == beam
    groups = ask(trained, "--search", "diverse", *best, "--groups", 3, "--diversity", 1.5)
    assert groups != beam
    assert groups != ask(trained, "--search", "diverse", *best, "--groups", 3)
    assert groups == ask(trained, "--search", "diverse", *best, "--groups", 3, "--diversity", 1.5, "--workers", 2)
    assert all(1 <= len(found) <= 3 for found in groups)


def test_translate_with_all_that_a_beam_knows(trained_lstm: Path, ask: Callable[..., list[list[str]]]) -> None:
    words = (
        "--n-best",
        4,
        "--beam",
        4,
        "--norm",
        "google",
        "--length-penalty",
        0.8,
        "--patience",
        2,
        "--coverage",
        0.2,
    )
    assert ask(trained_lstm, "--search", "diverse", "--groups", 1, *words) == ask(trained_lstm, *words)
    assert ask(trained_lstm, "--search", "diverse", *words) != ask(trained_lstm, *words)


@pytest.mark.parametrize(
    ("words", "said", "hint"),
    [
        (["--groups", "2"], "--groups must divide the beam (5), but is 2", "for this beam: 1 or 5"),
        (["--groups", "0"], "--groups must divide the beam (5), but is 0", "for this beam: 1 or 5"),
        (["--diversity", "-1"], "--diversity must be a finite number, not below 0, but is -1.0", ""),
        (["--diversity", "nan"], "--diversity must be a finite number, not below 0, but is nan", ""),
        (["--seed", "3"], "--seed means nothing to diverse search", "known by --search "),
        (["--seed", "1"], "--seed means nothing to diverse search", "known by --search "),  # what it is without
        (["--search", "beam", "--groups", "2"], "--groups means nothing to beam search", "known by --search diverse"),
        (
            ["--search", "greedy", "--diversity", "1"],
            "--diversity means nothing to greedy search",
            "known by --search diverse",
        ),
    ],
)
def test_refusals(words: list[str], said: str, hint: str, trained: Path, nmt: Nmt) -> None:
    result = nmt("translate", trained, "--search", "diverse", *words, input="one\n")
    assert (result.exit_code, result.stdout) == (2, ""), result.stderr
    lines = result.stderr.rstrip("\n").split("\n")
    assert lines[0] == f"error: {said}"
    assert len(lines) == (2 if hint else 1)
    assert lines[-1].startswith(f"hint: {hint}" if hint else "error: ")
