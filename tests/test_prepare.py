"""Preparing a corpus: what is refused, what is dropped, how it is split, what it costs."""

import errno
import gzip
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from nmt_cli.corpus.checks import parting_line
from nmt_cli.corpus.columns import side_by_side
from nmt_cli.corpus.dataset import Dataset, PreparedCorpus
from nmt_cli.corpus.encoding import Encoding
from nmt_cli.corpus.files import language_of
from nmt_cli.corpus.pairs import PairFiles
from nmt_cli.corpus.prepare import Inputs, check_output, prepare
from nmt_cli.corpus.report import Report
from nmt_cli.corpus.split import SmallestHashes, held_out_size
from nmt_cli.corpus.staging import check_place, staged
from nmt_cli.errors import ConfigError, DataError
from nmt_cli.settings import DataSettings
from nmt_cli.text.subword import learn
from nmt_cli.text.vocabulary import count_words

SOURCE = [f"sentence {n} of {n % 7} here" for n in range(200)]
TARGET = [f"Satz {n} von {n % 7} hier" for n in range(200)]


def write(path: Path, lines: Sequence[str], *, end: str = "\n") -> Path:
    path.write_bytes("".join(line + end for line in lines).encode())
    return path


def pair(folder: Path, source: Sequence[str], target: Sequence[str], name: str = "a") -> PairFiles:
    return PairFiles((write(folder / f"{name}.en", source), write(folder / f"{name}.de", target)))


def prepared(
    folder: Path, source: Sequence[str] = SOURCE, target: Sequence[str] = TARGET, settings: DataSettings | None = None
) -> tuple[Report, PreparedCorpus]:
    report = prepare(Inputs(pair(folder, source, target)), folder / "out", settings or DataSettings())
    return report, PreparedCorpus.open(folder / "out")


def sources(dataset: Dataset) -> list[str]:
    return [dataset["source"].text(index) for index in range(len(dataset))]


def refusal(files: PairFiles) -> str:
    with pytest.raises(DataError) as caught:
        list(files.read())
    return f"{caught.value.message} | {caught.value.hint}"


# What is refused.


@pytest.mark.parametrize("shorter", ["source", "target"])
@pytest.mark.parametrize("line", [1, 60, 200])
def test_unequal_counts_name_both_and_where_the_files_part(tmp_path: Path, shorter: str, line: int) -> None:
    draw = random.Random(1)
    source = [" ".join(["word"] * draw.randint(2, 20)) for _ in range(200)]
    target = [text + "." for text in source]
    (source if shorter == "source" else target).pop(line - 1)
    said = refusal(pair(tmp_path, source, target))
    assert "a.en" in said
    assert "a.de" in said
    assert "200" in said
    assert "199" in said
    assert ("its end seems to be missing" if line == 200 else "they seem to part near line") in said


def test_the_parting_line_is_exact_for_one_gap() -> None:
    lengths = np.random.default_rng(1).integers(5, 200, 1000).astype(np.float64)
    for start, stop in ((100, 101), (500, 520), (990, 1000)):
        cut = np.delete(lengths, slice(start, stop))
        assert abs(parting_line(cut, 1.1 * lengths) - start - 1) <= 1
        assert abs(parting_line(1.1 * lengths, cut) - start - 1) <= 1


@pytest.mark.parametrize("blank", ["", "  ", "\u2028", "\x00"])
def test_blank_on_one_side(tmp_path: Path, blank: str) -> None:
    said = refusal(pair(tmp_path, SOURCE, [*TARGET[:5], blank, *TARGET[6:20], blank, *TARGET[21:]]))
    assert "a.de:6 must not be blank" in said
    assert "2 in" in said


def test_invalid_utf8_names_the_line(tmp_path: Path) -> None:
    files = pair(tmp_path, SOURCE, TARGET)
    (tmp_path / "a.de").write_bytes(b"gut\n" * 12 + b"\xe4\n" + b"gut\n" * 187)
    assert "a.de:13 must be UTF-8" in refusal(files)


