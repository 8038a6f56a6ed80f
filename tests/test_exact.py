"""Exact search at its edges: what it counts, what it keeps of states, budgets of time, certificates and how they are joined.

That it finds what enumeration finds, and that its certificates are true, are laws: see tests/laws.py.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from nmt_cli.errors import ConfigError, ModelError
from nmt_cli.scoring.scores import Scores
from nmt_cli.search import STRATEGIES, exact
from nmt_cli.search.base import Hypothesis, Sentences
from nmt_cli.search.beam import BeamSearch
from nmt_cli.search.certificate import Certificate
from nmt_cli.search.exact import ExactSearch
from nmt_cli.search.normalization import GoogleNorm, LengthPower
from nmt_cli.search.options import SearchOptions
from nmt_cli.text.tokenizer import EOS
from tests import laws, oracles
from tests.test_beam import Table
from tests.tiny import VOCABULARY, alone, random_batch, random_model

from .conftest import Nmt

PLAIN = LengthPower(0)


@dataclass
class Strict:
    """A state that must not be used once it is spent: as the contract has it, whatever a model would forgive."""

    within: Any
    spent: bool = False

    def reorder(self, rows: Tensor) -> "Strict":
        return Strict(self.use(forever=True).reorder(rows))

    def select(self, rows: Tensor) -> "Strict":
        return Strict(self.use(forever=False).select(rows))

    def use(self, *, forever: bool) -> Any:
        assert not self.spent
        self.spent = forever
        return self.within


@dataclass
class Counting:
    """A scorer that counts the rows it scores."""

    model: Any
    rows: int = 0
    eos: int = EOS

    def step(self, tokens: Tensor, state: Strict) -> tuple[Scores, Strict]:
        return self.advance(tokens[:, None], torch.ones_like(tokens), state)

    def advance(self, tokens: Tensor, lengths: Tensor, state: Strict) -> tuple[Scores, Strict]:
        self.rows += len(tokens)
        scores, following = self.model.advance(tokens, lengths, state.use(forever=True))
        return scores, Strict(following)


def searched(search: Any, scorer: Counting, source: Any, limit: int) -> list[list[Hypothesis]]:
    with torch.no_grad():
        first, state = scorer.model.start(source)
        found: list[list[Hypothesis]] = search(
            scorer, first, Strict(state), Sentences.of(torch.full((len(source),), limit))
        )
    return found


def certificate_of(hypothesis: Hypothesis) -> Certificate:
    assert hypothesis.certificate is not None
    return hypothesis.certificate


@pytest.mark.parametrize("architecture", ["transformer", "recurrent", "transformer-lm"])
@pytest.mark.parametrize("nodes", [1, 7, 50, 10_000])
def test_nodes_are_the_prefixes_that_are_scored_and_no_state_is_used_twice(architecture: str, nodes: int) -> None:
    model, source = random_model(architecture, seed=3), random_batch(4, seed=3).source
    beam = BeamSearch(2, norm=PLAIN)
    before, whole = Counting(model), Counting(model)
    searched(beam, before, source, 6)
    found = searched(ExactSearch(beam, nodes, width=4), whole, source, 6)
    counted = [certificate_of(hypotheses[0]).nodes for hypotheses in found]
    assert sum(counted) == whole.rows - before.rows
    assert max(counted) <= nodes


def test_prefixes_are_scored_together() -> None:
    model, source = random_model("transformer", seed=3), random_batch(1, seed=3).source
    steps: list[int] = []

    class Watched(Counting):
        def step(self, tokens: Tensor, state: Strict) -> tuple[Scores, Strict]:
            steps.append(len(tokens))
            return super().step(tokens, state)

    searched(ExactSearch(BeamSearch(1, norm=PLAIN), width=16), Watched(model), source, 8)
    assert max(steps) == 16


def test_the_width_of_groups_changes_nothing() -> None:
    model, source = random_model("recurrent", seed=4), random_batch(6, seed=4).source
    for norm in (PLAIN, GoogleNorm(1.0)):
        results = [
            laws.run(model, ExactSearch(BeamSearch(3, 3, norm), width=width), source, laws.sentences_of(source))
            for width in (1, 5, 200)
        ]
        for other in results[1:]:
            assert [[h.tokens for h in found] for found in other] == [[h.tokens for h in found] for found in results[0]]


def test_certificates_do_not_depend_on_neighbours() -> None:
    model, source = random_model("transformer", seed=5), random_batch(6, seed=5).source
    sentences, search = laws.sentences_of(source), ExactSearch(BeamSearch(2, norm=LengthPower(1.0)), 40, width=8)
    for index, found in enumerate(laws.run(model, search, source, sentences)):
        own = laws.run(model, search, alone(source, index), sentences.at(torch.tensor([index])))[0]
        one, two = certificate_of(found[0]), certificate_of(own[0])
        assert (one.proved, one.nodes) == (two.proved, two.nodes)
        assert one.bound == pytest.approx(two.bound, abs=1e-9)


def test_the_empty_translation_is_a_hypothesis() -> None:
    """EOS is the third best token at each step, so a beam of two ends at the limit; nothing is shorter than EOS alone."""
    table = Table(torch.tensor([[0.0, 0.2, 0.1]]).double())
    beam = BeamSearch(2, norm=PLAIN)
    sentences = Sentences.of(torch.tensor([5]))
    assert len(beam(table, *table.start(), sentences)[0][0].tokens) == 5
    found = ExactSearch(beam)(table, *table.start(), sentences)[0]
    assert found[0].tokens == (EOS,)
    assert found[0].log_prob == pytest.approx(float(table.logits.log_softmax(1)[0, 0]))
    assert certificate_of(found[0]) == Certificate(True, certificate_of(found[0]).nodes, found[0].score)


def test_at_the_limit_the_end_is_forced() -> None:
    table = Table(torch.tensor([[-50.0, 1.0, 2.0]]).double())
    found = ExactSearch(BeamSearch(1, norm=LengthPower(0.5)))(table, *table.start(), Sentences.of(torch.tensor([3])))[0]
    assert found[0].tokens == (EOS + 2, EOS + 2, EOS)
    alone_ = ExactSearch()(table, *table.start(), Sentences.of(torch.tensor([1])))[0]
    assert (alone_[0].tokens, certificate_of(alone_[0]).nodes) == ((EOS,), 1)


def test_impossible_tokens_are_never_produced() -> None:
    table = Table(torch.tensor([[0.0, -torch.inf, 1.0, -torch.inf]]).double())
    found = ExactSearch(BeamSearch(3, 3, PLAIN))(table, *table.start(), Sentences.of(torch.tensor([3])))[0]
    assert [hypothesis.tokens for hypothesis in found] == [(EOS,), (EOS + 2, EOS), (EOS + 2, EOS + 2, EOS)]
    assert all(certificate_of(hypothesis).proved for hypothesis in found)


def test_a_budget_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is looked at before each group; it begins anew for each sentence."""
    model, source = random_model("transformer", seed=6), random_batch(3, seed=6).source
    ticks = iter(range(1000))
    monkeypatch.setattr(exact, "monotonic", lambda: next(ticks))
    search = ExactSearch(BeamSearch(1, norm=PLAIN), seconds=3.5, width=1)
    results = laws.run(model, search, source, Sentences.of(torch.full((3,), 9)))
    assert not all(certificate_of(found[0]).proved for found in results)
    for found in results:
        assert certificate_of(found[0]).nodes <= 3
    every = oracles.every_output(model, alone(source, 0), 3, VOCABULARY, lambda _: 1)
    hurried = laws.run(model, search, source, Sentences.of(torch.full((3,), 3)))[0][0]
    assert certificate_of(hurried).bound >= every[0][2] - 1e-9


