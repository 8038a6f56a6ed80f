"""Law 5: a training that was stopped and goes on gives the same bits as one that was never stopped."""

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import Result

from nmt_cli.runs.checkpoint import FOLDER, Checkpoint
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.runs.files import read_tensors
from nmt_cli.settings import read_toml
from nmt_cli.training import learner, loop
from nmt_cli.training.loop import Step
from nmt_cli.training.session import Session
from nmt_cli.training.tasks.base import Validation
from nmt_cli.training.tasks.translate import Translate

from .conftest import TINY, run_nmt

TIMES = {"seconds", "validation_seconds", "tokens_per_second"}
SETTINGS = (
    "model.dropout=0.2", "training.accumulate=3", "training.batch_tokens=700", "training.validate_every=5",
    "training.warmup=4", "training.learning_rate=0.01",
)  # fmt: skip

LONG = (80, "training.patience=100")

Stop = Callable[..., None]


@pytest.fixture(scope="module")
def prepared(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared") / "corpus"
    head = {name: (small / name).read_text(encoding="utf-8").split("\n") for name in ("a.en", "a.de")}
    for number, name in enumerate(("dev", "test")):
        for side, lines in head.items():
            chosen = lines[20 * number : 20 * number + 20]
            (folder.parent / f"{name}.{side[2:]}").write_text("\n".join(chosen) + "\n", encoding="utf-8")
    held_out = [
        word
        for name in ("dev", "test")
        for word in (f"--{name}", *(folder.parent / f"{name}.{e}" for e in ("en", "de")))
    ]
    result = run_nmt("preprocess", small / "a.en", small / "a.de", "-o", folder, *held_out)
    assert result.exit_code == 0, result.stderr
    return folder


@pytest.fixture
def stop(monkeypatch: pytest.MonkeyPatch) -> Stop:
    """``stop(4, 7)``: each training of this process gets a signal behind the next of these updates; the last gets none."""

    def set_stops(*numbers: int, sent: signal.Signals = signal.SIGINT) -> None:
        left, steps = list(numbers), loop.train

        def stopping(*arguments: Any) -> Iterator[Step]:
            at = left.pop(0) if left else None
            for step in steps(*arguments):
                if step.update == at:
                    signal.raise_signal(sent)
                yield step

        monkeypatch.setattr(learner, "train", stopping)

    return set_stops


@pytest.fixture
def stalled(monkeypatch: pytest.MonkeyPatch) -> None:
    """No validation is better than the first."""
    validate = Translate.validate
    monkeypatch.setattr(Translate, "validate", lambda *given: constant(validate(*given)))


def constant(validation: Validation) -> Validation:
    return replace(validation, score=1.0)


def options(preset: str, updates: int, *settings: str) -> list[str]:
    words = [word for setting in (*TINY[preset], *SETTINGS, *settings) for word in ("--set", setting)]
    return ["--preset", preset, *words, "--updates", str(updates)]


def train(prepared: Path, model: Path, words: list[str]) -> Result:
    return run_nmt("train", prepared, "-o", model, *words)


def bits(path: Path) -> dict[str, tuple[torch.dtype, bytes]]:
    return {name: (tensor.dtype, tensor.numpy().tobytes()) for name, tensor in read_tensors(path)[0].items()}


def records(model: Path) -> list[dict[str, Any]]:
    """metrics.jsonl without what depends on the clock."""
    return [
        {key: value for key, value in record.items() if key not in TIMES} for record in ModelDirectory(model).metrics()
    ]


def check_same(one: Path, other: Path) -> None:
    assert bits(one / "model.safetensors") == bits(other / "model.safetensors")
    assert bits(one / FOLDER / "last.safetensors") == bits(other / FOLDER / "last.safetensors")
    progress = [asdict(checkpoint.progress) for model in (one, other) if (checkpoint := Checkpoint.read(model))]
    for each in progress:
        del each["seconds"], each["preparation"]
    assert progress[0] == progress[1]
    assert records(one) == records(other)
    assert read_toml(one / "config.toml") == read_toml(other / "config.toml")
    manifests = [json.loads((model / "manifest.json").read_text(encoding="utf-8")) for model in (one, other)]
    assert {**manifests[0], "command": ""} == {**manifests[1], "command": ""}


@pytest.mark.parametrize("preset", sorted(TINY))
def test_stopped_in_the_middle_of_anything(preset: str, prepared: Path, tmp_path: Path, stop: Stop) -> None:
    words = options(preset, 23)
    assert train(prepared, tmp_path / "straight", words).exit_code == 0
    assert records(tmp_path / "straight")[-1]["epoch"] >= 2, "the training must reach over several epochs"
    stop(1, 2, 5, 9, 13)  # 5: just behind a validation
    codes = [train(prepared, tmp_path / "stopped", words).exit_code for _ in range(6)]
    assert codes == [130, 130, 130, 130, 130, 0]
    check_same(tmp_path / "straight", tmp_path / "stopped")


def test_updates_reach_over_the_ends_of_epochs(prepared: Path) -> None:
    """Else the test above would not stop in the middle of an accumulation."""
    from nmt_cli.corpus.batching import Batch
    from nmt_cli.corpus.dataset import PreparedCorpus
    from nmt_cli.settings import TrainingSettings
    from nmt_cli.training.stream import Place, RowReader, updates

    corpus = PreparedCorpus.open(prepared)
    settings = TrainingSettings(accumulate=3, batch_tokens=700)
    reader = RowReader(lambda _: corpus.train, ("target", "source"), Batch.of, settings)
    places = [update.behind for update, _ in zip(updates(reader, 3, Place()), range(23), strict=False)]
    assert any(old.epoch < new.epoch and new.batch < 3 for old, new in pairwise(places))
    for place in places[::5]:
        after = next(updates(reader, 3, place))
        straight = places.index(place) + 1
        assert straight == len(places) or after.behind == places[straight]


@pytest.mark.usefixtures("stalled")
@pytest.mark.parametrize("workers", [1, 2])
def test_stopped_in_a_patience_window(workers: int, prepared: Path, tmp_path: Path, stop: Stop) -> None:
    settings = ("training.validate_every=2", "training.patience=3", f"training.workers={workers}")
    words = options("transformer-tiny", 60, *settings)
    result = train(prepared, tmp_path / "straight", words)
    assert result.exit_code == 0
    plan = [record for record in records(tmp_path / "straight") if record["kind"] == "plan"]
    reason = "3 validations without a better score"
    assert plan == [{"kind": "plan", "update": 8, "updates": 16, "reason": reason}]
    assert f"update 8: the learning rate falls from here to update 16 ({reason})" in result.stderr
    stop(5, 6, 9)
    codes = [train(prepared, tmp_path / "stopped", words).exit_code for _ in range(4)]
    assert codes == [130, 130, 130, 0]
    check_same(tmp_path / "straight", tmp_path / "stopped")
    again = train(prepared, tmp_path / "again", ["--config", str(tmp_path / "straight" / "config.toml")])
    assert again.exit_code == 0
    assert bits(tmp_path / "again" / "model.safetensors") == bits(tmp_path / "straight" / "model.safetensors")
    assert Checkpoint.read(tmp_path / "again").progress.updates == 16  # type: ignore[union-attr]


@pytest.mark.usefixtures("stalled")
@pytest.mark.parametrize("preset", sorted(TINY))
def test_a_planned_time_is_repeated_without_a_clock(preset: str, prepared: Path, tmp_path: Path, stop: Stop) -> None:
    words = [*options(preset, 1, "training.validate_every=3", "training.patience=1")[:-2], "--minutes", "0.05"]
    stop(4, sent=signal.SIGTERM)
    first = train(prepared, tmp_path / "timed", words)
    assert (first.exit_code, "planned for" in first.stderr) == (143, False)
    assert train(prepared, tmp_path / "timed", words).exit_code == 0
    plan = [record for record in records(tmp_path / "timed") if record["kind"] == "plan"]
    assert [record["reason"] for record in plan] == ["the clock"]
    state = Checkpoint.read(tmp_path / "timed")
    assert state is not None
    assert state.progress.update == state.progress.updates == plan[0]["updates"]
    config = read_toml(tmp_path / "timed" / "config.toml")["training"]
    assert (config["updates"], "minutes" in config) == (plan[0]["updates"], False)

    again = train(prepared, tmp_path / "again", ["--config", str(tmp_path / "timed" / "config.toml")])
    assert again.exit_code == 0, again.stderr
    for file in ("model.safetensors", "training/last.safetensors"):
        assert bits(tmp_path / "again" / file) == bits(tmp_path / "timed" / file)
    assert records(tmp_path / "again") == [record for record in records(tmp_path / "timed") if record["kind"] != "plan"]


def test_a_budget_that_is_used_up_at_once_still_gives_a_model(prepared: Path, tmp_path: Path) -> None:
    result = train(prepared, tmp_path / "m", [*options("transformer-tiny", 1)[:-2], "--minutes", "0.000001"])
    assert result.exit_code == 0, result.stderr
    assert [record["updates"] for record in records(tmp_path / "m") if record["kind"] == "plan"] == [2]
    assert run_nmt("translate", tmp_path / "m", input="one line\n").stdout.count("\n") == 1


@pytest.fixture(scope="module")
def long_run(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = tmp_path_factory.mktemp("long") / "model"
    assert train(prepared, model, options("transformer-tiny", *LONG)).exit_code == 0
    return model


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_to_the_process(
    sent: signal.Signals,
    code: int,
    prepared: Path,
    long_run: Path,
    tmp_path: Path,
    spawn: Callable[..., "subprocess.Popen[bytes]"],
) -> None:
    model, words = tmp_path / "model", options("transformer-tiny", *LONG)
    with spawn("train", prepared, "-o", model, *words) as process:
        deadline = time.monotonic() + 60
        while not (model / "model.safetensors").exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(sent)
        _, said = process.communicate(timeout=60)
    assert process.returncode == code, said
    update = Checkpoint.read(model).progress.update  # type: ignore[union-attr]
    assert 0 < update < LONG[0]
    assert f"saved at update {update}: the same command goes on from here" in said.decode()
    assert "Traceback" not in said.decode()
    result = train(prepared, model, words)
    assert result.exit_code == 0
    assert f"going on from update {update}" in result.stderr
    check_same(long_run, model)


def test_a_damaged_state_costs_only_the_work_since_the_one_before(
    prepared: Path, long_run: Path, tmp_path: Path
) -> None:
    model = shutil.copytree(long_run, tmp_path / "model")
    manifest = json.loads((model / "manifest.json").read_text(encoding="utf-8"))
    (model / "manifest.json").write_text(json.dumps({**manifest, "finished": False, "scores": {}}), encoding="utf-8")
    (model / FOLDER / "last.safetensors").write_bytes(b"")
    result = train(prepared, model, options("transformer-tiny", *LONG))
    assert result.exit_code == 0
    assert "damaged" in result.stderr
    assert "going on from the other state, update 75" in result.stderr
    for file in ("model.safetensors", "training/last.safetensors"):
        assert bits(model / file) == bits(long_run / file)
    assert records(model) == records(long_run)


def test_a_metrics_file_cut_in_a_line_is_mended(prepared: Path, tmp_path: Path, stop: Stop) -> None:
    words, model = options("transformer-tiny", 8), tmp_path / "model"
    assert train(prepared, tmp_path / "straight", words).exit_code == 0
    stop(6)
    assert train(prepared, model, words).exit_code == 130
    with open(model / "metrics.jsonl", "a", encoding="utf-8") as stream:
        stream.write('{"kind": "train", "update": 7, "lo')
    assert train(prepared, model, words).exit_code == 0
    check_same(tmp_path / "straight", model)


def test_a_second_signal_ends_the_training_at_once(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = loop.train

    def twice(*arguments: Any) -> Iterator[Step]:
        for step in steps(*arguments):
            if step.update == 7:
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGINT)
            yield step

    words, model = options("transformer-tiny", 10), tmp_path / "model"
    with monkeypatch.context() as patch:
        patch.setattr(learner, "train", twice)
        result = train(prepared, model, words)
    assert (result.exit_code, result.stderr.endswith("interrupted\n")) == (130, True)
    assert Checkpoint.read(model).progress.update == 5  # type: ignore[union-attr]
    assert train(prepared, model, words).exit_code == 0
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, bool], None]:
    """``killed(2, True)``: the second measurement of dev from now on is the end of the process, when it has been recorded."""
    measure, record = Translate.validate, Session._record_validation

    def set_end(number: int, recorded: bool) -> None:
        left = [number]

        def validate(*given: Any) -> Validation:
            left[0] -= 1
            if left[0] == 0 and not recorded:
                raise KeyboardInterrupt
            return measure(*given)

        def note(*given: Any) -> None:
            record(*given)
            if left[0] == 0 and recorded:
                left[0] = -1
                raise KeyboardInterrupt

        monkeypatch.setattr(Translate, "validate", validate)
        monkeypatch.setattr(Session, "_record_validation", note)

    return set_end


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("workers", [1, 2])
def test_nothing_is_lost_to_who_does_not_wait_for_a_measurement(
    workers: int, recorded: bool, prepared: Path, tmp_path: Path, killed: Callable[[int, bool], None]
) -> None:
    """Neither of an ordinary one nor of the last, behind which no update comes."""
    words, model = options("transformer-tiny", 12, f"training.workers={workers}", "training.keep=2"), tmp_path / "ended"
    assert train(prepared, tmp_path / "straight", words).exit_code == 0
    for number, update in ((2, 10), (2, 12)):  # the second time, the first measurement is the one that was due
        killed(number, recorded)
        result = train(prepared, model, words)
        assert (result.exit_code, result.stderr.endswith("interrupted\n")) == (130, True)
        progress = Checkpoint.read(model).progress  # type: ignore[union-attr]
        assert (progress.update, progress.due) == (update, True)
    result = train(prepared, model, words)
    assert (result.exit_code, "going on from update 12" in result.stderr) == (0, True), result.stderr
    check_same(tmp_path / "straight", model)