def test_empty_files(tmp_path: Path) -> None:
    assert "a.en must have lines, but is empty" in refusal(pair(tmp_path, [], []))
    assert "a.de must have lines, but is empty" in refusal(pair(tmp_path, SOURCE, []))
    tsv = PairFiles((write(tmp_path / "a.tsv", []),))
    assert "a.tsv must have lines, but is empty" in refusal(tsv)


def test_the_same_file_twice(tmp_path: Path) -> None:
    path = write(tmp_path / "a.en", SOURCE)
    link = tmp_path / "a.de"
    link.hardlink_to(path)
    for other in (path, link):
        with pytest.raises(DataError, match="must be two files"):
            PairFiles((path, other))
    assert "are the same in all 200 lines" in refusal(pair(tmp_path, SOURCE, SOURCE, "b"))


@pytest.mark.parametrize("line", ["no tab", "two\ttabs\there"])
def test_tsv_lines_have_one_tab(tmp_path: Path, line: str) -> None:
    assert "a.tsv:2 must hold exactly one tab" in refusal(PairFiles((write(tmp_path / "a.tsv", ["a\tb", line]),)))


def test_a_tsv_side_that_is_blank(tmp_path: Path) -> None:
    assert "a.tsv:2 must not be blank" in refusal(PairFiles((write(tmp_path / "a.tsv", ["a\tb", "c\t", "\td"]),)))


def test_numbers_of_files_and_folders(tmp_path: Path) -> None:
    path = write(tmp_path / "a.en", SOURCE)
    for paths in ((), (path, path, path)):
        with pytest.raises(DataError, match="one file or two"):
            PairFiles(paths)
    with pytest.raises(DataError, match="but is a folder"):
        PairFiles((path, tmp_path))
    with pytest.raises(DataError, match="but there is none"):
        PairFiles((path, tmp_path / "missing.de"))


@pytest.mark.parametrize("lines", [1, 2])
def test_too_little_to_split(tmp_path: Path, lines: int) -> None:
    with pytest.raises(DataError, match=rf"at least 3 different sources \(train, dev, test\), but leaves {lines}"):
        prepared(tmp_path, SOURCE[:lines], TARGET[:lines])
    with pytest.raises(DataError, match="but leaves 1"):
        prepared(tmp_path, ["same"] * 50, TARGET[:50])


# What stays one line and what is dropped.


