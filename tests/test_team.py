"""Several processes that learn one model: what one would have learnt, stopped and gone on with the same bits, and never a hang."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import zip_longest
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nmt_cli.corpus.batching import Batch
from nmt_cli.corpus.dataset import PreparedCorpus
from nmt_cli.errors import ConfigError
from nmt_cli.runs import processes
from nmt_cli.runs.checkpoint import FOLDER, PREVIOUS, Checkpoint
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.runs.files import read_tensors
from nmt_cli.runs.kept import Kept
from nmt_cli.runs.processes import context
from nmt_cli.settings import TrainingSettings
from nmt_cli.training import learner, loop
from nmt_cli.training.lesson import lesson_of
from nmt_cli.training.loop import Diverged, Step
from nmt_cli.training.session import Session
from nmt_cli.training.stream import RowReader, StreamReader
from nmt_cli.training.team import Share, joined

from .conftest import TINY, WRITERS, run_nmt
from .running import wait_until, workers_of

SETTINGS = ("training.accumulate=2", "training.batch_tokens=500", "training.warmup=4", "training.learning_rate=0.005")
LAST = Path(FOLDER, "last.safetensors")


@pytest.fixture(scope="module")
def prepared(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared") / "corpus"
    assert run_nmt("preprocess", small / "a.en", small / "a.de", "-o", folder).exit_code == 0
    return folder


def words(updates: int, workers: int, *settings: str, every: int = 25) -> list[str]:
    given = (*TINY["transformer-tiny"], *SETTINGS, f"training.validate_every={every}", *settings)
    return [
        "--preset", "transformer-tiny", "--updates", str(updates), "--workers", str(workers),
        *(word for setting in given for word in ("--set", setting)),
    ]  # fmt: skip


def bits(model: Path) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in read_tensors(model / LAST)[0].items()}


def losses(model: Path) -> list[tuple[int, float]]:
    records = ModelDirectory(model).metrics()
    return [(record["update"], record["loss"]) for record in records if record["kind"] == "train"]


def stopped_at(update: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The leader gets a signal behind this update, once."""
    steps, left = loop.train, [update]

    def stopping(*arguments: Any) -> Iterator[Step]:
        for step in steps(*arguments):
            if step.update in left:
                left.remove(step.update)
                signal.raise_signal(signal.SIGTERM)
            yield step

    monkeypatch.setattr(learner, "train", stopping)


def test_shares_of_a_batch_are_all_of_it(prepared: Path) -> None:
    corpus = PreparedCorpus.open(prepared)
    settings = TrainingSettings(batch_tokens=300)
    whole = RowReader(lambda _: corpus.train, ("target", "source"), Batch.of, settings)
    shares = [
        RowReader(lambda _: corpus.train, ("target", "source"), Batch.of, settings, Share(rank, 3)) for rank in range(3)
    ]
    for indices in whole.epoch(0)[:10]:
        rows = [tuple(row[row > 0].tolist()) for row in whole.batch(indices, 0).target.tokens]
        own = [[tuple(row[row > 0].tolist()) for row in share.batch(indices, 0).target.tokens] for share in shares]
        assert rows == [row for dealt in zip_longest(*own) for row in dealt if row is not None]
    assert shares[2].batch(np.array([0, 1]), 0) is None


class Text:
    def __len__(self) -> int:
        return 9

    def ids(self, index: int) -> list[int]:
        return [4 + index] * 5


def test_shares_of_streams_are_all_of_them() -> None:
    whole = StreamReader(Text(), 5, 4).batch(np.array([4]), 0).inputs
    shares = [StreamReader(Text(), 5, 4, Share(rank, 2)).batch(np.array([4]), 0).inputs for rank in range(2)]
    assert torch.equal(whole[::2], shares[0])
    assert torch.equal(whole[1::2], shares[1])
    with pytest.raises(ConfigError, match=re.escape("as many streams as there are --workers (7), but is 5")):
        StreamReader(Text(), 5, 4, Share(0, 7)).batch(np.array([0]), 0)


