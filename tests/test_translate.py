"""``nmt translate`` as it is typed. Law 6: N lines in, N lines out, in order, blank for blank, whatever is in them."""

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from nmt_cli.corpus.reader import read_lines
from nmt_cli.evaluation.diversity import figures
from nmt_cli.inference.flags import flags
from nmt_cli.inference.translator import Translator
from nmt_cli.runs import processes
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.search.ancestral import Greedy
from nmt_cli.settings import to_toml
from nmt_cli.text.tokenizer import EOS

from .conftest import Nmt
from .running import running, wait_until, workers_of

Spawn = Callable[..., "subprocess.Popen[bytes]"]

STRANGE = {
    "plain": "Your brother is a teacher.",
    "blank": "",
    "spaces": " \t  ",
    "line separator": "one\u2028two",
    "next line": "one\u0085two",
    "form feed": "one\x0ctwo",
    "nul": "one\x00two",
    "carriage return": "one\rtwo",
    "a carriage return at the end": "one\r",
    "byte order mark": "\ufeffone",
    "emoji": "👩‍👩‍👧 🏳️‍🌈 ☺️",
    "combining": "e\u0301 \u0301",
    "cyrillic": "Добрый день, мир!",
    "arabic": "مرحبا بالعالم",
    "chinese": "今天天气很好我们去公园吧",
    "one character": "一",
    "marks": "▁ ▁▁ <s> </s> <0x0A> <unk>",
    "tab": "a\tb",
    "only controls": "\x01\x02\u200b",
    "private use": "\ue000\U0010fffd",
}


def lines_of(text: str | bytes) -> list[str]:
    """What stands before each line end; the text ends in one."""
    decoded = text if isinstance(text, str) else text.decode("utf-8")
    assert decoded == "" or decoded.endswith("\n")
    return decoded.split("\n")[:-1]


@pytest.fixture
def ask(trained: Path, nmt: Nmt) -> Callable[..., list[str]]:
    """``ask("one\\ntwo\\n")``: the lines that the model answers."""

    def run(text: str | bytes, *options: object) -> list[str]:
        result = nmt("translate", trained, *options, input=text)
        assert result.exit_code == 0, result.stderr
        return lines_of(result.stdout_bytes)

    return run


Ask = Callable[..., list[str]]


@pytest.fixture(scope="module")
def sentences(small: Path) -> list[str]:
    return (small / "a.en").read_text(encoding="utf-8").split("\n")[:30]


def test_the_answers_differ(sentences: list[str], ask: Ask) -> None:
    """Else nothing below would notice lines that change places."""
    assert len(set(ask("\n".join(sentences) + "\n"))) > 10


@pytest.mark.parametrize("search", ["beam", "greedy"])
@pytest.mark.parametrize("architecture", ["trained", "trained_lstm"])
def test_whatever_is_in_the_lines(
    search: str, architecture: str, sentences: list[str], nmt: Nmt, request: pytest.FixtureRequest
) -> None:
    model = request.getfixturevalue(architecture)
    strange = [line for pair in zip(STRANGE.values(), sentences, strict=False) for line in pair]
    whole = nmt("translate", model, "--search", search, input=("\n".join(strange) + "\n").encode())
    answers = lines_of(whole.stdout_bytes)
    assert len(answers) == len(strange)
    for kind, answer in zip(STRANGE, answers[::2], strict=True):
        assert answer == "" or kind not in {"blank", "spaces"}, kind
        assert answer.isprintable(), kind
    known = lines_of(nmt("translate", model, "--search", search, input="\n".join(sentences) + "\n").stdout_bytes)
    assert answers[1::2] == known[: len(STRANGE)]
    alone = [nmt("translate", model, "--search", search, input=f"{line}\n".encode()).stdout for line in strange[:8]]
    assert alone == [f"{answer}\n" for answer in answers[:8]]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", 0),
        ("\n", 1),
        ("\n\n\n", 3),
        ("one", 1),
        ("one\n\ntwo", 3),
        ("\r\n\r\n", 2),
        ("\ufeff", 1),
        ("\ufeff\n", 1),
        (" ", 1),
    ],
)
def test_as_many_lines_as_came_in(text: str, lines: int, ask: Ask) -> None:
    answers = ask(text.encode())
    assert len(answers) == lines
    for line, answer in zip(text.split("\n"), answers, strict=False):
        assert bool(answer) <= bool(line.strip("\r \ufeff"))


