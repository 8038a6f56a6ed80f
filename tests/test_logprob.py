"""``nmt logprob`` on what other commands have written, and on several texts for one line. The rest: tests/test_lm_cli.py."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from nmt_cli.evaluation.contrast import Contrast, Summary
from nmt_cli.inference.scorer import Scored
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.text.tokenizer import EOS

from .conftest import Nmt
from .test_translate import lines_of

NEAR = 2e-4  # two orders of computation in single precision, over whole sentences


@pytest.fixture
def here(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder holds ``t.en`` and ``t.de``: fifteen pairs, a blank one, one of which the source is far too long."""
    monkeypatch.chdir(tmp_path)
    for side in ("en", "de"):
        lines = (small / f"a.{side}").read_text(encoding="utf-8").split("\n")[:15]
        lines[3:3] = ["", "Your brother is a teacher. " * 70 if side == "en" else "Nein."]
        write(f"t.{side}", lines)
    return tmp_path


def write(name: str, lines: Sequence[str]) -> None:
    Path(name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines_of(text)]


def numbers(text: str) -> list[float]:
    return [float(line or 0) for line in lines_of(text)]  # blank for a blank text


SEARCHES = {
    "greedy": ("--search", "greedy"),
    "beam": ("--n-best", "4"),
    "sample": ("--search", "sample", "--n-best", "5"),
    "mbr": ("--search", "mbr", "--samples", "8"),
}


@pytest.mark.parametrize("kind", ["trained", "trained_lstm"])
@pytest.mark.parametrize("search", list(SEARCHES))
@pytest.mark.usefixtures("here")
def test_forced_decoding_gives_every_hypothesis_its_log_prob(
    kind: str, search: str, nmt: Nmt, request: pytest.FixtureRequest
) -> None:
    """Law 3, with the ids that the search wrote; also of a line that was translated in pieces, and of a blank one."""
    model = request.getfixturevalue(kind)
    rows = [{"text": line} for line in lines_of(Path("t.en").read_text(encoding="utf-8"))]
    write("in", [json.dumps(row) for row in rows])
    written = nmt("translate", model, "in", "--format", "jsonl", *SEARCHES[search])
    assert written.exit_code == 0, written.stderr
    Path("out").write_text(written.stdout, encoding="utf-8")
    found = nmt("logprob", model, "out", "--input", "jsonl")
    assert found.exit_code == 0, found.stderr
    lists = [row.get("candidates", [row]) for row in objects(written.stdout)]
    assert ["split" in row["flags"] for row in objects(written.stdout)].count(True) == 1
    wanted = [candidate["log_prob"] for candidates in lists for candidate in candidates]
    assert numbers(found.stdout) == pytest.approx(wanted, abs=NEAR, rel=1e-5)
    assert max(map(len, lists)) == (1 if search in ("greedy", "mbr") else 4 if search == "beam" else 5)
    tokenizer = ModelDirectory.open(model).tokenizer
    parts = [candidate["tokens"] for candidates in lists for candidate in candidates]
    otherwise = sum(any(tokenizer.encode(tokenizer.decode(ids)) != ids for ids in cut(tokens)) for tokens in parts)
    said = [line for line in found.stderr.split("\n") if "would be cut into other tokens by the tokenizer" in line]
    assert [int(line.split()[0]) for line in said] == [otherwise] * (otherwise > 0)
    assert search != "sample" or otherwise > 0, "samples are cut otherwise all the time"


def cut(tokens: list[int]) -> list[list[int]]:
    """The pieces, without EOS."""
    parts: list[list[int]] = [[]]
    for token in tokens:
        if token == EOS:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


@pytest.mark.usefixtures("here")
def test_what_is_written_can_be_read_again(trained: Path, nmt: Nmt) -> None:
    write("in", [json.dumps({"text": line, "id": 7}) for line in ("Why?", "Your brother is a teacher.")])
    Path("out").write_text(nmt("translate", trained, "in", "--n-best", 3, "--format", "jsonl").stdout, encoding="utf-8")
    words = ("--input", "jsonl", "--format", "jsonl")
    once = nmt("logprob", trained, "out", *words).stdout
    Path("again").write_text(once, encoding="utf-8")
    assert nmt("logprob", trained, "again", *words).stdout == once
    for before, row in zip(objects(Path("out").read_text(encoding="utf-8")), objects(once), strict=True):
        assert (row["id"], row["flags"]) == (7, before["flags"])
        for old, new in zip(before["candidates"], row["candidates"], strict=True):
            assert (new["translation"], new["score"], new["tokens"]) == (
                old["translation"],
                old["score"],
                old["tokens"],
            )
            assert len(new["pieces"]) == len(new["log_probs"]) == len(new["tokens"])
            assert math.fsum(new["log_probs"]) == pytest.approx(new["log_prob"])
        assert {name: row[name] for name in ("translation", "log_prob", "tokens", "pieces", "log_probs")} == {
            name: row["candidates"][0][name] for name in ("translation", "log_prob", "tokens", "pieces", "log_probs")
        }


