"""Language models as they are typed: nmt train --task lm, evaluate, generate, logprob."""

import json
import math
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from nmt_cli.inference import scorer
from nmt_cli.inference.scorer import SCORERS, Asked
from nmt_cli.models import ARCHITECTURES
from nmt_cli.runs.checkpoint import Checkpoint
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.text.tokenizer import EOS, UNK
from nmt_cli.training import autopilot
from nmt_cli.training.presets import preset, preset_names

from .conftest import CLASSIFIERS, WRITERS, Nmt, brief, run_nmt
from .test_resume import Stop, check_same, records, stop  # noqa: F401  (stop is a fixture)
from .test_translate import STRANGE, lines_of

QUICK = ("--task", "lm", *brief("lm-transformer", 3))
MODELS = ("writer", "stream_writer", "word_writer")


@pytest.fixture(scope="module")
def word_writer(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny recurrent language model of words, line by line."""
    model = tmp_path_factory.mktemp("trained") / "lines"
    words = ("--set", "data.units=word", "--set", "training.window=0")
    result = run_nmt("train", small / "a.en", "-o", model, "--task", "lm", *brief("lm-rnn", 60), *words)
    assert result.exit_code == 0, result.stderr
    return model


@pytest.fixture
def here(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder holds ``a.en``, ``a.de``, ``kinds.tsv``, and ``t.en``, its first lines, two of them blank."""
    monkeypatch.chdir(tmp_path)
    for path in small.iterdir():
        shutil.copy(path, path.name)
    lines = Path("a.en").read_text(encoding="utf-8").split("\n")[:20]
    Path("t.en").write_text("\n".join([*lines[:10], "", *lines[10:], " "]) + "\n", encoding="utf-8")
    return tmp_path


def said(result: Any, code: int) -> str:
    """The one line of an error; there is at most a hint besides."""
    assert (result.exit_code, result.stdout) == (code, ""), result.stderr
    lines: list[str] = result.stderr.rstrip("\n").split("\n")
    assert lines[0].startswith("error: ")
    assert len(lines) == 1 or (len(lines) == 2 and lines[1].startswith("hint: "))
    return lines[0]


def jsonl(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines_of(text)]


# Training.


def test_every_preset_has_a_tiny_model() -> None:
    for task, tiny in (("lm", WRITERS), ("classify", CLASSIFIERS)):
        named = {name for name in preset_names() if ARCHITECTURES[preset(name)["model"]["architecture"]].task == task}
        assert set(tiny) == named


@pytest.mark.usefixtures("here")
def test_zero_options(nmt: Nmt, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = {"model": {"architecture": "transformer-lm", "width": 16, "layers": 1}}
    monkeypatch.setattr("nmt_cli.training.request.preset", lambda name: tiny if name == "lm-transformer" else {})
    own = autopilot.settings_for

    def short(*arguments: object) -> dict[str, dict[str, int]]:
        chosen = own(*arguments)  # type: ignore[arg-type]
        return {**chosen, "training": {**chosen["training"], "updates": 12}}

    monkeypatch.setattr(autopilot, "settings_for", short)
    result = nmt("train", "a.en", "--task", "lm")
    assert (result.exit_code, result.stdout) == (0, ""), result.stderr
    lines = result.stderr.split("\n")
    assert [line.split() for line in lines[:3]] == [["lines"], ["read", "600"], ["train", "480"]]
    assert "preset lm-transformer, chosen for 480 lines (--preset names another)" in lines
    assert any(line.startswith("update ") and "dev perplexity" in line and "a word" in line for line in lines)
    place = lines.index("test:")
    assert lines[place + 1].startswith("  perplexity ")
    assert " bits a character" in lines[place + 1]
    assert "60 lines" in lines[place + 2]
    assert lines[-2] == "next: nmt generate model --prompt 'How it begins'"
    again = nmt("train", "a.en", "--task", "lm")
    assert again.stderr.split("\n")[:2] == [
        "model is a finished model: nothing is left to do (--restart trains it anew)", "test:",
    ]  # fmt: skip
    assert nmt("generate", "model", "--max-length", 5).exit_code == 0


def test_what_is_recorded(writer: Path) -> None:
    directory = ModelDirectory.open(writer)
    manifest = directory.manifest
    assert (manifest.task, manifest.languages, manifest.limit, manifest.finished) == ("lm", ("en",), None, True)
    assert set(manifest.inputs) == {"train.1"}
    validation = [record for record in directory.metrics() if record["kind"] == "validation"]
    assert [record["update"] for record in validation] == [60, 120]
    assert {"dev_perplexity_per_word", "dev_perplexity_per_token", "dev_bits_per_character", "dev_nll"} <= set(
        validation[0]
    )
    assert math.exp(validation[1]["dev_loss"]) == pytest.approx(validation[1]["dev_perplexity_per_token"])
    assert [set(sample) for sample in validation[1]["samples"]] == [{"output", "source", "reference"}] * 3
    assert len({sample["output"] for sample in validation[1]["samples"]}) > 1, "each is drawn for itself"
    assert validation[1]["dev_perplexity_per_word"] < validation[0]["dev_perplexity_per_word"] < 5000
    assert not (writer / "labels.txt").exists()


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("name", sorted(WRITERS))
@pytest.mark.parametrize("units", ["subword", "word", "character"])
def test_every_preset_on_every_kind_of_units(name: str, units: str, nmt: Nmt) -> None:
    result = nmt("train", "a.en", "-o", "m", "--task=lm", *brief(name, 4), "--set", f"data.units={units}")
    assert result.exit_code == 0, result.stderr
    assert f" {units}s\n" in result.stderr
    directory = ModelDirectory.open(Path("m"))
    assert directory.sizes.unknown == (units != "subword")
    found = json.loads(nmt("evaluate", "m", "t.en", "--json").stdout)
    assert found["perplexity_per_token"] < 4 * directory.tokenizer.size
    assert (found["perplexity_per_word"] == found["perplexity_per_token"]) == (units == "word")
    assert found["unknown"] == 0 or units == "word"
    written = nmt("generate", "m", "--prompt", "I", "--max-length", 9)
    assert written.exit_code == 0, written.stderr
    assert written.stdout.startswith("I")
    (texts,) = jsonl(nmt("generate", "m", "--max-length", 9, "--format", "jsonl").stdout)
    assert UNK not in texts["tokens"]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("spelling", [("--task", "lm"), ("--task=lm",)])
def test_one_file_for_dev_and_one_for_test(spelling: tuple[str, ...], nmt: Nmt) -> None:
    lines = Path("a.en").read_text(encoding="utf-8").split("\n")
    for name, chosen in (("dev.en", lines[:8]), ("test.en", lines[8:17])):
        Path(name).write_text("\n".join(chosen) + "\n", encoding="utf-8")
    words = (*brief("lm-transformer", 3), *spelling)
    result = nmt("train", "--dev", "dev.en", "--test=test.en", "a.en", "-o", "m", *words)
    assert result.exit_code == 0, result.stderr
    assert "9 lines" in result.stderr
    assert set(ModelDirectory.open(Path("m")).manifest.inputs) == {"train.1", "dev.1", "test.1"}
    prepared = nmt(
        "preprocess", *spelling, "--dev", "dev.en", "a.en", "--test", "test.en", "-o", "d", "--units", "word"
    )
    assert prepared.exit_code == 0, prepared.stderr
    assert [line.split() for line in prepared.stderr.split("\n")[:6]] == [
        ["lines"], ["read", "600"], ["read", "for", "dev", "8"], ["read", "for", "test", "9"], ["train", "600"], ["dev", "8"],
    ]  # fmt: skip
    assert prepared.stderr.endswith("next: nmt train d -o model\n")
    assert nmt("train", "d", "-o", "n", *brief("lm-transformer", 3)).exit_code == 0, "the folder says its task"
    both = nmt("train", "--dev", "dev.en", "a.en", "a.en", "-o", "o", *words)
    assert said(both, 1) == "error: a text must be one file, but is 2"


@pytest.mark.usefixtures("here")
def test_translation_still_takes_two(nmt: Nmt) -> None:
    for name in ("dev", "test"):
        for side in ("en", "de"):
            lines = Path(f"a.{side}").read_text(encoding="utf-8").split("\n")[:7]
            Path(f"{name}.{side}").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for spelling in ((), ("--task", "translate"), ("--task=translate",)):
        words = ("--dev=dev.en", "dev.de", "--test", "test.en", "test.de", "a.en", "a.de", "-o", "d", "--force")
        result = nmt("preprocess", *spelling, *words)
        assert result.exit_code == 0, result.stderr
        assert result.stderr.endswith("next: nmt train d -o model\n")


@pytest.mark.parametrize("window", [0, 6])
@pytest.mark.parametrize("name", sorted(WRITERS))
def test_stopped_in_the_middle_of_anything(name: str, window: int, here: Path, nmt: Nmt, stop: Stop) -> None:  # noqa: F811
    """Law 5, of an epoch, of an accumulation, and of streams: what was carried goes on."""
    settings = ("model.dropout=0.2", "training.accumulate=3", "training.batch_tokens=240", "training.validate_every=5",
                "training.warmup=4", "training.learning_rate=0.01", f"training.window={window}", "data.units=word")  # fmt: skip
    chosen = [word for setting in (*WRITERS[name], *settings) for word in ("--set", setting)]
    words = ["a.en", "--task", "lm", "--preset", name, *chosen, "--updates", "17"]
    assert nmt("train", *words, "-o", "straight").exit_code == 0
    assert records(here / "straight")[-1]["epoch"] >= 2, "the training must reach over several epochs"
    stop(1, 4, 5, 11)  # 5: just behind a validation
    codes = [nmt("train", *words, "-o", "stopped").exit_code for _ in range(5)]
    assert codes == [130, 130, 130, 130, 0]
    check_same(here / "straight", here / "stopped")
    carry = Checkpoint.read(here / "stopped").carry  # type: ignore[union-attr]
    assert (carry is not None) == (window > 0 and name != "lm-transformer")


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["a.en", "--task", "lm", "--preset", "transformer-tiny"], 2, "transformer-tiny is for the task translate, not lm"),
        (["a.en", "--task", "lm", "--preset", "classify-birnn"], 2, "classify-birnn is for the task classify, not lm"),
        (["a.en", "--task", "lm", "--set", "model.architecture=recurrent"], 2, "recurrent is for the task translate, not lm"),
        (["a.en", "a.de", "--preset", "lm-rnn"], 2, "preset lm-rnn is for the task lm, not translate"),
        (["a.en", "a.de", "--set", "training.window=20"], 2, "training.window means nothing to the task translate"),
        (["a.en", "--task", "lm", "--set", "training.r_drop=1.0"], 2, "training.r_drop means nothing to the task lm"),
        (
            ["a.en", "--task", "lm", "--set", "training.bpe_dropout=0.1", "--set", "training.window=20"],
            2,
            "training.bpe_dropout means nothing to a stream",
        ),
        (["kinds.tsv", "--task", "classify", "--set", "training.window=20"], 2, "means nothing to the task classify"),
        (["a.en", "--task", "lm", "--set", "training.window=-1"], 2, "training.window should be greater than or equal to 0"),
        (["a.en", "a.de", "--set", "data.units=word"], 2, "data.units must be subword for the task translate, but is word"),
        (
            ["a.en", "--task", "lm", "--set", "data.units=words"], 2,
            "data.units should be 'subword', 'word', 'character' or 'piece', but is 'words'",
        ),
        (["a.en", "--task", "lm", "--languages", "en de"], 2, "--languages must be one language code, but is 'en de'"),
        (["a.en", "--task", "ml"], 2, "task must be a known name, but is 'ml'"),
        (["a.en", "--task"], 2, "option '--task' requires an argument"),
        (["a.en", "--task", "lm", "--dev"], 2, "option '--dev' requires an argument"),
        (["a.en", "--task="], 2, "task must be a known name, but is ''"),
        (["a.en", "--task", "lm", "--test", "none"], 1, "none must be a file, but there is none"),
        (["d", "--task", "translate", "-o", "m"], 1, "d must be prepared for the task translate, but holds text"),
        (["d", "--task", "classify", "-o", "m"], 1, "d must be prepared for the task classify, but holds text"),
        (["d", "--task", "lm", "--dev", "a.en"], 2, "d is prepared: --dev, --test and --languages belong to nmt preprocess"),
    ],
)  # fmt: skip
def test_refusals_of_training(words: list[str], code: int, message: str, nmt: Nmt) -> None:
    assert nmt("preprocess", "a.en", "--task", "lm", "-o", "d").exit_code == 0
    before = sorted(Path().rglob("*"))
    assert message in said(nmt("train", *words), code)
    assert sorted(Path().rglob("*")) == before


