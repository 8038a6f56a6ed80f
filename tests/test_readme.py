"""README.md says what is so: its commands run from top to bottom as they stand there, its options and files exist.

The commands run in a shell, in a folder that holds what a reader has (cut from the phrasebook). So that this takes seconds, the
``nmt`` that stands first on the PATH is a wrapper that appends a tiny size and a tiny plan to ``nmt train`` and ``nmt bench``, one
process to most trainings, and nothing else; what it calls need not load torch (see ``forked``).
"""

import os
import re
import shlex
import signal
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from nmt_cli.cli.app import application
from nmt_cli.models import ARCHITECTURES
from nmt_cli.settings import TrainingSettings
from tests.demo import Demo
from tests.forked import forking
from tests.marian import write_opus

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PHRASEBOOK = ROOT / "data" / "phrasebook"
TRAINING = ["--set", "model.width=16"]

WRAPPER = f"""#!/bin/sh
# the real command; only trainings and measurements are made tiny: the last of several equal options counts
case "$1 $*" in
    "bench "*) set -- "$@" {shlex.join(TRAINING)} --seconds 0.01 ;;
    "train "*--minutes*) set -- "$@" {shlex.join(TRAINING)} --minutes 0.01 --workers 1 ;;
    "train "*"-o model" | "train "*"-o again"*) set -- "$@" {shlex.join(TRAINING)} --updates 2 ;;
    "train "*) set -- "$@" {shlex.join(TRAINING)} --updates 2 --workers 1 ;;
esac
exec COMMAND "$@"
"""

CHECKED_ELSEWHERE = {
    "make demo": "test_the_demonstration, at a tiny size; that the target exists: test_make_targets_exist",
    "make ladder": "tests/test_ladder.py, at a tiny size",
    "make test": "this is it",
    "pip install torch --index-url https://download.pytorch.org/whl/cpu": "test_the_index_is_the_makefiles",
    "pip install .": "the test that builds a wheel and installs it",
}
"""The lines of the README that no test of this file runs, and what checks them instead."""

FOREIGN_OPTIONS = {"--index-url"}
"""Options in the README that are pip's."""
WRITES_A_FILE = "printf "
"""Lines that begin so, and call no nmt, make a file for the lines behind them."""


FENCED = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
COMMANDS = [line for _, block in FENCED for line in block.splitlines() if line.strip()]
TYPED = [line for line in COMMANDS if re.search(r"(^|[|;&] *)nmt\b", line)]
RUN_HERE = [line for line in COMMANDS if line in TYPED or line.startswith(WRITES_A_FILE)]


