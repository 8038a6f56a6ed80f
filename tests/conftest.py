"""What every test may use: the command line in process, with a record of the options that were typed."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from nmt_cli.cli.app import app

CORPORA = Path(__file__).resolve().parents[2] / "shared" / "corpora"

typed: set[tuple[str, str]] = set()
"""(command, option) for each option that a test of this run has typed; test_options.py compares it with the command tree."""


@pytest.fixture
def nmt() -> Callable[..., Result]:
    """``nmt("score", "ref.de", input=text)`` runs the command in this process."""

    def run(*arguments: object, input: str | bytes | None = None) -> Result:  # noqa: A002
        words = [str(argument) for argument in arguments]
        command = words[0] if words else ""
        typed.update((command, word.partition("=")[0]) for word in words if word.startswith("-"))
        return CliRunner().invoke(app, words, input=input)

    return run


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder of real corpora beside the repository; the test skips where there is none."""
    if not CORPORA.is_dir():
        pytest.skip("needs the real corpora, which are not part of the repository")
    return CORPORA
