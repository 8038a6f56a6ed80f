"""Texts and labelled texts through preparation: what is refused, what is kept, what is known of it afterwards."""

import gzip
import os
import threading
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from nmt_cli.corpus.dataset import Dataset, PreparedCorpus
from nmt_cli.corpus.files import FILES, RowFiles, language_of
from nmt_cli.corpus.labelled import LabelledFile
from nmt_cli.corpus.lines import TextFile
from nmt_cli.corpus.pairs import PairFiles, parse_languages
from nmt_cli.corpus.prepare import Inputs, prepare
from nmt_cli.corpus.report import Report
from nmt_cli.corpus.split import held_out_size
from nmt_cli.errors import ConfigError, DataError
from nmt_cli.settings import DataSettings
from nmt_cli.training.request import Request, check_settings, corpus_of

TEXT = [f"line {n} of the text , number {n % 7}" for n in range(200)]
LABELLED = [f"{'odd' if n % 2 else 'even'}\tthe number {n} comes after {n - 1}" for n in range(200)]
WORDS = DataSettings(units="word")


def write(path: Path, lines: Sequence[str], *, end: str = "\n") -> Path:
    path.write_bytes("".join(line + end for line in lines).encode())
    return path


def text(folder: Path, lines: Sequence[str], name: str = "a.en") -> TextFile:
    return TextFile((write(folder / name, lines),))


def labelled(folder: Path, lines: Sequence[str], name: str = "a.tsv") -> LabelledFile:
    return LabelledFile((write(folder / name, lines),))


def prepared(inputs: Inputs, settings: DataSettings = WORDS) -> tuple[Report, PreparedCorpus]:
    folder = inputs.train.paths[0].parent / "out"
    report = prepare(inputs, folder, settings)
    return report, PreparedCorpus.open(folder)


def splits(corpus: PreparedCorpus) -> dict[str, Dataset]:
    return {"train": corpus.train, "dev": corpus.dev, "test": corpus.test}


def rows(corpus: PreparedCorpus, column: str = "text") -> dict[str, list[str]]:
    return {name: split[column].all_texts() for name, split in splits(corpus).items()}


def refusal(files: RowFiles) -> str:
    with pytest.raises(DataError) as caught:
        list(files.read())
    return f"{caught.value.message} | {caught.value.hint}"


# Files.


@pytest.mark.parametrize(("kind", "noun"), [(TextFile, "a text"), (LabelledFile, "labelled text")])
def test_one_file_that_is_there(kind: type[RowFiles], noun: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a", ["x\ty"])
    for paths, count in (((), 0), ((path, path), 2)):
        with pytest.raises(DataError, match=f"{noun} must be one file, but is {count}"):
            kind(paths)
    with pytest.raises(DataError, match="but is a folder"):
        kind((tmp_path,))
    with pytest.raises(DataError, match="but there is none"):
        kind((tmp_path / "missing",))
    assert "a must have lines, but is empty" in refusal(kind((write(tmp_path / "a", []),)))
    path.write_bytes(b"a\tb\n\xff\tb\n")
    assert "a:2 must be UTF-8" in refusal(kind((path,)))


def test_a_kind_of_files_for_each_task() -> None:
    assert {name: FILES[name] for name in FILES} == {"translate": PairFiles, "lm": TextFile, "classify": LabelledFile}
    assert {FILES[name].noun for name in FILES} == {"pair", "line", "text"}


@pytest.mark.parametrize(
    ("name", "language"),
    [("a.en", "en"), ("a.pt_BR.zst", "pt_BR"), ("a.txt", None), ("a.tsv.gz", None), ("a", None), ("a.b.de", "de")],
)
def test_the_language_of_a_name(name: str, language: str | None, tmp_path: Path) -> None:
    assert language_of(tmp_path / name) == language
    for kind in (TextFile, LabelledFile):
        assert kind((write(tmp_path / name, ["x\ty"]),)).languages() == ((language,) if language else None)


def test_languages_as_typed() -> None:
    assert parse_languages("zh_Hans", 1) == ("zh_Hans",)
    for wrong in ("english", "English", "", "e", "en de"):
        with pytest.raises(ConfigError, match="--languages must be one language code"):
            parse_languages(wrong, 1)


def test_dev_of_another_language_is_noticed(tmp_path: Path) -> None:
    inputs = Inputs(text(tmp_path, TEXT), text(tmp_path, TEXT[:5], "dev.de"))
    with pytest.raises(DataError, match=r"the files for dev must be en, but .*dev\.de are named de"):
        inputs.resolved_languages()
    assert Inputs(text(tmp_path, TEXT, "a.txt"), languages=("nl",)).resolved_languages() == ("nl",)
    assert Inputs(text(tmp_path, TEXT, "a.txt")).resolved_languages() == ("text",)
    assert Inputs(labelled(tmp_path, LABELLED)).resolved_languages() == ("text",)


# Lines of labelled text.


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("no tab", "a.tsv:2 must hold exactly one tab, but holds 0"),
        ("a\tb\tc", "a.tsv:2 must hold exactly one tab, but holds 2"),
        ("\ttext", "a.tsv:2 must have a label, but it is blank"),
        (" \x00\ttext", "a.tsv:2 must have a label, but it is blank"),
        ("label\t", "a.tsv:2 must have a text, but it is blank"),
        ("label\t \u2028", "a.tsv:2 must have a text, but it is blank"),
    ],
)
def test_a_labelled_line_has_one_tab_and_two_sides(line: str, said: str, tmp_path: Path) -> None:
    found = refusal(labelled(tmp_path, ["a\tb", line]))
    assert said in found
    assert found.endswith(
        "| a labelled text is one line, label<TAB>text; a tab inside the text must become a space first"
    )


