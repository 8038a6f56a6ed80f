"""Minimum Bayes risk: expected utilities against sacreBLEU one pair at a time, the choice against the definition, the commands."""

import json
import math
import pickle
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.helpers import extract_all_char_ngrams, extract_all_word_ngrams

from nmt_cli.errors import ConfigError
from nmt_cli.evaluation import consensus
from nmt_cli.evaluation.consensus import AnyPair, Pairwise
from nmt_cli.evaluation.ngrams import Ngrams
from nmt_cli.evaluation.sentence_bleu import SentenceBLEU
from nmt_cli.evaluation.sentence_chrf import SentenceChrF
from nmt_cli.evaluation.utility import AGGREGATES, UTILITIES, Utility
from nmt_cli.inference.choice import Choice, Judge
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.search.base import Hypothesis, Sentences
from nmt_cli.search.beam import BeamSearch
from nmt_cli.search.head import Head
from nmt_cli.search.mbr import EPSILON, SAMPLES, MinimumBayesRisk
from nmt_cli.search.options import SearchOptions
from nmt_cli.search.sampling import Sampling
from nmt_cli.text.tokenizer import EOS
from tests import laws, oracles
from tests.conftest import PHRASEBOOK, Nmt
from tests.tiny import random_batch, random_model

Ids = tuple[int, ...]
Patch = pytest.MonkeyPatch

EXACT: dict[str, tuple[Utility, Callable[[str, str], float]]] = {
    "chrf": (UTILITIES["chrf"], lambda text, other: float(CHRF().sentence_score(text, [other]).score)),
    "chrf, smoothed": (
        Pairwise(SentenceChrF(eps_smoothing=True)),
        lambda text, other: float(CHRF(eps_smoothing=True).sentence_score(text, [other]).score),
    ),
    "bleu": (
        UTILITIES["bleu"],
        lambda text, other: float(BLEU(effective_order=True).sentence_score(text, [other]).score),
    ),
}
"""Ours, and sacreBLEU's utility of a pair."""

TEXTS = st.lists(st.text("ab .-ä\U0001f600", max_size=24), min_size=1, max_size=6, unique=True)
LONGER = (PHRASEBOOK / "dev.de").read_text(encoding="utf-8").split("\n")[:12]
MIXED = [*LONGER, "", "a", "ab", " ", *(line[:-9] + " nicht " + line[-9:] for line in LONGER[:6])]
COUNTS = [1 + place % 5 * (place % 3) for place in range(len(MIXED))]