def test_scores_that_are_no_numbers_are_an_error() -> None:
    """Also where the beam search does not come by."""
    table = Table(torch.tensor([[0.0, torch.nan, 2.0]]))
    with pytest.raises(ModelError, match="NaN"):
        ExactSearch()(table, *table.start(), Sentences.of(torch.tensor([5])))


def test_options() -> None:
    strategy = STRATEGIES["exact"].of(SearchOptions(4, 2, 0.6, "google", nodes=9, seconds=2.0))
    assert strategy == ExactSearch(BeamSearch(4, 2, GoogleNorm(0.6)), 9, 2.0)
    assert STRATEGIES["exact"].of(SearchOptions()) == ExactSearch()
    assert ExactSearch(BeamSearch(100, 1)).rows == 100
    for nodes in (0, -1):
        with pytest.raises(ConfigError, match=f"--nodes must be at least 1, but is {nodes}"):
            ExactSearch(nodes=nodes)
    for seconds in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ConfigError, match="--seconds must be a finite number above 0"):
            ExactSearch(seconds=seconds)


def test_certificates() -> None:
    proved, close, open_ = (Certificate.of(-2.0, left, 5) for left in (-math.inf, -1.99995, -1.5))
    assert proved == Certificate(True, 5, -2.0)
    assert close == Certificate(True, 5, -1.99995)
    assert open_ == Certificate(False, 5, -1.5)
    assert (proved.flag, close.flag, open_.flag) == ("proved", "proved", "budget")
    assert Certificate.joined([proved, open_]) == Certificate(False, 10, -1.75)
    assert Certificate.joined([proved, proved]) == Certificate(True, 10, -2.0)
    assert Certificate.joined([]) is None
    assert Certificate.joined([open_]) == open_


