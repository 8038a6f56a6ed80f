"""``nmt evaluate --search-errors``: the counts against brute force, the table against the other commands."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt_cli.reports.search_errors import WIDTHS, Standing, Yardstick
from nmt_cli.search.ancestral import Greedy
from nmt_cli.search.base import Hypothesis, SearchStrategy, Sentences
from nmt_cli.search.beam import BeamSearch
from nmt_cli.search.exact import ExactSearch
from nmt_cli.search.normalization import GoogleNorm, LengthPower, Normalization
from tests import oracles
from tests.laws import run
from tests.tiny import VOCABULARY, alone, random_batch, random_model

from .conftest import Nmt
from .test_translate import lines_of

LIMIT = 4


@pytest.mark.parametrize("norm", [LengthPower(0.0), LengthPower(0.8), GoogleNorm(1.0)])
@pytest.mark.parametrize("name", ["transformer", "recurrent"])
def test_the_counts_are_those_of_brute_force(name: str, norm: Normalization) -> None:
    model = random_model(name, seed=4)
    batch = random_batch(24, seed=5)
    sentences = Sentences.of(torch.full((24,), LIMIT))
    outputs = [
        oracles.every_output(model, alone(batch.source, place), LIMIT, VOCABULARY, lambda length: float(norm(length)))
        for place in range(24)
    ]
    best = [outcome[0] for outcome in outputs]
    draw = torch.Generator().manual_seed(6)
    references = [
        Hypothesis(*outcome[int(torch.randint(len(outcome), (), generator=draw)) if place % 4 else 0])
        for place, outcome in enumerate(outputs)
    ]

    def first(search: SearchStrategy) -> list[Hypothesis]:
        return [found[0] for found in run(model, search, batch.source, sentences)]

    exact = first(ExactSearch(BeamSearch(1, 1, norm)))
    by = Yardstick(exact, [True] * 24, references, norm)
    seen = []
    for width in (1, 2, 600):
        found = first(BeamSearch(width, 1, norm))
        seen.append(_check(Standing.of(f"beam {width}", found, by), found, best, references, norm))
    greedy = first(Greedy())
    seen.append(_check(Standing.of("greedy", greedy, by), greedy, best, references, norm))
    assert _check(Standing.of("exact", exact, by), exact, best, references, norm).below == 0
    right = _check(Standing.of("reference", references, by), references, best, references, norm)
    assert 0 < right.below <= 18, "every fourth reference is the best output"
    assert (seen[0].below > 0, seen[2].below) == (True, 0), "else nothing was seen"
    assert any(each.shorter for each in seen)


def _check(
    found: Standing,
    outputs: Sequence[Hypothesis],
    best: Sequence[tuple[tuple[int, ...], float, float]],
    references: Sequence[Hypothesis],
    norm: Normalization,
) -> Standing:
    """Itself, if its counts are so."""
    assert found.proved == len(best)
    assert found.below == sum(
        each.log_prob / float(norm(len(each.tokens))) < score - 1e-4
        for each, (_, _, score) in zip(outputs, best, strict=True)
    )
    assert found.empty == sum(len(each.tokens) == 1 for each in outputs)
    pairs = zip(outputs, references, strict=True)
    assert found.shorter == sum(len(each.tokens) < len(reference.tokens) for each, reference in pairs)
    assert found.log_prob == pytest.approx(sum(each.log_prob for each in outputs) / len(outputs))
    return found


def test_only_proved_lines_are_counted() -> None:
    best, worse = Hypothesis((5, 3), -1.0, -1.0), Hypothesis((3,), -2.0, -2.0)
    references = [Hypothesis((5, 5, 3), -9.0, -9.0)] * 3
    found = Standing.of(
        "x", [worse, worse, best], Yardstick([best] * 3, [True, False, True], references, LengthPower(0.0))
    )
    assert (found.proved, found.below, found.empty, found.shorter) == (2, 1, 1, 2)
    assert found.log_prob == pytest.approx(-5 / 3)
    none = Standing.of("x", [worse], Yardstick([best], [False], references[:1], LengthPower(0.0)))
    assert none.cells == ("x", "-", "-", "-", "-2.00", "-")
    assert none.to_json() == {"name": "x", "below_best": None, "empty": None, "shorter": None, "log_prob": -2.0}


@pytest.fixture(scope="module")
def pairs(small: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The six shortest pairs, a blank one, and one that is too long for the model."""
    folder = tmp_path_factory.mktemp("pairs")
    english, german = ((small / f"a.{side}").read_text(encoding="utf-8").split("\n")[:-1] for side in ("en", "de"))
    chosen = sorted(zip(english, german, strict=True), key=lambda pair: len(pair[0]))[:6]
    chosen[2:2] = [("", ""), ("Your brother is a teacher. " * 70, "Nein.")]
    for name, lines in zip(("s", "r"), zip(*chosen, strict=True), strict=True):
        (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return folder / "s", folder / "r"


@pytest.mark.parametrize(
    "words", [(), ("--length-penalty", "0.5", "--norm", "google", "--nodes", "300", "--seconds", "60")]
)
def test_the_table_agrees_with_the_other_commands(
    words: tuple[str, ...],
    pairs: tuple[Path, Path],
    trained: Path,
    nmt: Nmt,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    result = nmt("evaluate", trained, *pairs, "--search-errors", *words, "--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert (told["sentences"], told["left_out"]) == (6, 2)
    assert [each["name"] for each in told["searches"]] == ["greedy", *(f"beam {width}" for width in WIDTHS), "exact"]
    columns = [lines_of(path.read_text(encoding="utf-8")) for path in pairs]
    kept = [(source, reference) for source, reference in zip(*columns, strict=True) if 0 < len(source) < 500]
    for name, lines in zip(("s", "r"), zip(*kept, strict=True), strict=True):
        Path(name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    asked = "".join(json.dumps({"text": source}) + "\n" for source, _ in kept)
    penalty = words or ("--length-penalty", "0")

    def rows(*search: object) -> list[dict[str, Any]]:
        out = nmt("translate", trained, "--format", "jsonl", *search, input=asked)
        return [json.loads(line) for line in lines_of(out.stdout)]

    exact = rows("--search", "exact", *penalty)
    proved = [row["certificate"]["proved"] for row in exact]
    assert told["proved"] == sum(proved) / 6
    assert told["nodes"] == pytest.approx(sum(row["certificate"]["nodes"] for row in exact) / 6)
    beams = {f"beam {width}": rows("--beam", width, *penalty[:4]) for width in (1, 5)}
    shown = {each["name"]: each for each in told["searches"]}
    for name, found in {**beams, "exact": exact}.items():
        assert shown[name]["log_prob"] == pytest.approx(sum(row["log_prob"] for row in found) / 6, abs=1e-4)
        below = [row["score"] < best["score"] - 1e-4 for row, best in zip(found, exact, strict=True)]
        share = sum(bad for bad, sure in zip(below, proved, strict=True) if sure) / sum(proved) if any(proved) else None
        assert shown[name]["below_best"] == share
        text = "".join(f"{row['translation']}\n" for row in found)
        scored = nmt("score", "r", "--language", "de", "--resamples", 0, "--json", input=text).stdout
        assert shown[name]["bleu"] == json.loads(lines_of(scored)[0])
    right = [float(line) for line in lines_of(nmt("logprob", trained, "s", "r").stdout)]
    assert told["reference"]["log_prob"] == pytest.approx(sum(right) / 6, abs=1e-4)
    assert told["reference"]["shorter"] in (0, None)
    assert "bleu" not in told["reference"]


def test_the_table(pairs: tuple[Path, Path], trained: Path, nmt: Nmt) -> None:
    result = nmt("evaluate", trained, *pairs, pairs[1], "--search-errors", "--nodes", 40)
    assert result.exit_code == 0, result.stderr
    lines = lines_of(result.stdout)
    assert [line.split("  ")[0] for line in lines[1:9]] == [
        "greedy", *(f"beam {width}" for width in WIDTHS), "exact", "reference",
    ]  # fmt: skip
    assert lines[9].startswith("best by log p: proved for ")
    assert lines[9].endswith("; 2 lines left out, blank or too long")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["s", "r", "--beam", "3"], 2, "--beam means nothing to --search-errors"),
        (["s", "r", "--search", "exact"], 2, "--search means nothing to --search-errors"),
        (["s", "r", "--against", "r"], 2, "--against means nothing to --search-errors"),
        (["s", "r", "--resamples", "0"], 2, "--resamples means nothing to --search-errors"),
        (["s", "r", "-o", "out"], 2, "--output means nothing to --search-errors"),
        (["s", "r", "--length-penalty", "-1"], 2, "the length penalty must be a finite number, not below 0"),
        (["s", "r", "--nodes", "0"], 2, "--nodes must be at least 1, but is 0"),
        (["s"], 2, "search errors must be counted on a source and references, but one file is given"),
        (["s", "short"], 1, "short must have as many lines as s, but has 1 and that has 8"),
        (["blank", "short"], 1, "blank must have lines that the model can translate as they are, but has none"),
    ],
)
def test_refusals(
    words: list[str], code: int, said: str, pairs: tuple[Path, Path], trained: Path, nmt: Nmt, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    for path in pairs:
        Path(path.name).write_bytes(path.read_bytes())
    Path("short").write_text("Nein.\n", encoding="utf-8")
    Path("blank").write_text("\n", encoding="utf-8")
    result = nmt("evaluate", trained, *words, "--search-errors")
    assert (result.exit_code, result.stdout) == (code, ""), result.stderr
    assert result.stderr.startswith(f"error: {said}")


def test_a_language_model_has_none(writer: Path, pairs: tuple[Path, Path], nmt: Nmt) -> None:
    result = nmt("evaluate", writer, *pairs, "--search-errors")
    assert (result.exit_code, "must be a translation model, but was trained for the task lm" in result.stderr) == (
        1,
        True,
    )