def sections() -> dict[str, str]:
    """Heading -> the text under it."""
    parts = re.split(r"^#+ (.*)$", README, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def options_of(command: Any) -> set[str]:
    """Every way to type the options of a command."""
    return {name for parameter in command.params for name in parameter.opts} | {"--help"}


def options_in(text: str) -> set[str]:
    """Whatever looks like a long option, or like -o."""
    return set(re.findall(r"(?<![\w-])(--[a-z][a-z-]*|-[a-z])(?![\w-])", text)) - FOREIGN_OPTIONS


def cut(name: str, count: int, folder: Path, called: str) -> None:
    """The first pairs of a split of the phrasebook, as two files."""
    for language in ("en", "de"):
        lines = (PHRASEBOOK / f"{name}.{language}").read_text(encoding="utf-8").split("\n")[:count]
        (folder / f"{called}.{language}").write_text("".join(line + "\n" for line in lines), encoding="utf-8")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """What the reader has: a corpus, lines to translate with a human translation, a test set, another system's output and model."""
    cut("train", 120, tmp_path, "corpus")
    cut("test", 6, tmp_path, "test")
    labelled = zip(
        *((PHRASEBOOK / f"train.{kind}").read_text(encoding="utf-8").split("\n") for kind in ("label", "en")),
        strict=True,
    )
    (tmp_path / "labelled.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in list(labelled)[:120]), encoding="utf-8")
    for name, source in (("input.txt", "test.en"), ("reference.de", "test.de"), ("baseline.de", "test.en")):
        (tmp_path / name).write_bytes((tmp_path / source).read_bytes())
    write_opus(tmp_path / "opus-mt-en-de")
    return tmp_path


@contextmanager
def on_the_path(here: Path) -> Iterator[dict[str, str]]:
    """An environment in which ``nmt`` is a command."""
    (here / "bin").mkdir()
    environment = {**os.environ, "PATH": f"{here / 'bin'}{os.pathsep}{os.environ['PATH']}", "PYTHONWARNINGS": "error"}
    with forking(environment) as command:
        wrapper = here / "bin" / "nmt"
        wrapper.write_text(WRAPPER.replace("COMMAND", command), encoding="utf-8")
        wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
        yield environment


def test_every_command_is_run_or_checked_elsewhere() -> None:
    assert {language for language, _ in FENCED} == {"sh"}
    assert sorted(set(COMMANDS) - set(RUN_HERE)) == sorted(CHECKED_ELSEWHERE)
    commands = set(get_command(application()).commands)  # type: ignore[attr-defined]
    assert {shlex.split(line.rpartition("| ")[2])[1] for line in TYPED} == commands


def test_following_the_readme_from_top_to_bottom(here: Path) -> None:
    count = len((here / "input.txt").read_text(encoding="utf-8").splitlines())
    with on_the_path(here) as environment:
        for line in RUN_HERE:
            if "output.de" in line and "score" not in line:
                (here / "output.de").unlink(missing_ok=True)  # so that it is this line that writes it
            done = subprocess.run(
                ["sh", "-e", "-c", line], cwd=here, env=environment, stdin=subprocess.DEVNULL, capture_output=True,
                encoding="utf-8", check=False,
            )  # fmt: skip
            assert done.returncode == 0, f"{line}\n{done.stderr}"
            assert "error" not in done.stderr, line
            if "output.de" in line:
                assert (here / "output.de").read_text(encoding="utf-8").count("\n") == count, line
    weights = [(here / model / "model.safetensors").read_bytes() for model in ("model", "again")]
    assert weights[0] == weights[1], "config.toml repeats the model, to the bit"
    listed = re.findall(r"^    ([\w.]+)/? ", sections()["What a model directory holds"], re.MULTILINE)
    assert sorted(listed) == sorted(path.name for path in (here / "model").iterdir())


def test_every_command_has_a_section_and_its_options_exist() -> None:
    commands = get_command(application()).commands  # type: ignore[attr-defined]
    for line in TYPED:
        typed = line.rpartition("| ")[2]
        assert options_in(typed) <= options_of(commands[shlex.split(typed)[1]]), line
    for name, command in commands.items():
        prose = re.sub(
            r"^```sh\n.*?^```$|`torchrun[^`]*`", "", sections()[f"nmt {name}"], flags=re.MULTILINE | re.DOTALL
        )
        assert options_in(prose) <= options_of(command), name
    ours = re.sub(r"`torchrun[^`]*`", "", README)  # its options are its own: test_team runs it
    assert options_in(ours) <= set().union(*map(options_of, commands.values()))


def test_presets_architectures_and_searches_are_named() -> None:
    from nmt_cli.search import STRATEGIES
    from nmt_cli.training.presets import preset, preset_names

    for name in preset_names():
        assert f"`{name}`" in sections()["nmt train"]
    used = [preset(name)["model"]["architecture"] for name in preset_names()]
    assert set(used) == set(ARCHITECTURES)
    numbers = ("Ten", "Eleven", "Twelve", "Thirteen", "Fourteen", "Fifteen")
    number = numbers[sum(ARCHITECTURES[name].task == "translate" for name in used) - 10]
    assert sections()["What is not there yet"].strip().startswith(f"{number} presets for translation and ")
    for name in STRATEGIES:
        assert name in sections()["What is not there yet"]
        assert f"`--search {name}`" in sections()["nmt translate"]


def test_every_setting_of_training_is_named() -> None:
    """And every kind of dropout; but for those that have an option of their own, or that a corpus decides."""
    elsewhere = {"seed", "workers", "updates", "minutes", "batch_tokens"}
    named = {word for words in re.findall(r"`(\w+)|training\.(\w+)", sections()["nmt train"]) for word in words}
    assert set(TrainingSettings.model_fields) - elsewhere <= named
    kinds = {name for config in ARCHITECTURES.values() for name in config.model_fields if name.endswith("dropout")}
    assert kinds <= named


def test_every_file_that_is_named_exists() -> None:
    named = set(re.findall(r"`((?:tests|nmt_cli|data)/[\w./-]*)`", README))
    assert named
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_the_floors_are_those_that_import_linter_holds() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    floors = [layer for contract in contracts if contract["type"] == "layers" for layer in contract["layers"]]
    drawn = sections()["How the house is laid out"]
    places = [re.search(rf"^    {re.escape(floor)}(  |$)", drawn, re.MULTILINE) for floor in floors]
    found = [place.start() for place in places if place]
    assert len(found) == len(floors)
    assert found == sorted(found)


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"\bmake (?!and)([a-z]+)", README))
    assert {"demo", "ladder", "test", "check"} <= targets
    assert [target for target in sorted(targets) if not re.search(rf"^{target}:", makefile, re.MULTILINE)] == []
    assert re.search(r"^demo:.*\n.*tests/demo\.py$", makefile, re.MULTILINE)


