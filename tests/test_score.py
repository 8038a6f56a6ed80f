"""``nmt score`` as typed: every option, every way to go wrong, data on stdout and talk on stderr."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sacrebleu.metrics.bleu import BLEU
from typer.testing import Result

Nmt = Callable[..., Result]

REFERENCE = ["Der Hund schläft heute im Garten.", "Sie hat kein Geld mehr übrig.", "Es regnet seit gestern Abend."] * 4
OUTPUT = ["Der Hund schläft im Garten.", "Sie hat kein Geld mehr.", "Es regnet seit gestern Abend."] * 4
BASELINE = ["Ein Hund.", "Sie mehr Geld.", "Regnet es?"] * 4


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with ref.de, out.de and base.de."""
    monkeypatch.chdir(tmp_path)
    for name, lines in (("ref.de", REFERENCE), ("out.de", OUTPUT), ("base.de", BASELINE)):
        (tmp_path / name).write_bytes(text(lines))
    return tmp_path


def text(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def failed(result: Result, code: int) -> str:
    """stderr of a command that failed as it should: with the code, one error, at most one hint, and no data."""
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.startswith("error: ")
    assert [line.partition(": ")[0] for line in result.stderr.splitlines()] in (["error"], ["error", "hint"])
    return result.stderr


@pytest.mark.usefixtures("folder")
def test_standard_input(nmt: Nmt) -> None:
    result = nmt("score", "ref.de", input=text(OUTPUT))
    assert (result.exit_code, result.stderr) == (0, "")
    names = [line.split()[0] for line in result.stdout.splitlines()]
    assert names == ["BLEU", "chrF2", "TER"]
    theirs = BLEU().corpus_score(OUTPUT, [REFERENCE])
    assert result.stdout.startswith(f"BLEU {theirs.score:.1f} [")
    assert "  nrefs:1|bs:1000|seed:12345|case:mixed|eff:no|tok:13a|smooth:exp|version:" in result.stdout


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("option", ["--hypothesis", "-i"])
def test_hypothesis_from_a_file(nmt: Nmt, option: str) -> None:
    assert nmt("score", "ref.de", option, "out.de").stdout == nmt("score", "ref.de", input=text(OUTPUT)).stdout


@pytest.mark.usefixtures("folder")
def test_several_references_and_no_interval(nmt: Nmt) -> None:
    result = nmt("score", "ref.de", "base.de", "--resamples", "0", "-i", "base.de")
    assert result.stdout.startswith("BLEU 100.0  nrefs:2|case:mixed|")


def test_packed_files(nmt: Nmt, folder: Path) -> None:
    (folder / "ref.de.gz").write_bytes(gzip.compress(text(REFERENCE)))
    assert nmt("score", "ref.de.gz", "-i", "out.de").stdout == nmt("score", "ref.de", "-i", "out.de").stdout


@pytest.mark.usefixtures("folder")
def test_json(nmt: Nmt) -> None:
    result = nmt("score", "ref.de", "-i", "out.de", "--json", "--resamples", "100")
    bleu, chrf, ter = map(json.loads, result.stdout.splitlines())
    assert bleu["score"] == pytest.approx(BLEU().corpus_score(OUTPUT, [REFERENCE]).score, abs=1e-12)
    assert bleu["interval"][0] < bleu["score"] < bleu["interval"][1]
    assert "BP = " in bleu["details"]
    assert (chrf["name"], ter["name"]) == ("chrF2", "TER")
    assert "bs:100|" in ter["signature"]


@pytest.mark.usefixtures("folder")
def test_against_another_system(nmt: Nmt) -> None:
    result = nmt("score", "ref.de", "-i", "out.de", "--against", "base.de")
    assert (result.exit_code, result.stderr) == (0, "")
    header, *rows = result.stdout.splitlines()
    assert header.split() == ["out.de", "base.de", "difference", "p", "verdict", "signature"]
    assert [row.split()[0] for row in rows] == ["BLEU", "chrF2", "TER"]
    assert all(" 0.001  better   nrefs:1|bs:1000|" in row for row in rows)


def test_against_a_file_of_the_same_name(nmt: Nmt, folder: Path) -> None:
    (folder / "old").mkdir()
    (folder / "old" / "out.de").write_bytes(text(OUTPUT))
    result = nmt("score", "ref.de", "-i", "out.de", "--against", "old/out.de")
    assert result.stdout.split()[:2] == ["out.de", str(Path("old/out.de"))]
    assert result.stdout.count("+0.0        1.000  no clear difference") == 3


@pytest.mark.usefixtures("folder")
def test_against_as_json(nmt: Nmt) -> None:
    result = nmt("score", "ref.de", "-i", "base.de", "--against", "out.de", "--json")
    pairs = [json.loads(line) for line in result.stdout.splitlines()]
    assert [pair["name"] for pair in pairs] == ["BLEU", "chrF2", "TER"]
    for pair in pairs:
        assert pair["difference"] == pair["system"]["score"] - pair["other"]["score"]
        assert pair["p_value"] == pytest.approx(1 / 1001)
        assert pair["signature"] == pair["system"]["signature"] == pair["other"]["signature"]


@pytest.mark.usefixtures("folder")
def test_lowercase(nmt: Nmt) -> None:
    shouted = text([line.upper() for line in REFERENCE])
    result = nmt("score", "ref.de", "--lowercase", input=shouted)
    assert result.stdout.startswith("BLEU 100.0 [100.0, 100.0]  nrefs:1|bs:1000|seed:12345|case:lc|")


@pytest.mark.parametrize("name", ["ref.zh", "ref.zh.gz", "ref.zh-CN", "ref.zh.txt"])
def test_language_from_the_suffix(nmt: Nmt, folder: Path, name: str) -> None:
    chinese = text(["今天天气很好。"])
    (folder / name).write_bytes(gzip.compress(chinese) if name.endswith(".gz") else chinese)
    result = nmt("score", name, input=chinese)
    assert "|tok:zh|" in result.stdout
    assert result.stderr == ""


def test_language_option(nmt: Nmt, folder: Path) -> None:
    chinese = text(["今天天气很好。"])
    (folder / "ref").write_bytes(chinese)
    unknown = nmt("score", "ref", input=chinese)
    assert "|tok:13a|" in unknown.stdout
    assert "warning: ref looks like Chinese or Japanese" in unknown.stderr
    known = nmt("score", "ref", "--language", "zh-CN", input=chinese)
    assert "|tok:zh|" in known.stdout
    assert known.stderr == ""
    assert "--language must be a code such as de or zh-CN, but is 'chinese'" in failed(
        nmt("score", "ref", "--language", "chinese", input=chinese), 2
    )


@pytest.mark.usefixtures("folder")
def test_tokenised_output_is_warned_of(nmt: Nmt) -> None:
    result = nmt("score", "ref.de", input=text([line.replace(".", " .") for line in OUTPUT]))
    assert result.exit_code == 0
    assert result.stderr.startswith("warning: standard input looks tokenised: 100 % of the lines end in ' .'; ")
    assert "warning" not in result.stdout


@pytest.mark.usefixtures("folder")
def test_blank_outputs(nmt: Nmt) -> None:
    result = nmt("score", "ref.de", input=b"\n" * 12)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("BLEU 0.0 [0.0, 0.0]")


@pytest.mark.usefixtures("folder")
def test_unequal_numbers_of_lines(nmt: Nmt) -> None:
    stderr = failed(nmt("score", "ref.de", input=text(OUTPUT[:3])), 1)
    assert "standard input must have as many lines as ref.de, but has 3 and that has 12" in stderr
    stderr = failed(nmt("score", "ref.de", input=b""), 1)
    assert "has 0 and that has 12" in stderr
    assert "hint: nmt score ref.de < output.de" in stderr


def test_an_empty_reference(nmt: Nmt, folder: Path) -> None:
    (folder / "empty.de").touch()
    assert "empty.de must have lines, but is empty" in failed(nmt("score", "empty.de", input=b""), 1)


@pytest.mark.usefixtures("folder")
def test_a_missing_file(nmt: Nmt) -> None:
    assert "none.de must be a file, but there is none" in failed(nmt("score", "none.de", "-i", "out.de"), 1)
    assert "none.de must be a file, but there is none" in failed(nmt("score", "ref.de", "-i", "none.de"), 1)


def test_invalid_utf8(nmt: Nmt, folder: Path) -> None:
    broken = b"gut\n\xff\n"
    (folder / "broken.de").write_bytes(broken)
    assert "broken.de:2 must be UTF-8" in failed(nmt("score", "broken.de", input=b"a\nb\n"), 1)
    (folder / "two.de").write_bytes(b"gut\ngut\n")
    assert "standard input:2 must be UTF-8" in failed(nmt("score", "two.de", input=broken), 1)


@pytest.mark.usefixtures("folder")
def test_standard_input_once_only(nmt: Nmt) -> None:
    assert nmt("score", "-", "-i", "out.de", input=text(REFERENCE)).exit_code == 0
    assert "standard input can be read once only" in failed(nmt("score", "-", input=text(OUTPUT)), 2)


@pytest.mark.usefixtures("folder")
def test_a_terminal_is_not_waited_for(nmt: Nmt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nmt_cli.cli.score._at_terminal", lambda: True)
    stderr = failed(nmt("score", "ref.de"), 2)
    assert "hint: nmt score ref.de < output.de" in stderr
    assert nmt("score", "ref.de", "-i", "out.de").exit_code == 0


@pytest.mark.usefixtures("folder")
def test_resamples_out_of_range(nmt: Nmt) -> None:
    assert "at least 100" in failed(nmt("score", "ref.de", "--resamples", "7", "-i", "out.de"), 2)
    assert "at least 100" in failed(
        nmt("score", "ref.de", "--resamples", "0", "--against", "base.de", "-i", "out.de"), 2
    )
    failed(nmt("score", "ref.de", "--resamples", "-1", "-i", "out.de"), 2)