@pytest.mark.usefixtures("stalled")
def test_a_plan_is_made_again_behind_a_measurement_that_was_due(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = options("transformer-tiny", 60, "training.validate_every=2", "training.patience=1")
    assert train(prepared, tmp_path / "straight", words).exit_code == 0
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "replace_last", ending_at(4, Checkpoint.replace_last))
        assert train(prepared, tmp_path / "ended", words).exit_code == 130
    assert [record["update"] for record in records(tmp_path / "ended") if record["kind"] == "plan"] == [4]
    assert train(prepared, tmp_path / "ended", words).exit_code == 0
    check_same(tmp_path / "straight", tmp_path / "ended")


def ending_at(update: int, write: Callable[[Checkpoint, Path], None]) -> Callable[[Checkpoint, Path], None]:
    def written(state: Checkpoint, model: Path) -> None:
        if state.progress.update == update:
            raise KeyboardInterrupt
        write(state, model)

    return written


def test_a_signal_while_dev_is_measured_costs_no_further_update(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure = Translate.validate

    def interrupted(*given: Any) -> Validation:
        signal.raise_signal(signal.SIGTERM)
        return measure(*given)

    monkeypatch.setattr(Translate, "validate", interrupted)
    result = train(prepared, tmp_path / "model", options("transformer-tiny", 10))
    assert (result.exit_code, "saved at update 5" in result.stderr) == (143, True)
    progress = Checkpoint.read(tmp_path / "model").progress  # type: ignore[union-attr]
    assert (progress.update, progress.due, progress.best_update) == (5, False, 5)