def test_lines_come_together_in_their_order(tmp_path: Path) -> None:
    """Whatever is in them, and where a process has none."""
    texts = [["a", "", "\u00e9\u4e2d", '"', "e"], ["one"]]
    meetings = [tmp_path / str(number) for number in range(len(texts))]
    process = context().Process(target=_say, args=(texts, meetings, 1, None))
    process.start()
    said: list[list[str]] = []
    _say(texts, meetings, 0, said)
    process.join()
    assert said == texts
    assert process.exitcode == 0


def _say(texts: list[list[str]], meetings: list[Path], rank: int, said: list[list[str]] | None) -> None:
    for lines, meeting in zip(texts, meetings, strict=True):
        with joined(Share(rank, 2), meeting) as team:
            found = team.lines(lines[team.share.rows])
            if said is not None:
                said.append(found)


def test_two_processes_learn_what_one_learns(prepared: Path, tmp_path: Path) -> None:
    """Without dropout: losses and weights within 1e-5 after 50 updates, divided by the tokens of both.

    GELU, because a ReLU that rounding turns on here and off there is another function, and Adam makes much of small gradients.
    """
    smooth = ("model.dropout=0.0", "model.activation=gelu")
    for workers in (1, 2):
        result = run_nmt("train", prepared, "-o", tmp_path / str(workers), *words(50, workers, *smooth))
        assert result.exit_code == 0, result.stderr
        assert ("2 processes" in result.stderr) == (workers == 2)
    measured = [
        [record for record in ModelDirectory(tmp_path / name).metrics() if "dev_bleu" in record] for name in "12"
    ]
    assert [record["samples"] for record in measured[0]] == [record["samples"] for record in measured[1]]
    assert [record["dev_loss"] for record in measured[0]] == pytest.approx(
        [record["dev_loss"] for record in measured[1]]
    )
    one, two = ((dict(losses(tmp_path / name))) for name in "12")
    assert one.keys() == two.keys() == {20, 40}
    assert all(abs(one[update] - two[update]) < 1e-5 for update in one)
    weights = [read_tensors(tmp_path / name / LAST)[0] for name in "12"]
    names = [name for name in weights[0] if name.startswith("weights.")]
    assert max(float((weights[0][name] - weights[1][name]).abs().max()) for name in names) < 1e-5
    first = run_nmt("train", prepared, "-o", tmp_path / "fresh", *words(1, 1, *smooth))
    assert first.exit_code == 0
    fresh = read_tensors(tmp_path / "fresh" / LAST)[0]
    assert max(float((weights[0][name] - fresh[name]).abs().max()) for name in names) > 1e-2, (
        "they have learnt something"
    )


RANDOM = (
    "model.dropout=0.2", "training.bpe_dropout=0.1", "training.r_drop=1.0", "training.ema=0.9",
    "training.precision=bfloat16",
)  # fmt: skip
WITH_DROPOUT = words(13, 2, *RANDOM, every=5)


