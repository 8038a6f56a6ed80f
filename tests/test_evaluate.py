"""``nmt evaluate`` as it is typed."""

import json
from pathlib import Path

import pytest

from .conftest import Nmt


@pytest.fixture(scope="module")
def test_set(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``t.en`` and ``t.de``, 25 pairs."""
    folder = tmp_path_factory.mktemp("test_set")
    for side in ("en", "de"):
        lines = (small / f"a.{side}").read_text(encoding="utf-8").split("\n")[:25]
        (folder / f"t.{side}").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_what_is_said(trained: Path, test_set: Path, nmt: Nmt) -> None:
    result = nmt("evaluate", trained, test_set / "t.en", test_set / "t.de")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.split("\n")
    assert [line.split()[0] for line in lines[:3]] == ["BLEU", "chrF2", "TER"]
    assert all("|version:" in line for line in lines[:3])
    assert lines[3].startswith("loss ")
    assert "perplexity" in lines[3]
    assert lines[4].startswith("output health: ")
    assert any("words" in line and "sentences  BLEU" in line for line in lines[5:])


@pytest.mark.parametrize("words", [["--search", "greedy", "--resamples", 0], ["--search-errors", "--nodes", 2]])
def test_files_that_are_named_the_wrong_way_round(words: list[object], trained: Path, test_set: Path, nmt: Nmt) -> None:
    files = [test_set / "t.en", test_set / "t.de"]
    warning = f"warning: {files[1]} and {files[0]} are named de-en, but the model is en-de\n"
    swapped = nmt("evaluate", trained, *reversed(files), *words)
    assert swapped.exit_code == 0, swapped.stderr
    assert warning in swapped.stderr
    assert "are named" not in nmt("evaluate", trained, *files, *words).stderr


@pytest.mark.parametrize("architecture", ["trained", "trained_lstm"])
def test_figures_agree_with_nmt_score(
    architecture: str, test_set: Path, nmt: Nmt, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    model, out = request.getfixturevalue(architecture), tmp_path / "out.de"
    options = ("--search", "beam", "--beam", 3, "--length-penalty", 0.5)
    files = (test_set / "t.en", test_set / "t.de", test_set / "t.en")
    result = nmt("evaluate", model, *files, *options, "--resamples", 100, "--output", out, "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    scored = nmt("score", *files[1:], "--hypothesis", out, "--resamples", 100, "--language", "de", "--json")
    assert found["scores"] == [json.loads(line) for line in scored.stdout.rstrip("\n").split("\n")]
    assert set(found) == {"scores", "loss", "perplexity", "left_out", "health", "by_length"}
    assert found["loss"] > 0
    assert sum(bucket["sentences"] for bucket in found["by_length"]) == 25
    translated = nmt("translate", model, files[0], *options)
    assert out.read_bytes() == translated.stdout_bytes


def test_greedy_without_intervals(trained: Path, test_set: Path, nmt: Nmt, tmp_path: Path) -> None:
    out = tmp_path / "out.de"
    words = ("--search", "greedy", "--resamples", 0, "-o", out, "--json")
    found = json.loads(nmt("evaluate", trained, test_set / "t.en", test_set / "t.de", *words).stdout)
    assert all("bs:" not in score["signature"] for score in found["scores"])
    assert out.read_bytes() == nmt("translate", trained, test_set / "t.en", "--search", "greedy").stdout_bytes


def test_another_system_is_compared(trained: Path, test_set: Path, nmt: Nmt) -> None:
    """The references themselves, as another system's output, beat a model of thirty updates on every metric."""
    files = (test_set / "t.en", test_set / "t.de", "--against", test_set / "t.de", "--resamples", 100)
    pairs = json.loads(nmt("evaluate", trained, *files, "--json").stdout)["against"]
    assert [pair["other"]["score"] for pair in pairs] == pytest.approx([100, 100, 0])
    assert all(pair["p_value"] < 0.05 for pair in pairs)
    table = nmt("evaluate", trained, *files).stdout
    assert table.count("  worse  ") == 3


def test_blank_lines_are_counted_and_do_not_stop_it(trained: Path, nmt: Nmt, tmp_path: Path) -> None:
    (tmp_path / "s").write_text("One.\n\n", encoding="utf-8")
    (tmp_path / "r").write_text("Eins.\nZwei.\n", encoding="utf-8")
    result = nmt("evaluate", trained, tmp_path / "s", tmp_path / "r", "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["loss"] > 0
    assert found["left_out"] == 1
    told = nmt("evaluate", trained, tmp_path / "s", tmp_path / "r").stdout.split("\n")[3]
    assert told.startswith(
        f"loss {found['loss']:.3f} a subword, perplexity {found['perplexity']:.2f} (1 line left out, "
    )


def test_where_nothing_could_be_measured_no_loss_is_said(trained: Path, nmt: Nmt, tmp_path: Path) -> None:
    (tmp_path / "s").write_text("\n" + "Your brother is a teacher. " * 100 + "\n", encoding="utf-8")
    (tmp_path / "r").write_text("Eins.\nZwei.\n", encoding="utf-8")
    words = ("evaluate", trained, tmp_path / "s", tmp_path / "r", "--search", "greedy")
    result = nmt(*words, "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["loss"], found["perplexity"], found["left_out"]) == (None, None, 2)
    wanted = "loss - a subword, perplexity - (2 lines left out, blank or over-long)"
    assert nmt(*words).stdout.split("\n")[3] == wanted


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["t.en", "short.de"], 1, "short.de must have as many lines as t.en, but has 24 and that has 25"),
        (["empty", "empty"], 1, "empty must have lines, but is empty"),
        (["t.en", "none"], 1, "none must be a file, but there is none"),
        (["t.en", "latin"], 1, "latin:1 must be UTF-8"),
        (["t.en", "t.de", "-o", "no/out"], 1, "no must be a folder, but there is none"),
        (["t.en", "t.de", "-o", "."], 1, ". must be a file to write, but is a folder"),
        (["t.en", "t.de", "-o", "t.de"], 1, "t.de must be a file of its own, but is read too"),
        (["t.en", "t.de", "--search", "bam"], 2, "search must be a known name, but is 'bam'"),
        (["t.en", "t.de", "--beam", "0"], 2, "search.beam should be greater than or equal to 1"),
        (["t.en", "t.de", "--resamples", "-1"], 2, "--resamples"),
        (["t.en", "t.de", "--resamples", "99"], 2, "--resamples must be 0 or at least 100, but is 99"),
        (["t.en"], 2, "a translation model must be measured on a source and references, but one file is given"),
    ],
)
def test_refusals(
    words: list[str], code: int, said: str, trained: Path, test_set: Path, nmt: Nmt, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    for side in ("en", "de"):
        Path(f"t.{side}").write_bytes((test_set / f"t.{side}").read_bytes())
    Path("short.de").write_bytes(b"\n".join(Path("t.de").read_bytes().split(b"\n")[:24]) + b"\n")
    Path("empty").touch()
    Path("latin").write_bytes(b"\xff\n" * 25)
    result = nmt("evaluate", trained, *words)
    assert (result.exit_code, result.stdout) == (code, ""), result.stderr
    assert said in result.stderr.split("\n")[0]
    assert result.stderr.startswith("error: ")


def test_no_model(test_set: Path, nmt: Nmt, tmp_path: Path) -> None:
    result = nmt("evaluate", tmp_path, test_set / "t.en", test_set / "t.de")
    assert (result.exit_code, "must be a model directory, but holds none" in result.stderr) == (1, True)
