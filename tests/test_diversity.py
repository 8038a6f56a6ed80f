"""How varied lists of results are, against the definitions; and as ``nmt evaluate --n-best`` and ``nmt translate`` say it."""

import json
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics.chrf import CHRF

from nmt_cli.evaluation.diversity import Diversity, Variety, figures, oracle

from .conftest import Nmt

TEXTS = st.text(st.sampled_from("ab c\u4eca"), max_size=12)


def chrf(text: str, reference: str) -> float:
    """By sacreBLEU, but that two texts that are equal are wholly alike, also where nothing is in them."""
    return 100.0 if text == reference else float(CHRF().sentence_score(text, [reference]).score)


@given(st.lists(TEXTS, min_size=2, max_size=6))
def test_a_list_is_as_alike_as_its_pairs(texts: list[str]) -> None:
    pairs = [chrf(one, other) for one, other in permutations(texts, 2)]
    found = Diversity.of(texts)
    assert found.chrf_between == pytest.approx(sum(pairs) / len(pairs), abs=1e-9)
    for n, share in enumerate(found.distinct, 1):
        grams = [" ".join(line[i : i + n]) for line in map(str.split, texts) for i in range(len(line) - n + 1)]
        assert share == (len(set(grams)) / len(grams) if grams else None)


def test_of_a_list() -> None:
    assert figures(["a b", "a b", "a c"]) == {
        "chrf_between": pytest.approx((100 + 2 * chrf("a b", "a c")) / 3),
        "distinct_1": 3 / 6,
        "distinct_2": 2 / 3,
        "distinct_3": None,
        "distinct_4": None,
    }
    assert set(figures(["alone"]).values()) == {None}
    assert str(Diversity.of_lists([["alone"], []])) == "no line has two results"
    assert str(Diversity.of(["a b", "a b"])) == (
        "2.0 results a line, chrF between them 100.0, distinct-1 to 4 50.0 50.0 - - %"
    )


def test_lines_are_summed_and_divided_once() -> None:
    lists = [["a b", "a b c"], ["alone"], ["d", "e", "f"]]
    found = Diversity.of_lists(lists)
    assert (found.lines, found.results) == (2, 5)
    between = [(chrf("a b", "a b c") + chrf("a b c", "a b")) / 2, 0.0]
    assert found.chrf_between == pytest.approx(sum(between) / 2)
    assert found.distinct[:2] == ((3 + 3) / (5 + 3), 2 / 3)


def test_the_oracle_takes_the_nearest_of_each_line() -> None:
    lists = [["das Haus", "ein Haus", "ein Baum"], ["nein"], ["", "ja", "ja ja"]]
    references = [["ein Baum", "doch", "ja ja"], ["ein Haus", "nein nein", "jaja"]]
    found = oracle(lists, references)
    best = ["ein Haus", "nein", "ja ja"]  # the first of those that are perfect
    wanted = CHRF().corpus_score(best, references)
    assert found.name == "chrF2"
    assert found.score == pytest.approx(wanted.score)
    (first, second) = Variety.of(lists, references).lines()
    assert first.startswith("diversity: 3.0 results a line, ")
    assert second.startswith(f"oracle chrF2 {wanted.score:.1f}  ")


@pytest.fixture(scope="module")
def pairs(small: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """``t.en`` and ``t.de``, twelve pairs and a blank one."""
    folder = tmp_path_factory.mktemp("pairs")
    files = [folder / "t.en", folder / "t.de"]
    for side in files:
        lines = (small / f"a{side.suffix}").read_text(encoding="utf-8").split("\n")[:12]
        side.write_text("\n".join([*lines[:4], "", *lines[4:]]) + "\n", encoding="utf-8")
    return files


@pytest.mark.parametrize(
    "search",
    [
        ("--search", "beam"),
        ("--search", "sample"),
        ("--search", "mbr", "--samples", "6"),
        ("--search", "diverse", "--beam", "4"),
        ("--search", "stochastic", "--beam", "4"),
    ],
)
def test_evaluate_says_it_of_every_search_that_gives_lists(
    search: tuple[str, ...], pairs: list[Path], trained: Path, nmt: Nmt
) -> None:
    words = (*search, "--n-best", "3")
    told = json.loads(nmt("evaluate", trained, *pairs, *words, "--resamples", 0, "--json").stdout)
    source = pairs[0].read_text(encoding="utf-8").split("\n")[:-1]
    asked = "".join(json.dumps({"text": line}) + "\n" for line in source)
    rows = [
        json.loads(line)
        for line in nmt("translate", trained, "--format", "jsonl", *words, input=asked).stdout.split("\n")[:-1]
    ]
    lists = [[candidate["translation"] for candidate in row["candidates"]] for row in rows]
    references = [pairs[1].read_text(encoding="utf-8").split("\n")[:-1]]
    assert told["diversity"] == Variety.of(lists, references).to_json()
    assert told["diversity"]["oracle"]["score"] >= told["scores"][1]["score"]
    assert [row["diversity"] for row in rows] == [figures(texts) for texts in lists]
    assert told["diversity"]["lines"] == 12
    assert rows[4]["diversity"]["chrf_between"] is None, "a blank line"


def test_the_lines_of_evaluate(pairs: list[Path], trained: Path, nmt: Nmt) -> None:
    def lines(*words: object) -> list[str]:
        result = nmt("evaluate", trained, *pairs, "--resamples", 0, *words)
        assert result.exit_code == 0, result.stderr
        return [line for line in result.stdout.split("\n") if line.startswith(("diversity", "oracle"))]

    assert lines() == []
    first, second = lines("--n-best", 3)
    assert first.startswith("diversity: 3.0 results a line, chrF between them ")
    assert second.startswith("oracle chrF2 ")
    drawn, _ = lines("--search", "sample", "--n-best", 3)
    between = [float(line.split("them ")[1].split(",")[0]) for line in (first, drawn)]
    assert between[0] > between[1], "samples are more diverse than a beam's list"
    assert "--n-best means nothing to greedy search" in nmt(
        "evaluate", trained, *pairs, "--search", "greedy", "--n-best", 3
    ).stderr  # fmt: skip
