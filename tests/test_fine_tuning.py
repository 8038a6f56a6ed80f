"""``nmt train --from``: a training that begins with the weights of a model."""

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt_cli.corpus.dataset import PreparedCorpus
from nmt_cli.corpus.limits import LengthLimit
from nmt_cli.corpus.prepare import file_checksum
from nmt_cli.runs.checkpoint import FOLDER
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.runs.files import read_tensors
from nmt_cli.training import learner, loop
from nmt_cli.training.loop import Step

from .conftest import PHRASEBOOK, Nmt
from .test_resume import bits, check_same

WEIGHTS = "model.safetensors"
STILL = ("--set", "training.learning_rate=1e-30")
"""Nothing moves."""


def brief(updates: int, *settings: str) -> list[str]:
    given = ("training.validate_every=4", *settings)
    return ["--updates", str(updates), *(word for setting in given for word in ("--set", setting))]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder holds ``b.en`` and ``b.de``, text that the trained models have not seen, and ``kinds.tsv``."""
    monkeypatch.chdir(tmp_path)
    sides = {
        language: (PHRASEBOOK / f"train.{language}").read_text(encoding="utf-8").split("\n")[600:720]
        for language in ("en", "de")
    }
    for language, lines in sides.items():
        Path(f"b.{language}").write_text("\n".join(lines) + "\n", encoding="utf-8")
    kinds = [("question" if line.endswith("?") else "statement", line) for line in sides["en"]]
    kinds += [("german", line) for line in sides["de"][:40]]
    Path("kinds.tsv").write_text("".join(f"{label}\t{line}\n" for label, line in kinds), encoding="utf-8")
    return tmp_path


def stopped_at(update: int, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = loop.train

    def stopping(*arguments: Any) -> Iterator[Step]:
        for step in steps(*arguments):
            if step.update == update:
                signal.raise_signal(signal.SIGINT)
            yield step

    monkeypatch.setattr(learner, "train", stopping)


@pytest.mark.usefixtures("here")
def test_what_is_taken_over(trained: Path, nmt: Nmt) -> None:
    result = nmt("train", "b.en", "b.de", "-o", "m", "--from", trained, *brief(8, "model.dropout=0.2"))
    assert result.exit_code == 0, result.stderr
    said = result.stderr.split("\n")
    assert any(line.startswith("transformer, ") and line.endswith(f", from {trained}") for line in said)
    assert any(line.startswith("before the first update: dev BLEU ") for line in said)
    assert not any("preset" in line for line in said)
    old, new = ModelDirectory.open(trained), ModelDirectory.open(Path("m"))
    assert new.settings.model == old.settings.model.model_copy(update={"dropout": 0.2})
    assert (new.path / "subwords.model").read_bytes() == (trained / "subwords.model").read_bytes()
    assert new.settings.data == old.settings.data
    training = new.settings.training
    assert (training.learning_rate, training.warmup) == (old.settings.training.learning_rate / 4, 1)
    assert training.batch_tokens == 1024 != old.settings.training.batch_tokens, "by the autopilot"
    assert [record["update"] for record in new.metrics() if record["kind"] == "validation"] == [0, 4, 8]
    assert new.manifest.origin is not None
    assert new.manifest.origin.checksum == file_checksum(trained / WEIGHTS)
    assert new.manifest.limit is not None
    assert old.manifest.limit is not None
    assert all(new.manifest.limit(length) >= old.manifest.limit(length) for length in range(1, 300))
    assert f"began with    the weights {new.manifest.origin.checksum[:8]} of {trained}" in nmt("inspect", "m").stdout

    changes = brief(2, "training.label_smoothing=0.0", "training.precision=bfloat16")
    again = nmt("train", "b.en", "b.de", "-o", "n", "--from", "m", *changes)
    assert again.exit_code == 0, again.stderr
    later = ModelDirectory.open(Path("n")).settings.training
    assert (later.learning_rate, later.warmup, later.label_smoothing) == (training.learning_rate, 1, 0.0)
    once_more = nmt("train", "b.en", "b.de", "-o", "o", "--from", "n", *brief(1))
    assert once_more.exit_code == 0, once_more.stderr
    last = ModelDirectory.open(Path("o")).settings.training
    assert (last.label_smoothing, last.precision) == (0.0, "float32"), "precision suits a machine"


@pytest.mark.usefixtures("here")
def test_the_average_begins_with_them_too(trained: Path, nmt: Nmt) -> None:
    """Else the first that is measured, and to be beaten, would be random weights."""
    measured = []
    for ema in ("0.0", "0.9"):
        assert (
            nmt("train", "b.en", "b.de", "-o", f"m{ema}", "--from", trained, *brief(1, f"training.ema={ema}")).exit_code
            == 0
        )
        first = next(record for record in ModelDirectory(Path(f"m{ema}")).metrics() if record["kind"] == "validation")
        measured.append((first["update"], first["dev_loss"]))
    assert measured[0] == measured[1]


def test_a_limit_covers_two() -> None:
    one, other = LengthLimit(1.5, 4.0), LengthLimit(1.2, 9.0)
    both = one.covering(other)
    assert all(both(length) >= max(one(length), other(length)) for length in range(1, 100))
    assert one.covering(one) == one


@pytest.mark.usefixtures("here")
def test_it_begins_with_the_best_weights_and_never_ends_with_worse(trained: Path, nmt: Nmt) -> None:
    result = nmt("train", "b.en", "b.de", "-o", "m", "--from", trained, *brief(4), *STILL)
    assert result.exit_code == 0, result.stderr
    assert f"warning: nothing that was learnt is better on dev: the weights are those of {trained}" in result.stderr
    assert bits(Path("m", WEIGHTS)) == bits(trained / WEIGHTS)
    again = nmt("train", "b.en", "b.de", "-o", "again", "--from", trained, "--config", "m/config.toml")
    assert again.exit_code == 0, again.stderr
    check_same(Path("m"), Path("again"))


@pytest.mark.usefixtures("here")
def test_stopped_and_gone_on(trained: Path, nmt: Nmt, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("train", "b.en", "b.de", "--from", trained, *brief(9, "training.ema=0.9", "training.keep=2"))
    assert nmt(*words, "-o", "straight").exit_code == 0
    for update in (1, 6):
        with monkeypatch.context() as patch:
            stopped_at(update, patch)
            assert nmt(*words, "-o", "stopped").exit_code == 130
    assert nmt(*words, "-o", "stopped").exit_code == 0
    check_same(Path("straight"), Path("stopped"))
    kept = [sorted(path.name for path in Path(model, FOLDER).glob("kept-*")) for model in ("straight", "stopped")]
    assert kept[0] == kept[1] == ["kept-8.safetensors", "kept-9.safetensors"]
    for name in kept[0]:
        assert bits(Path("straight", FOLDER, name)) == bits(Path("stopped", FOLDER, name))
    assert nmt(*words, "-o", "straight", "--restart").exit_code == 0
    check_same(Path("straight"), Path("stopped"))


@pytest.mark.usefixtures("here")
def test_several_processes_begin_with_the_same_weights(trained: Path, nmt: Nmt) -> None:
    for workers in (1, 2):
        words = ("--from", trained, "--workers", workers, *brief(2))
        result = nmt("train", "b.en", "b.de", "-o", f"m{workers}", *words)
        assert result.exit_code == 0, result.stderr
    one, two = (read_tensors(Path(f"m{workers}", FOLDER, "last.safetensors"))[0] for workers in (1, 2))
    # Adam divides by the size of a gradient: one that is all but 0 is blown up with its rounding. The gradients are what agrees.
    means = [name for name in one if ".exp_avg." in name]
    assert max(float(one[name].abs().max()) for name in means) > 1e-3
    assert max(float((two[name] - one[name]).abs().max()) for name in means) < 1e-6
    weights = torch.cat([(two[name] - one[name]).abs().flatten() for name in one if name.startswith("weights.")])
    assert int((weights > 1e-5).sum()) <= len(weights) // 1000


@pytest.mark.usefixtures("here")
def test_a_prepared_corpus_must_have_its_vocabulary(trained: Path, nmt: Nmt) -> None:
    assert nmt("preprocess", "b.en", "b.de", "-o", "other").exit_code == 0
    refused = nmt("train", "other", "-o", "m", "--from", trained, *brief(4))
    assert (refused.exit_code, refused.stderr) == (
        1,
        f"error: other must have the vocabulary of {trained}, but has another\n"
        f"hint: nmt preprocess --tokenizer {trained} prepares a corpus for it\n",
    )
    words = ("preprocess", "b.en", "b.de", "-o", "same", "--tokenizer", trained, "--max-length", 99)
    assert nmt(*words).exit_code == 0
    result = nmt("train", "same", "-o", "m", "--from", trained, *brief(4), *STILL)
    assert result.exit_code == 0, result.stderr
    assert "warning: same was prepared with --max-length 99, " in result.stderr
    assert bits(Path("m", WEIGHTS)) == bits(trained / WEIGHTS)


@pytest.mark.usefixtures("here")
def test_its_task_says_how_many_files_there_are(writer: Path, nmt: Nmt) -> None:
    refused = nmt("train", "b.en", "b.de", "-o", "m", "--from", writer)
    said = f"error: --from {writer} was trained for the task lm, which takes one file, but 2 are given\n"
    assert (refused.exit_code, refused.stderr) == (2, f"{said}hint: give one, or begin with another model\n")
    assert not Path("m").exists()


@pytest.mark.usefixtures("here")
def test_languages(trained: Path, nmt: Nmt) -> None:
    swapped = nmt("train", "b.de", "b.en", "-o", "m", "--from", trained, *brief(4))
    said = f"error: b.de and b.en must be en-de, as {trained} is, but is de-en\nhint: give source before target\n"
    assert (swapped.exit_code, swapped.stderr) == (1, said)
    assert not Path("m").exists()
    other = nmt("train", "b.en", "b.de", "-o", "m", "--from", trained, "--languages", "en-nl", *brief(1))
    assert other.exit_code == 1, "the names of the files say otherwise"
    sides = [Path(name).read_text(encoding="utf-8").split("\n")[:-1] for name in ("b.en", "b.de")]
    Path("b.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in zip(*sides, strict=True)), encoding="utf-8")
    assert nmt("train", "b.tsv", "-o", "m", "--from", trained, *brief(1)).exit_code == 0
    assert ModelDirectory.open(Path("m")).manifest.languages == ("en", "de")
    related = nmt("train", "b.tsv", "-o", "n", "--from", trained, "--languages", "en-nl", *brief(1))
    assert related.exit_code == 0, related.stderr
    assert f"warning: {trained} is en-de and goes on with en-nl; its vocabulary stays as it is" in related.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--preset", "lstm-attention"], "--preset lstm-attention must not be given with --from: MODEL is a transformer"),
        (["--set", "model.width=48"], "--from MODEL stays what it is, but is to change: model.width: 32 -> 48"),
        (["--set", "model.activation=gelu"], "model.activation: relu -> gelu"),
        (["--set", "model.architecture=recurrent"], "model.architecture: transformer -> recurrent"),
        (["--set", "data.vocabulary=300"], "data.vocabulary: "),
        (["--set", "model.wdth=48"], "there is no setting model.wdth"),
        (["--set", "training.window=20"], "training.window means nothing to the task translate"),
        (["--task", "classify"], "--from MODEL is a model for the task translate, not classify"),
    ],
)  # fmt: skip
def test_what_would_be_another_model(words: list[str], said: str, trained: Path, nmt: Nmt, here: Path) -> None:
    files = ["kinds.tsv"] if "classify" in words else ["b.en", "b.de"]
    result = nmt("train", *files, "-o", "m", "--from", trained, *words)
    assert (result.exit_code, result.stderr.count("\n") <= 2) == (2, True)
    assert said.replace("MODEL", str(trained)) in result.stderr.split("\n")[0]
    assert not (here / "m").exists()


@pytest.mark.usefixtures("here")
def test_where_it_began_is_remembered(trained: Path, own: Path, nmt: Nmt) -> None:
    itself = nmt("train", "b.en", "b.de", "-o", own, "--from", own)
    assert (itself.exit_code, "must be another model than the new one" in itself.stderr) == (2, True)
    none = nmt("train", "b.en", "b.de", "-o", "m", "--from", "nowhere")
    assert (none.exit_code, "nowhere must be a model directory" in none.stderr) == (1, True)
    assert nmt("train", "b.en", "b.de", "-o", "m", "--from", trained, *brief(1)).exit_code == 0
    moved = Path(shutil.copytree(trained, "moved"))
    same = nmt("train", "b.en", "b.de", "-o", "m", "--from", moved, *brief(1))
    assert (same.exit_code, "m is a finished model" in same.stderr) == (0, True)
    fresh = nmt("train", "b.en", "b.de", "-o", "m", *brief(1))
    checksum = file_checksum(trained / WEIGHTS)[:8]
    said = f"error: m was begun from the weights {checksum} of {trained}, not from fresh weights\nhint: --restart"
    assert (fresh.exit_code, fresh.stderr.startswith(said)) == (2, True)
    shutil.copy(Path("m", FOLDER, "last.safetensors"), moved / WEIGHTS)
    other = nmt("train", "b.en", "b.de", "-o", "m", "--from", moved, *brief(1))
    assert (other.exit_code, f"m was begun from the weights {checksum} of " in other.stderr) == (2, True)
    begun = nmt("train", "b.en", "b.de", "-o", own, "--from", trained)
    assert (begun.exit_code, f"{own} was begun from fresh weights, not from" in begun.stderr) == (2, True)


@pytest.mark.usefixtures("here")
def test_a_corpus_that_was_prepared_without_it_is_prepared_anew(trained: Path, nmt: Nmt) -> None:
    """As after Ctrl-C before the first update of a training without --from."""
    assert nmt("preprocess", "b.en", "b.de", "-o", "m/corpus").exit_code == 0
    vocabulary = PreparedCorpus.open(Path("m/corpus")).tokenizer.size
    result = nmt("train", "b.en", "b.de", "-o", "m", "--from", trained, *brief(1))
    assert result.exit_code == 0, result.stderr
    assert PreparedCorpus.open(Path("m/corpus")).tokenizer.size != vocabulary


@pytest.mark.usefixtures("here")
def test_language_models(writer: Path, stream_writer: Path, nmt: Nmt) -> None:
    for model, window, units in ((writer, 0, "subword"), (stream_writer, 20, "word")):
        result = nmt("train", "b.en", "-o", "m", "--from", model, *brief(4), *STILL)
        assert result.exit_code == 0, result.stderr
        settings = ModelDirectory.open(Path("m")).settings
        assert (settings.training.window, settings.data.units) == (window, units)
        assert bits(Path("m", WEIGHTS)) == bits(model / WEIGHTS)
        shutil.rmtree("m")


@pytest.mark.usefixtures("here")
def test_classifiers_keep_their_labels(classifier: Path, nmt: Nmt) -> None:
    result = nmt("train", "kinds.tsv", "-o", "m", "--from", classifier, *brief(4), *STILL)
    assert result.exit_code == 0, result.stderr
    assert bits(Path("m", WEIGHTS)) == bits(classifier / WEIGHTS)
    text = Path("kinds.tsv").read_text(encoding="utf-8")
    Path("other.tsv").write_text(text.replace("german\t", "foreign\t"), encoding="utf-8")
    words = "must have the labels that the model knows, but lacks 'german' and has 'foreign'"
    refused = nmt("train", "other.tsv", "-o", "n", "--from", classifier, *brief(4))
    assert (refused.exit_code, refused.stderr.split("\n")[0]) == (1, f"error: other.tsv {words}")
    assert not Path("n").exists()
    assert nmt("preprocess", "other.tsv", "--task", "classify", "-o", "d", "--tokenizer", classifier).exit_code == 0
    prepared = nmt("train", "d", "-o", "n", "--from", classifier, *brief(4))
    assert (prepared.exit_code, prepared.stderr.split("\n")[0]) == (1, f"error: d {words}")
