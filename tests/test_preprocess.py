"""``nmt preprocess`` as it is typed."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from nmt_cli.corpus.dataset import PreparedCorpus

Nmt = Callable[..., Result]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, lines in (("a", range(100)), ("dev", range(200, 210)), ("test", range(300, 310))):
        Path(f"{name}.en").write_text("".join(f"number {n}\n" for n in lines), encoding="utf-8")
        Path(f"{name}.de").write_text("".join(f"Zahl {n}\n" for n in lines), encoding="utf-8")
    pairs = "".join(f"number {n}\tZahl {n}\n" for n in range(100))
    Path("a.en-de.tsv").write_text(pairs, encoding="utf-8")
    return tmp_path


@pytest.mark.usefixtures("here")
def test_two_files(nmt: Nmt) -> None:
    result = nmt("preprocess", "a.en", "a.de", "-o", "d")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == ""
    lines = result.stderr.split("\n")
    assert lines[-2] == "next: nmt train d -o model"
    assert any(line.split() == ["train", "80"] for line in lines)
    assert any(line.split() == ["test", "(held", "out)", "10"] for line in lines)
    assert PreparedCorpus.open(Path("d")).languages == ("en", "de")


@pytest.mark.usefixtures("here")
def test_every_option(nmt: Nmt) -> None:
    result = nmt(
        "preprocess", "a.en-de.tsv", "--output", "d", "--dev", "dev.en", "dev.de", "--test", "test.en", "test.de",
        "--languages", "en-de", "--vocabulary", 290, "--max-length", 50, "--max-ratio", 3.5,
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    corpus = PreparedCorpus.open(Path("d"))
    assert (corpus.settings.max_length, corpus.settings.max_ratio) == (50, 3.5)
    assert corpus.tokenizer.size <= 290
    assert (len(corpus.train), len(corpus.dev), len(corpus.test)) == (100, 10, 10)


@pytest.mark.usefixtures("here")
def test_an_existing_folder_is_replaced_only_by_force(nmt: Nmt) -> None:
    assert nmt("preprocess", "a.en", "a.de", "-o", "d").exit_code == 0
    again = nmt("preprocess", "a.en", "a.de", "-o", "d")
    assert again.exit_code == 1
    assert again.stderr == "error: d must not exist, but is a prepared corpus already\nhint: --force replaces it\n"
    assert nmt("preprocess", "a.en", "a.de", "-o", "d", "--force", "--languages", "en-nl").exit_code == 1
    assert nmt("preprocess", "a.en-de.tsv", "-o", "d", "--force").exit_code == 0
    assert nmt("preprocess", "a.en", "a.de", "-o", ".", "--force").exit_code == 1
    assert Path("a.en").exists()


@pytest.mark.usefixtures("here")
def test_unknown_languages_are_said(nmt: Nmt) -> None:
    Path("x.txt").write_bytes(Path("a.en-de.tsv").read_bytes())
    result = nmt("preprocess", "x.txt", "-o", "d")
    assert result.exit_code == 0
    assert "--languages en-de would" in result.stderr


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["a.en", "a.de"], 2, "--output"),
        (["a.en", "a.de", "-o", "d", "--languages", "english"], 2, "--languages must be two language codes"),
        (["a.en", "a.de", "-o", "d", "--languages", "en-en"], 2, "--languages must be two language codes"),
        (["a.en", "a.de", "-o", "d", "--vocabulary", "5"], 2, "vocabulary must lie between 261 and 65,000"),
        (["a.en", "a.de", "-o", "d", "--max-ratio", "nan"], 2, "data.max_ratio"),
        (["a.en", "a.en", "-o", "d"], 1, "must be two files"),
        (["a.en", "dev.de", "-o", "d"], 1, "must have equally many lines, but have 100 and 10"),
        (["a.en", "-o", "d"], 1, "a.en:1 must hold exactly one tab"),
        (["a.en", "b.de", "-o", "d"], 1, "b.de must be a file, but there is none"),
        (["a.en", "a.de", "test.en", "-o", "d"], 1, "one file or two"),
    ],
)
def test_refusals_are_one_error_and_leave_nothing(nmt: Nmt, arguments: list[str], code: int, said: str) -> None:
    before = sorted(Path().iterdir())
    result = nmt("preprocess", *arguments)
    assert result.exit_code == code
    assert said in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("error") == 1
    assert sorted(Path().iterdir()) == before


def test_streams_that_are_closed(small: Path, tmp_path: Path) -> None:
    """As some start what nobody listens to: nothing that would have been said goes into another file."""
    words = f"-m nmt_cli preprocess {small / 'a.en'} {small / 'a.de'} -o {tmp_path / 'c'}"
    command = f"exec {sys.executable} {words} <&- >{tmp_path / 'out'} 2>&-"
    assert subprocess.run(["sh", "-c", command], check=False).returncode == 0
    assert (tmp_path / "out").read_bytes() == b""
    assert (tmp_path / "c" / "corpus.json").exists()
    silent = subprocess.run(["sh", "-c", f"exec {sys.executable} -m nmt_cli --version >&-"], check=False)
    assert silent.returncode == 0


def test_who_does_not_listen_to_talk_does_not_stop_the_work(small: Path, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    words = ["preprocess", small / "a.en", small / "a.de", "-o", tmp_path / "c"]
    try:
        environment = {**os.environ, "PYTHONUNBUFFERED": ""}  # what was kept back is written when all is over
        command = [sys.executable, "-m", "nmt_cli", *map(str, words)]
        done = subprocess.run(command, stderr=writer, env=environment, check=False)
    finally:
        os.close(writer)
    assert done.returncode == 0
    assert (tmp_path / "c" / "corpus.json").exists()
