"""Settings: what is refused and how it is said, presets, TOML out and in."""

import tomllib
from importlib.resources import files
from pathlib import Path

import pytest

from nmt_cli.errors import ConfigError
from nmt_cli.models import ARCHITECTURES
from nmt_cli.settings import Settings, Table, assignment, differences, merge, read_toml, resolve, to_toml
from nmt_cli.training.autopilot import presets_of
from nmt_cli.training.presets import preset, preset_names
from nmt_cli.training.tasks import TASKS

MINIMAL: Table = {"model": {"architecture": "transformer"}}
KNOWN = f"one of: {', '.join(sorted(ARCHITECTURES))}"


def resolved(*settings: str) -> Settings:
    return resolve(merge(MINIMAL, *map(assignment, settings)), ARCHITECTURES, origin="here")


@pytest.mark.parametrize(
    ("setting", "message", "hint"),
    [
        ("trainig.seed=1", "here: there is no section [trainig]", "did you mean training?"),
        (
            "training.learning_rte=1",
            "here: there is no setting training.learning_rte",
            "did you mean training.learning_rate?",
        ),
        ("model.head=2", "here: there is no setting model.head", "did you mean model.heads?"),
        (
            "model.architecture=transformr",
            "architecture must be a known name, but is 'transformr'",
            "did you mean transformer?",
        ),
        ("model.architecture=5", "here: [model] must name its architecture", KNOWN),
        ("model.architecture=[1]", "here: [model] must name its architecture", KNOWN),
        ("training.seed=1.5", "here: training.seed should be a valid integer, but is 1.5", None),
        ("training.seed=true", "here: training.seed should be a valid integer, but is True", None),
        ("training.seed=seven", "here: training.seed should be a valid integer, but is 'seven'", None),
        ("training.learning_rate=", "here: training.learning_rate should be a valid number, but is ''", None),
        ("training.learning_rate=nan", "here: training.learning_rate should be a finite number, but is nan", None),
        ("training.updates=0", "here: training.updates should be greater than or equal to 1, but is 0", None),
        ("training.minutes=0", "here: training.minutes should be greater than 0, but is 0", None),
        ("training.decay=1", "here: training.decay should be less than 1, but is 1", None),
        ("search.beam=1001", "here: search.beam should be less than or equal to 1000, but is 1001", None),
        (
            "data.vocabulary=100",
            "here: in [data] vocabulary must lie between 261 and 65,000 for subwords, but is 100",
            None,
        ),
        ("model.heads=3", "here: in [model] width must be even and a multiple of heads (3), but is 128", None),
    ],
)
def test_what_is_wrong_is_named(setting: str, message: str, hint: str | None) -> None:
    with pytest.raises(ConfigError) as caught:
        resolved(setting)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_an_unlike_name_lists_all() -> None:
    with pytest.raises(ConfigError) as caught:
        resolved("search.xyz=1")
    assert caught.value.hint == "one of: batch_tokens, beam, length_penalty"


def test_an_architecture_must_be_named() -> None:
    with pytest.raises(ConfigError) as caught:
        resolve({}, ARCHITECTURES, origin="here")
    assert caught.value.message == "here: [model] must name its architecture"


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("training.learning_rate=0.001", {"training": {"learning_rate": 0.001}}),
        ("training.learning_rate = 1e-3", {"training": {"learning_rate": 0.001}}),
        ("model.architecture=recurrent", {"model": {"architecture": "recurrent"}}),
        ("model.architecture='recurrent'", {"model": {"architecture": "recurrent"}}),
        ("training.updates=10_000", {"training": {"updates": 10000}}),
        ("a.b=c=d", {"a": {"b": "c=d"}}),
        ("a.b=true", {"a": {"b": True}}),
    ],
)
def test_assignments(text: str, table: Table) -> None:
    assert assignment(text) == table


@pytest.mark.parametrize("text", ["", "seed=1", "training.seed", "training.=1", ".seed=1", "=", "training=1"])
def test_what_is_no_assignment(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--set must be SECTION\.KEY=VALUE"):
        assignment(text)


def test_later_tables_win_key_by_key() -> None:
    assert merge({"a": {"x": 1, "y": 1}}, {"a": {"y": 2}}, {"b": {"z": 3}}) == {"a": {"x": 1, "y": 2}, "b": {"z": 3}}


def test_differences_are_named() -> None:
    old, new = {"a": {"x": 1, "y": 1, "w": 5}}, {"a": {"x": 1, "y": 2}, "b": {"z": 3}}
    assert differences(old, new) == ["a.y: 1 -> 2", "a.w: 5 -> None", "b.z: None -> 3"]


@pytest.mark.parametrize("name", preset_names())
def test_toml_out_and_in(name: str, tmp_path: Path) -> None:
    settings = resolve(preset(name), ARCHITECTURES, origin=name)
    (tmp_path / "config.toml").write_text(to_toml(settings), encoding="utf-8")
    assert resolve(read_toml(tmp_path / "config.toml"), ARCHITECTURES, origin=name) == settings


@pytest.mark.parametrize("name", preset_names())
def test_every_key_of_a_preset_has_a_comment(name: str) -> None:
    text = (files("nmt_cli") / "presets" / f"{name}.toml").read_text(encoding="utf-8")
    assert text.startswith("# ")
    keys = [line for line in text.split("\n") if "=" in line.partition("#")[0]]
    assert len(keys) == sum(map(len, tomllib.loads(text).values()))
    assert [line for line in keys if " # " not in line] == []


def test_presets() -> None:
    for name in TASKS:
        chosen = presets_of(TASKS[name])
        assert set(chosen) <= set(preset_names())
        assert {resolve(preset(one), ARCHITECTURES, origin=one).model.task for one in chosen} == {name}
    with pytest.raises(ConfigError) as caught:
        preset("transformer-tin")
    assert caught.value.hint == "did you mean transformer-tiny?"


def test_settings_do_not_change() -> None:
    settings = resolved()
    with pytest.raises(ValueError, match="frozen"):
        settings.training.seed = 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"seed = 1\n", "seed must stand in a section"),
        (b"model = 3\n", "model must stand in a section"),
        (b"[training\n", "must be TOML"),
        (b"\xff\n", "must be UTF-8"),
    ],
)
def test_files_that_are_no_settings(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        read_toml(path)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.toml"):
        with pytest.raises(ConfigError) as caught:
            read_toml(path)
        assert caught.value.message.startswith(f"{path} cannot be read: ")
        assert "Errno" not in caught.value.message
