"""``nmt compare`` as it is typed: what is said, what stands on the page, and that every figure is that of the other commands."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from typer.testing import Result

from nmt_cli.cli import app
from nmt_cli.evaluation import buckets
from nmt_cli.evaluation.metrics import MetricScore, count_bleu
from nmt_cli.evaluation.significance import p_value, paired_bootstrap
from nmt_cli.inference.flags import SPLIT
from nmt_cli.inference.translator import Candidate, Translation
from nmt_cli.reports import trial
from nmt_cli.reports.compare import Comparison
from nmt_cli.reports.contestant import best, contestants
from nmt_cli.reports.flow import Signal, charts, table
from nmt_cli.reports.trial import Joined
from nmt_cli.training.gradient_flow import GradientFlow

from .conftest import Nmt, brief, run_nmt

PAIRS, LONG, TEXTS = 24, 12, 40
COPY = ("model.safetensors", "config.toml", "manifest.json", "metrics.jsonl", "subwords.model", "labels.txt")


@pytest.fixture(scope="module")
def texts(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``t.en`` and ``t.de``, ``long.en`` and ``long.de`` (two sentences a line), ``kinds.tsv`` with ``kinds.position``."""
    folder = tmp_path_factory.mktemp("texts")
    for side in ("en", "de"):
        lines = (small / f"a.{side}").read_text(encoding="utf-8").split("\n")[: PAIRS + 2 * LONG]
        write(folder / f"t.{side}", lines[:PAIRS])
        write(folder / f"long.{side}", [" ".join(lines[i : i + 2]) for i in range(PAIRS, len(lines), 2)])
    rows = (small / "kinds.tsv").read_text(encoding="utf-8").split("\n")[560 : 560 + TEXTS]
    write(folder / "kinds.tsv", rows)
    write(folder / "kinds.position", [str(number % len(row.split()[1:])) for number, row in enumerate(rows)])
    return folder


@pytest.fixture(scope="module")
def few(texts: Path) -> list[str]:
    """The options for as little text as can be."""
    for side in ("en", "de"):
        write(texts / f"few.{side}", (texts / f"t.{side}").read_text(encoding="utf-8").split("\n")[:3])
    return ["--source", str(texts / "few.en"), "--reference", str(texts / "few.de")]


@pytest.fixture(scope="module")
def models(
    trained: Path, trained_lstm: Path, bottleneck: Path, writer: Path, stream_writer: Path, classifier: Path
) -> list[Path]:
    """Three translators, two language models, a classifier."""
    return [trained, trained_lstm, bottleneck, writer, stream_writer, classifier]


@pytest.fixture(scope="module")
def told(texts: Path) -> list[str]:
    """The options that say on what all of them are measured."""
    words = [
        *("--source", texts / "t.en", "--reference", texts / "t.de"),
        *("--source", texts / "long.en", "--reference", texts / "long.de"),
        *("--text", texts / "t.en", "--labelled", texts / "kinds.tsv", "--positions", texts / "kinds.position"),
    ]
    return [str(word) for word in words]