@pytest.mark.usefixtures("here")
def test_a_table_of_candidates(trained: Path, nmt: Nmt) -> None:
    """Its texts are cut afresh, so that most of them have the log-probability that their search has said, not all."""
    write("s", [line for line in lines_of(Path("t.en").read_text(encoding="utf-8")) if len(line) < 500])
    table = nmt("translate", trained, "s", "--n-best", 3, "--format", "tsv").stdout
    Path("table").write_text(table, encoding="utf-8")
    rows = [line.split("\t") for line in lines_of(table)]
    found = nmt("logprob", trained, "s", "table", "--input", "tsv")
    assert found.exit_code == 0, found.stderr
    scored = numbers(found.stdout)
    assert len(scored) == len(rows)
    assert sum(abs(float(row[3]) - value) < 1e-3 for row, value in zip(rows, scored, strict=True)) > 0.7 * len(rows)
    listed = [line.split("\t") for line in lines_of(
        nmt("logprob", trained, "s", "table", "--input", "tsv", "--format", "tsv").stdout)]  # fmt: skip
    assert [[row[0], row[1], row[5]] for row in listed] == [[row[0], row[1], row[4]] for row in rows]
    assert [float(row[2]) for row in listed] == pytest.approx(scored)
    listed_by_line = objects(nmt("logprob", trained, "s", "table", "--input", "tsv", "--format", "jsonl").stdout)
    assert [row["text"] for row in listed_by_line] == lines_of(Path("s").read_text(encoding="utf-8"))
    assert [one["log_prob"] for row in listed_by_line for one in row.get("candidates", [row])] == pytest.approx(
        scored, abs=1e-5
    )
    kept = [line for line in lines_of(table) if not line.startswith(("2\t", "5\t"))]
    fewer = nmt("logprob", trained, "s", "-", "--input", "tsv", input="".join(f"{line}\n" for line in kept))
    assert numbers(fewer.stdout) == pytest.approx(
        [value for row, value in zip(rows, scored, strict=True) if row[0] not in ("2", "5")], abs=1e-5
    )


@pytest.mark.usefixtures("here")
def test_what_a_language_model_has_generated(writer: Path, stream_writer: Path, nmt: Nmt) -> None:
    made = nmt("generate", writer, "-n", 20, "--max-length", 9, "--format", "jsonl").stdout
    Path("made").write_text(made, encoding="utf-8")
    scored = numbers(nmt("logprob", writer, "made", "--input", "jsonl").stdout)
    assert scored == pytest.approx([row["log_prob"] for row in objects(made)], abs=NEAR)
    other = nmt("logprob", stream_writer, "made", "--input", "jsonl")
    assert other.exit_code == 1, "its ids are others"


@pytest.mark.parametrize("kind", ["writer", "stream_writer"])
@pytest.mark.usefixtures("here")
def test_what_was_generated_behind_a_prompt(kind: str, nmt: Nmt, request: pytest.FixtureRequest) -> None:
    """It is judged whole, as the text alone would be; and what comes out can be read again."""
    model = request.getfixturevalue(kind)
    words = ("--prompt", "Why", "--prompt", "Zyxwv  今", "-n", 4, "--max-length", 9, "--format", "jsonl")
    made = nmt("generate", model, *words).stdout
    write("texts", [row["text"] for row in objects(made)])
    wanted = nmt("logprob", model, "texts").stdout
    found = nmt("logprob", model, "-", "--input", "jsonl", input=made)
    assert found.exit_code == 0, found.stderr
    assert found.stdout == wanted
    told = nmt("logprob", model, "-", "--input", "jsonl", "--format", "jsonl", input=made).stdout
    assert nmt("logprob", model, "-", "--input", "jsonl", input=told).stdout == wanted
    blank = nmt("generate", model, "--prompt", " ", "--max-length", 9, "--format", "jsonl").stdout
    (value,) = numbers(nmt("logprob", model, "-", "--input", "jsonl", input=blank).stdout)
    assert value == pytest.approx(objects(blank)[0]["log_prob"], abs=NEAR), "nothing stands before its tokens"


@pytest.mark.usefixtures("here")
def test_a_prompt_means_nothing_to_a_translation(trained: Path, nmt: Nmt) -> None:
    """The field is a foreign one there, and the tokens count."""
    made = nmt("translate", trained, "--format", "jsonl", input='{"text": "Why?", "prompt": "x"}').stdout
    Path("made").write_text(json.dumps({**json.loads(made), "tokens": [EOS]}) + "\n", encoding="utf-8")
    result = nmt("logprob", trained, "made", "--input", "jsonl")
    assert "made:1 must have tokens that spell" in result.stderr