@pytest.fixture(scope="module")
def straight(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training of two processes that was never stopped."""
    model = tmp_path_factory.mktemp("team") / "straight"
    assert run_nmt("train", prepared, "-o", model, *WITH_DROPOUT).exit_code == 0
    return model


def test_a_team_that_was_stopped_goes_on_with_the_same_bits(
    prepared: Path, straight: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = WITH_DROPOUT
    stopped_at(7, monkeypatch)
    assert run_nmt("train", prepared, "-o", tmp_path / "stopped", *given).exit_code == 143
    found = run_nmt(
        "train", prepared, "-o", tmp_path / "stopped", *[word for word in given if word not in ("--workers", "2")]
    )
    assert found.exit_code == 0, found.stderr  # with as many processes as before, unless another number is typed
    assert bits(tmp_path / "stopped") == bits(straight)


def test_more_weights_may_be_kept_from_now_on(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By all processes, and by whoever repeats the training."""
    model = tmp_path / "model"
    stopped_at(7, monkeypatch)
    assert run_nmt("train", prepared, "-o", model, *words(12, 2, every=5)).exit_code == 143
    found = run_nmt("train", prepared, "-o", model, *words(12, 2, "training.keep=2", every=5))
    assert found.exit_code == 0, found.stderr
    assert ModelDirectory(model).settings.training.keep == 2
    assert list(Kept(model).files()) == [10, 12]


def test_streams_of_a_team_go_on_with_the_same_bits(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = (*WRITERS["lm-rnn"], "training.window=10", "training.batch_tokens=70", "training.validate_every=9")
    given = ["--task", "lm", "--preset", "lm-rnn", "--updates", "8", "--workers", "2"]
    given += [word for setting in settings for word in ("--set", setting)]
    assert run_nmt("train", small / "a.en", "-o", tmp_path / "straight", *given).exit_code == 0
    state = Checkpoint.read(tmp_path / "straight")
    assert state is not None
    assert [len(part) for part in state.carry or ()] == [7], "the streams of both"
    stopped_at(5, monkeypatch)
    assert run_nmt("train", small / "a.en", "-o", tmp_path / "stopped", *given).exit_code == 143
    assert run_nmt("train", small / "a.en", "-o", tmp_path / "stopped", *given).exit_code == 0
    assert bits(tmp_path / "stopped") == bits(tmp_path / "straight")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_loss_that_explodes_is_undone(
    workers: int, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here only the leader sees it."""
    steps, left = loop.train, [8]

    def exploding(*arguments: Any) -> Iterator[Step]:
        for step in steps(*arguments):
            if step.update in left:
                left.remove(step.update)
                raise Diverged(step.update, float("nan"), 3.0)
            yield step

    monkeypatch.setattr(learner, "train", exploding)
    result = run_nmt("train", prepared, "-o", tmp_path / "model", *words(12, workers, every=5))
    assert result.exit_code == 0, result.stderr
    said = "warning: the loss has exploded (update 8: loss nan, gradient norm 3.0): back to update 5, with half the learning rate"
    assert said in result.stderr
    records = ModelDirectory(tmp_path / "model").metrics()
    (back,) = [record for record in records if record["kind"] == "back"]
    assert (back["update"], back["exploded"], back["loss"], back["gradient_norm"]) == (5, 8, None, 3.0)
    assert Checkpoint.read(tmp_path / "model").progress.halvings == 1  # type: ignore[union-attr]


@pytest.mark.parametrize("workers", [1, 2])
def test_one_loss_that_is_no_number_costs_one_halving(
    workers: int, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one process alone: all see it in the sums. Nothing of it is left in the gradients."""
    made, left = lesson_of, [7 * 2]  # two batches an update

    def poisoned(*arguments: Any) -> Any:
        lesson = made(*arguments)

        def learn(batch: Any, carry: Any) -> Any:
            loss, carry = lesson(batch, carry)
            left[0] -= 1
            return (replace(loss, total=loss.total * float("nan")) if left[0] == 0 else loss), carry

        return learn

    monkeypatch.setattr(learner, "lesson_of", poisoned)
    result = run_nmt("train", prepared, "-o", tmp_path / "model", *words(9, workers, every=5))
    assert result.exit_code == 0, result.stderr
    assert result.stderr.count("with half the learning rate") == 1
    assert Checkpoint.read(tmp_path / "model").progress.halvings == 1  # type: ignore[union-attr]


@pytest.mark.parametrize(("workers", "damaged", "update"), [(1, False, 5), (2, False, 5), (1, True, 10)])
def test_a_state_that_was_saved_while_the_loss_rose_is_not_gone_back_to(
    workers: int, damaged: bool, update: int, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The running mean takes some updates to notice; the state before is good, and stays; or the last has to do."""
    steps, spoilt = loop.train, [True]

    def rising(*arguments: Any) -> Iterator[Step]:
        for step in steps(*arguments):
            yield replace(step, loss=step.loss + 8) if spoilt[0] and step.update > 8 else step

    def back(session: Session, found: Diverged) -> None:
        spoilt[0] = False
        if damaged:
            (tmp_path / "model" / FOLDER / PREVIOUS).write_bytes(b"cut")
        go_back(session, found)

    go_back = Session._go_back
    monkeypatch.setattr(learner, "train", rising)
    monkeypatch.setattr(Session, "_go_back", back)
    result = run_nmt("train", prepared, "-o", tmp_path / "model", *words(16, workers, every=5))
    assert result.exit_code == 0, result.stderr
    assert f"back to update {update}, with half the learning rate" in result.stderr, "10 was saved behind 8"
    (record,) = [each for each in ModelDirectory(tmp_path / "model").metrics() if each["kind"] == "back"]
    assert record["exploded"] > 10


def test_a_loss_that_explodes_again_and_again(prepared: Path, tmp_path: Path) -> None:
    settings = ("training.learning_rate=0.99", "training.warmup=1", "training.clip_norm=1e9", "training.beta2=0.0")
    result = run_nmt("train", prepared, "-o", tmp_path / "model", *words(400, 1, *settings, every=400))
    assert result.exit_code == 1, result.stderr
    assert result.stderr.count("half the learning rate") == 6
    assert "error: the loss must fall, but explodes" in result.stderr


def test_torchrun_is_the_same_training(prepared: Path, tmp_path: Path, environment: Mapping[str, str]) -> None:
    """Both as a user starts them: no process has a history, as this one has."""
    alone = [sys.executable, "-m", "nmt_cli", "train", str(prepared), "-o", str(tmp_path / "ours"), *WITH_DROPOUT]
    subprocess.run(alone, env=environment, capture_output=True, timeout=120, check=True)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "nmt_cli"]
    place = WITH_DROPOUT.index("--workers")
    without = [*WITH_DROPOUT[:place], *WITH_DROPOUT[place + 2 :]]  # the launcher says how many
    command = [*launcher, "train", str(prepared), "-o", str(tmp_path / "theirs"), *without]
    done = subprocess.run(
        command, env={**environment, "PYTHONWARNINGS": ""}, capture_output=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr.decode().count("2 processes") == 1, "only the leader talks"
    assert bits(tmp_path / "theirs") == bits(tmp_path / "ours")
    assert ModelDirectory(tmp_path / "theirs").settings.training.workers == 2
    again = subprocess.run(
        command, env={**environment, "PYTHONWARNINGS": ""}, capture_output=True, timeout=60, check=False
    )
    assert again.returncode == 0, again.stderr.decode()
    assert "is a finished model" in again.stderr.decode()


def test_settings_that_differ_between_the_processes_are_refused(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A follower reads config.toml."""
    stopped_at(2, monkeypatch)
    assert run_nmt("train", prepared, "-o", tmp_path / "model", *words(5, 2)).exit_code == 143
    config = tmp_path / "model" / "config.toml"
    config.write_text(config.read_text().replace("clip_norm = 1.0", "clip_norm = 0.5"))
    result = run_nmt("train", prepared, "-o", tmp_path / "model", *words(5, 2))
    assert result.exit_code == 1
    assert "error: all processes of a training must begin with the same settings and weights" in result.stderr


def test_a_process_that_is_killed_ends_the_training(
    prepared: Path, tmp_path: Path, spawn: Callable[..., "subprocess.Popen[bytes]"]
) -> None:
    model = tmp_path / "model"
    with spawn("train", prepared, "-o", model, *words(5000, 2, every=2)) as process:
        wait_until((model / "model.safetensors").exists)
        os.kill(workers_of(process.pid)[0], signal.SIGKILL)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1, said
    assert "error: a training process has ended before its work was done" in said.decode()
    assert "Traceback" not in said.decode()
    assert Checkpoint.read(model).progress.update > 0  # type: ignore[union-attr]


def test_more_processes_than_a_machine_bears(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "available_cores", lambda: 1)
    monkeypatch.setattr(processes, "_MOST", 2)
    result = run_nmt("train", prepared, "-o", tmp_path / "model", *words(5, 3))
    assert result.exit_code == 2
    assert result.stderr == "error: --workers must be at most 2, 2 for each core, but is 3\n"
    assert not (tmp_path / "model" / "manifest.json").exists()


def test_a_process_that_cannot_be_started(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one before it is ended."""
    start = BaseProcess.start
    started: list[BaseProcess] = []

    def second_fails(process: BaseProcess) -> None:
        if started:
            raise OSError(11, "Resource temporarily unavailable")
        started.append(process)
        start(process)

    monkeypatch.setattr(BaseProcess, "start", second_fails)
    result = run_nmt("train", prepared, "-o", tmp_path / "model", *words(5, 3))
    assert result.exit_code == 1
    assert "error: training process 2 could not be started\nhint: --workers 1 needs no other process" in result.stderr
    started[0].join(5)
    assert started[0].exitcode == -signal.SIGKILL
