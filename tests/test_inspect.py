"""``nmt inspect`` as it is typed."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from nmt_cli.runs.directory import ModelDirectory

from .conftest import Nmt

LINES = ["The dog sleeps in the garden.", "", "I see the old house behind the bridge."]


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def facts(text: str) -> dict[str, str]:
    """What stands before the first blank line."""
    return {line.split("  ")[0]: line.split("  ", 1)[1].strip() for line in text.split("\n\n")[0].split("\n")}


@pytest.mark.parametrize("fixture", ["trained", "trained_lstm", "bottleneck", "writer", "stream_writer", "classifier"])
def test_what_is_said(fixture: str, request: pytest.FixtureRequest, nmt: Nmt) -> None:
    directory = ModelDirectory.open(request.getfixturevalue(fixture))
    result = nmt("inspect", directory.path)
    assert (result.exit_code, result.stderr) == (0, "")
    found = facts(result.stdout)
    assert found["task"] == directory.manifest.task
    assert found["languages"] == "-".join(directory.manifest.languages)
    assert found["architecture"] == directory.settings.model.architecture
    assert found["vocabulary"] == f"{directory.tokenizer.size:,} {directory.settings.data.units}s"
    assert int(found["updates"]) == max(record["update"] for record in directory.metrics())
    assert re.fullmatch(r"[\d.]+ (s|min)", found["training"])
    assert found["command"]
    assert "torch " in found["versions"]
    assert all(line in result.stdout for line in directory.manifest.said)


def test_labels_are_named(classifier: Path, nmt: Nmt) -> None:
    assert facts(nmt("inspect", classifier).stdout)["labels"] == "german, question, statement"


def test_parts_make_the_whole(trained: Path, nmt: Nmt) -> None:
    """A shared table counts once."""
    table = nmt("inspect", trained).stdout.split("\n\n")[1].split("\n")
    assert table[0].split() == ["part", "parameters", "share"]
    *rows, shared = [line.split() for line in table[1:]]
    assert " ".join(shared) == "encoder.embedding is shared with decoder.embedding and output.embedding"
    model = ModelDirectory.open(trained).model()
    assert facts(nmt("inspect", trained).stdout)["parameters"] == f"{sum(p.numel() for p in model.parameters()):,}"
    assert sum(int(row[1].replace(",", "")) for row in rows) == sum(p.numel() for p in model.parameters())
    assert sum(float(row[2]) for row in rows) == pytest.approx(100, abs=0.5)
    assert "encoder.embedding" in {row[0] for row in rows}


def test_a_training_that_was_stopped(own: Path, nmt: Nmt) -> None:
    manifest = own / "manifest.json"
    content = manifest.read_text(encoding="utf-8")
    manifest.write_text(content.replace('"finished": true', '"finished": false'), encoding="utf-8")
    assert facts(nmt("inspect", own).stdout)["training"].endswith(", not finished")


def test_without_its_metrics(own: Path, nmt: Nmt) -> None:
    (own / "metrics.jsonl").unlink()
    found = facts(nmt("inspect", own).stdout)
    assert (found["updates"], found["training"]) == ("unknown", "unknown")


def test_the_folder_it_stands_in(trained: Path, nmt: Nmt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained)
    assert nmt("inspect", ".", "--gradient-flow").stdout.startswith("Gradient flow of model, by steps back\n")


@pytest.mark.parametrize("fixture", ["trained", "bottleneck", "writer", "stream_writer", "classifier"])
def test_gradient_flow_on_its_own_text(fixture: str, request: pytest.FixtureRequest, nmt: Nmt) -> None:
    model = request.getfixturevalue(fixture)
    result = nmt("inspect", model, "--gradient-flow")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.rstrip("\n").split("\n")
    assert lines[0] == f"Gradient flow of {model.name}, by steps back"
    heads, *curves = (line.split("  ") for line in lines[1:4])
    assert "at 10" in "  ".join(heads)
    for name, curve in zip(("untrained", "trained"), curves, strict=True):
        values = [word for word in curve if re.fullmatch(r" *[\d.]+(e-\d+)? *", word)]
        assert curve[0].strip() == name
        assert float(values[0]) == 1
    assert lines[-1].endswith("gradient, relative to k = 0")
    assert all(len(line) <= 80 for line in lines)


def test_gradient_flow_of_given_text_and_a_picture(trained: Path, tmp_path: Path, nmt: Nmt) -> None:
    files = write(tmp_path / "a.en", LINES), write(tmp_path / "a.de", LINES[::-1])
    (tmp_path / "a.de").write_text("Ein Hund.\n\nEin Haus.\n", encoding="utf-8")
    result = nmt("inspect", trained, *files, "--gradient-flow", "--output", tmp_path / "flow.svg")
    assert result.exit_code == 0, result.stderr
    root = ElementTree.fromstring((tmp_path / "flow.svg").read_text(encoding="utf-8"))
    assert root.tag.endswith("svg")
    assert {"trained", "untrained"} <= {element.text for element in root.iter()}
    table = tmp_path / "a.tsv"
    table.write_text(
        "".join(f"{s}\t{t}\n" for s, t in zip(LINES, ["Ein Hund.", "", "Ein Haus."], strict=True)), "utf-8"
    )
    assert nmt("inspect", trained, table, "--gradient-flow").stdout == result.stdout


@pytest.mark.parametrize(("fixture", "label"), [("writer", ""), ("classifier", "question\t")])
def test_gradient_flow_of_standard_input(
    fixture: str, label: str, tmp_path: Path, request: pytest.FixtureRequest, nmt: Nmt
) -> None:
    model = request.getfixturevalue(fixture)
    file = write(tmp_path / "a", [line and label + line for line in LINES])
    found = nmt("inspect", model, "-", "--gradient-flow", input=file.read_bytes())
    assert found.exit_code == 0, found.stderr
    assert found.stdout == nmt("inspect", model, file, "--gradient-flow").stdout


def test_gradient_flow_of_labelled_text(classifier: Path, tmp_path: Path, nmt: Nmt) -> None:
    """The label is no part of the text."""
    curves = []
    for label in ("statement", "question of a long name"):
        file = write(tmp_path / "a.tsv", [f"{label}\t{line}" for line in LINES if line])
        curves.append(nmt("inspect", classifier, file, "--gradient-flow").stdout)
    assert curves[0] == curves[1] != ""


def test_without_its_corpus_text_must_be_given(own: Path, nmt: Nmt) -> None:
    shutil.rmtree(own / "corpus")
    result = nmt("inspect", own, "--gradient-flow")
    assert result.exit_code == 1
    assert result.stderr == (
        f"error: {own} holds no corpus of its own: text must be given\n"
        f"hint: nmt inspect {own} FILE... --gradient-flow\n"
    )
    assert nmt("inspect", own).exit_code == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["trained", "a.en"], 2, "text and --output belong to --gradient-flow, which was not asked for"),
        (["trained", "-o", "x.svg"], 2, "text and --output belong to --gradient-flow"),
        (["trained", "a.en", "--gradient-flow"], 1, "a.en:1 must hold exactly one tab, but holds 0"),
        (["trained", "a.en", "none", "--gradient-flow"], 1, "none must be a file, but there is none"),
        (["trained", "a.en", "b.en", "c.en", "--gradient-flow"], 1, "but is 3"),
        (["writer", "a.en", "b.en", "--gradient-flow"], 1, "must be one file"),
        (["classifier", "a.en", "--gradient-flow"], 1, "a.en:1 must hold exactly one tab, but holds 0"),
        (["trained", "--gradient-flow", "-o", "none/x.svg"], 1, "none must be a folder, but there is none"),
        (["."], 1, ". must be a model directory, but holds none"),
        (["none"], 1, "none must be a model directory, but there is no such folder"),
        (["a.en"], 1, "a.en must be a model directory, but is a file"),
    ],
)
def test_what_is_refused(
    words: list[str], code: int, said: str, nmt: Nmt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    for name in ("a.en", "b.en", "c.en"):
        write(tmp_path / name, [line for line in LINES if line])
    monkeypatch.chdir(tmp_path)
    known = {"trained", "writer", "classifier"}
    result = nmt("inspect", *(request.getfixturevalue(word) if word in known else word for word in words))
    assert (result.exit_code, result.stdout) == (code, "")
    assert said in result.stderr.split("\n")[0]
    assert result.stderr.startswith("error: ")


@pytest.mark.parametrize("task", ["lm", "tranlate"])
def test_a_manifest_of_another_model(task: str, nmt: Nmt, own: Path) -> None:
    manifest = own / "manifest.json"
    content = manifest.read_text(encoding="utf-8")
    manifest.write_text(content.replace('"task": "translate"', f'"task": "{task}"'), encoding="utf-8")
    for command in ("inspect", "translate"):
        result = nmt(command, own, input="a\n") if command == "translate" else nmt(command, own)
        assert (result.exit_code, result.stderr.count("\n")) == (1, 2), result.stderr
        assert (
            f"manifest.json must be for the task translate, as a transformer is, but is for {task}\n" in result.stderr
        )
