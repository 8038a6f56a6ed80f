"""The labels of a classifier."""

from pathlib import Path

import pytest

from nmt_cli.errors import DataError
from nmt_cli.text.labels import Labels


def test_labels_are_numbered_by_the_alphabet_whatever_came_first() -> None:
    labels = Labels(["no", "yes", "maybe", "no"])
    assert labels.names == ("maybe", "no", "yes")
    assert (len(labels), "no" in labels, "No" in labels) == (3, True, False)
    assert labels.encode_all(["yes", "no", "yes"]) == [[2], [1], [2]]
    assert labels.id_of("maybe", "here:1") == 0


def test_an_unknown_label_names_the_place_and_what_there_is() -> None:
    with pytest.raises(DataError) as caught:
        Labels(["no", "yes"]).id_of("yess", "dev.tsv:7")
    assert caught.value.message == "dev.tsv:7 must have a label that occurs in training, but has 'yess'"
    assert caught.value.hint == "one of: no, yes"
    with pytest.raises(DataError) as caught:
        Labels(map(str, range(21))).id_of("x", "here")
    assert str(caught.value.hint).endswith(", ...")


@pytest.mark.parametrize("names", [[], ["one"], ["one", "one"]])
def test_one_label_tells_nothing_apart(names: list[str]) -> None:
    with pytest.raises(DataError, match="labels must be at least two different ones, but are"):
        Labels(names)


def test_texts_taken_for_labels_are_noticed() -> None:
    with pytest.raises(DataError, match="at most 10,000 different ones, but are 10,001") as caught:
        Labels(map(str, range(10_001)))
    assert "the other way round?" in str(caught.value.hint)


def test_labels_are_read_as_they_were_written(tmp_path: Path) -> None:
    labels = Labels(["größe", "a b", "今天", "#"])
    labels.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["labels.txt"]
    assert Labels.load(tmp_path).names == labels.names


def test_missing_or_damaged(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"must hold labels\.txt, but does not"):
        Labels.load(tmp_path)
    (tmp_path / "labels.txt").write_bytes(b"")
    with pytest.raises(DataError, match=r"labels\.txt: labels must be at least two different ones, but are \[\]"):
        Labels.load(tmp_path)
    (tmp_path / "labels.txt").write_bytes(b"\xff\n")
    with pytest.raises(DataError, match=r"labels\.txt must be UTF-8, but is damaged"):
        Labels.load(tmp_path)