def is_the_definition(name: str, texts: Sequence[str], counts: Sequence[int]) -> None:
    utility, pair = EXACT[name]
    wanted = oracles.expected_utilities(pair, texts, counts)
    np.testing.assert_allclose(utility(texts, counts), wanted, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", EXACT)
@given(TEXTS, st.lists(st.integers(1, 5), min_size=6, max_size=6))
def test_expected_utilities_are_the_definition(name: str, texts: list[str], counts: list[int]) -> None:
    is_the_definition(name, texts, counts[: len(texts)])


@pytest.mark.parametrize("name", EXACT)
def test_expected_utilities_of_sentences(name: str) -> None:
    is_the_definition(name, MIXED, COUNTS)


@pytest.mark.parametrize("name", [*EXACT, "aggregate chrf", "aggregate bleu"])
def test_empty_texts(name: str) -> None:
    """Alone they are worth nothing, as sacreBLEU says; among others they are what the definition says."""
    utility = EXACT[name][0] if name in EXACT else AGGREGATES[name.split()[1]]
    assert utility(["", " "], [2, 3]) == pytest.approx([0, 0], abs=1e-9)
    assert utility(["", "Ein Hund."], [2, 3])[0] == pytest.approx(0, abs=1e-9)


def test_any_function_of_two_texts_is_a_utility() -> None:
    def pair(text: str, other: str) -> float:
        return float(len(text) - 2 * len(other))

    found = AnyPair(pair)(MIXED, COUNTS)
    assert found == pytest.approx(oracles.expected_utilities(pair, MIXED, COUNTS), abs=1e-9)
    pairs = AnyPair(EXACT["chrf"][1])(MIXED, COUNTS)
    assert pairs == pytest.approx(UTILITIES["chrf"](MIXED, COUNTS), abs=1e-9)


def test_equal_rows_are_equal_to_the_last_bit() -> None:
    """Two texts that no metric tells apart, so that whoever breaks the tie decides, and not a rounding."""
    for names in (UTILITIES, AGGREGATES):
        for name in names:
            found = names[name](["ein Hund", *LONGER, "ein  Hund", "ein Hund "], [1] * (len(LONGER) + 3))
            assert found[0] == found[-1] == found[-2]


# The approximation.


def mean_counts(counters: Sequence[Counter[Any]], counts: Sequence[int]) -> dict[Any, float]:
    """Of each n-gram."""
    mean: dict[Any, float] = {}
    for counter, count in zip(counters, counts, strict=True):
        for gram, often in counter.items():
            mean[gram] = mean.get(gram, 0.0) + often * count / sum(counts)
    return mean


def slow_aggregate(name: str, texts: Sequence[str], counts: Sequence[int]) -> list[float]:
    """One reference that has the mean of all counts, n-gram by n-gram; the formulas are sacreBLEU's."""
    if name == "chrf":
        tables = [extract_all_char_ngrams(text, 6) for text in texts]
    else:
        words = [BLEU().tokenizer(text.rstrip()) for text in texts]
        whole = [extract_all_word_ngrams(line, 1, 4)[0] for line in words]
        tables = [[Counter({gram: n for gram, n in one.items() if len(gram) == order}) for order in range(1, 5)]
                  for one in whole]  # fmt: skip
    means = [mean_counts([table[order] for table in tables], counts) for order in range(len(tables[0]))]
    reference = [sum(mean.values()) for mean in means]
    found = []
    for table in tables:
        total = [sum(counter.values()) for counter in table]
        shared: Any = [sum(min(n, mean.get(gram, 0.0)) for gram, n in counter.items())
                  for counter, mean in zip(table, means, strict=True)]  # fmt: skip
        if name == "chrf":
            statistics: Any = [value for triple in zip(total, reference, shared, strict=True) for value in triple]
            found.append(float(CHRF()._compute_f_score(statistics)))
        else:
            brevity = math.exp(min(0.0, 1 - reference[0] / total[0])) if total[0] else 0.0
            score = BLEU.compute_bleu(shared, total, total[0], 0, smooth_method="exp", effective_order=True)
            found.append(brevity * float(score.score))
    return found


def aggregate_is_the_slow_one(name: str, texts: Sequence[str], counts: Sequence[int]) -> None:
    np.testing.assert_allclose(AGGREGATES[name](texts, counts), slow_aggregate(name, texts, counts), rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", AGGREGATES)
@given(TEXTS, st.lists(st.integers(1, 5), min_size=6, max_size=6))
def test_aggregates_are_the_slow_ones(name: str, texts: list[str], counts: list[int]) -> None:
    aggregate_is_the_slow_one(name, texts, counts[: len(texts)])


@pytest.mark.parametrize("name", AGGREGATES)
def test_aggregates_of_sentences(name: str) -> None:
    aggregate_is_the_slow_one(name, MIXED, COUNTS)


@pytest.mark.parametrize("name", AGGREGATES)
def test_one_reference_is_its_own_mean(name: str) -> None:
    assert AGGREGATES[name](LONGER[:1], [7]) == pytest.approx(UTILITIES[name](LONGER[:1], [7]))
    assert AGGREGATES[name](LONGER, [1] * 12) != pytest.approx(UTILITIES[name](LONGER, [1] * 12), abs=0.1)


# The search.


@dataclass
class Given:
    """A search that found these."""

    found: list[Hypothesis]
    uses: ClassVar[frozenset[str]] = frozenset()
    repeats: ClassVar[bool] = True
    rows = 50

    @classmethod
    def of(cls, options: SearchOptions) -> "Given":
        raise NotImplementedError

    def __call__(self, scorer: Any, tokens: Any, state: Any, sentences: Any) -> list[list[Hypothesis]]:
        del scorer, tokens, state, sentences
        return [self.found]


def choose(found: list[tuple[Ids, float]], judged: Any = oracles.judge, n_best: int = 9) -> list[Hypothesis]:
    """By minimum Bayes risk, among ids with their log-probabilities."""
    search = MinimumBayesRisk(Given([Hypothesis(ids, log_prob, 0.0) for ids, log_prob in found]), judged, n_best)
    (best,) = search(None, torch.zeros(1), None, Sentences.of(torch.ones(1)))  # type: ignore[arg-type]
    return best


def choice_is_the_definition() -> None:
    source = random_batch(8, seed=2).source
    search = MinimumBayesRisk(Sampling(20, Head(1.5), seed=3), oracles.judge, 4)
    laws.mbr_is_the_definition(random_model("recurrent", seed=4), source, Sentences.of(source.lengths + 3), search)


def multiplicities_count() -> None:
    """What was drawn often is what most others are like; without its number it would lose."""
    often, rare = (7, 8, EOS), [(5, 6, EOS), (5, 9, EOS), (5, 6, 9, EOS)]
    found = [(often, -3.0)] * 9 + [(ids, -1.0) for ids in rare]
    best = choose(found)
    assert best[0].tokens == often
    assert best[0].score == pytest.approx(oracles.judge([often, *rare], [9, 1, 1, 1])[0], abs=1e-12)
    assert [h.tokens for h in best if h.tokens == often] == [often]
    assert choose([*found[:1], *found[9:]])[0].tokens != often


def test_multiplicities_count() -> None:
    multiplicities_count()


def alike(hypotheses: Sequence[Ids], counts: Sequence[int]) -> list[float]:
    return [0.5] * min(len(hypotheses), len(counts))


def ties_go_to_the_more_probable() -> None:
    """Equally useful: the model decides, whoever was found first; equal ids are one, and only as many as are asked for."""
    found = [((5, EOS), -3.0), ((6, EOS), -1.0), ((5, EOS), -3.0), ((EOS,), -2.0), ((6, EOS), -1.0)]
    for order in (found, found[::-1]):
        best = choose(order, alike)
        assert [(h.tokens, h.log_prob, h.score) for h in best] == [
            ((6, EOS), -1.0, 0.5), ((EOS,), -2.0, 0.5), ((5, EOS), -3.0, 0.5),
        ]  # fmt: skip
    assert len(choose(found, alike, n_best=2)) == 2


def test_ties_go_to_the_more_probable() -> None:
    ties_go_to_the_more_probable()


def test_nothing_but_the_empty_translation() -> None:
    (best,) = choose([((EOS,), -0.5)] * 3, Judge(Spelling(), UTILITIES["chrf"]))  # type: ignore[arg-type]
    assert best == Hypothesis((EOS,), -0.5, 0.0)


class Spelling:
    """A tokenizer of letters, to which the ids 20 and above are silent."""

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(chr(ord("a") + index) for index in ids if EOS < index < 20)


def test_ids_that_are_one_text_are_judged_as_one() -> None:
    asked = []

    def utility(texts: Sequence[str], counts: Sequence[int]) -> list[float]:
        asked.append((list(texts), list(counts)))
        return [float(len(text)) for text in texts]

    found = Judge(Spelling(), utility)([(4, 5, EOS), (4, 20, 5, EOS), (6, EOS)], [2, 3, 1])  # type: ignore[arg-type]
    assert found == [2.0, 2.0, 1.0]
    assert asked == [(["ef", "g"], [5, 1])]


# Broken on purpose.


def ignored(original: Any) -> Any:
    """Each candidate counts once."""
    return lambda utilities, counts: original(utilities, [1] * len(counts))


def transposed(original: Any) -> Any:
    """Hypothesis and reference change places."""
    return lambda self, hypothesis, reference, shared: original(self, reference, hypothesis, shared)


def sets_of_ngrams(original: Any) -> Any:
    """An n-gram is there or not."""
    return lambda self: original(Ngrams(self.totals, self.text, self.gram, np.ones_like(self.count)))


def clipped(original: Any) -> Any:
    """The mean has whole n-grams."""
    return lambda self, weights: np.floor(original(self, weights))


def unweighted(original: Any) -> Any:
    return lambda self, weights: original(self, np.full_like(weights, 1 / len(weights)))


def unsorted(original: Any) -> Any:
    return lambda self, found: original(self, found)[::-1]


def unmerged(original: Any) -> Any:
    """Every candidate is judged as if it was found once."""

    def mutant(self: Any, found: Any) -> Any:
        return original(self, list({hypothesis.tokens: hypothesis for hypothesis in found}.values()))

    return mutant


CHECKS: dict[str, Callable[[], None]] = {
    "chrf": lambda: is_the_definition("chrf", MIXED, COUNTS),
    "bleu": lambda: is_the_definition("bleu", MIXED, COUNTS),
    "aggregate chrf": lambda: aggregate_is_the_slow_one("chrf", MIXED, COUNTS),
    "aggregate bleu": lambda: aggregate_is_the_slow_one("bleu", MIXED, COUNTS),
    "choice": choice_is_the_definition,
    "multiplicities": multiplicities_count,
    "ties": ties_go_to_the_more_probable,
}
MUTATIONS: dict[str, tuple[Any, str, Callable[[Any], Any], tuple[str, ...]]] = {
    "multiplicities of texts are ignored": (consensus, "_means", ignored, ("chrf", "bleu")),
    "hypothesis and reference change places": (SentenceChrF, "score", transposed, ("chrf", "aggregate chrf")),
    "BLEU's change places": (SentenceBLEU, "score", transposed, ("bleu", "aggregate bleu")),
    "repeated n-grams count once": (Ngrams, "shared", sets_of_ngrams, ("chrf",)),
    "the mean is whole": (Ngrams, "shared_with_mean", clipped, ("aggregate chrf", "aggregate bleu")),
    "the mean is not weighted": (Ngrams, "shared_with_mean", unweighted, ("aggregate chrf", "aggregate bleu")),
    "the worst comes first": (MinimumBayesRisk, "_ranked", unsorted, ("choice", "multiplicities", "ties")),
    "multiplicities of ids are ignored": (MinimumBayesRisk, "_ranked", unmerged, ("choice", "multiplicities")),
}


@pytest.mark.parametrize("check", CHECKS)
def test_the_checks_hold_where_nothing_is_broken(check: str) -> None:
    CHECKS[check]()


@pytest.mark.parametrize(
    ("name", "check"), [(name, check) for name, (*_, checks) in MUTATIONS.items() for check in checks]
)
def test_the_check_notices(name: str, check: str, monkeypatch: Patch) -> None:
    owner, attribute, broken, _ = MUTATIONS[name]
    monkeypatch.setattr(owner, attribute, broken(getattr(owner, attribute)))
    with pytest.raises(AssertionError):
        CHECKS[check]()


def test_every_check_is_broken_by_something() -> None:
    assert {check for *_, checks in MUTATIONS.values() for check in checks} == set(CHECKS)


# Options.


def made(**values: Any) -> Any:
    """The search for these options, typed."""
    return MinimumBayesRisk.of(SearchOptions(**values, judge=oracles.judge, typed=frozenset(values)))


def test_what_is_drawn_unless_one_says() -> None:
    assert made().candidates == Sampling(SAMPLES, Head(epsilon=EPSILON), 1)
    assert made(temperature=0.7, seed=4).candidates == Sampling(SAMPLES, Head(0.7, epsilon=EPSILON), 4)
    assert made(top_p=1.0, samples=9).candidates == Sampling(9, Head(top_p=1.0), 1)
    assert made(n_best=100).candidates.count == 100
    assert (made(mbr_candidates="beam", beam=7, n_best=2).candidates, made(mbr_candidates="beam").rows) == (
        BeamSearch(7, 7), 5,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"samples": 0}, "the number of samples must be at least 1, but is 0"),
        ({"samples": 2, "n_best": 3}, "--n-best must lie between 1 and the number of candidates (2), but is 3"),
        ({"mbr_candidates": "sampel"}, "mbr-candidates must be a known name, but is 'sampel'"),
        (
            {"mbr_candidates": "beam", "samples": 9},
            "--samples means nothing to mbr search among the candidates of a beam",
        ),
        ({"mbr_candidates": "beam", "top_k": 9}, "--top-k means nothing to mbr search among the candidates of a beam"),
        ({"beam": 4}, "--beam means nothing to mbr search among samples"),
        ({"epsilon": 2.0}, "epsilon must be above 0 and at most 1, but is 2.0"),
    ],
)
def test_what_is_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        made(**values)
    assert caught.value.message == said