def test_blank_lines_are_no_rows(tmp_path: Path) -> None:
    files = labelled(tmp_path, ["a\tb  c ", "", " \t ", "\u2028", "d\te"])
    assert list(files.read()) == [("b c", "a"), ("", ""), ("", ""), ("", ""), ("e", "d")]


# Language models.


def test_nothing_is_left_out_of_a_text_but_blank_lines(tmp_path: Path) -> None:
    lines = [*TEXT, "", TEXT[0], TEXT[0], "long " * 900, " \u2028 ", "x"]
    report, corpus = prepared(Inputs(text(tmp_path, lines)), DataSettings(max_length=20))
    found = rows(corpus)
    assert report.dropped == {"blank": 2}
    assert sum(map(len, found.values())) == report.read["train"] - 2 == len(lines) - 2
    kept = [line.strip() for line in lines if line.strip()]
    assert sorted(line for part in found.values() for line in part) == sorted(kept)
    for part in found.values():  # in their order
        places = iter(kept)
        assert all(line in places for line in part)


def holes(part: Sequence[str], whole: Sequence[str]) -> int:
    """Into how many stretches of consecutive lines a part of a text of different lines falls, less one."""
    places = [whole.index(line) for line in part]
    return sum(after != before + 1 for before, after in pairwise(places))


@pytest.mark.parametrize(("lines", "blocks"), [(200, 1), (1000, 2), (4321, 5)])
def test_blocks_of_a_text_are_held_out(lines: int, blocks: int, tmp_path: Path) -> None:
    """So that dev and test can be read as a stream, and train has few holes."""
    whole = [f"{n} comes after {n - 1}" for n in range(lines)]
    found = rows(prepared(Inputs(text(tmp_path, whole)))[1])
    assert all(holes(part, whole) <= 2 * blocks for part in found.values())
    for name in ("dev", "test"):
        assert held_out_size(lines) - blocks < len(found[name]) <= held_out_size(lines)
        assert holes(found[name], whole) < blocks


def test_a_text_that_grows_keeps_what_is_held_out(tmp_path: Path) -> None:
    whole = [f"{n} comes after {n - 1}" for n in range(4000)]
    before, after = (rows(prepared(Inputs(text(tmp_path, whole[:size])))[1]) for size in (3950, 4000))
    assert (before["dev"], before["test"]) == (after["dev"], after["test"])


def test_a_text_keeps_what_is_in_dev_and_test_too(tmp_path: Path) -> None:
    """Benchmarks share short lines; a text without them would be another text."""
    dev, test = text(tmp_path, [*TEXT[:3], ""], "dev.en"), text(tmp_path, TEXT[2:5], "test.en")
    report, corpus = prepared(Inputs(text(tmp_path, TEXT), dev, test))
    assert rows(corpus) == {"train": TEXT, "dev": TEXT[:3], "test": TEXT[2:5]}
    assert report.dropped == {"blank": 1}
    assert report.read == {"train": 200, "dev": 4, "test": 3}