@pytest.mark.usefixtures("here")
def test_units_are_refused_before_a_corpus_is_prepared(nmt: Nmt) -> None:
    result = nmt("preprocess", "a.en", "a.de", "-o", "d", "--units", "character")
    assert "data.units must be subword for pairs, but is character" in said(result, 2)
    assert not Path("d").exists()


@pytest.mark.usefixtures("here")
def test_a_model_of_another_task_is_not_gone_on_with(nmt: Nmt) -> None:
    assert nmt("train", "kinds.tsv", "-o", "m", *QUICK).exit_code == 0
    result = nmt("train", "kinds.tsv", "-o", "m", "--task", "classify", *brief("classify-birnn", 3))
    assert "m was begun with other data: it is for another task" in said(result, 1)
    other = nmt("train", "a.en", "-o", "m", *QUICK, "--set", "training.window=20")
    assert other.exit_code == 1
    again = nmt("train", "kinds.tsv", "-o", "m", *QUICK, "--set", "training.window=20")
    assert "training.window: 0 -> 20" in said(again, 2)


# Measuring.


@pytest.mark.parametrize("kind", MODELS)
def test_evaluate_says_what_logprob_adds_up_to(kind: str, here: Path, nmt: Nmt, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(kind)
    found = json.loads(nmt("evaluate", model, "t.en", "--json").stdout)
    lines = jsonl(nmt("logprob", model, "t.en", "--format", "jsonl").stdout)
    assert len(lines) == 22
    assert found["nll"] == pytest.approx(-sum(line["log_prob"] for line in lines), rel=1e-6)
    assert found["tokens"] == sum(len(line["tokens"]) for line in lines)
    text = [line for line in (here / "t.en").read_text(encoding="utf-8").split("\n") if line.strip()]
    words = sum(len(line.split()) for line in text)
    assert (found["lines"], found["words"], found["characters"]) == (20, words, sum(map(len, text)))
    assert found["perplexity_per_word"] == pytest.approx(math.exp(found["nll"] / (words + 20)))
    assert found["unknown"] == sum(line["tokens"].count(UNK) for line in lines)
    shown = nmt("evaluate", model, "t.en").stdout.split("\n")
    assert shown[0].startswith(f"perplexity {found['perplexity_per_word']:.2f} a word")
    assert ("<unk>" in "".join(shown)) == (found["unknown"] > 0)
    assert nmt("evaluate", model, "-", input=(here / "t.en").read_text(encoding="utf-8")).stdout.split("\n") == shown


def test_the_test_split_is_measured_as_evaluate_measures(stream_writer: Path, nmt: Nmt, tmp_path: Path) -> None:
    from nmt_cli.corpus.dataset import PreparedCorpus

    texts = PreparedCorpus.open(stream_writer / "corpus").test["text"].all_texts()
    (tmp_path / "test").write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    found = json.loads(nmt("evaluate", stream_writer, tmp_path / "test", "--json").stdout)
    assert ModelDirectory.open(stream_writer).manifest.scores["test"] == pytest.approx(found, rel=1e-6)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["t.en", "t.en"], 2, "the text of a language model must be one file, but 2 are given"),
        (["t.en", "--beam", "3"], 2, "--beam means nothing to a model of the task lm"),
        (["t.en", "--search", "greedy"], 2, "--search means nothing to a model of the task lm"),
        (["t.en", "--length-penalty", "1"], 2, "--length-penalty means nothing to a model of the task lm"),
        (["t.en", "--resamples", "0"], 2, "--resamples means nothing to a model of the task lm"),
        (["t.en", "--against", "t.en"], 2, "--against means nothing to a model of the task lm"),
        (["t.en", "-o", "out"], 2, "--output means nothing to a model of the task lm"),
        (["none"], 1, "none must be a file, but there is none"),
        (["blank"], 1, "blank must have lines of text, but has none"),
        (["empty"], 1, "empty must have lines of text, but has none"),
        (["latin"], 1, "latin:1 must be UTF-8"),
        ([], 2, "missing argument 'FILE...'"),
    ],
)
def test_refusals_of_evaluate(words: list[str], code: int, message: str, writer: Path, nmt: Nmt) -> None:
    Path("blank").write_text("\n \n", encoding="utf-8")
    Path("empty").touch()
    Path("latin").write_bytes(b"\xff\n")
    assert message in said(nmt("evaluate", writer, *words), code)