def test_nobody_to_judge(trained: Path) -> None:
    with pytest.raises(ConfigError, match="must have a judge"):
        MinimumBayesRisk.of(SearchOptions())
    with pytest.raises(ConfigError, match="utility must be a known name, but is 'chrf'"):
        Choice("mbr").strategy(ModelDirectory.open(trained))


def test_utilities_go_to_other_processes() -> None:
    for names in (UTILITIES, AGGREGATES):
        for name in names:
            assert pickle.loads(pickle.dumps(names[name])) == names[name]


# The commands.


@pytest.fixture(scope="module")
def sentences(small: Path) -> str:
    return "\n".join((small / "a.en").read_text(encoding="utf-8").split("\n")[:8]) + "\n\nWhy?\n"


SAMPLED = ("--search", "mbr", "--samples", 12)


def ask(nmt: Nmt, model: Path, text: str, *options: object) -> list[dict[str, Any]]:
    """The rows that are answered, read from TSV."""
    result = nmt("translate", model, *options, "--format", "tsv", input=text)
    assert result.exit_code == 0, result.stderr
    names = ("line", "rank", "score", "log_prob", "text", "flags")
    return [dict(zip(names, line.split("\t"), strict=True)) for line in result.stdout.split("\n")[:-1]]


def test_translate_by_minimum_bayes_risk(trained: Path, nmt: Nmt, sentences: str) -> None:
    """What is translated, with every option, is what the definition chooses among the samples that ``--search sample`` draws."""
    head = ("--epsilon", EPSILON)
    drawn = ask(nmt, trained, sentences, "--search", "sample", "--n-best", 12, *head)
    for options, name in (
        ((), "chrf"), (("--utility", "chrf"), "chrf"), (("--utility", "bleu"), "bleu"),
        (("--mbr-aggregate",), "aggregate chrf"), (("--mbr-aggregate", "--utility", "bleu"), "aggregate bleu"),
    ):  # fmt: skip
        chosen = ask(nmt, trained, sentences, *SAMPLED, *options)
        assert len(chosen) == 10
        for best in chosen[:8] + chosen[9:]:
            counts = Counter(row["text"] for row in drawn if row["line"] == best["line"])
            texts, times = list(counts), list(counts.values())
            if name in EXACT:
                values = oracles.expected_utilities(EXACT[name][1], texts, times)
            else:
                values = slow_aggregate(name.split()[1], texts, times)
            assert float(best["score"]) == pytest.approx(max(values), abs=1e-5)
            assert values[texts.index(best["text"])] == pytest.approx(max(values), abs=1e-9)
        assert chosen[8]["text"] == ""


