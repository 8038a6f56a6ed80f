"""``nmt rerank``: the equation, from what ``nmt logprob`` says; the forms that are read and written; what is refused."""

import json
import shutil
from pathlib import Path

import pytest

from nmt_cli.runs.directory import ModelDirectory

from .conftest import Nmt, run_nmt


@pytest.fixture(scope="session")
def back(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the other direction, hardly trained, with a vocabulary of its own."""
    model = tmp_path_factory.mktemp("back") / "model"
    words = ("--updates", 20, "--preset", "rnn", "--set", "model.width=24", "--set", "model.hidden=32")
    result = run_nmt("train", small / "a.de", small / "a.en", "-o", model, "--set", "data.vocabulary=310", *words)
    assert result.exit_code == 0, result.stderr
    return model


@pytest.fixture(scope="session")
def reader(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A language model of the target language, hardly trained, with a vocabulary of its own."""
    model = tmp_path_factory.mktemp("reader") / "model"
    words = ("--updates", 20, "--preset", "lm-rnn", "--set", "model.width=24", "--set", "model.hidden=32")
    result = run_nmt("train", small / "a.de", "-o", model, "--task", "lm", "--set", "training.window=0", *words)
    assert result.exit_code == 0, result.stderr
    return model


@pytest.fixture
def listed(trained: Path, small: Path, tmp_path: Path, nmt: Nmt) -> Path:
    """A source, and its n-best lists in both forms; one line is blank."""
    lines = [*(small / "a.en").read_text(encoding="utf-8").split("\n")[:4], ""]
    (tmp_path / "s.en").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    for name, text in (
        ("list.tsv", "".join(f"{line}\n" for line in lines)),
        ("list.jsonl", "".join(json.dumps({"text": line, "id": place}) + "\n" for place, line in enumerate(lines))),
    ):
        result = nmt("translate", trained, "--n-best", 4, "--format", name.split(".")[1], input=text)
        assert result.exit_code == 0, result.stderr
        (tmp_path / name).write_text(result.stdout, encoding="utf-8")
    return tmp_path


def spoken(model: Path, languages: list[str]) -> None:
    """Let a manifest say other languages."""
    manifest = json.loads((model / "manifest.json").read_text(encoding="utf-8"))
    (model / "manifest.json").write_text(json.dumps({**manifest, "languages": languages}), encoding="utf-8")


def log_probs(nmt: Nmt, *words: object) -> list[float]:
    result = nmt("logprob", *words)
    assert result.exit_code == 0, result.stderr
    return [float(line or 0) for line in result.stdout.split("\n")[:-1]]  # a blank line is answered by a blank line


def test_it_is_the_equation(trained: Path, back: Path, reader: Path, listed: Path, nmt: Nmt, tmp_path: Path) -> None:
    rows = [line.split("\t") for line in (listed / "list.tsv").read_text(encoding="utf-8").split("\n")[:-1]]
    sources = (listed / "s.en").read_text(encoding="utf-8").split("\n")
    (tmp_path / "x").write_text("".join(sources[int(row[0]) - 1] + "\n" for row in rows), encoding="utf-8")
    (tmp_path / "y").write_text("".join(row[4] + "\n" for row in rows), encoding="utf-8")
    direct = log_probs(nmt, trained, tmp_path / "x", tmp_path / "y")
    reverse = log_probs(nmt, back, tmp_path / "y", tmp_path / "x")
    lm = log_probs(nmt, reader, tmp_path / "y")
    own, other = (ModelDirectory.open(model).tokenizer for model in (trained, back))
    wanted = []
    for place, row in enumerate(rows):
        source, target = sources[int(row[0]) - 1], row[4]
        sizes = [len(own.encode(target)) + 1, len(other.encode(source)) + 1]
        score = direct[place] / sizes[0] + (0.7 * reverse[place] + 0.2 * lm[place]) / sizes[1]
        wanted.append((int(row[0]), score if source else 0.0, target))
    wanted.sort(key=lambda item: (item[0], -item[1]))
    words = ("--reverse", back, "--reverse-weight", 0.7, "--lm", reader, "--lm-weight", 0.2, "--format", "tsv")
    result = nmt("rerank", trained, listed / "s.en", listed / "list.tsv", *words)
    assert result.exit_code == 0, result.stderr
    found = [line.split("\t") for line in result.stdout.split("\n")[:-1]]
    assert [(int(row[0]), row[4]) for row in found] == [(number, text) for number, _, text in wanted]
    assert [float(row[2]) for row in found] == pytest.approx([score for _, score, _ in wanted], abs=1e-4)
    assert found != rows


def test_the_forms_agree(trained: Path, back: Path, listed: Path, nmt: Nmt) -> None:
    both = ("--reverse", back, "--format")
    table = nmt("rerank", trained, listed / "s.en", listed / "list.tsv", *both, "tsv").stdout
    best = nmt("rerank", trained, listed / "s.en", listed / "list.tsv", *both, "text").stdout.split("\n")[:-1]
    objects = nmt("rerank", trained, listed / "list.jsonl", "--input", "jsonl", *both, "jsonl")
    assert objects.exit_code == 0, objects.stderr
    found = [json.loads(line) for line in objects.stdout.split("\n")[:-1]]
    assert [row["id"] for row in found] == [0, 1, 2, 3, 4]
    assert [row["translation"] for row in found] == best == [row["candidates"][0]["translation"] for row in found]
    rows = [line.split("\t") for line in table.split("\n")[:-1]]
    assert [row[4] for row in rows] == [each["translation"] for row in found for each in row["candidates"]]
    for row in found:
        scores = [each["score"] for each in row["candidates"]]
        assert scores == sorted(scores, reverse=True)
        assert "lm_log_prob" not in row
        assert "reverse_log_prob" in row
    (listed / "again.tsv").write_text(table, encoding="utf-8")
    again = nmt("rerank", trained, listed / "s.en", listed / "again.tsv", *both, "tsv").stdout
    assert again == table


def test_nothing_is_left_of_what_another_candidate_was(trained: Path, back: Path, tmp_path: Path, nmt: Nmt) -> None:
    words = ("--format", "jsonl", "--n-best", 3, "--token-scores", "--alignment", "--attention")
    content = {"text": "Why?", "id": 7, "lm_log_prob": -1, "certificate": {}}
    listed = nmt("translate", trained, *words, input=json.dumps(content)).stdout
    (tmp_path / "list.jsonl").write_text(listed, encoding="utf-8")
    result = nmt("rerank", trained, tmp_path / "list.jsonl", "--input", "jsonl", "--reverse", back, "--format", "jsonl")
    assert result.exit_code == 0, result.stderr
    said = {"translation", "score", "log_prob", "reverse_log_prob"}
    found = json.loads(result.stdout)
    assert set(found) == {"text", "id", "candidates", *said}
    assert [set(each) for each in found["candidates"]] == [said] * 3


def test_whatever_is_in_an_object_a_line_stays_one(trained: Path, back: Path, tmp_path: Path, nmt: Nmt) -> None:
    (tmp_path / "x").write_text(
        json.dumps({"text": "Why?", "translation": "Wa\nr\tum \ud800?"}) + "\n", encoding="utf-8"
    )
    words = ("rerank", trained, tmp_path / "x", "--input", "jsonl", "--reverse", back, "--format")
    written = {form: nmt(*words, form).stdout for form in ("text", "tsv", "jsonl")}
    assert written["text"] == "Wa r um \ufffd?\n"
    assert written["tsv"].split("\t")[4:] == ["Wa r um \ufffd?", "\n"]
    assert json.loads(written["jsonl"])["translation"] == "Wa\nr\tum \ud800?"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["s.en", "list.tsv"], 2, "nmt rerank must be told who else to ask, by --reverse or --lm"),
        (["list.tsv", "--reverse", "BACK"], 2, "--input tsv must have a source and a table, but is given 1 file"),
        (["s.en", "list.tsv", "--reverse", "LM"], 1, "must be a translation model, but was trained for the task lm"),
        (["s.en", "list.tsv", "--lm", "BACK"], 1, "must be a language model, but was trained for the task translate"),
        (["s.en", "list.tsv", "--reverse", "SAME"], 1, "must be de-en, back from SAME, but is en-de"),
        (["s.en", "list.tsv", "--lm", "ENGLISH"], 1, "must be of de, which SAME translates into, but is of en"),
        (["s.en", "list.tsv", "--lm", "STREAM"], 1, "must judge each line for itself, but was trained on a stream"),
        (["s.en", "list.tsv", "--lm", "LM", "--lm-weight", "-1"], 2, "weights must be finite numbers, not below 0"),
        (["s.en", "list.tsv", "--lm", "LM", "--format", "csv"], 2, "--format must be a known name, but is 'csv'"),
        (["s.en", "list.tsv", "--lm", "LM", "--reverse-weight", "1"], 2, "--reverse-weight means nothing without --reverse"),
        (["s.en", "list.tsv", "--reverse", "BACK", "--lm-weight", "1"], 2, "--lm-weight means nothing without --lm"),
        (["s.en", "gap.tsv", "--lm", "LM"], 1, "gap.tsv must have a row for each line of s.en, but has none for line 2"),
        (["s.en", "cut.tsv", "--lm", "LM"], 1, "cut.tsv must have a row for each line of s.en, but has none for line 5"),
    ],
)  # fmt: skip
def test_what_is_refused(
    words: list[str], code: int, said: str, trained: Path, back: Path, reader: Path, writer: Path, stream_writer: Path,
    listed: Path, nmt: Nmt, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(listed)
    stream = shutil.copytree(stream_writer, listed / "stream")
    spoken(stream, ["de"])
    rows = (listed / "list.tsv").read_text(encoding="utf-8").splitlines(keepends=True)
    for name, gone in (("gap.tsv", "2\t"), ("cut.tsv", "5\t")):
        left = "".join(row for row in rows if not row.startswith(gone))
        (listed / name).write_text(left, encoding="utf-8")
    places = {"BACK": back, "LM": reader, "ENGLISH": writer, "STREAM": stream, "SAME": trained}
    result = nmt("rerank", trained, *(places.get(word, word) for word in words))
    assert result.exit_code == code
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert said.replace("SAME", str(trained)) in result.stderr


def test_languages_that_nothing_tells_are_warned_of(
    own: Path, back: Path, reader: Path, listed: Path, nmt: Nmt
) -> None:
    words = ("rerank", own, listed / "s.en", listed / "list.tsv", "--reverse", back, "--lm", reader)
    spoken(own, ["source", "target"])
    result = nmt(*words)
    assert result.exit_code == 0, result.stderr
    warning = f"warning: {back} should lead back from {own}, but the languages of {own} are not known\n"
    assert result.stderr == warning
    spoken(own, ["en_GB", "de_AT"])  # regions are no other languages
    regional = nmt(*words)
    assert (regional.exit_code, regional.stderr) == (0, "")
    assert regional.stdout == result.stdout
