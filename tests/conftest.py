"""What every test may use: the command line in process, with a record of the options that were typed; tiny trained models.

The tests run in as many processes as there are cores (``make test``), each with one thread, as what they start: the models are
tiny, and threads that share a core wait for each other.
"""

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import filelock
import hypothesis
import pytest
import torch
from typer.testing import CliRunner, Result

from nmt_cli.cli import app
from nmt_cli.runs import processes
from tests.tree import untyped

torch.set_num_threads(1)
if (
    signal.getsignal(signal.SIGINT) == signal.SIG_IGN
):  # as a script starts what runs beside it; its children would be deaf too
    signal.signal(signal.SIGINT, signal.default_int_handler)
hypothesis.settings.register_profile("nmt", deadline=None, derandomize=True)  # the same examples on every machine
hypothesis.settings.load_profile("nmt")

CORPORA = Path(__file__).resolve().parents[2] / "shared" / "corpora"
PHRASEBOOK = Path(__file__).resolve().parents[1] / "data" / "phrasebook"
LINES = 600

Nmt = Callable[..., Result]

typed: set[tuple[str, str]] = set()
"""(command, option) for each option that a test of this run has typed: see ``pytest_sessionfinish``."""

TINY = {
    "transformer-tiny": (
        "model.width=32", "model.heads=2", "model.feed_forward=48", "model.encoder_layers=1", "model.decoder_layers=1",
    ),
    "lstm-attention": ("model.width=32",),
}  # fmt: skip
"""Preset -> what makes its model tiny."""

TRANSFORMER = ("model.width=32", "model.heads=2", "model.feed_forward=48", "model.layers=1")
WRITERS = {
    "lm-transformer": TRANSFORMER,
    "lm-rnn": ("model.width=24", "model.hidden=32"),
    "lm-lstm": ("model.width=24", "model.hidden=32"),
}
CLASSIFIERS = {
    "classify-transformer": TRANSFORMER,
    "classify-birnn": ("model.width=24", "model.hidden=32"),
}
"""The same for language models and for classifiers: test_lm_cli and test_classify_cli fail for a preset that is missing here."""

BRIEF = (
    "model.dropout=0.0", "training.learning_rate=0.01", "training.warmup=20", "training.batch_tokens=512",
    "training.validate_every=60",
)  # fmt: skip


def brief(preset: str, updates: int) -> list[str]:
    """The options of ``nmt train`` for a tiny model and a brief training."""
    tiny = {**TINY, **WRITERS, **CLASSIFIERS}[preset]
    settings = [word for setting in (*tiny, *BRIEF) for word in ("--set", setting)]
    return ["--preset", preset, "--updates", str(updates), *settings]


def run_nmt(*arguments: object, input: str | bytes | None = None) -> Result:  # noqa: A002
    """``run_nmt("score", "ref.de", input=text)`` runs the command in this process."""
    words = [str(argument) for argument in arguments]
    _note(words)
    own, sys.argv = sys.argv, ["nmt", *words]  # a model's manifest says how it was made
    try:
        return CliRunner().invoke(app.typed(words), words, input=input)
    finally:
        sys.argv = own
        torch.set_flush_denormal(False)  # as it was: hypothesis draws no floats where the smallest ones are zero


@pytest.fixture
def nmt() -> Nmt:
    """The command in this process: see ``run_nmt``."""
    return run_nmt


@pytest.fixture(autouse=True)
def threads_are_left_as_they_were() -> Iterator[None]:
    """Two threads round otherwise than one: whoever left another number behind would change the bits of the tests that follow."""
    yield
    left = torch.get_num_threads()
    torch.set_num_threads(1)  # only the culprit fails
    assert left == 1


@pytest.fixture(scope="session", autouse=True)
def workers_are_forked() -> Iterator[None]:
    """From a server that has loaded torch once: begun from nothing, each takes two seconds for it.

    What is lost by that, the commands show that are started in processes of their own.
    """
    with pytest.MonkeyPatch.context() as patch:
        if "forkserver" in multiprocessing.get_all_start_methods():
            forking = multiprocessing.get_context("forkserver")
            forking.set_forkserver_preload(["torch", "nmt_cli.training.workers"])
            patch.setattr(processes, "get_context", lambda _: forking)
        yield


@pytest.fixture(scope="session")
def environment() -> Mapping[str, str]:
    """For the command in a process of its own: as many threads as here, so that results are the same bits."""
    return {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads()), "PYTHONWARNINGS": "error"}


@pytest.fixture
def spawn(environment: Mapping[str, str]) -> Callable[..., "subprocess.Popen[bytes]"]:
    """``spawn("translate", model)`` starts the command in a process of its own, with pipes."""

    def start(*arguments: object) -> "subprocess.Popen[bytes]":
        words = [str(argument) for argument in arguments]
        _note(words)
        command, pipe = [sys.executable, "-m", "nmt_cli", *words], subprocess.PIPE
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment)

    return start