def test_mbr_over_a_beam(trained: Path, nmt: Nmt, sentences: str) -> None:
    options = ("--search", "mbr", "--mbr-candidates", "beam", "--beam", 6, "--length-penalty", 0.5)
    listed = ask(nmt, trained, sentences, "--beam", 6, "--n-best", 6, "--length-penalty", 0.5)
    chosen = ask(nmt, trained, sentences, *options, "--n-best", 6)
    for line in {row["line"] for row in listed}:
        before, after = ([row for row in rows if row["line"] == line] for rows in (listed, chosen))
        assert sorted(row["log_prob"] for row in before) == sorted(row["log_prob"] for row in after)
        texts = list(dict.fromkeys(row["text"] for row in before))
        if texts != [""]:
            times = [sum(row["text"] == text for row in before) for text in texts]
            values = oracles.expected_utilities(EXACT["chrf"][1], texts, times)
            assert float(after[0]["score"]) == pytest.approx(max(values), abs=1e-5)
    assert ask(nmt, trained, sentences, *options) == [row for row in chosen if row["rank"] == "1"]


def test_fewer_candidates_than_lines_that_were_asked_for(trained: Path, nmt: Nmt) -> None:
    words = ("--search", "mbr", "--samples", 5, "--n-best", 5, "--temperature", 0.01, "--top-k", 1)
    result = nmt("translate", trained, *words, input="Why?\n")
    assert result.stdout.count("\n") == 5
    assert len(ask(nmt, trained, "Why?\n", *words)) == 1