# Log-probabilities.


@pytest.mark.parametrize("kind", [*MODELS, "trained", "trained_lstm"])
def test_the_formats_agree(kind: str, here: Path, nmt: Nmt, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(kind)
    if kind.startswith("trained"):
        source = (here / "t.en").read_text(encoding="utf-8")
        (here / "t.de").write_text(nmt("translate", model, "--search", "greedy", input=source).stdout, encoding="utf-8")
    files = ("t.en", "t.de") if kind.startswith("trained") else ("t.en",)
    text = lines_of((here / files[-1]).read_text(encoding="utf-8"))
    plain = [float(line or 0) for line in lines_of(nmt("logprob", model, *files).stdout)]
    table = [line.split("\t") for line in lines_of(nmt("logprob", model, *files, "--format", "tsv").stdout)]
    rows = jsonl(nmt("logprob", model, *files, "--format", "jsonl").stdout)
    assert len(text) == len(plain) == len(table) == len(rows) == 22
    for number, (line, value, row, full) in enumerate(zip(text, plain, table, rows, strict=True), 1):
        assert row[0] == str(number)
        assert row[1] == "1"
        assert (row[5], full["translation" if len(files) > 1 else "text"]) == (line.strip(), line)
        assert float(row[2]) == value == pytest.approx(full["log_prob"], abs=1e-6)
        assert int(row[3]) == len(full["tokens"]) == len(full["pieces"]) == len(full["log_probs"])
        assert full["log_prob"] == pytest.approx(sum(full["log_probs"]), abs=1e-9)
        assert full["perplexity"] == pytest.approx(math.exp(-full["log_prob"] / max(1, len(full["tokens"]))))
        assert float(row[4]) == pytest.approx(full["perplexity"], abs=1e-4)
        if line.strip():
            assert (full["tokens"][-1], full["pieces"][-1]) == (EOS, "</s>")
            assert value < 0
        else:
            assert (value, row[3], full["tokens"]) == (0, "0", [])


@pytest.mark.parametrize("kind", ["trained", "trained_lstm"])
def test_a_translation_is_as_probable_as_its_search_said(
    kind: str, here: Path, nmt: Nmt, request: pytest.FixtureRequest
) -> None:
    """Law 3; where the tokenizer would cut a text otherwise than the search made it, the figure is another."""
    model = request.getfixturevalue(kind)
    found = nmt("translate", model, "t.en", "--format", "tsv", "--search", "greedy").stdout
    rows = [line.split("\t") for line in lines_of(found)]
    (here / "t.de").write_text("".join(f"{row[4]}\n" for row in rows), encoding="utf-8")
    scored = [float(line or 0) for line in lines_of(nmt("logprob", model, "t.en", "t.de").stdout)]
    agree = sum(abs(float(row[3]) - value) < 1e-3 for row, value in zip(rows, scored, strict=True))
    assert agree >= 12
    other = [float(line or 0) for line in lines_of(nmt("logprob", model, "t.en", "t.en").stdout)]
    assert sum(scored) > sum(other), "its own translation is more probable than the source itself"


@pytest.mark.parametrize("kind", ["writer", "stream_writer"])
def test_whatever_is_in_the_lines(kind: str, nmt: Nmt, request: pytest.FixtureRequest) -> None:
    """Law 6: one line in, one line out; a table stays a table."""
    model, text = request.getfixturevalue(kind), "".join(f"{line}\n" for line in STRANGE.values())
    table = nmt("logprob", model, "-", "--format", "tsv", input=text.encode())
    rows = [line.split("\t") for line in lines_of(table.stdout_bytes)]
    assert [row[0] for row in rows] == [str(number) for number in range(1, len(STRANGE) + 1)]
    assert {len(row) for row in rows} == {6}
    assert all(math.isfinite(float(row[2])) for row in rows)
    for what, row in zip(STRANGE, rows, strict=True):
        assert (row[3] == "0") == (what in {"blank", "spaces"}), what
    assert len(lines_of(nmt("logprob", model, "-", input=text.encode()).stdout_bytes)) == len(STRANGE)
    shown = [json.loads(line)["text"] for line in lines_of(
        nmt("logprob", model, "-", "--format", "jsonl", input=text.encode()).stdout_bytes)]  # fmt: skip
    assert shown == [line.removesuffix("\r") for line in STRANGE.values()]


def test_a_line_of_a_stream_is_scored_behind_those_before_it(
    stream_writer: Path, word_writer: Path, here: Path, nmt: Nmt
) -> None:
    text = "Why?\nYour brother is a teacher.\n"
    (here / "one").write_text(text, encoding="utf-8")
    (here / "two").write_text("".join(reversed(text.splitlines(keepends=True))), encoding="utf-8")
    for model, alike in ((word_writer, True), (stream_writer, False)):
        first, second = (
            sorted(float(line or 0) for line in lines_of(nmt("logprob", model, name).stdout)) for name in ("one", "two")
        )
        assert (first == pytest.approx(second, abs=1e-5)) == alike


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("kind", "words", "code", "message"),
    [
        (
            "stream_writer",
            ["t.en", "t.en"],
            2,
            "a model that was trained on a stream must be given one text for each line",
        ),
        ("trained", ["t.en"], 2, "--input text must have a source and a text, but is given 1 file"),
        ("classifier", ["t.en"], 1, "must be a language model or a translation model, but is for the task classify"),
        ("writer", ["t.en", "--format", "json"], 2, "--format must be a known name, but is 'json'"),
        ("writer", ["none"], 1, "none must be a file, but there is none"),
        ("writer", ["empty"], 1, "empty must have lines, but is empty"),
        ("writer", ["latin"], 1, "latin:1 must be UTF-8"),
        ("trained", ["empty", "t.en"], 1, "empty must have lines, but is empty"),
        ("trained", ["-", "-"], 1, "standard input can be read once only, but is asked for twice"),
        ("writer", [], 2, "missing argument 'FILE...'"),
    ],
)
def test_refusals_of_logprob(
    kind: str, words: list[str], code: int, message: str, nmt: Nmt, request: pytest.FixtureRequest
) -> None:
    Path("empty").touch()
    Path("latin").write_bytes(b"\xff\n")
    assert message in said(nmt("logprob", request.getfixturevalue(kind), *words), code)