@pytest.mark.parametrize("sign", ["\u2028", "\u0085", "\x0c", "\r", "\x00", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_signs_that_look_like_line_breaks_do_not_shift_the_sides(tmp_path: Path, sign: str, end: str) -> None:
    source = [f"line {n}{sign}x{n}" if n % 3 else f"line {n} x{n}" for n in range(30)]
    write(tmp_path / "a.en", source, end=end)
    (tmp_path / "a.de").write_bytes(b"\xef\xbb\xbf" + "".join(f"zeile {n} y{n}{end}" for n in range(30)).encode())
    files = PairFiles((tmp_path / "a.en", tmp_path / "a.de"))
    prepare(Inputs(files), tmp_path / "out", DataSettings())
    corpus = PreparedCorpus.open(tmp_path / "out")
    count = 0
    for dataset in (corpus.train, corpus.dev, corpus.test):
        for index in range(len(dataset)):
            assert dataset["source"].text(index).split()[1].split("x")[0] == dataset["target"].text(index).split()[1]
            count += 1
    assert count == 30


def test_drops_are_counted(tmp_path: Path) -> None:
    source = [*SOURCE, "", "long " * 5000, "a b"]
    target = [*TARGET, " ", "lang", "b " * 25]
    report, _ = prepared(tmp_path, source, target, DataSettings(max_length=80, max_ratio=4.0))
    assert report.dropped == {"blank": 1, "over 80 subwords": 1, "one side over 4 times the other": 1}
    assert sum(report.read.values()) == 203
    assert sum(split.rows for split in report.splits.values()) == 200
    assert ("dropped: blank", "1") in report.rows()


def test_train_leaves_out_what_is_in_given_dev_and_test(tmp_path: Path) -> None:
    dev = pair(tmp_path, ["SENTENCE 3 of 3  here", "new one"], ["x", "y"], "dev")
    test = pair(tmp_path, [SOURCE[5], SOURCE[5], "", "z " * 900], ["x", "y", "", "z"], "test")
    inputs = Inputs(pair(tmp_path, SOURCE, TARGET), dev, test)
    report = prepare(inputs, tmp_path / "out", DataSettings())
    corpus = PreparedCorpus.open(tmp_path / "out")
    assert report.dropped["source also in dev or test"] == 2
    assert len(corpus.train) == 198
    assert len(corpus.dev) == 2
    assert sources(corpus.test) == [SOURCE[5], SOURCE[5], ("z " * 900).strip()]  # whole, however long
    assert report.read == {"train": 200, "dev": 2, "test": 4}


def test_only_one_side_given(tmp_path: Path) -> None:
    inputs = Inputs(pair(tmp_path, SOURCE, TARGET), test=pair(tmp_path, SOURCE[:20], TARGET[:20], "test"))
    report = prepare(inputs, tmp_path / "out", DataSettings())
    assert {name: split.rows for name, split in report.splits.items()} == {"train": 162, "dev": 18, "test": 20}


def test_a_test_file_that_is_the_training_file(tmp_path: Path) -> None:
    inputs = Inputs(pair(tmp_path, SOURCE, TARGET), test=pair(tmp_path, SOURCE, TARGET, "test"))
    with pytest.raises(DataError, match="200 dropped: source also in dev or test"):
        prepare(inputs, tmp_path / "out", DataSettings())


def test_a_split_that_loses_all_its_pairs(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="must hold pairs, but none is left"):
        prepared(tmp_path, settings=DataSettings(max_length=4))
    assert not (tmp_path / "out").exists()


# The split.


@pytest.mark.parametrize(
    ("pairs", "size"), [(1, 1), (10, 1), (50, 5), (1000, 100), (2000, 200), (29_000, 580), (10**6, 2000)]
)
def test_held_out_sizes(pairs: int, size: int) -> None:
    assert held_out_size(pairs) == size


@pytest.mark.parametrize("lines", [3, 10, 50])
def test_tiny_corpora(tmp_path: Path, lines: int) -> None:
    report, corpus = prepared(tmp_path, SOURCE[:lines], TARGET[:lines])
    assert sum(split.rows for split in report.splits.values()) == lines
    assert len(corpus.dev) == len(corpus.test) == max(1, lines // 10)


def test_one_line_to_train_on_with_dev_and_test(tmp_path: Path) -> None:
    inputs = Inputs(
        pair(tmp_path, ["a"], ["b"]), pair(tmp_path, ["c"], ["d"], "dev"), pair(tmp_path, ["e"], ["f"], "test")
    )
    prepare(inputs, tmp_path / "out", DataSettings())
    assert len(PreparedCorpus.open(tmp_path / "out").train) == 1


def test_order_does_not_change_the_split(tmp_path: Path) -> None:
    order = random.Random(1).sample(range(200), 200)
    _, first = prepared(tmp_path)
    (tmp_path / "again").mkdir()
    _, second = prepared(tmp_path / "again", [SOURCE[n] for n in order], [TARGET[n] for n in order])
    for one, other in ((first.train, second.train), (first.dev, second.dev), (first.test, second.test)):
        assert sorted(sources(one)) == sorted(sources(other))
    model = (tmp_path / "out" / "subwords.model").read_bytes()
    assert (tmp_path / "again" / "out" / "subwords.model").read_bytes() == model


def test_the_same_corpus_has_the_same_checksum(tmp_path: Path) -> None:
    _, first = prepared(tmp_path)
    _, second = prepared(tmp_path)
    (tmp_path / "other").mkdir()
    _, third = prepared(tmp_path / "other", [*SOURCE[:-1], "another"], TARGET)
    assert first.checksum == second.checksum != third.checksum


def test_pairs_of_one_source_stay_together(tmp_path: Path) -> None:
    source = [text if n % 2 else text.upper() for n, text in enumerate(SOURCE * 3)]
    _, corpus = prepared(tmp_path, source, [f"{n} {text}" for n, text in enumerate(TARGET * 3)])
    keys = [{text.lower() for text in sources(each)} for each in (corpus.train, corpus.dev, corpus.test)]
    assert not keys[0] & keys[1]
    assert not keys[0] & keys[2]
    assert not keys[1] & keys[2]
    assert 50 <= len(corpus.test) <= 60


def test_smallest_hashes_are_counted_exactly_in_bounded_memory() -> None:
    draw = random.Random(1)
    stream = [draw.randrange(30_000) for _ in range(100_000)]
    smallest = SmallestHashes()
    for key in stream:
        smallest.add(key)
    assert smallest.distinct == 8192
    sides = smallest.hold_out(500, 2)
    assert sides is not None
    for side in sides:
        assert 490 <= sum(stream.count(key) for key in side) <= 500


def test_a_source_repeated_too_often_stays_in_train() -> None:
    smallest = SmallestHashes()
    for key in [1] * 100 + [2, 3, 4, 5]:
        smallest.add(key)
    assert smallest.hold_out(2, 2) == [frozenset({2, 3}), frozenset({4, 5})]


# Names, folders, cost.


@pytest.mark.parametrize(
    ("names", "languages"),
    [
        (["a.en", "a.de"], ("en", "de")),
        (["a.en.gz", "b.tok.de.zst"], ("en", "de")),
        (["a.zh_Hans", "a.pt-BR"], ("zh_Hans", "pt-BR")),
        (["a.txt", "b.txt"], None),
        (["source", "target"], None),
        (["a.en", "b.en"], None),
        (["corpus.en-de.tsv"], ("en", "de")),
        (["corpus.en-de.tsv.xz"], ("en", "de")),
        (["corpus.tsv"], None),
    ],
)
def test_languages_from_names(tmp_path: Path, names: list[str], languages: tuple[str, str] | None) -> None:
    paths = [write(tmp_path / name, ["a"]) for name in names]
    assert PairFiles(tuple(paths)).languages() == languages


def test_swapped_dev_files_are_noticed(tmp_path: Path) -> None:
    dev = pair(tmp_path, ["a"], ["b"], "dev")
    with pytest.raises(DataError, match="for dev must be en-de"):
        prepare(Inputs(pair(tmp_path, SOURCE, TARGET), PairFiles(dev.paths[::-1])), tmp_path / "o", DataSettings())


def test_a_tokenizer_can_be_brought_along(tmp_path: Path) -> None:
    tokenizer = learn(count_words(["other words"]), size=280)
    prepare(Inputs(pair(tmp_path, SOURCE, TARGET)), tmp_path / "out", DataSettings(), tokenizer=tokenizer)
    assert PreparedCorpus.open(tmp_path / "out").tokenizer.size == tokenizer.size


def test_no_folder_takes_the_place_of_the_one_that_is_worked_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for force in (False, True):
        with pytest.raises(ConfigError, match=r"^\. must be another folder than the one that nmt runs in$"):
            check_output(Path(), replace=force)


def test_what_may_be_replaced(tmp_path: Path) -> None:
    prepared(tmp_path)
    check_output(tmp_path / "new", replace=False)
    check_output(tmp_path / "out", replace=True)
    with pytest.raises(DataError, match="prepared corpus already"):
        check_output(tmp_path / "out", replace=False)
    with pytest.raises(DataError, match="something else"):
        check_output(tmp_path, replace=True)
    with pytest.raises(DataError, match="something else"):
        check_output(tmp_path / "a.en", replace=True)


@pytest.mark.parametrize("fault", [KeyboardInterrupt, OSError])
def test_an_interrupted_write_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: type[BaseException]
) -> None:
    def break_off(*_: object) -> None:
        raise fault

    inputs = Inputs(pair(tmp_path, SOURCE, TARGET))
    prepare(inputs, tmp_path / "old", DataSettings())
    before = PreparedCorpus.open(tmp_path / "old").checksum
    monkeypatch.setattr(Encoding, "write", break_off)
    for name in ("old", "new"):
        with pytest.raises(fault):
            prepare(inputs, tmp_path / name, DataSettings(max_length=50))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.de", "a.en", "old"]
    assert PreparedCorpus.open(tmp_path / "old").checksum == before


_PEAK = """
import resource, sys
from pathlib import Path
from nmt_cli.corpus.files import language_of
from nmt_cli.corpus.pairs import PairFiles
from nmt_cli.corpus.prepare import Inputs, prepare
from nmt_cli.settings import DataSettings
folder, lines = Path(sys.argv[1]), int(sys.argv[2])
with open(folder / "a.en", "w") as source, open(folder / "a.de", "w") as target:
    for n in range(lines):
        text = " ".join(f"w{n * k % 997}" for k in (1, 3, 5, 7, 11)) + f" {n}"
        print(text, file=source)
        print(text.upper(), file=target)
prepare(Inputs(PairFiles((folder / "a.en", folder / "a.de"))), folder / "out", DataSettings())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_memory_does_not_grow_with_the_corpus(tmp_path: Path) -> None:
    """200,000 lines are 26 MB of text and ids; what may grow is the table of words and mapped pages."""

    def peak(lines: int) -> int:
        command = [sys.executable, "-c", _PEAK, str(tmp_path), str(lines)]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert peak(200_000) < peak(20_000) + 70  # MB


def test_multi30k(tmp_path: Path, corpora: Path) -> None:
    def files(name: str) -> PairFiles:
        return PairFiles(tuple(corpora / "multi30k" / f"{name}.{language}.gz" for language in ("en", "de")))

    inputs = Inputs(files("train"), files("val"), files("test_2016_flickr"))
    report = prepare(inputs, tmp_path / "out", DataSettings())
    assert report.languages == ("en", "de")
    assert 7_500 <= report.vocabulary <= 8_500
    assert report.dropped == {"source also in dev or test": 1}
    assert [report.splits[name].rows for name in ("train", "dev", "test")] == [28_999, 1_014, 1_000]


def test_what_is_written_as_a_whole_comes_back_where_it_was_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C between the two renamings, of the old folder away and of the new one to its place."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").touch()
    rename = Path.rename

    def interrupted(path: Path, target: Path) -> Path:
        if path.name == "new":
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt), staged(tmp_path / "out") as new:
        (new / "fresh").touch()
    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))] == ["out", "out/old"]


def test_no_folder_takes_the_place_of_a_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Path, "is_mount", lambda path: path == tmp_path)
    with pytest.raises(ConfigError, match="must be a folder that can be replaced, but is a mounted disk"):
        check_place(tmp_path)
    check_place(tmp_path / "in_it")


def test_a_full_disk_says_what_was_written(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space") as found, staged(tmp_path / "out"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert found.value.filename == str(tmp_path / "out")


def test_what_is_wrong_with_a_file_is_not_said_of_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"one\ntwo\n")[:-6])
    (tmp_path / "b").write_text("eins\nzwei\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.gz must be a whole archive"):
        list(side_by_side([str(tmp_path / "a.gz"), str(tmp_path / "b")]))


@pytest.mark.parametrize("suffix", ["src", "tgt", "ref", "hyp", "log"])
def test_a_side_is_no_language(suffix: str) -> None:
    assert language_of(Path(f"train.{suffix}")) is None
