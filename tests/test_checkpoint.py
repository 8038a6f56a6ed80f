"""Saved states and weights: the same bits, whole or not at all, and never unpickled."""

import os
import re
from pathlib import Path

import pytest
import torch
from torch import Tensor

import nmt_cli
from nmt_cli.errors import ModelError
from nmt_cli.runs import files
from nmt_cli.runs.checkpoint import FOLDER, LAST, PREVIOUS, Checkpoint, Progress
from nmt_cli.runs.directory import load_weights, weights_of
from nmt_cli.runs.files import read_tensors, write_tensors

from .tiny import TINY, random_model

SHARED = torch.arange(6, dtype=torch.float32).reshape(2, 3)
TENSORS = {
    "matrix": torch.tensor([[1.0, -0.0], [float("inf"), 1e-45]]),
    "transposed": SHARED.t(),
    "shared": SHARED,
    "ids": torch.tensor([1, 2**40]),
    "scalar": torch.tensor(0.1, dtype=torch.float64),
}


def checkpoint(update: int) -> Checkpoint:
    torch.manual_seed(update)
    return Checkpoint(
        Progress(update=update, best_score=0.1 + update), {"w": torch.randn(4, 3)}, {"exp_avg.w": torch.randn(4, 3)}
    )


def read(folder: Path) -> Checkpoint:
    found = Checkpoint.read(folder)
    assert found is not None
    return found


def same_bits(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype
        and one[name].shape == other[name].shape
        and one[name].detach().contiguous().numpy().tobytes() == other[name].detach().contiguous().numpy().tobytes()
        for name in one
    )


def test_tensors_come_back_as_the_same_bits(tmp_path: Path) -> None:
    write_tensors(tmp_path / "t.safetensors", TENSORS, {"a": "b"})
    tensors, metadata = read_tensors(tmp_path / "t.safetensors")
    assert same_bits(TENSORS, tensors)
    assert metadata == {"a": "b"}


@pytest.mark.parametrize("architecture", sorted(TINY))
def test_weights_come_back_as_the_same_bits(architecture: str, tmp_path: Path) -> None:
    model, other = (random_model(architecture, seed=seed, dtype=torch.float32) for seed in (1, 2))
    write_tensors(tmp_path / "w", weights_of(model), {})
    load_weights(other, read_tensors(tmp_path / "w")[0], "w")
    assert same_bits(weights_of(model), weights_of(other))


def test_weights_that_do_not_fit_are_named() -> None:
    model = random_model("recurrent")
    weights = weights_of(model)
    name = next(iter(weights))
    for spoilt in ({**weights, name: torch.zeros(1)}, {**weights, "extra": torch.zeros(1)}, {"x": torch.zeros(1)}):
        with pytest.raises(ModelError, match=r"w: .* must have shape"):
            load_weights(model, spoilt, "w")


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    assert Checkpoint.read(tmp_path) is None
    written = checkpoint(3)
    written.write(tmp_path)
    found = read(tmp_path)
    assert found.progress == written.progress
    assert same_bits(found.weights, written.weights)
    assert same_bits(found.optimizer, written.optimizer)


def test_a_state_without_a_best_score_yet(tmp_path: Path) -> None:
    Checkpoint(Progress(), {"w": torch.zeros(1)}, {}).write(tmp_path)
    assert read(tmp_path).progress == Progress()


def test_every_damaged_byte_of_a_file_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    write_tensors(path, {"w": torch.arange(4.0)}, {"state": '{"update": 17}'})
    whole = path.read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 0x04
        path.write_bytes(damaged)
        try:
            tensors, metadata = read_tensors(path)
        except ModelError:
            continue
        assert metadata.get("state") == '{"update": 17}', f"byte {place}: {metadata}"
        assert same_bits(tensors, {"w": torch.arange(4.0)}), f"byte {place}: {tensors}"


@pytest.mark.parametrize("size", [0, 4, 100, -1])
def test_a_damaged_last_state_falls_back_on_the_one_before(
    size: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for update in (3, 6):
        checkpoint(update).write(tmp_path)
    last = tmp_path / FOLDER / LAST
    last.write_bytes(last.read_bytes()[:size])
    assert read(tmp_path).progress.update == 3
    said = capsys.readouterr().err
    assert said.startswith(f"warning: {last} must be a whole safetensors file, but is damaged")
    assert said.endswith("; going on from the other state, update 3\n")
    last.unlink()
    assert read(tmp_path).progress.update == 3


def test_when_both_states_are_damaged_it_is_an_error(tmp_path: Path) -> None:
    for update in (3, 6):
        checkpoint(update).write(tmp_path)
    for name in (LAST, PREVIOUS):
        (tmp_path / FOLDER / name).write_bytes(b"not a state")
    with pytest.raises(ModelError, match=r"last\.safetensors must be a whole safetensors file") as caught:
        Checkpoint.read(tmp_path)
    assert caught.value.hint == "nmt train --restart begins anew"


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_crash_while_writing_leaves_the_old_state(
    broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint(3).write(tmp_path)

    def crash(*_: object) -> None:
        raise OSError("no space left on the device")

    with monkeypatch.context() as patch:
        patch.setattr(os, broken, crash)
        with pytest.raises(OSError, match="no space"):
            checkpoint(6).write(tmp_path)
        with pytest.raises(OSError, match="no space"):
            files.write_text(tmp_path / "note", "new")
    assert read(tmp_path).progress.update == 3
    assert not (tmp_path / "note").exists()
    checkpoint(9).write(tmp_path)
    assert read(tmp_path).progress.update == 9


def test_a_crash_between_the_two_renamings_leaves_a_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for update in (3, 6):
        checkpoint(update).write(tmp_path)
    moves: list[object] = []

    def crash(source: Path, target: Path, replace: object = os.replace) -> None:
        moves.append(target)
        if len(moves) == 3:  # beside -> next, last -> previous, next -> last
            raise OSError("crash")
        assert callable(replace)
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", crash)
        with pytest.raises(OSError, match="crash"):
            checkpoint(9).write(tmp_path)
    assert read(tmp_path).progress.update == 6


def test_output_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("old", encoding="utf-8")

    def interrupted() -> None:
        with files.output(path) as stream:
            stream.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (path.read_text(encoding="utf-8"), len(list(tmp_path.iterdir()))) == ("old", 1)
    link = tmp_path / "link"
    link.symlink_to(path)
    with files.output(link) as stream:
        stream.write(b"new")
    assert link.is_symlink()
    assert path.read_text(encoding="utf-8") == "new"


def test_a_device_is_written_to_and_not_replaced() -> None:
    with files.output(Path("/dev/null")) as stream:
        stream.write(b"nothing")
    assert Path("/dev/null").is_char_device()


def test_nothing_is_ever_unpickled() -> None:
    package = Path(nmt_cli.__file__).parent
    forbidden = re.compile(r"\bpickle\b|\btorch\.load\b|\bjoblib\b|\bshelve\b|\bmarshal\b|allow_pickle=True|\beval\(")
    sources = sorted(package.rglob("*.py"))
    assert len(sources) > 50
    lines = [
        f"{path.name}: {line}"
        for path in sources
        for line in path.read_text(encoding="utf-8").split("\n")
        if forbidden.search(line.replace(".eval(", ""))
    ]
    assert lines == []