def test_two_workers_choose_what_one_chooses(trained: Path, nmt: Nmt, sentences: str) -> None:
    options = (*SAMPLED, "--n-best", 2)
    assert ask(nmt, trained, sentences, *options, "--workers", 2) == ask(nmt, trained, sentences, *options)


def test_a_line_is_translated_alike_wherever_it_stands_in_its_batch(trained: Path, nmt: Nmt, sentences: str) -> None:
    """Noise depends on the number of the line: the same lines, with others behind them."""
    longer = sentences + "Your brother is a teacher, and his house is very old.\n" * 5
    for one, other in zip(
        ask(nmt, trained, longer, *SAMPLED)[:10], ask(nmt, trained, sentences, *SAMPLED), strict=True
    ):
        assert float(one.pop("log_prob")) == pytest.approx(float(other.pop("log_prob")), abs=1e-5)  # a digit of float32
        assert one == other


def test_evaluate_by_minimum_bayes_risk(trained: Path, small: Path, nmt: Nmt, tmp_path: Path) -> None:
    for language in ("en", "de"):
        lines = (small / f"a.{language}").read_text(encoding="utf-8").split("\n")[:6]
        (tmp_path / f"t.{language}").write_text("\n".join(lines) + "\n", encoding="utf-8")
    files = (tmp_path / "t.en", tmp_path / "t.de", "--resamples", 0, "--json", "-o", tmp_path / "out")
    text = (tmp_path / "t.en").read_text(encoding="utf-8")
    for options in (
        (*SAMPLED, "--utility", "bleu", "--mbr-aggregate"),
        ("--search", "mbr", "--mbr-candidates", "beam"),
    ):
        result = nmt("evaluate", trained, *files, *options)
        assert result.exit_code == 0, result.stderr
        assert json.loads(result.stdout)["loss"] > 0
        wanted = [row["text"] for row in ask(nmt, trained, text, *options)]
        assert (tmp_path / "out").read_text(encoding="utf-8").split("\n")[:-1] == wanted


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--samples", "0"], "the number of samples must be at least 1, but is 0"),
        (["--samples", "2", "--n-best", "3"], "--n-best must lie between 1 and the number of candidates (2), but is 3"),
        (["--utility", "ter"], "utility must be a known name, but is 'ter'"),
        (["--utility", "ter", "--mbr-aggregate"], "utility must be a known name, but is 'ter'"),
        (["--mbr-candidates", "greedy"], "mbr-candidates must be a known name, but is 'greedy'"),
        (["--mbr-candidates", "beam", "--beam", "2", "--n-best", "3"], "--n-best must lie between 1 and"),
        (
            ["--mbr-candidates", "beam", "--seed", "3"],
            "--seed means nothing to mbr search among the candidates of a beam",
        ),
        (["--beam", "8"], "--beam means nothing to mbr search among samples"),
    ],
)
@pytest.mark.parametrize("command", ["translate", "evaluate"])
def test_refusals(command: str, words: list[str], said: str, trained: Path, small: Path, nmt: Nmt) -> None:
    files = () if command == "translate" else (small / "a.en", small / "a.de")
    result = nmt(command, trained, *files, "--search", "mbr", *words, input="one\n")
    assert (result.exit_code, result.stdout) == (2, ""), result.stderr
    assert result.stderr.split("\n")[0].startswith(f"error: {said}")


def test_options_of_mbr_mean_nothing_to_other_searches(trained: Path, writer: Path, small: Path, nmt: Nmt) -> None:
    for words in (["--mbr-aggregate"], ["--samples", "3"], ["--utility", "bleu"], ["--mbr-candidates", "beam"]):
        result = nmt("translate", trained, *words, input="one\n")
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith(f"error: {words[0]} means nothing to beam search\nhint: known by --search mbr")
    assert nmt("evaluate", writer, small / "a.en", "--mbr-aggregate").exit_code == 2
    assert nmt("evaluate", writer, small / "a.en").exit_code == 0