# Several targets for one source.


def test_contrast() -> None:
    def scored(*values: float, first: int = 4) -> Scored:
        return Scored("", tuple(range(first, first + len(values))), values)

    contrast = Contrast()
    for line in (
        [scored(-1.0, -1.0), scored(-3.0, first=9)],  # more probable, and by token
        [scored(-1.0, -1.0), scored(-1.5, first=9), scored(-9.0, first=8)],  # by token only
        [scored(-1.0, -3.0), scored(-3.0, -1.0, -1.0)],  # by log-probability only
        [scored(-2.0), scored(-2.0, first=9)],  # equal
        [scored(-2.0), scored(-2.1)],  # the same text, whatever rounding says
        [scored(-2.0), scored(-3.0, first=7), scored(-1.0, first=9)],  # one of two is better
    ):
        contrast = contrast.plus(line)
    assert contrast == Contrast(6, 2, 2)
    assert contrast.plus([scored(), scored(-1.0)]) == contrast, "a blank line has no right one"
    assert str(contrast) == "contrastive accuracy 33.3 % of 6 lines, 33.3 % by log p a token"
    assert Contrast().to_json() == {"lines": 0, "accuracy": 0, "accuracy_per_token": 0}


def whole(row: list[str]) -> float:
    return float(row[2])


def mean(row: list[str]) -> float:
    return float(row[2]) / max(1, int(row[3]))


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("kind", ["trained", "writer"])
def test_contrastive_accuracy(kind: str, nmt: Nmt, request: pytest.FixtureRequest) -> None:
    """Against the definition, from the log-probabilities of each file for itself."""
    model = request.getfixturevalue(kind)
    side, source = ("de", ["t.en"]) if kind == "trained" else ("en", [])
    good = lines_of(Path(f"t.{side}").read_text(encoding="utf-8"))
    write("turned", [" ".join(reversed(line.split())) for line in good])
    write("short", [" ".join(line.split()[:2]) for line in good])
    files = [f"t.{side}", "turned", "short"]
    alone = [
        [line.split("\t") for line in lines_of(nmt("logprob", model, *source, file, "--format", "tsv").stdout)]
        for file in files
    ]
    lines = [place for place, row in enumerate(alone[0]) if row[3] != "0"]
    wanted = [
        sum(
            all(value(alone[0][place]) > value(other[place]) and other[place][5] != alone[0][place][5] for other in alone[1:])
            for place in lines
        ) / len(lines)
        for value in (whole, mean)
    ]  # fmt: skip
    found = nmt("logprob", model, *source, *files, "--total", "--format", "jsonl")
    assert found.exit_code == 0, found.stderr
    told = json.loads(found.stdout)
    assert told["contrast"] == {"lines": len(lines), "accuracy": wanted[0], "accuracy_per_token": wanted[1]}
    assert [each["file"] for each in told["files"]] == files
    for each, rows in zip(told["files"], alone, strict=True):
        tokens, log_prob = sum(int(row[3]) for row in rows), sum(float(row[2]) for row in rows)
        assert (each["texts"], each["tokens"]) == (len(good), tokens)
        assert each["log_prob"] == pytest.approx(log_prob, abs=1e-3)
        assert each["perplexity"] == pytest.approx(math.exp(-log_prob / tokens), rel=1e-4)
    shown = lines_of(nmt("logprob", model, *source, *files, "--total").stdout)
    assert [line.split()[0] for line in shown[1:4]] == files
    shares = [f"{100 * value:.1f} %" for value in wanted]
    assert shown[4] == f"contrastive accuracy {shares[0]} of {len(lines)} lines, {shares[1]} by log p a token"
    by_line = nmt("logprob", model, *source, *files)
    assert by_line.stderr == f"{shown[4]}\n"
    assert numbers(by_line.stdout) == pytest.approx(
        [float(row[2]) for rows in zip(*alone, strict=True) for row in rows], abs=1e-4
    )
    whole_lines = objects(nmt("logprob", model, *source, *files, "--format", "jsonl").stdout)
    assert {len(row["candidates"]) for row in whole_lines} == {3}


@pytest.mark.usefixtures("here")
def test_the_total_of_one_file(trained: Path, nmt: Nmt) -> None:
    values = numbers(nmt("logprob", trained, "t.en", "t.de").stdout)
    lines = lines_of(nmt("logprob", trained, "t.en", "t.de", "--total").stdout)
    assert len(lines) == 2
    assert lines[1].split()[:2] == ["t.de", "17"]
    assert float(lines[1].split()[3]) == pytest.approx(sum(values), abs=0.01)
    told = json.loads(nmt("logprob", trained, "t.en", "t.de", "--total", "--format", "jsonl").stdout)
    assert set(told) == {"files"}
    assert Summary.of(["t.de"]).to_json()["files"][0]["perplexity"] == 1