def test_the_index_is_the_makefiles() -> None:
    (line,) = [line for line in COMMANDS if line.startswith("pip install torch")]
    assert line.split()[-1] in (ROOT / "Makefile").read_text(encoding="utf-8").split()


def test_nothing_is_unpickled() -> None:
    for path in (ROOT / "nmt_cli").rglob("*.py"):
        found = re.search(
            r"\bimport (pickle|shelve|marshal)\b|torch\.load\(|allow_pickle=True", path.read_text("utf-8")
        )
        assert found is None, path


def test_it_is_short_and_names_no_machine() -> None:
    assert len(README.splitlines()) < 450
    assert re.search(r"/(home|root|work|tmp|Users)/|localhost|\b\d+\.\d+\.\d+\.\d+\b", README) is None
    assert README.isascii()


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A folder that looks like the repository's, with a phrasebook of a few lines."""
    folder = tmp_path / "data" / "phrasebook"
    folder.mkdir(parents=True)
    for name, count in (("train", 120), ("dev", 8), ("test", 8), ("test_long", 2)):
        cut(name, count, folder, name)
    return tmp_path


def test_the_demonstration(small: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert Demo([*TRAINING, "--updates", "2"], home=small, expected=0).run() == 0
    said = capfd.readouterr()
    assert "nmt train data/phrasebook/train.en data/phrasebook/train.de -o demo/model" in said.out
    for text in (
        "source       The salads taste good.",
        "reference    Die Salate schmecken gut.",
        "BLEU ",
        "output health",
    ):
        assert text in said.out
    assert said.out.count("\n  translation  ") == 8
    assert re.search(r"BLEU \d+\.\d after \d\.\d minutes\.\n\nWhat to type next:\n", said.out)
    for line in re.findall(r"^  .*nmt (.*)$", said.out, re.MULTILINE):
        assert line.split()[0] in get_command(application()).commands  # type: ignore[attr-defined]


def test_the_demonstration_fails_below_what_is_expected(
    small: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Demo, "_nmt", lambda *_, **__: "BLEU 89.9 [88.0, 91.0]\n")
    assert Demo([], home=small).run() == 1
    assert capsys.readouterr().out.endswith("At least 90 was expected.\n")


def test_the_demonstration_stops_at_ctrl_c_with_everything_saved(small: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from tests.demo import Demo; "
        f"sys.exit(Demo({TRAINING!r}, home=Path({str(small)!r})).run())"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
        start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            assert any("updates measured" in line for line in process.stderr)
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the demonstration and to what it runs
            out, err = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "saved at update" in err
    assert "make demo goes on from here" in out
    assert (small / "demo" / "model" / "training" / "last.safetensors").is_file()
