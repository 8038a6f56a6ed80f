"""The cue task is what its generator writes: one word in each text says the label, and stands anywhere."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "data" / "cue" / "generate.py"


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    """Loaded from its path: the data folder is not a package."""
    spec = importlib.util.spec_from_file_location("cue_generate", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the command writes."""
    folder = tmp_path_factory.mktemp("cue") / "deep" / "cue"
    subprocess.run([sys.executable, SCRIPT, "--output", folder], check=True)
    return folder


def rows(path: Path) -> list[tuple[str, list[str]]]:
    lines = path.read_text(encoding="utf-8").split("\n")
    assert lines.pop() == ""
    return [(label, text.split(" ")) for label, _, text in (line.partition("\t") for line in lines)]


def test_the_files(written: Path, generator: ModuleType) -> None:
    assert sorted(path.name for path in written.iterdir()) == ["dev.tsv", "test.position", "test.tsv", "train.tsv"]
    for split, size in generator.SIZES.items():
        assert len(rows(written / f"{split}.tsv")) == size


def test_it_is_the_same_each_time(written: Path, generator: ModuleType, tmp_path: Path) -> None:
    generator.write(tmp_path / "again")
    for path in written.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


def test_cues_belong_to_one_label_and_are_no_fillers(generator: ModuleType) -> None:
    cues = [cue for words in generator.CUES.values() for cue in words]
    assert len(set(cues)) == len(cues)
    assert not set(cues) & set(generator.FILLERS)
    assert len(set(generator.FILLERS)) == len(generator.FILLERS)


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_exactly_one_cue_says_the_label(split: str, written: Path, generator: ModuleType) -> None:
    meaning = {cue: label for label, cues in generator.CUES.items() for cue in cues}
    for label, words in rows(written / f"{split}.tsv"):
        assert len(words) == generator.LENGTH
        assert [meaning[word] for word in words if word in meaning] == [label]


def test_positions_are_those_of_the_cues(written: Path, generator: ModuleType) -> None:
    cues = {cue for words in generator.CUES.values() for cue in words}
    places = [int(line) for line in (written / "test.position").read_text(encoding="utf-8").split()]
    for place, (_, words) in zip(places, rows(written / "test.tsv"), strict=True):
        assert words[place] in cues


def test_labels_cues_and_positions_are_about_equally_frequent(written: Path, generator: ModuleType) -> None:
    """Within five standard deviations of chance; nothing can be known from the place."""
    cues = {cue for words in generator.CUES.values() for cue in words}
    texts = [row for split in generator.SIZES for row in rows(written / f"{split}.tsv")]
    found = [next((place, word) for place, word in enumerate(words) if word in cues) for _, words in texts]
    counts: list[tuple[Counter[Any], int]] = [
        (Counter(label for label, _ in texts), len(generator.CUES)),
        (Counter(word for _, word in found), len(cues)),
        (Counter(place for place, _ in found), generator.LENGTH),
    ]
    for counter, kinds in counts:
        expected = len(texts) / kinds
        assert len(counter) == kinds
        assert all(abs(count - expected) < 5 * expected**0.5 for count in counter.values())


def test_splits_share_no_text(written: Path, generator: ModuleType) -> None:
    texts = [" ".join(words) for split in generator.SIZES for _, words in rows(written / f"{split}.tsv")]
    assert len(set(texts)) == len(texts)


def test_another_length(tmp_path: Path) -> None:
    subprocess.run([sys.executable, SCRIPT, "--output", tmp_path, "--length", "7"], check=True)
    assert {len(words) for _, words in rows(tmp_path / "dev.tsv")} == {7}
    assert set((tmp_path / "test.position").read_text(encoding="utf-8").split()) == set("0123456")
