"""The built wheel installs and gives the command."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("nmt_cli", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing is left in the source tree and nothing in it helps."""
    copy = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, copy / name)
    run("-m", "build", "--wheel", "--no-isolation", "--outdir", copy / "dist", copy)
    (built,) = (copy / "dist").glob("*.whl")
    return built


def run(*arguments: object, path: Path | None = None) -> str:
    """What Python says when it is called so; ``path``: the only place where our package may come from."""
    environment = {**os.environ, "PYTHONPATH": str(path)} if path else None
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment,
        cwd=path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_is_inside(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    sources = {path.relative_to(ROOT).as_posix() for path in (ROOT / "nmt_cli").rglob("*") if path.is_file()}
    assert {name for name in sources if "__pycache__" not in name} == {
        name for name in names if "dist-info" not in name
    }
    assert any(name.endswith("transformer-tiny.toml") for name in names)
    assert "nmt_cli/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_it_installs_and_gives_the_command(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    run("-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", target, wheel)
    version = wheel.name.split("-")[1]
    assert run("-m", "nmt_cli", "--version", path=target) == f"{version}\n"
    place = "import nmt_cli, pathlib; print(pathlib.Path(nmt_cli.__file__).parent)"
    assert run("-c", place, path=target) == f"{target / 'nmt_cli'}\n"
    names = (
        "from nmt_cli.training.presets import preset, preset_names; print(*[n for n in preset_names() if preset(n)])"
    )
    assert "transformer-tiny" in run("-c", names, path=target)
    command = target / "bin" / "nmt"
    assert run(command, "--version", path=target) == f"{version}\n"