EXACT = ("--search", "exact", "--length-penalty", 0)


def test_json_lines_carry_the_certificate(trained: Path, nmt: Nmt) -> None:
    text = '{"text": "Your brother is a teacher."}\n{"text": ""}\n'
    result = nmt("translate", trained, *EXACT, "--n-best", 2, "--nodes", 300, "--format", "jsonl", input=text)
    assert result.exit_code == 0, result.stderr
    line, blank = (json.loads(row) for row in result.stdout.rstrip("\n").split("\n"))
    assert set(line["certificate"]) == {"proved", "nodes", "bound"}
    assert 1 <= line["certificate"]["nodes"] <= 300
    assert line["certificate"]["bound"] >= line["score"]
    assert line["certificate"]["proved"] == (line["certificate"]["bound"] <= line["score"] + 1e-4)
    assert [candidate["certificate"]["nodes"] for candidate in line["candidates"]] == [line["certificate"]["nodes"]] * 2
    assert "certificate" not in blank
    other = nmt("translate", trained, "--format", "jsonl", input=text)
    assert "certificate" not in other.stdout


def test_tables_carry_the_flag(trained: Path, nmt: Nmt) -> None:
    few, long = ("--nodes", 1), "Your brother is a teacher. " * 60
    result = nmt("translate", trained, *EXACT, *few, "--format", "tsv", input=f"Your brother is a teacher.\n{long}\n")
    short, split = (row.split("\t")[5].split(",") for row in result.stdout.rstrip("\n").split("\n"))
    assert (short[-1], split[-1]) == ("budget", "budget")
    assert "split" in split
    assert (
        "warning: 2 of 2 lines: the best that was found, not proved to be the best (--nodes, --seconds)"
        in result.stderr
    )
    enough = nmt("translate", trained, *EXACT, "--seconds", 600, "--format", "tsv", input="The\n")
    assert enough.stdout.rstrip("\n").split("\t")[5].split(",")[-1] == "proved"
    assert "proved to be" not in enough.stderr


def test_it_can_be_evaluated(trained: Path, small: Path, nmt: Nmt, tmp_path: Path) -> None:
    for side in ("en", "de"):
        lines = (small / f"a.{side}").read_text(encoding="utf-8").split("\n")[:3]
        (tmp_path / f"t.{side}").write_text("\n".join(lines) + "\n", encoding="utf-8")
    files, out = (tmp_path / "t.en", tmp_path / "t.de"), tmp_path / "out.de"
    result = nmt("evaluate", trained, *files, *EXACT, "--nodes", 20, "--seconds", 600, "--resamples", 0, "-o", out)
    assert result.exit_code == 0, result.stderr
    plain = nmt("translate", trained, files[0], *EXACT, "--nodes", 20)
    assert out.read_text(encoding="utf-8") == plain.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--search", "exact", "--nodes", "0"], "--nodes must be at least 1, but is 0"),
        (["--search", "exact", "--seconds", "0"], "--seconds must be a finite number above 0, but is 0"),
        (["--search", "exact", "--n-best", "3", "--beam", "2"], "n-best must lie between 1 and the beam (2), but is 3"),
        (["--search", "exact", "--patience", "1"], "--patience means nothing to exact search"),
        (["--nodes", "5"], "--nodes means nothing to beam search"),
    ],
)
def test_refusals(words: list[str], said: str, trained: Path, nmt: Nmt) -> None:
    result = nmt("translate", trained, *words, input="one\n")
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr.split("\n")[0]