# What is refused.


GOOD = {"text": "Why?", "translation": "Warum?"}


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("words", "content", "code", "said"),
    [
        (["x", "--input", "json"], "", 2, "input must be a known name, but is 'json'"),
        (["t.en", "x", "--input", "jsonl"], "", 2, "--input jsonl must have a file, whose objects hold the source too, but is "),
        (["x", "--input", "tsv"], "", 2, "--input tsv must have a source and a table, but is given 1 file"),
        (["t.en", "t.de", "--total", "--format", "tsv"], "", 2, "--total must be written in --format text or jsonl"),
        (["-", "-", "--input", "tsv"], "", 1, "standard input can be read once only"),
        (["t.en", "x", "--input", "tsv"], "", 1, "x must have lines, but is empty"),
        (["t.en", "x", "--input", "tsv"], "1\t1\t-1\t-1\ta\t\nb\n", 1, "x:2 must have line, rank, score, log p, text and fla"),
        (["t.en", "x", "--input", "tsv"], f"{'9' * 5000}\t1\t-1\t-1\ta\t\n", 1, "x:1 must have line, rank, score, log p, "),
        (["t.en", "x", "--input", "tsv"], "2\t1\t-1\t-1\ta\t\n1\t1\t-1\t-1\ta\t\n", 1, "x:2 must have the number of a line "),
        (["t.en", "x", "--input", "tsv"], "18\t1\t-1\t-1\ta\t\n", 1, "x:1 must have the number of a line of t.en, but has 18"),
        (["t.en", "x", "--input", "tsv"], "0\t1\t-1\t-1\ta\t\n", 1, "x:1 must have the number of a line from 1 on"),
        (["x", "--input", "jsonl"], "", 1, "x must have lines, but is empty"),
        (["x", "--input", "jsonl"], "oops\n", 1, "x:1 must be a JSON object, but "),
        (["x", "--input", "jsonl"], "[1]\n", 1, "x:1 must have a JSON object, but has [1]"),
        (["x", "--input", "jsonl"], '{"translation": "a"}\n', 1, 'x:1 must have a string "text", but has None'),
        (["x", "--input", "jsonl"], '{"text": "a"}\n', 1, 'x:1 must have a string "translation", but has None'),
        (["x", "--input", "jsonl"], {"candidates": []}, 1, 'x:1 must have objects in a list as "candidates", but has []'),
        (["x", "--input", "jsonl"], {"candidates": [5]}, 1, 'x:1 must have objects in a list as "candidates", but has [5]'),
        (["x", "--input", "jsonl"], {"tokens": "5"}, 1, 'x:1 must have whole numbers in a list as "tokens", but has 5'),
        (["x", "--input", "jsonl"], {"tokens": [5.0]}, 1, 'x:1 must have whole numbers in a list as "tokens"'),
        (["x", "--input", "jsonl"], {"tokens": [True]}, 1, 'x:1 must have whole numbers in a list as "tokens"'),
        (["x", "--input", "jsonl"], {"tokens": [0, 3]}, 1, "x:1 must have tokens from 3 to "),
        (["x", "--input", "jsonl"], {"tokens": [10**9, 3]}, 1, "x:1 must have tokens from 3 to "),
        (["x", "--input", "jsonl"], {"tokens": [5, 3, 5]}, 1, "x:1 must have tokens that end in </s> (3), but they end in 5"),
        (["x", "--input", "jsonl"], {"tokens": [3]}, 1, "x:1 must have tokens that spell 'Warum?', but to this model they spell"),
        (["x", "--input", "jsonl"], {"tokens": [3, 3], "translation": ""}, 1, "x:1 must have tokens that end 1 times in </s>"),
        (["x", "--input", "jsonl"], {"tokens": [], "translation": ""}, 1, "x:1 must have tokens that end 1 times in </s> (3)"),
    ],
)  # fmt: skip
def test_refusals(
    words: list[str], content: str | dict[str, Any], code: int, said: str, trained: Path, nmt: Nmt
) -> None:
    Path("x").write_text(
        content if isinstance(content, str) else json.dumps({**GOOD, **content}) + "\n", encoding="utf-8"
    )
    result = nmt("logprob", trained, *words, input="")
    assert (result.exit_code, result.stdout) == (code, "") or code == 1, result.stderr
    lines = result.stderr.rstrip("\n").split("\n")
    assert lines[0].startswith(f"error: {said}")
    assert len(lines) == 1 or (len(lines) == 2 and lines[1].startswith("hint: "))