def test_what_is_known_of_a_text(tmp_path: Path) -> None:
    report, corpus = prepared(Inputs(text(tmp_path, TEXT)))
    assert (corpus.columns, corpus.languages, corpus.labels) == (("text",), ("en",), None)
    assert {name: len(split) for name, split in splits(corpus).items()} == {"train": 160, "dev": 20, "test": 20}
    assert report.rows() == [("read", "200"), ("train", "160"), ("dev (held out)", "20"), ("test (held out)", "20")]
    assert report.summary().endswith("ids in the vocabulary; a line has 8.0 in en on average")
    assert corpus.settings.vocabulary == corpus.tokenizer.size == corpus.sizes.vocabulary
    assert (corpus.sizes.unknown, corpus.sizes.labels) == (True, 0)
    for split in splits(corpus).values():
        for index in range(len(split)):
            assert split["text"].ids(index).tolist() == corpus.tokenizer.encode(split["text"].text(index))
    assert str(tmp_path) not in (tmp_path / "out" / "corpus.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("units", ["subword", "word", "character"])
def test_units(units: str, tmp_path: Path) -> None:
    _, corpus = prepared(Inputs(text(tmp_path, TEXT)), DataSettings(units=units))  # type: ignore[arg-type]
    assert corpus.sizes.unknown == (units != "subword")
    line = corpus.test["text"].text(0)
    lengths = {"word": len(line.split()), "character": len(line)}
    assert units == "subword" or corpus.test["text"].lengths[0] == lengths[units]
    assert corpus.tokenizer.decode(corpus.tokenizer.encode("the text")) == "the text"


def test_the_vocabulary_is_that_of_train_alone(tmp_path: Path) -> None:
    inputs = Inputs(text(tmp_path, TEXT), text(tmp_path, ["unheard unheard"], "d.en"), text(tmp_path, ["x x"], "t.en"))
    _, corpus = prepared(inputs)
    assert corpus.tokenizer.decode(corpus.dev["text"].ids(0).tolist()) == "<unk> <unk>"


@pytest.mark.parametrize("lines", [1, 2])
def test_a_text_too_short_to_split(lines: int, tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=rf"must leave at least 3 different texts \(train, dev, test\), but leaves {lines}"
    ):
        prepared(Inputs(text(tmp_path, TEXT[:lines])))
    assert not (tmp_path / "out").exists()


# Classifiers.


def test_what_is_known_of_labelled_text(tmp_path: Path) -> None:
    report, corpus = prepared(Inputs(labelled(tmp_path, LABELLED)))
    assert (corpus.columns, corpus.languages) == (("text", "label"), ("text",))
    assert corpus.labels is not None
    assert (corpus.labels.names, corpus.sizes.labels) == (("even", "odd"), 2)
    assert {name: len(split) for name, split in splits(corpus).items()} == {"train": 160, "dev": 20, "test": 20}
    for split in splits(corpus).values():
        for index in range(len(split)):
            line = f"{split['label'].text(index)}\t{split['text'].text(index)}"
            assert line in LABELLED
            assert split["label"].ids(index).tolist() == [corpus.labels.id_of(split["label"].text(index), "")]
    assert report.noun == "text"
    assert set(report.splits["train"].tokens) == {"text"}


def test_texts_of_dev_and_test_leave_train_whatever_their_label(tmp_path: Path) -> None:
    dev = labelled(tmp_path, ["odd\tTHE number 4  comes after 3"], "dev.tsv")
    test = labelled(tmp_path, [LABELLED[7], LABELLED[7]], "test.tsv")
    report, corpus = prepared(Inputs(labelled(tmp_path, [*LABELLED, LABELLED[4]]), dev, test))
    assert report.dropped == {"text also in dev or test": 3}
    assert (len(corpus.train), len(corpus.dev), len(corpus.test)) == (198, 1, 2)


def test_texts_that_are_too_long_are_dropped_but_never_from_a_given_test(tmp_path: Path) -> None:
    long = ["odd\t" + "very " * 30, "even\t" + "much " * 900]
    test = labelled(tmp_path, [*LABELLED[:2], *long], "test.tsv")
    report, corpus = prepared(
        Inputs(labelled(tmp_path, [*LABELLED[2:], *long[:1], "odd\tx" + " very" * 29]), test=test),
        DataSettings(units="word", max_length=20),
    )
    assert (len(corpus.test), report.splits["test"].rows) == (4, 4)
    assert report.dropped == {"over 20 words": 1, "text also in dev or test": 1}


def test_long_words_are_no_long_texts(tmp_path: Path) -> None:
    long = " ".join("x" * 40 + str(n) for n in range(20))
    settings = DataSettings(units="word", max_length=20)
    report, _ = prepared(Inputs(labelled(tmp_path, [*LABELLED, f"odd\t{long}"])), settings)
    assert report.dropped == {}
    report, _ = prepared(Inputs(labelled(tmp_path, LABELLED)), DataSettings(units="character", max_length=26))
    assert report.dropped == {"over 26 characters": sum(len(line.split("\t")[1]) > 26 for line in LABELLED)}


@pytest.mark.parametrize("name", ["dev", "test"])
def test_a_label_that_train_does_not_have(name: str, tmp_path: Path) -> None:
    other = labelled(tmp_path, ["odd\tone", "", "neither\ttwo", "none\tthree"], f"{name}.tsv")
    inputs = {
        "dev": Inputs(labelled(tmp_path, LABELLED), dev=other),
        "test": Inputs(labelled(tmp_path, LABELLED), test=other),
    }
    with pytest.raises(DataError) as caught:
        prepared(inputs[name])
    place = tmp_path / f"{name}.tsv"
    assert caught.value.message == f"{place}:3 must have a label that occurs in training, but has 'neither'"
    assert caught.value.hint == "one of: even, odd"
    assert not (tmp_path / "out").exists()


def test_a_rare_label_may_be_held_out(tmp_path: Path) -> None:
    """Nobody can choose what is held out, so it must not be an error that a label is only there."""
    _, whole = prepared(Inputs(labelled(tmp_path, LABELLED)))
    rare = whole.test["text"].text(0)
    lines = [line if line.split("\t")[1] != rare else f"rare\t{rare}" for line in LABELLED]
    _, corpus = prepared(Inputs(labelled(tmp_path, lines)))
    assert corpus.labels is not None
    assert corpus.labels.names == ("even", "odd", "rare")
    assert "rare" in corpus.test["label"].all_texts()
    assert "rare" not in corpus.train["label"].all_texts()


def test_an_unknown_label_from_a_pipe_cannot_say_its_line(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    feeder = threading.Thread(target=lambda: pipe.write_text("neither\tone\n", encoding="utf-8"))
    feeder.start()
    with pytest.raises(DataError, match=r"pipe must have labels that occur in training, but has others"):
        prepared(Inputs(labelled(tmp_path, LABELLED), dev=LabelledFile((pipe,))))
    feeder.join()


@pytest.mark.parametrize("lines", [["same\ta b", "same\tc d", "same\te f", "same\tg h"], ["a\tb"]])
def test_too_few_labels_or_texts(lines: list[str], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"at least two different ones|at least 3 different texts"):
        prepared(Inputs(labelled(tmp_path, lines)))


def test_packed_labelled_text(tmp_path: Path) -> None:
    (tmp_path / "a.tsv.gz").write_bytes(gzip.compress("\n".join(LABELLED).encode()))
    report, _ = prepared(Inputs(LabelledFile((tmp_path / "a.tsv.gz",))))
    assert report.read == {"train": 200}


# Whatever is prepared for one task is refused for another.


def test_translation_takes_subwords(tmp_path: Path) -> None:
    pairs = PairFiles((write(tmp_path / "p.tsv", [f"{n} a\tb {n}" for n in range(20)]),))
    for units in ("word", "character"):
        with pytest.raises(ConfigError, match=f"data.units must be subword for pairs, but is {units}"):
            prepare(Inputs(pairs), tmp_path / "out", DataSettings(units=units))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("task", "other"), [("lm", "classify"), ("classify", "lm"), ("classify", "translate"), ("lm", "translate")]
)
def test_a_folder_prepared_for_another_task(task: str, other: str, tmp_path: Path) -> None:
    inputs = {"lm": Inputs(text(tmp_path, TEXT)), "classify": Inputs(labelled(tmp_path, LABELLED))}
    prepared(inputs[task], DataSettings())
    request = Request(tmp_path / "out", tmp_path / "model", other)
    check_settings(request)
    with pytest.raises(DataError, match=f"must be prepared for the task {other}, but holds text") as caught:
        corpus_of(request)
    assert f"--task {other}" in str(caught.value.hint)


def test_a_corpus_in_the_model_folder_for_another_task_is_prepared_anew(tmp_path: Path) -> None:
    """As after Ctrl-C between preparation and the first update: the same file may be read as another kind of text."""
    path, output = write(tmp_path / "a.tsv", LABELLED), tmp_path / "model"
    first = corpus_of(Request(Inputs(TextFile((path,))), output, "lm"))
    second = corpus_of(Request(Inputs(LabelledFile((path,))), output, "classify"))
    assert (first.columns, second.columns) == (("text",), ("text", "label"))
    (output / "manifest.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match="was begun with other data: it is for another task"):
        corpus_of(Request(Inputs(TextFile((path,))), output, "lm"))