Made = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """``made(name, make)`` is a path that ``make`` has filled, once for all processes of the test run."""
    own = tmp_path_factory.getbasetemp()
    root = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def find(name: str, make: Callable[[Path], object]) -> Path:
        path, ready = root / name, root / f"{name}.ready"
        with filelock.FileLock(root / f"{name}.lock"):
            if not ready.exists():
                shutil.rmtree(path, ignore_errors=True)  # what another process did not get done
                make(path)
                ready.touch()
        return path

    return find


@pytest.fixture(scope="session")
def small(made: Made) -> Path:
    """A folder with ``a.en`` and ``a.de``, the beginning of the phrasebook, and ``kinds.tsv``, the same lines with labels."""
    return made("small", _beginning)


@pytest.fixture(scope="session")
def trained(small: Path, made: Made) -> Path:
    """A tiny Transformer, trained so briefly that it only babbles. Not to be changed: see ``own``."""
    return made("model", lambda model: _train(small, model, "transformer-tiny"))


@pytest.fixture(scope="session")
def trained_lstm(small: Path, made: Made) -> Path:
    """The same, recurrent."""
    return made("lstm", lambda model: _train(small, model, "lstm-attention"))


@pytest.fixture(scope="session")
def bottleneck(small: Path, made: Made) -> Path:
    """A tiny tanh RNN without attention, hardly trained."""
    words = ("--preset", "rnn", "--updates", 20, "--set", "model.width=24", "--set", "model.hidden=32")
    return made("rnn", lambda model: _run("train", small / "a.en", small / "a.de", "-o", model, *words))


@pytest.fixture(scope="session")
def writer(small: Path, made: Made) -> Path:
    """A tiny Transformer language model, line by line, of subwords."""
    return made("lm", lambda model: _train_on(small / "a.en", model, "lm", "lm-transformer"))


@pytest.fixture(scope="session")
def stream_writer(small: Path, made: Made) -> Path:
    """A tiny recurrent language model, on one stream of words."""
    words = ("--set", "data.units=word", "--set", "training.window=20")
    return made("words", lambda model: _train_on(small / "a.en", model, "lm", "lm-rnn", *words))


@pytest.fixture(scope="session")
def classifier(small: Path, made: Made) -> Path:
    """A tiny classifier: questions, statements, German."""
    return made("classifier", lambda model: _train_on(small / "kinds.tsv", model, "classify", "classify-birnn"))


@pytest.fixture
def own(trained: Path, tmp_path: Path) -> Path:
    """A copy of ``trained`` that a test may spoil."""
    return shutil.copytree(trained, tmp_path / "own")


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder of real corpora beside the repository; the test skips where there is none."""
    if not CORPORA.is_dir():
        pytest.skip("needs the real corpora, which are not part of the repository")
    return CORPORA


SLOWEST = ("test_ladder.py", "test_readme.py", "test_train.py", "test_team.py", "test_resume.py", "test_laws.py")
"""They begin first, so that no process is left with one of them at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slowest files first."""
    items.sort(key=lambda item: item.path.name not in SLOWEST)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A process has run its share of the tests."""
    typed.update(map(tuple, getattr(node, "workeroutput", {}).get("typed", [])))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Law 7: every option that a user can type is run by a test. It looks back at all tests, so that no test can be it."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["typed"] = sorted(typed)
        return
    whole = session.config.args_source is pytest.Config.ArgsSource.TESTPATHS and not session.config.option.keyword
    if whole and session.exitstatus == pytest.ExitCode.OK and untyped(typed):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, exitstatus: int, config: pytest.Config) -> None:
    """Name what law 7 misses."""
    missing = untyped(typed)
    if (
        exitstatus == pytest.ExitCode.TESTS_FAILED
        and config.args_source is pytest.Config.ArgsSource.TESTPATHS
        and missing
    ):
        terminalreporter.write_line(f"FAILED law 7: no test has typed {', '.join(missing)}", red=True)


def _note(words: list[str]) -> None:
    command = words[0] if words and not words[0].startswith("-") else ""
    typed.update((command, word.partition("=")[0]) for word in words if word.startswith("-"))


def _beginning(folder: Path) -> None:
    folder.mkdir()
    for language in ("en", "de"):
        lines = (PHRASEBOOK / f"train.{language}").read_text(encoding="utf-8").split("\n")[:LINES]
        (folder / f"a.{language}").write_text("\n".join(lines) + "\n", encoding="utf-8")
    english, german = ((folder / name).read_text(encoding="utf-8").split("\n")[:-1] for name in ("a.en", "a.de"))
    kinds = [("question" if line.endswith("?") else "statement", line) for line in english]
    kinds += [("german", line) for line in german[:200]]
    (folder / "kinds.tsv").write_text("".join(f"{label}\t{line}\n" for label, line in kinds), encoding="utf-8")


def _train(small: Path, model: Path, preset: str) -> None:
    _run("train", small / "a.en", small / "a.de", "-o", model, *brief(preset, 180))


def _train_on(text: Path, model: Path, task: str, preset: str, *words: str) -> None:
    _run("train", text, "-o", model, "--task", task, *brief(preset, 120), *words)


def _run(*words: object) -> None:
    result = run_nmt(*words)
    assert result.exit_code == 0, result.stderr