@pytest.mark.parametrize("short", ["source", "target"])
def test_files_that_part_are_noticed_where_the_shorter_one_ends(
    short: str, trained: Path, here: Path, nmt: Nmt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lines before are answered: nothing is read ahead. Then both numbers are said."""
    monkeypatch.setattr(scorer, "_WINDOW", 4)
    lines = Path("a.en").read_text(encoding="utf-8").split("\n")[:40]
    (here / "long").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (here / "short").write_text("\n".join(lines[:10]) + "\n", encoding="utf-8")
    files = ("short", "long") if short == "source" else ("long", "short")
    result = nmt("logprob", trained, *files)
    assert (result.exit_code, len(lines_of(result.stdout))) == (1, 8)
    numbers = (40, 10) if short == "source" else (10, 40)
    assert result.stderr.split("\n")[0] == (
        f"error: {files[1]} must have as many lines as {files[0]}, but has {numbers[0]} and that has {numbers[1]}"
    )
    assert result.stderr.count("\n") == 2


@pytest.mark.parametrize("kind", [*MODELS, "trained"])
def test_lines_are_read_a_window_at_a_time(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory does not grow with the input."""
    monkeypatch.setattr(scorer, "_WINDOW", 10)
    directory = ModelDirectory.open(request.getfixturevalue(kind))
    judge = SCORERS[directory.manifest.task].open(directory)
    taken = 0

    def endless() -> Iterator[Asked]:
        nonlocal taken
        while True:
            taken += 1
            yield Asked("Why is it so?", "Why is it so?")

    answers = judge.score(endless())
    for number in range(1, 36):
        next(answers)
        assert taken <= number + 20


# Writing.


def test_every_option_of_generate(writer: Path, nmt: Nmt) -> None:
    words = ("--prompt", "Your brother", "--prompt", "Why", "-n", 3, "--temperature", 0.9, "--top-k", 20, "--top-p", 0.9,
             "--min-p", 0.01, "--seed", 5, "--max-length", 12)  # fmt: skip
    texts = lines_of(nmt("generate", writer, *words).stdout)
    rows = jsonl(nmt("generate", writer, *words, "--format", "jsonl").stdout)
    assert len(texts) == len(rows) == 6
    assert [row["text"] for row in rows] == texts
    assert [row["prompt"] for row in rows] == ["Your brother"] * 3 + ["Why"] * 3
    assert all(text.startswith(row["prompt"]) for text, row in zip(texts, rows, strict=True))
    for row in rows:
        assert set(row) == {"prompt", "text", "log_prob", "tokens"}
        assert len(row["tokens"]) <= 12
        assert row["tokens"][-1] == EOS
        assert EOS not in row["tokens"][:-1]
        assert row["log_prob"] < 0


def test_a_text_depends_on_seed_prompt_and_number_alone(writer: Path, nmt: Nmt) -> None:
    def write(*words: object) -> list[str]:
        result = nmt("generate", writer, *words, "--max-length", 20)
        assert result.exit_code == 0, result.stderr
        return lines_of(result.stdout)

    many = write("-n", 70, "--seed", 3)  # more than a batch
    assert write("-n", 70, "--seed", 3) == many
    assert write("-n", 5, "--seed", 3) == many[:5]
    assert write("-n", 70, "--seed", 4) != many
    assert len(set(many)) > 30
    assert many[64:] != many[:6], "the second batch goes on where the first one ended"
    two, three = (write("--seed", 3, "--prompt", "", "--prompt", "Why", "-n", number) for number in (2, 3))
    assert two[:2] == three[:2] == many[:2]
    assert two[2:] == three[3:5]
    same = write("--seed", 3, "--prompt", "Why", "--prompt", "Why", "-n", 9)
    assert same[:9] != same[9:], "a prompt that is typed twice gets other samples"
    assert write("-n", 1) == write() == write("--seed", 1)


def test_temperatures(writer: Path, nmt: Nmt) -> None:
    def spread(*words: object) -> int:
        result = nmt("generate", writer, "--prompt", "You", "-n", 40, "--max-length", 10, *words)
        assert result.exit_code == 0, result.stderr
        return len(set(lines_of(result.stdout)))

    assert (
        spread("--temperature", 0)
        == spread("--top-k", 1)
        == spread("--min-p", 1)
        == spread("--temperature", 0.001)
        == 1
    )
    assert spread("--temperature", 0, "--top-k", 5, "--top-p", 0.5, "--min-p", 0.1) == 1
    assert 1 < spread("--temperature", 0.4) < spread("--temperature", 2)
    assert spread("--top-p", 0.3) < spread("--top-p", 1)


def test_what_is_written_is_as_probable_as_it_says(word_writer: Path, nmt: Nmt, tmp_path: Path) -> None:
    """Of whole words there is one way to cut a text; a prompt's own probability is the rest."""
    rows = jsonl(
        nmt("generate", word_writer, "-n", 30, "--temperature", 1.5, "--format", "jsonl", "--max-length", 9).stdout
    )
    kept = [row for row in rows if row["text"]]
    assert len(kept) > 20
    (tmp_path / "written").write_text("".join(f"{row['text']}\n" for row in kept), encoding="utf-8")
    scored = [float(line) for line in lines_of(nmt("logprob", word_writer, tmp_path / "written").stdout)]
    assert scored == pytest.approx([row["log_prob"] for row in kept], abs=1e-4)
    assert max(len(row["tokens"]) for row in kept) == 9, "some ends were forced"


@pytest.mark.parametrize("kind", MODELS)
def test_a_prompt_stays_as_it_was_typed(kind: str, nmt: Nmt, request: pytest.FixtureRequest) -> None:
    """Also what the model has no id for."""
    model = request.getfixturevalue(kind)
    for prompt, shown in (("Zyxwv  今天 😀", "Zyxwv 今天 😀"), (" Your ", "Your"), ("", ""), (" \x00", "")):
        (text,) = lines_of(nmt("generate", model, "--prompt", prompt, "--max-length", 8).stdout)
        assert text.startswith(shown)
        assert "<unk>" not in text


def test_a_prompt_of_half_a_character(writer: Path, nmt: Nmt) -> None:
    """As a terminal hands over a byte that is no UTF-8."""
    words = ("--prompt", "\udcffA", "--max-length", 8)
    (row,) = jsonl(nmt("generate", writer, *words, "--format", "jsonl").stdout)
    assert row["prompt"] == "\udcffA"
    assert lines_of(nmt("generate", writer, *words).stdout) == [row["text"]]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["-n", "0"], 2, "-n must be at least 1, but is 0"),
        (["--max-length", "0"], 2, "--max-length must be at least 1, but is 0"),
        (["--temperature", "-1"], 2, "the temperature must be above 0, but is -1.0"),
        (["--temperature", "nan"], 2, "the temperature must be above 0, but is nan"),
        (["--top-k", "0"], 2, "top-k must be at least 1, but is 0"),
        (["--top-p", "0"], 2, "top-p must be above 0 and at most 1, but is 0.0"),
        (["--min-p", "1.01"], 2, "min-p must be above 0 and at most 1, but is 1.01"),
        (["--temperature", "0", "--top-k", "0"], 2, "top-k must be at least 1, but is 0"),
        (["--seed", "-1"], 2, "--seed must be at least 0 and below 2^63, but is -1"),
        (["--seed", str(2**63)], 2, "--seed must be at least 0 and below 2^63"),
        (["--format", "tsv"], 2, "--format must be text or jsonl, but is 'tsv'"),
        (["--seed", "x"], 2, "invalid value for '--seed'"),
        (["more"], 2, "got unexpected extra argument"),
    ],
)
def test_refusals_of_generate(words: list[str], code: int, message: str, writer: Path, nmt: Nmt) -> None:
    assert message in said(nmt("generate", writer, *words), code)


