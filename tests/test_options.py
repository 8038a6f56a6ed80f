"""Law 7: every option that a user can type is run by a test. Also: every command helps, and helps at once."""

import gc
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from types import ModuleType

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from nmt_cli.__main__ import main
from nmt_cli.cli.app import _leave, app, application, typed

from .conftest import Nmt
from .tree import COMMANDS, ROOT, options, untyped

HEAVY = ("torch", "numpy", "pydantic", "sentencepiece", "sacrebleu", "safetensors", "rich.progress")


AtExit = list[Callable[[], None]]


@pytest.fixture
def at_exit(monkeypatch: pytest.MonkeyPatch) -> Iterator[AtExit]:
    """What ``main`` would have done at the end of the process; the garbage collector is as before afterwards."""
    ends: AtExit = []
    monkeypatch.setattr("atexit.register", ends.append)
    before = gc.get_threshold()
    yield ends
    gc.unfreeze()
    gc.set_threshold(*before)


def test_version(nmt: Nmt) -> None:
    result = nmt("--version")
    assert (result.exit_code, result.stdout.count(".")) == (0, 2)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_command_has_help(command: str, nmt: Nmt) -> None:
    result = nmt(*([command] if command else []), "--help")
    assert result.exit_code == 0
    assert "Usage: " in result.stdout
    described = COMMANDS[command] if command else ROOT
    assert f"\n\nnmt {command or 'train'} " in described.help, "an example in a paragraph of its own"
    for parameter in described.params:
        assert getattr(parameter, "help", "x"), f"{command} {parameter.name} has no help"


def test_no_command_shows_what_there_is(nmt: Nmt) -> None:
    result = nmt()
    assert (result.exit_code, result.stderr) == (0, "")
    assert all(name in result.stdout for name in COMMANDS)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["trian"], ["error: no such command 'trian'", "hint: did you mean 'train'?"]),
        (["translate", "--beem", "3"], ["error: no such option: --beem", "hint: did you mean --beam?"]),
        (["train", "--update", "3"], ["error: no such option: --update", "hint: did you mean --updates?"]),
        (["translate", "--beam", "many"], ["error: invalid value for '--beam'"]),
        (["translate", "--beam"], ["error: option '--beam' requires an argument"]),
        (["score"], ["error: missing argument 'REF'", "hint: nmt score --help"]),
        (["preprocess", "a", "b"], ["error: missing option '--output' / '-o'", "hint: nmt preprocess --help"]),
    ],
)
def test_what_is_mistyped(words: list[str], said: list[str], nmt: Nmt) -> None:
    result = nmt(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    lines = result.stderr.rstrip("\n").split("\n")
    assert len(lines) <= 2
    for line, wanted in zip(lines, said, strict=False):
        assert line.startswith(wanted)


def test_the_command_line_loads_nothing_heavy() -> None:
    loads = "import sys; from nmt_cli.cli.app import app, application, typed; application()"
    code = f"{loads}; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_command_that_is_typed_comes_alone() -> None:
    """And all where none is, so that a mistyped one can be guessed."""
    for words, known in ((["score", "ref"], {"score"}), (["import"], {"import"}), (["scoer"], set(COMMANDS))):
        assert set(get_command(typed(words)).commands) == known  # type: ignore[attr-defined]
    assert list(get_command(application()).commands) == list(COMMANDS)  # type: ignore[attr-defined]
    assert list(get_command(app).commands) == list(COMMANDS)  # type: ignore[attr-defined]


@pytest.mark.parametrize("words", [[], ["--help"]])
def test_help_is_that_of_all_commands_though_their_options_are_not_read(words: list[str], nmt: Nmt) -> None:
    whole = CliRunner().invoke(application(), words)
    found = nmt(*words)
    assert (found.exit_code, found.stdout) == (whole.exit_code, whole.stdout)
    assert all(name in found.stdout for name in COMMANDS)


def test_help_comes_at_once() -> None:
    def seconds() -> float:
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "nmt_cli", "--help"], capture_output=True, check=True)
        return time.perf_counter() - started

    assert min(seconds() for _ in range(3)) < 0.4


def test_help_is_framed_for_eyes_alone() -> None:
    """In a pipe it is plain text, and what draws frames is not loaded."""
    code = "import sys; from nmt_cli.cli.app import typed; typed(['--help'])(standalone_mode=False)"
    done = subprocess.run([sys.executable, "-X", "importtime", "-c", code, "--help"], capture_output=True, check=True)
    assert done.stdout.startswith(b"Usage: ")
    assert done.stdout.isascii()
    assert b"rich." not in done.stderr


def test_an_unforeseen_error_is_one_line_and_a_traceback_on_demand(nmt: Nmt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nmt_cli.cli.score._check_streams", lambda _: 1 / 0)
    result = nmt("score", "ref")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ZeroDivisionError: division by zero\nhint: this is a mistake of ours")
    monkeypatch.setenv("NMT_DEBUG", "1")
    assert type(nmt("score", "ref").exception) is ZeroDivisionError


@pytest.mark.usefixtures("at_exit")
def test_ctrl_c_is_answered_before_anything_is_loaded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Interrupted(ModuleType):
        def __getattr__(self, name: str) -> None:
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "nmt_cli.cli.app", Interrupted("app"))
    with pytest.raises((SystemExit, KeyboardInterrupt)) as left:
        main()
    assert getattr(left.value, "code", None) == 130
    assert capsys.readouterr().err == "interrupted\n"
    (entry,) = entry_points(group="console_scripts", name="nmt")
    assert entry.load() is main


@pytest.mark.usefixtures("at_exit")
@pytest.mark.parametrize(("before", "after"), [(None, "1"), ("3", "3")])
def test_numpy_multiplies_with_one_thread_unless_told_otherwise(
    before: str | None, after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", before or "")
    if before is None:
        monkeypatch.delenv("OPENBLAS_NUM_THREADS")
    monkeypatch.setattr("nmt_cli.cli.app.main", lambda: None)
    main()
    assert os.environ["OPENBLAS_NUM_THREADS"] == after


def test_nobody_looks_for_garbage_among_what_stays(monkeypatch: pytest.MonkeyPatch, at_exit: AtExit) -> None:
    """Neither while PyTorch is loaded nor at the end, where all that is left is passed over."""
    monkeypatch.setattr("nmt_cli.cli.app.main", lambda: None)
    main()
    assert gc.get_threshold()[0] == 50_000
    for end in at_exit:
        end()
    assert gc.get_freeze_count() > 0


def test_no_name_speaks_to_the_terminal(nmt: Nmt, capsys: pytest.CaptureFixture[str]) -> None:
    said = nmt("translate", "a\x1b[31m\nerror: b").stderr
    assert said.startswith("error: a\\x1b[31m\\nerror: b must be a model directory")
    assert said.count("\n") == 2
    with pytest.raises(SystemExit):
        _leave("a", "b\x1b\nc", 1)
    assert capsys.readouterr().err == "error: a\nhint: b\\x1b\\nc\n"


def test_what_was_typed_is_compared_with_the_tree() -> None:
    """The comparison that looks back at all tests when they have run: see conftest."""
    everything = {(command, way) for command, ways in options() for way in ways}
    assert len(everything) > 100
    assert untyped(everything) == []
    assert untyped(everything - {("translate", "--beam"), ("translate", "-b")}) == ["translate --beam"]
