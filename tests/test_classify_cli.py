"""Classifiers as they are typed: nmt train --task classify, classify, evaluate."""

import gzip
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.training import autopilot
from nmt_cli.training.presets import preset

from .conftest import CLASSIFIERS, Nmt, brief, run_nmt
from .test_lm_cli import said
from .test_resume import Stop, check_same, records, stop  # noqa: F401  (stop is a fixture)
from .test_translate import STRANGE, lines_of

QUICK = ("--task", "classify", *brief("classify-birnn", 3))


@pytest.fixture(scope="module")
def transformer(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The other architecture, on whole words."""
    model = tmp_path_factory.mktemp("trained") / "transformer"
    words = ("--task", "classify", *brief("classify-transformer", 60), "--set", "data.units=word")
    result = run_nmt("train", small / "kinds.tsv", "-o", model, *words)
    assert result.exit_code == 0, result.stderr
    return model


@pytest.fixture
def here(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder holds ``kinds.tsv``, and ``t.tsv``, some of its lines, one of them blank."""
    monkeypatch.chdir(tmp_path)
    for path in small.iterdir():
        shutil.copy(path, path.name)
    lines = Path("kinds.tsv").read_text(encoding="utf-8").split("\n")
    Path("t.tsv").write_text("\n".join([*lines[:30], "", *lines[600:620]]) + "\n", encoding="utf-8")
    return tmp_path


BOTH = pytest.mark.parametrize("kind", ["classifier", "transformer"])


# Training.


@pytest.mark.usefixtures("here")
def test_zero_options(nmt: Nmt, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = preset("classify-birnn")
    tiny = {**chosen, "model": {**chosen["model"], "width": 16, "hidden": 16}}
    monkeypatch.setattr("nmt_cli.training.request.preset", lambda name: tiny if name == "classify-birnn" else {})
    own = autopilot.settings_for

    def short(*arguments: object) -> dict[str, dict[str, int]]:
        suggested = own(*arguments)  # type: ignore[arg-type]
        return {**suggested, "training": {**suggested["training"], "updates": 12}}

    monkeypatch.setattr(autopilot, "settings_for", short)
    result = nmt("train", "kinds.tsv", "--task", "classify")
    assert (result.exit_code, result.stdout) == (0, ""), result.stderr
    lines = result.stderr.split("\n")
    assert [line.split() for line in lines[:3]] == [["texts"], ["read", "800"], ["train", "640"]]
    assert "preset classify-birnn, chosen for 640 texts (--preset names another)" in lines
    assert any(line.startswith("update ") and "dev accuracy" in line for line in lines)
    place = lines.index("test, 80 texts:")
    assert lines[place + 1].startswith("  accuracy ")
    assert [line.split()[0] for line in lines[place + 4 : place + 7]] == ["german", "question", "statement"]
    assert lines[-2] == "next: nmt classify model < lines.txt"
    assert sorted(path.name for path in Path("model").iterdir()) == [
        "config.toml", "corpus", "labels.txt", "manifest.json", "metrics.jsonl", "model.safetensors", "subwords.model", "training",
    ]  # fmt: skip
    assert nmt("classify", "model", input="Why?\n").stdout.count("\n") == 1


def test_what_is_recorded(classifier: Path) -> None:
    directory = ModelDirectory.open(classifier)
    manifest = directory.manifest
    assert (manifest.task, manifest.languages, manifest.limit, manifest.finished) == ("classify", ("text",), None, True)
    assert directory.labels is not None
    assert directory.labels.names == ("german", "question", "statement")
    assert directory.sizes.labels == 3
    test = manifest.scores["test"]
    assert test["accuracy"] > 0.9, "else nothing below would be worth the looking"
    validation = [record for record in directory.metrics() if record["kind"] == "validation"]
    assert {"dev_accuracy", "dev_macro_f1", "dev_loss"} <= set(validation[0])
    for record in validation:
        assert len(record["samples"]) == 3
        assert {sample[key] for sample in record["samples"] for key in ("output", "reference")} <= set(
            directory.labels.names
        )


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("name", sorted(CLASSIFIERS))
@pytest.mark.parametrize("units", ["subword", "word", "character"])
def test_every_preset_on_every_kind_of_units(name: str, units: str, nmt: Nmt) -> None:
    result = nmt("train", "kinds.tsv", "-o", "m", "--task=classify", *brief(name, 4), "--set", f"data.units={units}")
    assert result.exit_code == 0, result.stderr
    answers = lines_of(nmt("classify", "m", input="Why is it so?\n\nZyxwv 今天\n").stdout_bytes)
    assert [bool(answer) for answer in answers] == [True, False, True]


@pytest.mark.usefixtures("here")
def test_given_dev_and_test_and_a_prepared_folder(nmt: Nmt) -> None:
    lines = Path("kinds.tsv").read_text(encoding="utf-8").split("\n")
    Path("dev.tsv").write_text("\n".join(lines[:20]) + "\n", encoding="utf-8")
    files = ("--dev", "dev.tsv", "kinds.tsv", "--test", "t.tsv", "--languages", "mul")
    result = nmt("preprocess", *files, "--task", "classify", "-o", "d", "--units", "word", "--vocabulary", 50, "--max-length", 40,
                 "--max-ratio", 3)  # fmt: skip
    assert result.exit_code == 0, result.stderr
    shown = [line.split() for line in result.stderr.split("\n")]
    assert shown[:4] == [["texts"], ["read", "800"], ["read", "for", "dev", "20"], ["read", "for", "test", "51"]]
    assert "50 ids in the vocabulary" in result.stderr
    assert result.stderr.endswith("next: nmt train d -o model\n")
    trained = nmt("train", "d", "-o", "m", *QUICK)
    assert trained.exit_code == 0, trained.stderr
    assert "test, 50 texts:" in trained.stderr
    assert ModelDirectory.open(Path("m")).manifest.languages == ("mul",)


@pytest.mark.parametrize("name", sorted(CLASSIFIERS))
def test_stopped_in_the_middle_of_anything(name: str, here: Path, nmt: Nmt, stop: Stop) -> None:  # noqa: F811
    """Law 5, with dropout of words."""
    settings = ("model.dropout=0.2", "training.accumulate=3", "training.batch_tokens=900", "training.validate_every=5",
                "training.warmup=4", "training.learning_rate=0.01", "model.word_dropout=0.2", "data.units=word")  # fmt: skip
    chosen = [word for setting in (*CLASSIFIERS[name], *settings) for word in ("--set", setting)]
    words = ["kinds.tsv", "--task", "classify", "--preset", name, *chosen, "--updates", "17"]
    assert nmt("train", *words, "-o", "straight").exit_code == 0
    assert records(here / "straight")[-1]["epoch"] >= 2
    stop(1, 4, 5, 11)
    assert [nmt("train", *words, "-o", "stopped").exit_code for _ in range(5)] == [130, 130, 130, 130, 0]
    check_same(here / "straight", here / "stopped")


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["a.en"], 1, "a.en:1 must hold exactly one tab, but holds 0"),
        (["one.tsv"], 1, "labels must be at least two different ones, but are ['same']"),
        (
            ["kinds.tsv", "--dev", "other.tsv"],
            1,
            "other.tsv:2 must have a label that occurs in training, but has 'french'",
        ),
        (
            ["kinds.tsv", "--test", "other.tsv"],
            1,
            "other.tsv:2 must have a label that occurs in training, but has 'french'",
        ),
        (["kinds.tsv", "kinds.tsv"], 1, "labelled text must be one file, but is 2"),
        (["blank.tsv"], 1, "blank.tsv:2 must have a label, but it is blank"),
        (["empty.tsv"], 1, "empty.tsv must have lines, but is empty"),
        (["kinds.tsv", "--preset", "lm-lstm"], 2, "preset lm-lstm is for the task lm, not classify"),
        (["kinds.tsv", "--set", "model.pooling=last"], 2, "model.pooling should be "),
    ],
)
def test_refusals_of_training(words: list[str], code: int, message: str, nmt: Nmt) -> None:
    Path("one.tsv").write_text("".join(f"same\ttext {n}\n" for n in range(20)), encoding="utf-8")
    Path("other.tsv").write_text("german\tGut.\nfrench\tBien.\n", encoding="utf-8")
    Path("blank.tsv").write_text("a\tb\n\tc\n", encoding="utf-8")
    Path("empty.tsv").touch()
    before = sorted(Path().rglob("*"))
    assert message in said(nmt("train", *words, "-o", "m", "--task", "classify"), code)
    assert sorted(Path().rglob("*")) == before