@pytest.fixture(scope="module")
def reported(models: list[Path], told: list[str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    """What was said, and the page."""
    page = tmp_path_factory.mktemp("page") / "report"
    result = run_nmt("compare", *models, *told, "-o", page)
    assert result.exit_code == 0, result.stderr
    return result, page.with_name("report.html")


@pytest.fixture(scope="module")
def figures(models: list[Path], told: list[str]) -> dict[str, Any]:
    """All of them."""
    result = run_nmt("compare", *models, *told, "--json")
    assert result.exit_code == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def write(path: Path, lines: Sequence[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def copied(model: Path, to: Path) -> Path:
    """Without its corpus and its last state."""
    to.mkdir(parents=True)
    for name in COPY:
        if (model / name).exists():  # a classifier alone has labels
            shutil.copy(model / name, to / name)
    return to


def changed(model: Path, to: Path, file: str, old: str, new: str) -> Path:
    """A copy of a model in which a file says something else."""
    path = copied(model, to) / file
    content = path.read_text(encoding="utf-8")
    assert old in content
    path.write_text(content.replace(old, new), encoding="utf-8")
    return to


def perplexities(page: Path) -> list[str]:
    """The cells of the fourth column of the first table."""
    table = re.search(r"<tbody>(.*?)</tbody>", page.read_text(encoding="utf-8"), re.DOTALL)
    assert table is not None
    return [re.findall(r"<td>(.*?)</td>", row)[2] for row in table[1].split("</tr>")[:-1]]


def headings(page: str) -> list[str]:
    return re.findall(r"<h2>(.*?)</h2>", page)


# What is said, and the page.


def test_tables_go_to_stdout_and_talk_to_stderr(reported: tuple[Result, Path], models: list[Path]) -> None:
    result, page = reported
    titles = (
        "Quality and cost of translation models", "Which differences of BLEU are more than chance",
        "Which differences of chrF2 are more than chance", "BLEU by words in the source",
        "BLEU of several sentences in a line", "How far back the gradient reaches: translation models",
        "Perplexity and cost of language models", "How far back the gradient reaches: language models",
        "Accuracy and cost of classifiers", "Accuracy by the place of the word that decides",
        "How far back the gradient reaches: classifiers",
    )  # fmt: skip
    lines = result.stdout.split("\n")
    places = [lines.index(title) for title in titles]
    assert places == sorted(places)
    for model in models:
        assert model.name in result.stdout
    assert "version:" in result.stdout, "a score says how it was computed"
    assert result.stderr == f"figures: {page}\n"


def test_the_terminal_is_wide_enough(reported: tuple[Result, Path]) -> None:
    assert max(len(line) for line in reported[0].stdout.split("\n") if "|version:" not in line) <= 80


def test_the_page_is_xml_and_needs_no_network(reported: tuple[Result, Path]) -> None:
    text = reported[1].read_text(encoding="utf-8")
    ElementTree.fromstring(text.removeprefix("<!DOCTYPE html>\n"))
    assert set(re.findall(r"https?://[^\"\s<]*", text)) <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"<script|<link|<img|<iframe|\b(src|href)=|@import|url\(", text)


def test_the_page_tells_a_story(reported: tuple[Result, Path], texts: Path) -> None:
    text = reported[1].read_text(encoding="utf-8")
    found = headings(text)
    assert found[:6] == [
        "What each rung buys", "The bottleneck", "Language models", "Classifiers", "The vanishing signal", "The middle",
    ]  # fmt: skip
    sources = (texts / "t.en").read_text(encoding="utf-8").split("\n")
    assert len(found) == 9
    for heading in found[6:]:
        assert heading.startswith("Where they look: ")
        assert heading.partition(": ")[2] in sources
    assert text.count('<figure class="map"') == 2 * 3  # of two models with attention
    assert text.count("Where they look") == 3
    assert (
        text.count("the mean of the heads of the layer that its training found to align best, or, where it has not")
        == 1
    )


def test_both_curves_of_every_model_are_drawn(reported: tuple[Result, Path], models: list[Path]) -> None:
    text = reported[1].read_text(encoding="utf-8")
    signal = text[text.index("The vanishing signal") : text.index("The middle")]
    for model in models:
        assert f">{model.name}<" in signal
        assert f">{model.name}, untrained<" in signal


def test_the_page_keeps_its_suffix(writer: Path, texts: Path, tmp_path: Path, nmt: Nmt) -> None:
    page = tmp_path / "a.b.htm"
    result = nmt("compare", writer, "--text", texts / "t.en", "--output", page)
    assert (result.exit_code, result.stderr) == (0, f"figures: {page}\n")
    assert headings(page.read_text(encoding="utf-8")) == ["Language models", "The vanishing signal"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.b.htm"]


def test_the_page_is_written_before_the_tables(
    writer: Path, texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nmt: Nmt
) -> None:
    """Whoever reads them may leave."""

    def leave(*_: object, **__: object) -> list[str]:
        raise BrokenPipeError

    monkeypatch.setattr(Comparison, "lines", leave)
    monkeypatch.setattr(app, "_reader_left", lambda: sys.exit(0))
    result = nmt("compare", writer, "--text", texts / "t.en", "-o", tmp_path / "report")
    assert (result.exit_code, result.stdout) == (0, "")
    assert headings((tmp_path / "report.html").read_text(encoding="utf-8"))[0] == "Language models"


# The figures.


def test_every_model_has_its_figures(figures: dict[str, Any], models: list[Path]) -> None:
    names = [model["model"] for task in ("translate", "lm", "classify") for model in figures[task]]
    assert names == [model.name for model in models]
    for task in figures.values():
        for model in task:
            assert model["parameters"] > 1000
            assert model["updates"] in {20, 120, 180}
            assert model["training_seconds"] > 0
            assert model["gradient_flow"]["initial"][0] == model["gradient_flow"]["trained"][0] == 1


def test_figures_are_those_of_nmt_evaluate(figures: dict[str, Any], models: list[Path], texts: Path, nmt: Nmt) -> None:
    for model, found in zip(models, figures["translate"], strict=False):
        other = json.loads(nmt("evaluate", model, texts / "t.en", texts / "t.de", "--json").stdout)
        assert found["scores"] == other["scores"][:2]
        assert found["loss"] == pytest.approx(other["loss"])
        assert found["perplexity"] == pytest.approx(other["perplexity"])
    for model, found in zip(models[3:5], figures["lm"], strict=True):
        other = json.loads(nmt("evaluate", model, texts / "t.en", "--json").stdout)
        assert found["perplexity"] == pytest.approx(other)
    other = json.loads(nmt("evaluate", models[5], texts / "kinds.tsv", "--json").stdout)
    assert figures["classify"][0]["accuracy"] == other


def test_quality_by_length_is_that_of_both_sets(
    figures: dict[str, Any], models: list[Path], texts: Path, nmt: Nmt
) -> None:
    sources, references = (
        [line for name in ("t", "long") for line in (texts / f"{name}.{side}").read_text("utf-8").split("\n")[:-1]]
        for side in ("en", "de")
    )
    output = nmt("translate", models[0], texts / "t.en", texts / "long.en").stdout.split("\n")[:-1]
    wanted = buckets.by_length(sources, output, [references], language="de")
    found = figures["translate"][0]["by_length"]
    assert sum(bucket["sentences"] for bucket in found) == PAIRS + LONG
    assert [bucket["bleu"] for bucket in found] == pytest.approx([bucket.bleu for bucket in wanted])


def test_intervals_hold_the_score(figures: dict[str, Any]) -> None:
    for model in figures["translate"]:
        scores = [(bucket["bleu"], bucket["interval"]) for bucket in model["by_length"]]
        scores += [(each["score"]["score"], each["score"]["interval"]) for each in model["joined"]]
        for score, (low, high) in scores:
            assert 0 <= low <= score + 1e-9
            assert score - 1e-9 <= high <= 100 + 1e-9
    (classifier,) = figures["classify"]
    for stretch in classifier["by_position"]:
        assert stretch["interval"][0] - 1e-9 <= stretch["accuracy"] <= stretch["interval"][1] + 1e-9


def test_several_sentences_in_a_line(figures: dict[str, Any], models: list[Path], texts: Path, nmt: Nmt) -> None:
    joined = {each["size"]: each for each in figures["translate"][1]["joined"]}
    assert {size: each["lines"] for size, each in joined.items()} == {1: 24, 2: 12, 4: 6, 8: 3}
    assert all(each["split"] == 0 for each in joined.values())
    sides = [(texts / f"t.{side}").read_text(encoding="utf-8").split("\n")[:-1] for side in ("en", "de")]
    source, reference = ([" ".join(side[i : i + 4]) for i in range(0, PAIRS, 4)] for side in sides)
    output = nmt("translate", models[1], input="".join(f"{line}\n" for line in source)).stdout.split("\n")[:-1]
    wanted = count_bleu(output, [reference], language="de").score().score
    assert joined[4]["score"]["score"] == pytest.approx(wanted)


def test_accuracy_by_place(figures: dict[str, Any], texts: Path) -> None:
    positions = [int(line) for line in (texts / "kinds.position").read_text(encoding="utf-8").split()]
    (found,) = figures["classify"]
    stretches = found["by_position"]
    assert sum(stretch["texts"] for stretch in stretches) == TEXTS
    for stretch in stretches:
        inside = [place for place in positions if stretch["first"] <= place <= stretch["last"]]
        assert stretch["texts"] == len(inside)
    assert sum(s["accuracy"] * s["texts"] for s in stretches) == pytest.approx(found["accuracy"]["accuracy"] * TEXTS)


def test_labelled_text_from_stdin_with_blank_lines_in_both_files(
    classifier: Path, texts: Path, tmp_path: Path, nmt: Nmt
) -> None:
    rows, places = ((texts / f"kinds.{kind}").read_text("utf-8").split("\n")[:3] for kind in ("tsv", "position"))
    found = []
    for between in ([], [""]):
        write(tmp_path / "places", [*places[:1], *between, *places[1:]])
        words = ("--labelled", "-", "--positions", tmp_path / "places", "--json")
        result = nmt("compare", classifier, *words, input="\n".join([*rows[:1], *between, *rows[1:]]))
        assert result.exit_code == 0, result.stderr
        found.append(result.stdout)
    assert found[0] == found[1]


def test_sources_from_stdin_and_one_model_alone(trained: Path, texts: Path, nmt: Nmt) -> None:
    source = (texts / "t.en").read_text(encoding="utf-8")
    result = nmt("compare", trained, "--source", "-", "--reference", texts / "t.de", input=source)
    assert result.exit_code == 0, result.stderr
    assert "more than chance" not in result.stdout
    assert "Sentences of standard input behind each other: 24, 12, 6, 3 lines." in result.stdout


def test_few_sentences_are_not_joined(trained: Path, tmp_path: Path, nmt: Nmt) -> None:
    write(tmp_path / "s", ["A dog.", "A cat.", "A house."])
    write(tmp_path / "r", ["Ein Hund.", "Eine Katze.", "Ein Haus."])
    words = ("--source", tmp_path / "s", "--reference", tmp_path / "r")
    result = nmt("compare", trained, *words, "-o", tmp_path / "x")
    assert result.exit_code == 0, result.stderr
    assert "2 at once" in result.stdout
    assert "4 at once" not in result.stdout
    assert "by words in the source" not in result.stdout, "no length has ten sentences"


# Honesty.


def test_a_model_and_its_copy_differ_by_chance(trained: Path, few: list[str], tmp_path: Path, nmt: Nmt) -> None:
    twin = copied(trained, tmp_path / "twin")
    result = nmt("compare", trained, twin, *few)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.split("\n")
    for metric in ("BLEU", "chrF2"):
        start = lines.index(f"Which differences of {metric} are more than chance")
        assert [line.split() for line in lines[start + 1 : start + 4]] == [
            ["model", "1", "2"], ["1", "model", "·"], ["2", "twin", "·"],
        ]  # fmt: skip
    assert "1 pair is tested" in " ".join(result.stdout.split())


def test_lines_that_are_split_are_said(trained: Path, texts: Path, tmp_path: Path, nmt: Nmt) -> None:
    short = changed(trained, tmp_path / "short", "config.toml", "max_length = 256", "max_length = 30")
    words = ("--source", texts / "t.en", "--reference", texts / "t.de")
    result = nmt("compare", trained, short, *words, "-o", tmp_path / "report")
    assert result.exit_code == 0, result.stderr
    said = " ".join(result.stdout.split())
    assert "Too long for the model, and so translated in pieces, which flatters it: " in said
    assert "up to 3 of 3 with 8 at once" in said
    found = json.loads(nmt("compare", short, *words, "--json").stdout)["translate"][0]["joined"]
    assert found[-1]["split"] == 3


def test_a_sentence_that_one_model_cannot_take_is_not_drawn(
    trained: Path, texts: Path, tmp_path: Path, nmt: Nmt
) -> None:
    tight = changed(trained, tmp_path / "tight", "config.toml", "max_length = 256", "max_length = 7")
    words = ("--source", texts / "t.en", "--reference", texts / "t.de", "-o", tmp_path / "report")
    result = nmt("compare", trained, tight, *words)
    assert result.exit_code == 0, result.stderr
    assert "Where they look" not in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_perplexities_of_different_lines_do_not_compare(trained: Path, texts: Path, tmp_path: Path, nmt: Nmt) -> None:
    tight = changed(trained, tmp_path / "tight", "config.toml", "max_length = 256", "max_length = 7")
    words = ("--source", texts / "t.en", "--reference", texts / "t.de", "-o", tmp_path / "report")
    assert nmt("compare", trained, tight, *words).exit_code == 0
    assert "Models leave out different lines" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_perplexities_of_different_subwords_do_not_compare(
    trained: Path, small: Path, few: list[str], tmp_path: Path, nmt: Nmt
) -> None:
    options = [*brief("transformer-tiny", 1), "--set", "data.vocabulary=400"]
    assert nmt("train", small / "a.en", small / "a.de", "-o", tmp_path / "other", *options).exit_code == 0
    other, twin = tmp_path / "other", copied(trained, tmp_path / "twin")
    result = nmt("compare", trained, other, *few, "-o", tmp_path / "report")
    assert result.exit_code == 0, result.stderr
    note = "Models have different subwords, so that their perplexities do not compare."
    assert note in " ".join(result.stdout.split())
    assert not any("<strong>" in cell for cell in perplexities(tmp_path / "report.html"))
    assert nmt("compare", trained, twin, *few, "-o", tmp_path / "report").exit_code == 0
    assert all("<strong>" in cell for cell in perplexities(tmp_path / "report.html")), "twins are equally good"


def test_a_perplexity_that_could_not_be_measured_is_not_the_best(
    trained: Path, few: list[str], tmp_path: Path, nmt: Nmt
) -> None:
    tight = changed(trained, tmp_path / "tight", "config.toml", "max_length = 256", "max_length = 4")
    result = nmt("compare", trained, tight, *few, "-o", tmp_path / "report")
    assert result.exit_code == 0, result.stderr
    assert perplexities(tmp_path / "report.html")[1] == "-"
    assert "<strong>" not in perplexities(tmp_path / "report.html")[0], "there is no other"
    (found,) = json.loads(nmt("compare", tight, *few, "--json").stdout)["translate"]
    assert (found["loss"], found["perplexity"]) == (None, None)


def test_perplexities_of_other_words_or_streams_have_no_best(
    writer: Path, stream_writer: Path, texts: Path, tmp_path: Path, nmt: Nmt
) -> None:
    for other, marked in ((stream_writer, False), (copied(writer, tmp_path / "twin"), True)):
        result = nmt("compare", writer, other, "--text", texts / "t.en", "-o", tmp_path / "report")
        assert result.exit_code == 0, result.stderr
        said = " ".join(result.stdout.split())
        assert "<unk> % read as" in said
        assert ("the figures do not compare" in said) is not marked
        assert ("<strong>" in (tmp_path / "report.html").read_text(encoding="utf-8")) is marked


def test_models_of_the_same_name_are_called_by_their_paths(
    trained: Path, few: list[str], texts: Path, tmp_path: Path, nmt: Nmt
) -> None:
    twins = [copied(trained, tmp_path / name / "m") for name in ("x", "y")]
    sets = [tmp_path / name / "t.en" for name in ("x", "y")]
    for path in sets:
        shutil.copy(texts / "t.en", path)
    result = nmt("compare", *twins, *few, "--json")
    assert [model["model"] for model in json.loads(result.stdout)["translate"]] == [str(path) for path in twins]
    words = [word for path in sets for word in ("--source", path, "--reference", texts / "t.de")]
    result = nmt("compare", twins[0], *words)
    assert f"Of {sets[0]} and {sets[1]}." in " ".join(result.stdout.split())


# What is refused.

CUES = ["--labelled", "kinds.tsv", "--positions"]
PAIR = ["--source", "t.en", "--reference", "t.de"]
REFUSALS: list[tuple[list[str], int, str]] = [
    (["trained"], 2, "--source and --reference must say on what text model is measured (task translate)"),
    (["writer"], 2, "--text must say on what text lm is measured (task lm)"),
    (["classifier"], 2, "--labelled must say on what text classifier is measured (task classify)"),
    (["trained", *PAIR, "--text", "t.en"], 2, "--text must be for a model of the task lm, but none is given"),
    (["writer", "--text", "t.en", *PAIR], 2, "--source and --reference must be for a model of the task translate"),
    (["writer", "--text", "t.en", "--labelled", "kinds.tsv"], 2, "--labelled must be for a model of the task classify"),
    (["writer", "--text", "t.en", "--positions", "kinds.position"], 2, "--positions must stand beside --labelled"),
    (["trained", "--source", "t.en"], 2, "--source and --reference must be given equally often, but are 1 and 0"),
    (["trained", *PAIR, "--reference", "t.de"], 2, "equally often, but are 1 and 2"),
    (["trained", "--source", "t.en", "--reference", "long.de"], 1, "long.de must have as many lines as t.en"),
    (["trained", "--source", "t.en", "--reference", "t.en"], 1, "must be two files, but both are t.en"),
    (["trained", "--source", "empty", "--reference", "t.de"], 1, "empty must have lines, but is empty"),
    (["trained", "--source", "none", "--reference", "t.de"], 1, "none must be a file, but there is none"),
    (["trained", "trained", *PAIR], 2, "models must be compared with others, but one is given twice"),
    (["trained", "french", *PAIR], 2, "models must be for the same languages, but are for en-de and en-fr"),
    (["folder", *PAIR], 1, "folder must be a model directory, but holds none"),
    (["writer", "--text", "empty"], 1, "empty must have lines that are not blank, but has none"),
    (["writer", "--text", "blank"], 1, "blank must have lines that are not blank, but has none"),
    (["classifier", "--labelled", "empty"], 1, "empty must have lines, but is empty"),
    (["classifier", "--labelled", "blank"], 1, "blank must have lines that are not blank, but has none"),
    (["classifier", "--labelled", "t.en"], 1, "t.en:1 must hold exactly one tab, but holds 0"),
    (
        ["classifier", "--labelled", "strange.tsv"],
        1,
        "strange.tsv:2 has the label 'unheard', which classifier does not know",
    ),
    (["classifier", *CUES, "t.en"], 1, "t.en must have as many lines as kinds.tsv, but has 24 and that has 40"),
    (["classifier", *CUES, "words"], 1, "words:1 must be the place of a word, 0 to "),
    (["classifier", *CUES, "far"], 1, "far:1 must be the place of a word, 0 to "),
    (["writer", "trained", *PAIR[:3], "-", "--text", "-"], 1, "standard input can be read once only"),
    (["writer", "--text", "t.en", "-o", "none/report"], 1, "none must be a folder, but there is none"),
    (["no-model", "-o", "/proc/report"], 1, "/proc must be a folder"),  # in which nobody can write, or none
    (["no-model", "-o", "/"], 2, "--output must be the name of a page, but is /"),
    (["no-model", "-o", ".."], 2, "--output must be the name of a page, but is .."),
    (["writer", "--text", "t.en", "-o", "folder.html"], 1, "folder.html must be a file to write, but is a folder"),
]


@pytest.fixture
def here(
    trained: Path, writer: Path, classifier: Path, texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Path]:
    """Name -> model; the texts, and others that are refused, lie in the working folder."""
    for path in texts.iterdir():
        shutil.copy(path, tmp_path / path.name)
    for name, lines in (
        ("empty", []),
        ("blank", ["", "  "]),
        ("words", ["one"] * TEXTS),
        ("far", ["1000"] * TEXTS),
        ("strange.tsv", ["", "unheard\tA text."]),
    ):
        write(tmp_path / name, lines)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder.html").mkdir()
    monkeypatch.chdir(tmp_path)
    french = changed(trained, Path("french"), "manifest.json", '"de"', '"fr"')
    return {"trained": trained, "writer": writer, "classifier": classifier, "french": french}


@pytest.mark.parametrize(("words", "code", "said"), REFUSALS)
def test_what_is_refused(words: list[str], code: int, said: str, here: dict[str, Path], nmt: Nmt) -> None:
    before = sorted(Path().iterdir())
    result = nmt("compare", *(here.get(word, word) for word in words))
    assert result.exit_code == code, result.stderr
    assert result.stderr.startswith("error: ")
    assert said in result.stderr.split("\n")[0]
    assert result.stderr.count("\n") <= 2
    assert result.stdout == ""
    assert sorted(Path().iterdir()) == before


def test_the_folder_of_the_page_is_looked_for_first(here: dict[str, Path], nmt: Nmt) -> None:
    """Also where the models would be refused."""
    assert "none must be a folder" in nmt("compare", "no-model", "-o", "none/report").stderr
    assert here


def test_references_that_look_tokenised_are_warned_of(trained: Path, tmp_path: Path, nmt: Nmt) -> None:
    write(tmp_path / "s", ["A dog.", "A cat."])
    write(tmp_path / "r", ["Ein Hund .", "Eine Katze ."])
    result = nmt("compare", trained, "--source", tmp_path / "s", "--reference", tmp_path / "r")
    assert result.exit_code == 0, result.stderr
    assert "looks tokenised" in result.stderr


# The parts.


def test_joined_sentences() -> None:
    whole = trial.TestSet("t", ["a", "b c", "d", "e", "f"], ["A", "B C", "D", "E", "F"])
    pairs = whole.joined(2)
    assert (list(pairs.sources), list(pairs.references)) == (["a b c", "d e"], ["A B C", "D E"])
    assert whole.joined(5).sources == ["a b c d e f"]
    assert whole.joined(1).sources == list(whole.sources)
    assert whole.joined(6).sources == []


def test_the_best_cells() -> None:
    assert best([1.0, 3.0, 2.0], 4) == {(1, 4)}
    assert best([1.0, 3.0, 2.0], 4, lowest=True) == {(0, 4)}
    assert best([3.0, 1.0, 3.0], 1) == {(0, 1), (2, 1)}
    assert best([1.0], 1) == frozenset()
    assert best([None, 3.0, 2.0], 1, lowest=True) == {(2, 1)}
    assert best([None, 3.0], 1, lowest=True) == frozenset(), "one alone is not the best of several"


def test_a_p_value_is_that_of_the_paired_test() -> None:
    references = [f"word{n} is here and there" for n in range(60)]
    good = [line if n % 3 else "nothing" for n, line in enumerate(references)]
    poor = [line if n % 4 == 0 else "nothing of it is" for n, line in enumerate(references)]
    pair = next(iter(paired_bootstrap(good, poor, [references], resamples=500)))
    counts = [count_bleu(side, [references]) for side in (good, poor)]
    samples = [each.resampled(500) for each in counts]
    difference = counts[0].score().score - counts[1].score().score
    assert p_value(difference, *samples) == pair.p_value
    assert p_value(0.0, samples[0], samples[0]) == 1
    assert p_value(5.0, np.full(100, 7.0), np.full(100, 2.0)) == pytest.approx(1 / 101)


def test_lengths_are_in_their_buckets_with_intervals() -> None:
    sources = [" ".join(["w"] * n) for n in (1, 5, 6, 10, 11, 61, 200)]
    lines = [f"line number {n} of this little text" for n in range(7)]
    found = buckets.by_length(sources, lines, [lines[:3] + ["no"] * 4], language="de", resamples=100)
    assert [(str(bucket), bucket.sentences) for bucket in found] == [("1-5", 2), ("6-10", 2), ("11-15", 1), ("61+", 2)]
    for bucket in found:
        assert bucket.interval is not None
        assert bucket.interval[0] <= bucket.bleu + 1e-9
        assert bucket.bleu - 1e-9 <= bucket.interval[1]
    assert found[0].bleu == pytest.approx(100)
    assert all(each.interval is None for each in buckets.by_length(sources, lines, [lines], language="de"))


def test_a_model_is_called_by_its_folder(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained)
    (found,) = contestants([Path()])
    assert found.name == trained.name


def test_many_models_get_a_chart_before_and_a_chart_after() -> None:
    flows = [(f"m{n}", Signal(GradientFlow((1.0, 0.5), (1.0, 0.9)))) for n in range(5)]
    (both,) = charts("Models", flows[:4], "Note.")
    assert [one.name for one in both.series][:3] == ["m0", "m0, untrained", "m1"]
    assert [one.dashed for one in both.series] == [False, True] * 4
    before, after = charts("Models", flows, "Note.")
    assert [one.name for one in before.series] == [one.name for one in after.series] == [f"m{n}" for n in range(5)]
    assert before.series[0].points[1].y == 0.5
    assert after.series[0].points[1].y == 0.9
    assert (before.title, after.title) == ("Models, before training", "Models, after training")


def test_a_model_without_a_gradient_flow_has_no_curve_and_a_reason() -> None:
    signals = [
        ("none", Signal(None, "the reason")),
        ("one", Signal(GradientFlow((1.0, 0.5), (1.0, 0.9)))),
        ("all", Signal(GradientFlow((1.0, 1.0), (1.0, 1.0), pooled=True))),
    ]
    (chart,) = charts("Models", signals, "Note.")
    assert [(one.name, one.colour) for one in chart.series[::2]] == [("one", 1), ("all", 2)]
    found = table("Models", signals)
    assert found.rows[0] == ("none", *"------")
    for note in (chart.note, found.note):
        assert "Of none nothing is known: the reason." in note
        assert "Of all, where no place is nearest to the label: relative to the mean over the text." in note
    assert charts("Models", signals[:1], "Note.") == ()


def test_a_classifier_whom_no_line_fits_is_compared_all_the_same(classifier: Path, tmp_path: Path, nmt: Nmt) -> None:
    tight = changed(classifier, tmp_path / "tight", "config.toml", "max_length = 256", "max_length = 4")
    write(tmp_path / "long.tsv", ["question\tWhere is the dog that sleeps in the garden behind the old house?"])
    result = nmt("compare", tight, "--labelled", tmp_path / "long.tsv", "-o", tmp_path / "report")
    assert result.exit_code == 0, result.stderr
    note = "Of tight nothing is known: the gradient flow must be measured on lines that the model can take"
    assert note in " ".join(result.stdout.split())
    assert note in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_joined_lines_count_what_was_split() -> None:
    candidate = Candidate("A B", 0.0, 0.0, ())
    lines = [Translation("a b", (replace(candidate, marks=marks),)) for marks in ((), (SPLIT,))]
    found = Joined.of(2, trial.TestSet("t", ["a b"] * 2, ["A B"] * 2), lines, "de")
    assert (found.size, found.lines, found.split) == (2, 2, 1)
    assert isinstance(found.score, MetricScore)
    assert replace(found, split=0).to_json()["split"] == 0
