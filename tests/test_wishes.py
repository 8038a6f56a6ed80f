"""What a user forbids, wishes for, or lets translate together, as it is typed."""

import json
import re
import shutil
import time
from dataclasses import fields
from itertools import pairwise
from pathlib import Path

import pytest

from nmt_cli.cli.searching import SearchTyped
from nmt_cli.errors import DataError
from nmt_cli.inference.glossary import Glossary
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.text.tokenizer import EOS

from .conftest import Nmt, run_nmt

TEXT = "Your brother is a teacher.\n\nWhy do you sing?\n"


@pytest.fixture(scope="session")
def reader(trained: Path, small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A language model of the target language with the vocabulary of the translator, hardly trained."""
    folder = tmp_path_factory.mktemp("reader")
    words = ("preprocess", small / "a.de", "--task", "lm", "--tokenizer", trained, "-o", folder / "d")
    tiny = ("--set", "model.width=16", "--set", "model.hidden=16", "--set", "training.learning_rate=0.01")
    for command in (words, ("train", folder / "d", "-o", folder / "lm", "--preset", "lm-rnn", "--updates", 60, *tiny)):
        result = run_nmt(*command)
        assert result.exit_code == 0, result.stderr
    return folder / "lm"


def lines(trained: Path, nmt: Nmt, *options: object, text: str = TEXT, code: int = 0) -> list[str]:
    result = nmt("translate", trained, *options, input=text)
    assert result.exit_code == code, result.stderr
    return (result.stdout if code == 0 else result.stderr).split("\n")[:-1]


def words(text: str) -> list[str]:
    return text.replace(".", " ").replace("?", " ").replace(",", " ").split()


def test_a_banned_word_never_appears(trained: Path, nmt: Nmt) -> None:
    plain = lines(trained, nmt)
    word = words(plain[0])[0]
    for search in (["--search", "greedy"], ["--beam", "3"], ["--search", "sample", "--seed", "4"]):
        for line in lines(trained, nmt, "--ban", word, "--ban", "nothing of the kind", *search):
            assert word not in words(line)


def test_banned_punctuation_never_appears(trained: Path, nmt: Nmt) -> None:
    assert any("." in line for line in lines(trained, nmt))
    assert not any("." in line for line in lines(trained, nmt, "--ban", "."))


def test_lengths_and_repetitions(trained: Path, nmt: Nmt) -> None:
    tokenizer = ModelDirectory.open(trained).tokenizer
    rows = [json.loads(line) for line in lines(
        trained, nmt, "--min-length", 9, "--max-length", 12, "--no-repeat", 2, "--format", "jsonl",
        text='{"text": "Why?"}\n{"text": "Your brother is a teacher."}\n',
    )]  # fmt: skip
    for row in rows:
        ids = [token for token in row["tokens"] if token != EOS]
        assert 9 <= len(ids) <= 12
        assert len(set(pairwise(ids))) == len(ids) - 1
        assert tokenizer.decode(ids) == row["translation"]
    far = json.loads(lines(trained, nmt, "--min-length", 300, "--format", "jsonl", text='{"text": "Why?"}\n')[0])
    assert len(far["tokens"]) > 300, "the line's own limit is lower"
    assert lines(trained, nmt, "--repetition-penalty", 1) == lines(trained, nmt)
    assert lines(trained, nmt, "--repetition-penalty", 9) != lines(trained, nmt)


def test_prefixes(trained: Path, nmt: Nmt) -> None:
    answers = lines(trained, nmt, "--prefix", text="Why do you sing?\tIch singe\nYour brother.\nNo.\tDas ist\n")
    assert answers[0].startswith("Ich singe")
    assert answers[2].startswith("Das ist")
    assert answers[1] == lines(trained, nmt, text="Your brother.\n")[0]
    row = json.loads(lines(trained, nmt, "--format", "jsonl", text='{"text": "No.", "prefix": "Das ist"}\n')[0])
    assert row["translation"] == answers[2]
    refused = lines(trained, nmt, "--format", "jsonl", text='{"text": "No.", "prefix": 3}\n', code=1)
    assert refused[0] == 'error: stdin:1 must have a string as "prefix", but has 3'


def test_a_glossary(trained: Path, nmt: Nmt, tmp_path: Path) -> None:
    glossary = tmp_path / "terms.tsv"
    glossary.write_text("teacher\tLehrerin\nyour Brother\tdein Bruder\nabsent\tabwesend\n", encoding="utf-8")
    free, bound = lines(trained, nmt), lines(trained, nmt, "--glossary", glossary)
    assert "Lehrerin" not in free[0]
    assert "Lehrerin" in bound[0]
    assert "dein Bruder" in bound[0]
    assert bound[1:] == free[1:]
    refused = lines(trained, nmt, "--glossary", glossary, "--search", "greedy", code=2)
    assert refused == ["error: --glossary means nothing to greedy search", "hint: known by --search beam"]
    for option in ("--coverage", "--patience", "--prune"):
        refused = lines(trained, nmt, "--glossary", glossary, option, 1, code=2)
        assert refused[0] == f"error: {option} means nothing to lines with terms"


def test_a_term_is_a_word_of_its_own(trained: Path, nmt: Nmt, tmp_path: Path) -> None:
    """What the model would write as the beginning of a longer word is written as a word, and nobody has to be warned."""
    glossary = tmp_path / "terms.tsv"
    glossary.write_text("teacher\tLehr\nbrother\tBrud\n", encoding="utf-8")
    result = nmt("translate", trained, "--glossary", glossary, input=TEXT)
    assert result.stderr == ""
    assert re.search(r"\bLehr\b", result.stdout)
    assert re.search(r"\bBrud\b", result.stdout)


def test_a_term_that_cannot_be_placed_is_reported(trained: Path, nmt: Nmt, tmp_path: Path) -> None:
    glossary = tmp_path / "terms.tsv"
    glossary.write_text("teacher\tLehrerin\n", encoding="utf-8")
    result = nmt("translate", trained, "--glossary", glossary, "--ban", "Lehrerin", "--format", "tsv", input=TEXT)
    assert result.stderr == "warning: line 1 could not be given 'Lehrerin' of the glossary\n"
    assert result.stdout.split("\n")[0].split("\t")[5].split(",")[0] == "term"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a b\n", "terms.tsv:1 must be source<TAB>target, but is 'a b'"),
        ("a\tb\n\n\tc\n", "terms.tsv:3 must be source<TAB>target"),
        ("a\tb\tc\n", "terms.tsv:1 must be source<TAB>target"),
        ("a\tb\nA\tc\n", "terms.tsv:2 must give 'A' one translation, but it has two: 'b' and 'c'"),
    ],
)
def test_a_file_that_is_no_glossary(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "terms.tsv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=said):
        Glossary.read(tmp_path / "terms.tsv")


def test_terms_are_whole_words_and_the_longest_wins() -> None:
    glossary = Glossary({"solar": "solar", "solar panel": "Solarmodul", "c++": "C++", "us": "USA"})
    assert glossary.wanted("Solar panels, a solar panel") == ("solar", "Solarmodul")
    assert glossary.wanted("bus US C++ now") == ("USA", "C++")
    assert glossary.missing("a solar panel", "ein Solarmodul") == ()
    assert Glossary().wanted("anything") == ()


def test_terms_in_scripts_without_spaces() -> None:
    glossary = Glossary({"犬": "dog", "ibm": "IBM", "dog": "犬", "หมา": "dog"})
    assert glossary.wanted("白い犬が走る") == ("dog",)
    assert glossary.wanted("与IBM合作") == ("IBM",)
    assert glossary.wanted("ibms") == ()
    assert glossary.wanted("รักหมามาก") == ("dog",)
    assert glossary.missing("a dog", "白い犬が走る") == ()


def test_a_term_within_a_longer_word_is_missing() -> None:
    glossary = Glossary({"boy": "Jung", "c++": "C++"})
    assert glossary.missing("a boy", "ein Junger") == ("Jung",)
    assert glossary.missing("a boy", "ein Schiffsjung") == ("Jung",)
    assert glossary.missing("a boy", "ein (Jung)") == ()
    assert glossary.missing("C++", "in C++.") == ()
    assert glossary.missing("a boy", "der Jung-Bauer") == ("Jung",)
    assert glossary.missing("a boy", "der Jung - er schläft") == ()
    assert glossary.wanted("a cow-boy, a boy-band, a tomboy") == ()


def test_marks_belong_to_their_letters() -> None:
    """Vowel signs and tone marks have no letter of their own in most scripts."""
    assert Glossary({"कम": "little"}).wanted("कमी है, कम है") == ("little",)
    assert Glossary({"कम": "little"}).wanted("कमी है") == ()
    assert Glossary({"kɛ": "do"}).wanted("kɛ\u0301 bɛ") == ()


def test_a_large_glossary_costs_little() -> None:
    """A hundred thousand terms are not looked for one by one."""
    glossary = Glossary({f"term {number} of many": f"Wort {number}" for number in range(100_000)})
    line = " ".join(f"the term {number} of many" for number in range(0, 500, 7))
    started = time.perf_counter()
    assert len(glossary.wanted(line)) == 72
    assert glossary.missing(line, line) == glossary.wanted(line)
    assert time.perf_counter() - started < 2


def test_terms_are_looked_for_in_the_normal_form() -> None:
    """What the model sees: what is wanted of a line is what may be missing of it."""
    glossary = Glossary({"solar panel": "Solarmodul", "caf\u00e9": "Caf\u00e9"})
    assert glossary.wanted("Solar\u00a0 panel, cafe\u0301") == ("Solarmodul", "Caf\u00e9")


def test_an_ensemble_of_twice_the_model_is_the_model(trained: Path, nmt: Nmt) -> None:
    assert lines(trained, nmt, "--ensemble", trained) == lines(trained, nmt)
    assert lines(trained, nmt, "--ensemble", trained, "--weight", 3, "--weight", 0.5) == lines(trained, nmt)


def test_members_of_an_ensemble(trained: Path, trained_lstm: Path, small: Path, nmt: Nmt, tmp_path: Path) -> None:
    """Two models of one corpus have one vocabulary; with two workers they find what they find with one."""
    together = lines(trained, nmt, "--ensemble", trained_lstm)
    assert together != lines(trained, nmt)
    assert lines(trained, nmt, "--ensemble", trained_lstm, "--workers", 2) == together
    few = [tmp_path / side for side in ("few.en", "few.de")]
    for path in few:
        text = (small / path.name.replace("few", "a")).read_text(encoding="utf-8")
        path.write_text("".join(line + "\n" for line in text.split("\n")[:20]), encoding="utf-8")
    result = nmt("evaluate", trained, *few, "--ensemble", trained_lstm, "--resamples", 0)
    assert result.exit_code == 0, result.stderr
    other = tmp_path / "other"
    again = ("train", small / "a.en", small / "a.de", "-o", other, "--updates", 1, "--set", "data.vocabulary=300")
    assert nmt(*again, "--set", "model.width=16").exit_code == 0
    refused = lines(trained, nmt, "--ensemble", other, code=1)
    assert refused[0] == f"error: {other} must have the vocabulary of {trained}, but has another"
    assert lines(trained, nmt, "--ensemble", trained, "--weight", 1, code=2)[0] == (
        "error: --weight must be given once for each of 2 models, but is given 1 times"
    )
    assert "must be above 0" in lines(trained, nmt, "--ensemble", trained, "--weight", 0, "--weight", 1, code=2)[0]


def test_a_language_model_beside_it(trained: Path, writer: Path, reader: Path, nmt: Nmt) -> None:
    refused = lines(trained, nmt, "--lm", writer, code=1)
    assert refused == [
        f"error: {writer} must have the vocabulary of {trained}, but has another",
        f"hint: nmt preprocess --tokenizer {trained} prepares a corpus for it",
    ]
    assert lines(trained, nmt, "--lm", reader, "--lm-weight", 0) == lines(trained, nmt)
    fused = lines(trained, nmt, "--lm", reader, "--lm-weight", 3)
    assert fused != lines(trained, nmt)
    assert lines(trained, nmt, "--lm", reader, "--lm-weight", 3, "--workers", 2) == fused
    assert lines(trained, nmt, "--lm", trained, code=1)[0].endswith(
        "must be a language model, but was trained for the task translate"
    )


def test_kind_and_language_come_before_the_vocabulary(
    trained: Path, writer: Path, reader: Path, nmt: Nmt, tmp_path: Path
) -> None:
    kind = lines(trained, nmt, "--ensemble", writer, code=1)[0]
    assert kind == f"error: {writer} must be a translation model, but was trained for the task lm"
    english = shutil.copytree(reader, tmp_path / "english")
    manifest = json.loads((english / "manifest.json").read_text(encoding="utf-8"))
    (english / "manifest.json").write_text(json.dumps({**manifest, "languages": ["en"]}), encoding="utf-8")
    assert lines(trained, nmt, "--lm", english, code=1) == [
        f"error: {english} must be of de, which {trained} translates into, but is of en",
        "hint: nmt train --task lm corpus.de -o lm trains one",
    ]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--no-repeat", "0"], "--no-repeat must be at least 1, but is 0"),
        (["--ban", " "], "--ban needs a word, but got a blank"),
        (["--repetition-penalty", "0.5"], "--repetition-penalty must be a finite number, at least 1, but is 0.5"),
        (["--min-length", "-1"], "--min-length must be at least 0, but is -1"),
        (["--min-length", "5", "--max-length", "4"], "--max-length must not be below --min-length (5), but is 4"),
        (["--lm-weight", "-1", "--lm", "model"], "--lm-weight must be a finite number, not below 0, but is -1.0"),
        (["--lm-weight", "0.2"], "--lm-weight means nothing without --lm"),
        (["--weight", "1"], "--weight means nothing without --ensemble"),
        (["--layer", "1"], "--layer means nothing where nobody asks what the model looks at"),
        (["--layer", "0", "--coverage", "0.2"], "--layer of MODEL must lie between 1 and 1, but is 0"),
        (["--norm", "googel"], "norm must be a known name, but is 'googel'"),
        (["--patience", "0"], "patience must be above 0, but is 0.0"),
    ],
)
def test_what_is_out_of_range(options: list[str], said: str, trained: Path, nmt: Nmt) -> None:
    typed: list[object] = [trained if word == "model" else word for word in options]
    error = lines(trained, nmt, *typed, code=2)
    assert error[0].startswith("error: ")
    assert said.replace("MODEL", str(trained)) in error[0]


def test_norms_and_patience(trained: Path, trained_lstm: Path, nmt: Nmt) -> None:
    assert len(lines(trained, nmt, "--norm", "google", "--length-penalty", 0.6, "--patience", 1)) == 3
    for model in (trained, trained_lstm):
        assert len(lines(model, nmt, "--coverage", 0.2)) == 3


GROUPS = {
    "beam": "--search beam --beam 4 --n-best 2 --length-penalty 0.6 --norm google --patience 1 --prune 2",
    "coverage": "--coverage 0.2 --layer 1",
    "sample": "--search sample --temperature 1.2 --top-k 30 --top-p 0.9 --min-p 0.01 --epsilon 0.001 --seed 3",
    "diverse": "--search diverse --beam 4 --groups 2 --diversity 0.7",
    "mbr": "--search mbr --samples 6 --mbr-candidates sample --utility bleu --mbr-aggregate",
    "exact": "--search exact --beam 2 --length-penalty 0 --nodes 40 --seconds 60",
    "limits": "--ban ist --no-repeat 2 --repetition-penalty 1.2 --min-length 3 --max-length 9 --glossary TERMS",
    "shortlist": "--shortlist --int8",
    "together": "--ensemble LSTM --weight 2 --weight 1 --lm READER --lm-weight 0.1",
}
"""Every option of a search, once."""


def test_every_option_of_a_search_is_in_a_group() -> None:
    words = {word for options in GROUPS.values() for word in options.split() if word.startswith("--")}
    assert words == {f"--{field.name.replace('_', '-')}" for field in fields(SearchTyped)}


@pytest.mark.parametrize("group", sorted(GROUPS))
def test_a_model_is_evaluated_as_it_translates(
    group: str, trained: Path, trained_lstm: Path, reader: Path, small: Path, tmp_path: Path, nmt: Nmt
) -> None:
    """With every option of a search: what is measured is what a user of these options gets."""
    (tmp_path / "terms.tsv").write_text("teacher\tLehrerin\n", encoding="utf-8")
    for side in ("en", "de"):
        kept = (small / f"a.{side}").read_text(encoding="utf-8").split("\n")[:6]
        (tmp_path / f"t.{side}").write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
    places = {"TERMS": tmp_path / "terms.tsv", "LSTM": trained_lstm, "READER": reader}
    options = [places.get(word, word) for word in GROUPS[group].split()]
    model = trained_lstm if group == "coverage" else trained
    if group == "shortlist":
        model = Path(shutil.copytree(trained, tmp_path / "listed"))
        assert nmt("shortlist", model, "--candidates", 5).exit_code == 0
    files = (tmp_path / "t.en", tmp_path / "t.de")
    measured = nmt("evaluate", model, *files, *options, "--resamples", 0, "-o", tmp_path / "out")
    assert measured.exit_code == 0, measured.stderr
    text = files[0].read_text(encoding="utf-8")
    translated = lines(model, nmt, *options, text=text)[:: 2 if group == "beam" else 1]  # the best of each list
    assert (tmp_path / "out").read_text(encoding="utf-8").split("\n")[:-1] == translated
    assert translated != lines(model, nmt, text=text) or group in ("beam", "coverage"), "the options were heard"


def test_the_units_of_another_corpus(small: Path, trained: Path, nmt: Nmt, tmp_path: Path) -> None:
    for option, value in (("--units", "word"), ("--vocabulary", "300")):
        typed = ("preprocess", small / "a.de", "--task", "lm", "-o", tmp_path / "d", "--tokenizer", trained)
        refused = nmt(*typed, option, value)
        assert refused.exit_code == 2
        assert "--tokenizer says the units" in refused.stderr
    first, second = tmp_path / "first", tmp_path / "second"
    assert nmt("preprocess", small / "a.en", "--task", "lm", "--units", "word", "-o", first).exit_code == 0
    assert nmt("preprocess", small / "a.de", "--task", "lm", "--tokenizer", first, "-o", second).exit_code == 0
    assert (first / "words.txt").read_bytes() == (second / "words.txt").read_bytes()


def test_a_prefix_counts_more_than_a_ban(trained: Path, nmt: Nmt) -> None:
    result = nmt("translate", trained, "--prefix", "--ban", "Herr", input="A man runs.\tEin Herr\nA man runs.\n")
    assert result.exit_code == 0
    assert result.stdout.startswith("Ein Herr")
    assert result.stderr.count("line 1 begins as was asked for, with 'Herr', though --ban forbids it") == 1
    assert "line 2" not in result.stderr


def test_a_prefix_stands_behind_one_tab(trained: Path, nmt: Nmt) -> None:
    result = nmt("translate", trained, "--prefix", input="one\tein\none\ttwo\tthree\n")
    assert result.exit_code == 1
    assert "error: line 2 must be a source and, behind a tab, a prefix, but holds 2 tabs" in result.stderr


def test_a_translation_has_some_length(trained: Path, nmt: Nmt) -> None:
    result = nmt("translate", trained, "--max-length", "0", input="one\n")
    assert (result.exit_code, result.stderr) == (2, "error: --max-length must be at least 1, but is 0\n")