@pytest.mark.parametrize("command", ["generate", "classify", "logprob"])
def test_models_of_another_task_or_none(command: str, trained: Path, writer: Path, here: Path, nmt: Nmt) -> None:
    other = {"generate": trained, "classify": writer, "logprob": here}[command]
    files = ("t.en",) if command == "logprob" else ()
    message = {
        "generate": "must be a language model, but was trained for the task translate",
        "classify": "must be a classifier, but was trained for the task lm",
        "logprob": "must be a model directory, but holds none",
    }[command]
    assert message in said(nmt(command, other, *files), 1)
    assert "none must be a model directory, but there is no such folder" in said(nmt(command, "none", *files), 1)
    assert "must be a translation model, but was trained for the task lm" in said(
        nmt("translate", writer, input="a\n"), 1
    )


def test_a_reader_that_leaves_early_is_no_error(writer: Path, environment: Mapping[str, str]) -> None:
    command = f"{sys.executable} -m nmt_cli generate {writer} -n 20000 --max-length 9 | head -2"
    done = subprocess.run(["bash", "-c", command + "; echo ${PIPESTATUS[0]} >&2"], capture_output=True, env=environment)
    assert done.stdout.count(b"\n") == 2
    assert done.stderr.decode() == "0\n"


@pytest.mark.parametrize(("command", "kind"), [("classify", "classifier"), ("logprob", "stream_writer")])
def test_ctrl_c_ends_it_at_once(
    command: str, kind: str, spawn: Callable[..., "subprocess.Popen[bytes]"], request: pytest.FixtureRequest
) -> None:
    """While it waits for its input; what was answered before has been written."""
    with spawn(command, request.getfixturevalue(kind), "-") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"Why is it so?\n" * 5000)
        process.stdin.flush()
        assert process.stdout.readline()
        process.send_signal(2)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.decode() == "interrupted\n"