def test_line_ends_of_windows_change_nothing(sentences: list[str], ask: Ask) -> None:
    assert ask("\r\n".join(sentences) + "\r\n") == ask("\n".join(sentences) + "\n")


def test_invalid_bytes_are_read_as_such_and_named(trained: Path, nmt: Nmt) -> None:
    result = nmt("translate", trained, input=b"one\n\xff\xfe two\nthree\xc3\n")
    assert len(lines_of(result.stdout_bytes)) == 3
    assert result.stderr == (
        "warning: stdin:2 is not valid UTF-8: the invalid bytes were read as U+FFFD\n"
        "warning: stdin:3 is not valid UTF-8: the invalid bytes were read as U+FFFD\n"
    )
    assert result.exit_code == 0


def test_duplicates_are_answered_alike_each_in_its_place(sentences: list[str], ask: Ask) -> None:
    answers = dict(zip(sentences, ask("\n".join(sentences) + "\n"), strict=True))
    mixed = [sentences[place % 7] for place in range(40)]
    assert ask("\n".join(mixed) + "\n") == [answers[line] for line in mixed]


@pytest.mark.parametrize("words", [300, 10_000])
def test_a_long_line_is_split_joined_and_flagged(words: int, trained: Path, nmt: Nmt) -> None:
    sentence = "Your brother is a teacher. "
    long = sentence * (words // 5)
    result = nmt("translate", trained, "--search", "greedy", input=f"one\n{long}\n\n")
    first, answer, last = lines_of(result.stdout_bytes)
    assert result.stderr == "warning: line 2 was too long for the model: it was translated in pieces\n"
    assert (bool(first), last) == (True, "")
    assert len(answer) > len(first)
    rows = nmt("translate", trained, "--search", "greedy", "--format", "jsonl", input=json.dumps({"text": long}))
    assert json.loads(rows.stdout)["flags"][0] == "split"
    assert json.loads(rows.stdout)["translation"] == answer


def test_several_files_one_after_the_other(trained: Path, ask: Ask, nmt: Nmt, tmp_path: Path) -> None:
    (tmp_path / "one").write_text("\ufeffThe first file.\nwithout a last line end", encoding="utf-8")
    (tmp_path / "two.gz").write_bytes(gzip.compress(b"The second.\n"))
    result = nmt("translate", trained, tmp_path / "one", "-", tmp_path / "two.gz", input="Standard input.\n")
    assert result.exit_code == 0, result.stderr
    wanted = ask("The first file.\nwithout a last line end\nStandard input.\nThe second.\n")
    assert lines_of(result.stdout_bytes) == wanted


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
def test_output_is_packed_as_its_name_says(suffix: str, trained: Path, ask: Ask, nmt: Nmt, tmp_path: Path) -> None:
    """It can be read again by that name, and the same translations are the same archive."""
    wanted, out = ask("Why?\nNo.\n"), tmp_path / f"out{suffix}"
    assert nmt("translate", trained, "-o", out, input="Why?\nNo.\n").exit_code == 0
    assert list(read_lines(out)) == wanted
    before = out.read_bytes()
    assert not before.startswith(wanted[0].encode())
    assert nmt("translate", trained, "-o", out, input="Why?\nNo.\n").exit_code == 0
    assert out.read_bytes() == before


def test_a_file_of_output_appears_when_it_is_complete(trained: Path, ask: Ask, nmt: Nmt, tmp_path: Path) -> None:
    out = tmp_path / "out.de"
    result = nmt("translate", trained, "--output", out, input="one\ntwo\n")
    assert (result.exit_code, result.stdout) == (0, "")
    assert lines_of(out.read_bytes()) == ask("one\ntwo\n")
    failed = nmt("translate", trained, "-o", out, "--format", "jsonl", input='{"text": "one"}\nbroken\n')
    assert (failed.exit_code, lines_of(out.read_bytes())) == (1, ask("one\ntwo\n"))
    assert list(tmp_path.iterdir()) == [out]
    assert nmt("translate", trained, "-o", "/dev/null", input="one\n").exit_code == 0
    assert Path("/dev/null").is_char_device()


def test_more_sentences_than_in_training_are_translated_one_by_one(
    trained: Path, own: Path, ask: Ask, nmt: Nmt
) -> None:
    """A model that has learnt from single sentences would leave the second away. Nothing of that is a reason to look twice."""
    manifest = json.loads((own / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["sentences"] == 1, "counted in training"
    one, two = ask("Your brother is a teacher.\nWhy do you sing?\n")
    together = "Your brother is a teacher. Why do you sing?"
    assert ask(together + "\n") == [f"{one} {two}"]
    (row,) = (
        json.loads(line) for line in ask(json.dumps({"text": together}) + "\n", "--format", "jsonl", "--alignment")
    )
    assert row["tokens"].count(EOS) == 2
    assert "split" not in row["flags"]
    assert max(source for source, _ in row["word_alignment"]) >= 5
    judged = nmt("logprob", trained, "--input", "jsonl", "-", input=json.dumps(row) + "\n")
    assert float(judged.stdout) == pytest.approx(row["log_prob"], abs=1e-3)
    manifest["sentences"] = 2
    (own / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    whole = nmt("translate", own, "--format", "jsonl", input=json.dumps({"text": together}) + "\n")
    assert json.loads(whole.stdout)["tokens"].count(EOS) == 1


def test_flags_are_looked_for_where_somebody_reads_them(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As text is written nobody does: it is a twentieth of the time."""
    asked: list[tuple[object, ...]] = []

    def found(*given: object) -> tuple[str, ...]:
        asked.append(given)
        return ("found",)

    monkeypatch.setattr("nmt_cli.inference.translator.flags", found)
    (translation,) = Translator.open(own, Greedy()).translate(["Why?"])
    assert (translation.marks, asked) == ((), [])
    assert translation.candidates[0].flags == ("found",)
    (asked_of,) = asked
    assert asked_of[:2] == ("Why?", translation.text)


def test_n_best_in_text(ask: Ask) -> None:
    text = "Your brother is a teacher.\n\nWhy?\n"
    best, lists = ask(text, "--beam", 4), ask(text, "--beam", 4, "--n-best", 3)
    assert len(lists) == 9
    assert lists[::3] == best
    assert lists[3:6] == ["", "", ""]
    assert len(ask(text, "--n-best", 7)) == 21  # the beam grows with the list


def test_tsv(ask: Ask) -> None:
    text = "Your brother is a teacher.\n\nWhy?\n"
    rows = [line.split("\t") for line in ask(text, "--format", "tsv", "--n-best", 2)]
    assert [row[:2] for row in rows] == [["1", "1"], ["1", "2"], ["2", "1"], ["3", "1"], ["3", "2"]]
    assert {len(row) for row in rows} == {6}
    assert [row[4] for row in rows if row[1] == "1"] == ask(text)
    scores = [float(row[2]) for row in rows]
    assert scores[0] >= scores[1]
    assert scores[3] >= scores[4]
    assert all(float(row[3]) <= float(row[2]) <= 0 for row in rows)


def test_flags_are_those_of_each_candidate(ask: Ask, sentences: list[str]) -> None:
    """Against the definition; that a line was split is true of all its candidates."""
    lines = [*sentences[:8], "Your brother is a teacher. " * 60]
    words = ("--search", "sample", "--n-best", 4)
    rows = [line.split("\t") for line in ask("".join(f"{line}\n" for line in lines), *words, "--format", "tsv")]
    answers = ask("".join(json.dumps({"text": line}) + "\n" for line in lines), *words, "--format", "jsonl")
    found = [json.loads(answer) for answer in answers]
    wanted = []
    for line, row in zip(lines, found, strict=True):
        split = ["split"] if line is lines[-1] else []
        assert row["flags"] == row["candidates"][0]["flags"]
        for each in row["candidates"]:
            wanted.append([*split, *flags(line, each["translation"], each["tokens"], each["log_prob"])])
            assert each["flags"] == wanted[-1]
    assert [row[5] for row in rows] == [",".join(each) for each in wanted]
    assert any(len({tuple(each["flags"]) for each in row["candidates"]}) > 1 for row in found)


def test_json_lines_keep_what_they_do_not_know(ask: Ask) -> None:
    rows: list[dict[str, Any]] = [
        {"id": 7, "text": "Your brother is a teacher.", "é": [1, {"a": None}], "flags": "old"},
        {"text": ""},
        {"text": "two\nlines and a\ttab", "half": "\ud800"},
        {"text": "half \udfff a character"},
    ]
    text = "\ufeff" + "".join(json.dumps(row, ensure_ascii=number % 2 == 0) + "\n" for number, row in enumerate(rows))
    answers = [json.loads(line) for line in ask(text.encode("utf-8", "surrogatepass"), "--format", "jsonl")]
    assert [answer["id"] for answer in answers[:1]] == [7]
    assert answers[0]["é"] == [1, {"a": None}]
    assert "old" not in answers[0]["flags"]
    assert [answer["text"] for answer in answers[:3]] == [row["text"] for row in rows[:3]]
    assert answers[2]["half"] == "\ud800"
    assert answers[1]["translation"] == ""
    assert answers[0]["translation"] == ask("Your brother is a teacher.\n")[0]
    assert answers[0]["log_prob"] <= answers[0]["score"] <= 0
    assert all("candidates" not in answer for answer in answers)
    (listed,) = ask('{"text": "Why?"}', "--format", "jsonl", "--n-best", 3)
    candidates = json.loads(listed)["candidates"]
    assert json.loads(listed)["diversity"] == figures([candidate["translation"] for candidate in candidates])
    assert [set(candidate) for candidate in candidates] == [{"translation", "score", "log_prob", "tokens", "flags"}] * 3


def test_nothing_is_left_of_an_older_translation(ask: Ask) -> None:
    """Whatever was written of one line beside another search, another format or by nmt rerank."""
    text = '{"text": "Why?", "id": 7, "reverse_log_prob": -1, "lm_log_prob": -1, "perplexity": 2, "log_probs": [-1]}'
    listed = ask(text, "--format", "jsonl", "--n-best", 3, "--token-scores", "--alignment", "--attention")
    exact = ask(text, "--format", "jsonl", "--search", "exact", "--max-length", 3, "--nodes", 9)
    assert {"candidates", "attention", "source_pieces"} <= set(json.loads(listed[0]))
    assert "certificate" in json.loads(exact[0])
    plain = ask('{"text": "Why?", "id": 7}', "--format", "jsonl")
    assert [json.loads(line) for line in ask(listed[0], "--format", "jsonl")] == [json.loads(plain[0])]
    assert [json.loads(line) for line in ask(exact[0], "--format", "jsonl")] == [json.loads(plain[0])]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("oops", "stdin:2 must be a JSON object, but is oops"),
        ("[1]", 'stdin:2 must be a JSON object with a string "text", but is [1]'),
        ('{"txt": "a"}', 'stdin:2 must be a JSON object with a string "text"'),
        ('{"text": 5}', 'stdin:2 must be a JSON object with a string "text"'),
        ("[" * 100_000, "stdin:2 must be a JSON object"),
    ],
)
def test_json_lines_that_are_none(line: str, said: str, trained: Path, nmt: Nmt) -> None:
    result = nmt("translate", trained, "--format", "jsonl", input=f'{{"text": "a"}}\n{line}\n')
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {said}")


def test_json_lines_that_are_blank(ask: Ask) -> None:
    rows = ask('{"text": "a"}\n\n{"text": "b"}\n', "--format", "jsonl")
    assert [json.loads(row)["text"] for row in rows] == ["a", "", "b"]
    assert json.loads(rows[1])["translation"] == ""


def test_search_options(ask: Ask, sentences: list[str]) -> None:
    text = "\n".join(sentences) + "\n"
    greedy = ask(text, "--search", "greedy")
    assert ask(text, "--beam", 1, "--length-penalty", 0) == greedy
    objects = "".join(json.dumps({"text": sentence}) + "\n" for sentence in sentences)
    weighed = [json.loads(row) for row in ask(objects, "--search", "greedy", "--format", "jsonl")]
    assert [row["translation"] for row in weighed] == greedy
    assert all(row["log_prob"] == row["score"] < 0 for row in weighed)  # where they are told they are not NaN
    table = [row.split("\t") for row in ask(text, "--search", "greedy", "--format", "tsv")]
    assert [float(row[3]) for row in table] == pytest.approx([row["log_prob"] for row in weighed], abs=1e-5)
    assert ask(text, "--beam", 8) != greedy
    short, long = (ask(text, "--length-penalty", penalty) for penalty in (0, 5))
    assert sum(map(len, short)) < sum(map(len, long))


def test_settings_of_the_model_count_unless_typed(own: Path, ask: Ask, nmt: Nmt, sentences: list[str]) -> None:
    directory, text = ModelDirectory.open(own), "\n".join(sentences) + "\n"
    search = directory.settings.search.model_copy(update={"beam": 2, "length_penalty": 0.3})
    directory.write_settings(directory.settings.model_copy(update={"search": search}))
    assert lines_of(nmt("translate", own, input=text).stdout) == ask(text, "--beam", 2, "--length-penalty", 0.3)
    assert lines_of(nmt("translate", own, "--beam", 5, "--length-penalty", 1, input=text).stdout) == ask(text)


@pytest.mark.parametrize("tokens", [1, 40, 100_000])
def test_the_size_of_batches_changes_nothing(tokens: int, own: Path, nmt: Nmt, ask: Ask, sentences: list[str]) -> None:
    config = own / "config.toml"
    settings = ModelDirectory.open(own).settings
    search = settings.search.model_copy(update={"batch_tokens": tokens})
    config.write_text(to_toml(settings.model_copy(update={"search": search})), encoding="utf-8")
    text = "\n".join(sentences) + "\n"
    for kind in ("beam", "greedy"):
        assert lines_of(nmt("translate", own, "--search", kind, input=text).stdout) == ask(text, "--search", kind)


def test_two_workers_give_what_one_gives(ask: Ask, sentences: list[str]) -> None:
    strange = [*sentences, *STRANGE.values()]
    text = ("\n".join(strange) + "\n").encode()
    assert ask(text, "--workers", 2, "--n-best", 2) == ask(text, "--workers", 1, "--n-best", 2)
    assert ask(text, "--workers", "auto") == ask(text)


def test_what_goes_wrong_in_a_worker_is_said(own: Path, nmt: Nmt) -> None:
    (own / "model.safetensors").write_bytes(b"damaged")
    result = nmt("translate", own, "--workers", 2, input="one\n")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"error: {own}/model.safetensors must be a whole safetensors file, but is damaged")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--search", "beem"], 2, "search must be a known name, but is 'beem'"),
        (["--format", "json"], 2, "format must be a known name, but is 'json'"),
        (["--beam", "0"], 2, "search.beam should be greater than or equal to 1, but is 0"),
        (["--beam", "99999"], 2, "search.beam should be less than or equal to 1000"),
        (["--n-best", "0"], 2, "--n-best must be at least 1, but is 0"),
        (["--n-best", "3", "--beam", "2"], 2, "n-best must lie between 1 and the beam (2), but is 3"),
        (["--n-best", "2", "--search", "greedy"], 2, "--n-best means nothing to greedy search"),
        (["--beam", "2", "--search", "greedy"], 2, "--beam means nothing to greedy search"),
        (["--length-penalty", "2", "--search", "greedy"], 2, "--length-penalty means nothing to greedy search"),
        (["--length-penalty", "-1"], 2, "search.length_penalty should be greater than or equal to 0, but is -1"),
        (["--length-penalty", "nan"], 2, "search.length_penalty should be a finite number, but is nan"),
        (["--workers", "0"], 2, "--workers must be at least 1, but is 0"),
        (["--workers", "many"], 2, "must be a number or auto, but is 'many'"),
        (["none.txt"], 1, "none.txt must be a file, but there is none"),
        (["/"], 1, "/ must be a file, but is a folder"),
        (["-o", "/"], 1, "/ must be a file to write, but is a folder"),
        (["-o", "/no/such/folder/out"], 1, "/no/such/folder must be a folder, but there is none"),
    ],
)
def test_refusals(words: list[str], code: int, said: str, trained: Path, nmt: Nmt) -> None:
    result = nmt("translate", trained, *words, input="one\n")
    assert (result.exit_code, result.stdout) == (code, ""), result.stderr
    lines = result.stderr.rstrip("\n").split("\n")
    assert lines[0].startswith("error: ")
    assert said in lines[0]
    assert len(lines) <= 2


def test_no_input_is_written_over(trained: Path, nmt: Nmt, tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    path.write_text("one\n", encoding="utf-8")
    result = nmt("translate", trained, path, "-o", tmp_path / "." / "in.txt")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "in.txt must be a file of its own, but is read too" in result.stderr
    assert path.read_text(encoding="utf-8") == "one\n"


def test_no_model(nmt: Nmt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = nmt("translate", input="one\n")
    assert result.exit_code == 1
    assert result.stderr == (
        "error: model must be a model directory, but there is no such folder\n"
        "hint: nmt train corpus.en corpus.de -o model makes one\n"
    )
    Path("in.txt").write_text("one\n", encoding="utf-8")
    mistaken = nmt("translate", "in.txt")
    assert mistaken.stderr.startswith("error: in.txt must be a model directory, but is a file\nhint: ")
    assert "nmt translate MODEL FILE" in mistaken.stderr
    assert nmt("translate", tmp_path, input="one\n").stderr.startswith(f"error: {tmp_path} must be a model directory")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("model.safetensors", None, "must hold trained weights, but model.safetensors is missing"),
        ("model.safetensors", b"", "model.safetensors must be a whole safetensors file, but is damaged"),
        ("config.toml", b"[model", "config.toml must be TOML"),
        ("config.toml", None, "config.toml cannot be read: No such file or directory"),
        (
            "config.toml",
            b'[model]\narchitecture = "recurrent"\n',
            "differs: model.architecture: transformer -> recurrent; ",
        ),
        ("subwords.model", None, "must hold subwords.model, but does not"),
        ("subwords.model", b"damaged", "subwords.model must be a SentencePiece model, but is damaged"),
        ("manifest.json", b"{}", "manifest.json must describe a model, but is damaged"),
        ("manifest.json", b'{"format": 99}', "manifest.json must be of format 2, but is of 99"),
    ],
)
def test_a_damaged_model_is_an_error_that_names_the_file(
    name: str, content: bytes | None, said: str, own: Path, nmt: Nmt
) -> None:
    (own / name).unlink()
    if content is not None:
        (own / name).write_bytes(content)
    result = nmt("translate", own, input="one\n")
    assert (result.exit_code, result.stdout) == (1, ""), result.stderr
    assert result.stderr.startswith("error: ")
    assert said in result.stderr.split("\n")[0]
    assert result.stderr.split("\n")[1].startswith("hint: ")


def test_a_setting_of_the_model_that_was_changed_behind_its_back(own: Path, nmt: Nmt) -> None:
    """Other heads, on weights of the same shapes, would translate without a word."""
    config = own / "config.toml"
    config.write_text(config.read_text("utf-8").replace("heads = 2", "heads = 4"), "utf-8")
    result = nmt("translate", own, input="one\n")
    assert (result.exit_code, result.stdout) == (1, "")
    said = f"error: {config} must describe the model that was trained, but differs: model.heads: 2 -> 4\nhint: put back"
    assert result.stderr.startswith(said)


def test_what_an_older_version_did_not_ask_for_is_no_difference(own: Path, nmt: Nmt) -> None:
    manifest = own / "manifest.json"
    content = json.loads(manifest.read_text("utf-8"))
    del content["request"]["model"]["norm_epsilon"]
    manifest.write_text(json.dumps(content), "utf-8")
    assert nmt("translate", own, input="one\n").exit_code == 0


def test_a_mistyped_model_is_guessed(own: Path, nmt: Nmt) -> None:
    result = nmt("translate", own.with_name("onw"), input="one\n")
    assert result.exit_code == 1
    assert result.stderr.endswith(f"there is no such folder\nhint: did you mean {own}?\n")


def test_more_workers_than_a_machine_bears(trained: Path, nmt: Nmt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "available_cores", lambda: 1)
    assert nmt("translate", trained, "--workers", 2, input="one\n").exit_code == 0
    monkeypatch.setattr(processes, "_MOST", 2)
    result = nmt("translate", trained, "--workers", 3, input="one\n")
    assert result.exit_code == 2
    assert result.stderr == "error: --workers must be at most 2, 2 for each core, but is 3\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no device that is always full")
def test_a_full_disk_is_named(trained: Path, nmt: Nmt) -> None:
    result = nmt("translate", trained, "-o", "/dev/full", input="one\n")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: /dev/full: No space left on device\nhint: ")


def test_stream_answers_each_line_before_the_next_comes(trained: Path, spawn: Spawn, ask: Ask) -> None:
    lines = ["Your brother is a teacher.", "", "Why?"]
    with spawn("translate", trained, "--stream") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        answers = []
        for line in lines:
            process.stdin.write(f"{line}\n".encode())
            process.stdin.flush()
            answers.append(process.stdout.readline().decode().removesuffix("\n"))
        process.stdin.close()
        assert process.stdout.read() == b""
    assert process.returncode == 0
    assert answers == ask("\n".join(lines) + "\n")


def test_a_reader_that_leaves_early_is_no_error(trained: Path, environment: Mapping[str, str]) -> None:
    """As ``| head -1`` does, after many more lines than a pipe holds."""
    command = f"yes 'Why?' | head -20000 | {sys.executable} -m nmt_cli translate {trained} --workers 1 | head -1"
    done = subprocess.run(["bash", "-c", command + "; echo ${PIPESTATUS[2]} >&2"], capture_output=True, env=environment)
    assert done.stdout.count(b"\n") == 1
    assert done.stderr.decode() == "0\n"


@pytest.mark.parametrize(("number", "code"), [(2, 130), (15, 143)])
def test_a_signal_leaves_nothing_half_written(
    number: int, code: int, trained: Path, spawn: Spawn, tmp_path: Path
) -> None:
    with spawn("translate", trained, "--stream", "-o", tmp_path / "out") as process:
        assert process.stdin is not None
        process.stdin.write(b"Why?\n")
        process.stdin.flush()
        while not any(path.stat().st_size for path in tmp_path.iterdir()):
            assert process.poll() is None
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, list(tmp_path.iterdir())) == (code, [])
    assert said.decode() == ("interrupted\n" if number == 2 else "")


@pytest.mark.parametrize(("number", "code", "words"), [(2, 130, "interrupted\n"), (9, -9, "")])
def test_workers_end_with_the_process_that_started_them(
    number: int, code: int, words: str, trained: Path, tmp_path: Path, environment: Mapping[str, str]
) -> None:
    """Ctrl-C goes to all of them, as a terminal sends it, and is answered by one; a process that is killed can end nobody."""
    source, output = tmp_path / "in", tmp_path / "out"
    source.write_text("".join(f"Why are there {number} of them?\n" for number in range(3000)), encoding="utf-8")
    paths = [str(path) for path in (trained, source, "-o", output)]
    command = [sys.executable, "-m", "nmt_cli", "translate", "--workers", "2", *paths]
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=environment, start_new_session=True) as process:
        wait_until(lambda: len(workers_of(process.pid)) == 2)
        workers = workers_of(process.pid)
        (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said.decode()) == (code, words)
    wait_until(lambda: not any(map(running, workers)))
    assert not output.exists()


def test_a_worker_that_cannot_be_started(trained: Path, nmt: Nmt, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(_: BaseProcess) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(BaseProcess, "start", none_left)
    result = nmt("translate", trained, "--workers", 2, input="Why?\n")
    assert result.exit_code == 1
    assert result.stderr == "error: a worker process could not be started\nhint: try fewer --workers\n"


def test_the_model_is_only_read(own: Path, nmt: Nmt) -> None:
    if os.geteuid() != 0:
        own.chmod(0o500)
    before = {path: path.stat().st_mtime_ns for path in own.rglob("*")}
    assert nmt("translate", own, input="one\n").exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in own.rglob("*")} == before
    own.chmod(0o700)
    shutil.rmtree(own)