# Labelling.


@BOTH
def test_one_line_in_one_line_out(kind: str, here: Path, nmt: Nmt, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(kind)
    rows = [line.split("\t") for line in (here / "t.tsv").read_text(encoding="utf-8").split("\n")[:-1]]
    text = "".join(f"{row[-1]}\n" for row in rows)
    plain = lines_of(nmt("classify", model, input=text).stdout_bytes)
    full = [json.loads(line) for line in lines_of(nmt("classify", model, "--format", "jsonl", input=text).stdout_bytes)]
    assert len(plain) == len(full) == len(rows) == 51
    right = 0
    for row, line, found in zip(rows, plain, full, strict=True):
        assert found["text"] == row[-1]
        if not row[-1]:
            assert (line, found["label"], found["probabilities"]) == ("", "", {})
            continue
        label, probability = line.split("\t")
        assert set(found["probabilities"]) == {"german", "question", "statement"}
        assert sum(found["probabilities"].values()) == pytest.approx(1)
        assert list(found["probabilities"].values()) == sorted(found["probabilities"].values(), reverse=True)
        assert next(iter(found["probabilities"])) == found["label"] == label
        assert float(probability) == pytest.approx(found["probabilities"][label], abs=1e-4)
        right += label == row[0]
    assert right > 40
    assert len(set(plain)) > 10, "else lines that change places would not be noticed"


@BOTH
def test_whatever_is_in_the_lines(kind: str, nmt: Nmt, request: pytest.FixtureRequest) -> None:
    """Law 6; what a line is called does not depend on the others."""
    model = request.getfixturevalue(kind)
    text = "".join(f"{line}\n" for line in STRANGE.values()).encode()
    result = nmt("classify", model, input=text)
    answers = lines_of(result.stdout_bytes)
    assert len(answers) == len(STRANGE)
    for what, answer in zip(STRANGE, answers, strict=True):
        assert (answer == "") == (what in {"blank", "spaces"}), what
    alone = [nmt("classify", model, input=f"{line}\n".encode()).stdout for line in STRANGE.values()]
    assert [answer.split("\t")[0] for answer in answers] == [one.rstrip("\n").split("\t")[0] for one in alone]
    shown = lines_of(nmt("classify", model, "--format", "jsonl", input=text).stdout_bytes)
    assert [json.loads(line)["text"] for line in shown] == [line.removesuffix("\r") for line in STRANGE.values()]


@pytest.mark.parametrize(("text", "lines"), [("", 0), ("\n", 1), ("Why?", 1), ("\n\nWhy?\n\n", 4), ("\ufeff\r\n", 1)])
def test_as_many_lines_as_came_in(text: str, lines: int, classifier: Path, nmt: Nmt) -> None:
    assert len(lines_of(nmt("classify", classifier, input=text.encode()).stdout_bytes)) == lines


def test_invalid_bytes_are_read_as_such_and_named(classifier: Path, nmt: Nmt) -> None:
    result = nmt("classify", classifier, input=b"Why?\n\xff so\n")
    assert (result.exit_code, len(lines_of(result.stdout_bytes))) == (0, 2)
    assert result.stderr == "warning: stdin:2 is not valid UTF-8: the invalid bytes were read as U+FFFD\n"


def test_several_files_one_after_the_other(classifier: Path, here: Path, nmt: Nmt) -> None:
    (here / "one").write_text("Why is it so?\nwithout a last line end", encoding="utf-8")
    (here / "two.gz").write_bytes(gzip.compress(b"Your brother is a teacher.\n"))
    whole = nmt("classify", classifier, "one", "-", "two.gz", input="\nDas ist gut.\n")
    wanted = "Why is it so?\nwithout a last line end\n\nDas ist gut.\nYour brother is a teacher.\n"
    assert whole.exit_code == 0
    assert whole.stdout == nmt("classify", classifier, input=wanted).stdout


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["none"], 1, "none must be a file, but there is none"),
        (["."], 1, ". must be a file, but is a folder"),
        (["--format", "tsv"], 2, "--format must be text or jsonl, but is 'tsv'"),
        (["--fromat", "text"], 2, "no such option: --fromat"),
    ],
)
def test_refusals_of_classify(words: list[str], code: int, message: str, classifier: Path, nmt: Nmt) -> None:
    assert message in said(nmt("classify", classifier, *words), code)