def test_a_line_that_is_too_long_to_be_read_by_itself(writer: Path, stream_writer: Path, here: Path, nmt: Nmt) -> None:
    """It would take the memory of the machine; on a stream it may be as long as it is."""
    long = " ".join(["The dog sees the cat."] * 1200)
    Path("long.en").write_text(
        "\n".join(["A dog.", "", long, *lines_of((here / "a.en").read_bytes())]) + "\n", encoding="utf-8"
    )
    for command in ("evaluate", "logprob"):
        assert said(nmt(command, writer, "long.en"), 1).startswith("error: long.en:3 must have at most 4,096 tokens")
        assert nmt(command, stream_writer, "long.en").exit_code == 0
    result = nmt("train", "long.en", "-o", "model", *QUICK)
    assert result.exit_code == 1
    assert "error: the line of train that begins with 'The dog sees the cat. The dog" in result.stderr
    assert nmt("train", "long.en", "-o", "model", *QUICK, "--set", "training.window=20").exit_code == 0


def test_words_that_the_model_does_not_know_are_said(writer: Path, stream_writer: Path, nmt: Nmt) -> None:
    words = ("--prompt", "the xyzzy and plugh xyzzy", "--max-length", 2)
    said = "warning: 2 words of the prompt are unknown to the model: xyzzy, plugh\n"
    assert nmt("generate", stream_writer, *words).stderr == said
    assert nmt("generate", writer, *words).stderr == "", "subwords know every word"
    found = nmt("logprob", stream_writer, "-", input="the xyzzy\n\nand plugh\n")
    assert found.stderr == "2 of 6 tokens are <unk>: all that the model does not know is one word\n"
    assert [bool(line) for line in found.stdout.split("\n")] == [True, False, True, False], (
        "a blank line for a blank one"
    )


def test_equal_texts_are_said_to_be_equal(writer: Path, nmt: Nmt) -> None:
    words = ("--max-length", 2, "--temperature", 0)
    found = nmt("generate", writer, *words, "-n", 2)
    assert found.stderr == "nothing is left to chance: the 2 texts of a prompt are one and the same\n"
    assert len(set(found.stdout.split("\n")[:-1])) == 1
    assert nmt("generate", writer, *words).stderr == ""
