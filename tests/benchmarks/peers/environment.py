"""A virtual environment for each toolkit, made when it is first needed and kept in a cache folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.contest import Unavailable

_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
_MARK = ".installed"


def cache() -> Path:
    """Where environments are kept when the user says nothing."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nmt-benchmarks"


def python_with(folder: Path, packages: Sequence[str], *, torch: bool) -> Path:
    """The interpreter of an environment that holds packages, and torch for the CPU if it is needed.

    Raises Unavailable where they cannot be installed.
    """
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    if not (folder / _MARK).is_file():
        _run([sys.executable, "-m", "venv", str(folder)])
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
        if torch:
            _torch(pip)
        _run([*pip, *packages])
        (folder / _MARK).touch()
    return python


def version(python: Path, package: str) -> str:
    """Of what is installed there."""
    code = f"from importlib.metadata import version; print(version({package!r}))"
    return _run([str(python), "-c", code]).strip()


def _torch(pip: Sequence[str]) -> None:
    """As the Makefile does: pip's own find-links, then PyTorch's public CPU index, then the plain package."""
    for words in (["--no-index", "--no-deps", "torch"], ["torch", "--index-url", _CPU_INDEX]):
        if sys.platform == "linux" and subprocess.run([*pip, *words], capture_output=True, check=False).returncode == 0:
            return
    _run([*pip, "torch"])


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()] or ["it said nothing"]
        raise Unavailable(f"could not be installed: {next((x for x in said if 'ERROR' in x), said[-1]).strip()}")
    return done.stdout
