"""What ``prepare`` wrote is what ``PreparedCorpus`` reads."""

import json
from pathlib import Path

import numpy as np
import pytest

from nmt_cli.corpus.dataset import Dataset, PreparedCorpus, is_prepared
from nmt_cli.corpus.pairs import PairFiles
from nmt_cli.corpus.prepare import Inputs, prepare
from nmt_cli.corpus.rows import Rows, id_type, write_rows
from nmt_cli.errors import DataError
from nmt_cli.settings import DataSettings


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("dataset")
    (place / "a.en").write_text("".join(f"the number {n} is here\n" for n in range(100)), encoding="utf-8")
    (place / "a.de").write_text("".join(f"die  Zahl {n} ist größer 😀\n" for n in range(100)), encoding="utf-8")
    prepare(Inputs(PairFiles((place / "a.en", place / "a.de"))), place / "corpus", DataSettings())
    return place / "corpus"


def test_text_and_ids_agree(folder: Path) -> None:
    corpus = PreparedCorpus.open(folder)
    assert corpus.languages == ("en", "de")
    assert (len(corpus.train), len(corpus.dev), len(corpus.test)) == (80, 10, 10)
    assert corpus.settings.vocabulary == corpus.tokenizer.size
    for dataset in (corpus.train, corpus.dev, corpus.test):
        for index in range(len(dataset)):
            assert dataset["source"].ids(index).tolist() == corpus.tokenizer.encode(dataset["source"].text(index))
            assert dataset["target"].ids(index).tolist() == corpus.tokenizer.encode(dataset["target"].text(index))
            assert len(dataset["source"].ids(index)) == dataset["source"].lengths[index]
            assert len(dataset["target"].ids(index)) == dataset["target"].lengths[index]
        assert dataset["source"].lengths.dtype == np.int64
    assert corpus.train["target"].text(0).startswith("die Zahl ")


def test_ids_are_mapped_and_small(folder: Path) -> None:
    ids = PreparedCorpus.open(folder).train["source"].ids(0)
    assert ids.dtype == np.uint16
    assert not ids.flags.owndata
    with pytest.raises(ValueError, match="read-only"):
        ids[0] = 1


def test_large_vocabularies_take_four_bytes() -> None:
    assert id_type(2**16) == np.dtype("<u2")
    assert id_type(2**16 + 1) == np.dtype("<u4")


@pytest.mark.parametrize("index", [-1, 10])
def test_there_is_no_row_beyond(folder: Path, index: int) -> None:
    with pytest.raises(IndexError):
        PreparedCorpus.open(folder).test["source"].text(index)


def test_what_is_no_prepared_corpus(tmp_path: Path) -> None:
    assert not is_prepared(tmp_path)
    for place in (tmp_path, tmp_path / "missing"):
        with pytest.raises(DataError, match=r"must be a prepared corpus, but holds no corpus\.json"):
            PreparedCorpus.open(place)


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "damaged"), ("[]", "damaged"), ('{"format": 3}', "damaged"), ('{"format": 99}', "must be of format 3")],
)
def test_damaged_descriptions(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "corpus.json").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        PreparedCorpus.open(tmp_path)


def test_rows_that_are_cut_short_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "x.ids"
    with write_rows(path, np.dtype("<u2")) as rows:
        rows.extend([[1, 2], [], [3]])
    assert [row.tolist() for row in map(Rows(path, np.dtype("<u2")).__getitem__, range(3))] == [[1, 2], [], [3]]
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(DataError, match="damaged"):
        Rows(path, np.dtype("<u2"))
    path.write_bytes(b"123")
    with pytest.raises(DataError, match="damaged"):
        Rows(path, np.dtype("<u2"))


def test_a_missing_split_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"dev\.source\.text must be a file"):
        Dataset(tmp_path, "dev", {"source": np.dtype("<u2")})
    description = json.loads((folder / "corpus.json").read_text(encoding="utf-8"))
    assert str(folder.parent) not in json.dumps(description)
