"""``nmt inspect`` as it is typed."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any
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
    assert found["command"].startswith("nmt train ")
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


def test_curves_without_metrics_are_an_error_only_where_a_picture_is_asked_for(
    own: Path, tmp_path: Path, nmt: Nmt
) -> None:
    (own / "metrics.jsonl").write_text("", encoding="utf-8")
    assert nmt("inspect", own).exit_code == 0
    result = nmt("inspect", own, "-o", tmp_path / "curves.svg")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"error: {own} must hold what was measured, to draw it, but metrics.jsonl is missing or empty\n"
    )
    assert not (tmp_path / "curves.svg").exists()


@pytest.mark.parametrize(
    ("fixture", "names"),
    [("trained", ["BLEU", "chrF2"]), ("stream_writer", ["perplexity"]), ("classifier", ["accuracy", "macro F1"])],
)
def test_learning_curves(fixture: str, names: list[str], request: pytest.FixtureRequest, nmt: Nmt) -> None:
    model = request.getfixturevalue(fixture)
    best = [record for record in ModelDirectory.open(model).metrics() if record.get("best")][-1]
    loss, quality = nmt("inspect", model).stdout.rstrip("\n").split("\n\n")[-2:]
    assert loss.startswith("Loss, latest: train ")
    assert "● train  ■ dev" in loss
    title, legend, *plot = quality.split("\n")
    assert title.startswith(f"Best on dev, at update {best['update']}: {names[0]} ")
    assert all(f" {name}" in legend for name in names)
    assert "best" in plot[0]
    assert any("\u2800" < character <= "\u28ff" for character in "".join(plot))
    assert all(len(line) <= 80 for line in (loss + "\n" + quality).split("\n"))
    assert "updates" in plot[-1]


def texts(picture: Path) -> list[str]:
    root = ElementTree.fromstring(picture.read_text(encoding="utf-8"))
    return [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]


def test_a_picture_of_the_training(trained: Path, tmp_path: Path, nmt: Nmt) -> None:
    """All that the terminal shows, and what the weights were moved by."""
    result = nmt("inspect", trained, "-o", tmp_path / "curves.svg")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == nmt("inspect", trained).stdout
    found = texts(tmp_path / "curves.svg")
    assert found[0] == f"Training of {trained.name} (transformer)"
    assert {"train", "dev", "BLEU", "chrF2", "Learning rate", "Gradient, before it is clipped", "best"} <= set(found)
    assert (found.count("updates"), found.count("decay")) == (4, 4)
    assert "prefers-color-scheme:dark" in (tmp_path / "curves.svg").read_text(encoding="utf-8")


def test_a_training_that_still_runs(own: Path, tmp_path: Path, nmt: Nmt) -> None:
    """A line that is just being written; a loss that has exploded; a plan that is still open."""
    records = [
        {"kind": "train", "update": 20, "nll": 5.0, "rate": 0.1, "gradient_norm": 3.0},
        {"kind": "validation", "update": 60, "best": True, "dev_loss": 4.0, "dev_bleu": 3.0},
        {"kind": "back", "update": 60, "exploded": 75, "loss": 99.0, "gradient_norm": 1e9, "halvings": 1},
        {"kind": "validation", "update": 120, "best": False, "dev_loss": 4.5, "dev_bleu": 2.0},
    ]
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (own / "metrics.jsonl").write_text(lines + '{"kind": "train", "upd', encoding="utf-8")
    config = own / "config.toml"
    config.write_text(config.read_text(encoding="utf-8").replace("updates = 180", "updates = 9000"), encoding="utf-8")
    result = nmt("inspect", own, "-o", tmp_path / "curves.svg")
    assert result.exit_code == 0, result.stderr
    assert "Best on dev, at update 60: BLEU 3.00\n" in result.stdout
    assert "Loss, latest: train 5.000, dev 4.500\n" in result.stdout
    found = texts(tmp_path / "curves.svg")
    assert (found.count("exploded"), found.count("best"), found.count("decay")) == (4, 4, 0)


@pytest.mark.parametrize(
    "record",
    [
        {"kind": "validation", "update": 3, "best": True, "dev_loss": 4.0, "dev_bleu": 0.0},
        {"kind": "train", "update": 20, "nll": 5.0, "rate": 0.0, "gradient_norm": 0.0},
        {"kind": "validation", "update": 0, "best": True, "dev_loss": 4.0, "dev_bleu": 30.0},
    ],
)
def test_a_single_measurement(record: dict[str, Any], own: Path, tmp_path: Path, nmt: Nmt) -> None:
    (own / "metrics.jsonl").write_text(json.dumps(record) + "\n", encoding="utf-8")
    result = nmt("inspect", own, "-o", tmp_path / "curves.svg")
    assert result.exit_code == 0, result.stderr
    assert "Loss, latest: " in result.stdout
    assert f"Training of {own.name} (transformer)" in texts(tmp_path / "curves.svg")


def test_colours_and_characters_are_those_that_the_terminal_knows(
    trained: Path, nmt: Nmt, monkeypatch: pytest.MonkeyPatch
) -> None:
    def curves() -> str:
        return nmt("inspect", trained).stdout.split("Loss, ")[1]

    assert "\x1b" not in curves()
    monkeypatch.setenv("TERM", "linux")
    assert curves().isascii()
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[38;" in curves()
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[38;" not in curves()


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
        (["trained", "a.en"], 2, "text belongs to --gradient-flow, which was not asked for"),
        (["trained", "a.en", "-o", "x.svg"], 2, "text belongs to --gradient-flow, which was not asked for"),
        (["trained", "-o", "none/x.svg"], 1, "none must be a folder, but there is none"),
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