def test_a_model_without_its_labels(classifier: Path, nmt: Nmt, tmp_path: Path) -> None:
    own = shutil.copytree(classifier, tmp_path / "own")
    for content, message in (
        ("a\nb\n", "labels.txt must hold the 3 labels of the model, but holds 2"),
        ("a\nb\nc\nd\n", "labels.txt must hold the 3 labels of the model, but holds 4"),
        ("", "own/labels.txt: labels must be at least two different ones, but are []"),
        (None, "must hold labels.txt, but does not"),
    ):
        (own / "labels.txt").unlink()
        if content is not None:
            (own / "labels.txt").write_text(content, encoding="utf-8")
        assert message in said(nmt("classify", own, input="Why?\n"), 1)


def test_data_is_utf8_whatever_the_system_says(
    here: Path, nmt: Nmt, monkeypatch: pytest.MonkeyPatch, spawn: Callable[..., "subprocess.Popen[bytes]"],
    environment: dict[str, str],
) -> None:  # fmt: skip
    lines = [f"{'größe' if n % 2 else '今天'}\ttext number {n}" for n in range(40)]
    Path("labels.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert nmt("train", "labels.tsv", "-o", here / "m", *QUICK).exit_code == 0
    monkeypatch.setitem(environment, "PYTHONIOENCODING", "latin-1")
    with spawn("classify", here / "m") as process:
        answer, errors = process.communicate(b"text\n", timeout=60)
    assert (process.returncode, errors) == (0, b"")
    assert answer.decode("utf-8").split("\t")[0] in {"größe", "今天"}


# Measuring.


@BOTH
def test_evaluate_counts_what_classify_says(kind: str, here: Path, nmt: Nmt, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(kind)
    found = json.loads(nmt("evaluate", model, "t.tsv", "--json").stdout)
    text = (here / "t.tsv").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in text.split("\n") if line]
    answers = lines_of(nmt("classify", model, input="".join(f"{row[1]}\n" for row in rows)).stdout_bytes)
    names = ["german", "question", "statement"]
    table: dict[str, list[int]] = {name: [0, 0, 0] for name in names}
    for (label, _), answer in zip(rows, answers, strict=True):
        table[label][names.index(answer.split("\t")[0])] += 1
    assert found["confusion"] == table
    assert found["texts"] == 50
    assert found["accuracy"] == sum(table[name][place] for place, name in enumerate(names)) / 50
    shown = nmt("evaluate", model, "t.tsv").stdout
    assert shown.startswith(f"accuracy {100 * found['accuracy']:.1f} [")
    assert "true \\ said" in shown
    assert nmt("evaluate", model, "-", input=text).stdout == shown


def test_the_test_split_is_measured_as_evaluate_measures(classifier: Path, nmt: Nmt, tmp_path: Path) -> None:
    from nmt_cli.corpus.dataset import PreparedCorpus

    test = PreparedCorpus.open(classifier / "corpus").test
    rows = zip(test["label"].all_texts(), test["text"].all_texts(), strict=True)
    (tmp_path / "test").write_text("".join(f"{label}\t{text}\n" for label, text in rows), encoding="utf-8")
    found = json.loads(nmt("evaluate", classifier, tmp_path / "test", "--json").stdout)
    assert ModelDirectory.open(classifier).manifest.scores["test"] == found


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["a.en"], 1, "a.en:1 must hold exactly one tab, but holds 0"),
        (["t.tsv", "t.tsv"], 2, "labelled text must be one file, but 2 are given"),
        (["other.tsv"], 1, "other.tsv:3 must have a label that occurs in training, but has 'french'"),
        (["blank.tsv"], 1, "blank.tsv must have labelled texts, but all its lines are blank"),
        (["empty.tsv"], 1, "empty.tsv must have lines, but is empty"),
        (["none"], 1, "none must be a file, but there is none"),
        (["t.tsv", "--beam", "2"], 2, "--beam means nothing to a model of the task classify"),
        (["t.tsv", "--output", "x"], 2, "--output means nothing to a model of the task classify"),
    ],
)
def test_refusals_of_evaluate(words: list[str], code: int, message: str, classifier: Path, nmt: Nmt) -> None:
    Path("other.tsv").write_text("german\tGut.\n\nfrench\tBien.\n", encoding="utf-8")
    Path("blank.tsv").write_text("\n\n", encoding="utf-8")
    Path("empty.tsv").touch()
    assert message in said(nmt("evaluate", classifier, *words), code)


def test_errors_of_standard_input_say_where(classifier: Path, nmt: Nmt) -> None:
    result: Any = nmt("evaluate", classifier, "-", input="german\tGut.\nno tab\n")
    assert "standard input:2 must hold exactly one tab, but holds 0" in said(result, 1)
