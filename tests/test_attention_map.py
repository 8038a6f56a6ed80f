"""``nmt attention`` as it is typed, and the map that it draws."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch

from nmt_cli.corpus.batching import Sequences
from nmt_cli.errors import DataError, ModelError
from nmt_cli.inference.attention import Looker
from nmt_cli.inference.translator import Translator
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.search.beam import BeamSearch
from nmt_cli.search.options import SearchOptions

from .conftest import Nmt

SENTENCE = "The dog sees the house."
OTHER = "Der Hund sieht das Haus."
WITH_ATTENTION = ["trained", "trained_lstm"]


@pytest.fixture(params=WITH_ATTENTION)
def looker(request: pytest.FixtureRequest) -> Looker:
    """Of a Transformer, and of a recurrent model."""
    return Looker.open(ModelDirectory.open(request.getfixturevalue(request.param)))


@pytest.mark.parametrize("target", [None, OTHER])
def test_each_row_sums_to_one(looker: Looker, target: str | None) -> None:
    found = looker.must_look(SENTENCE, target)
    assert len(found.weights) == len(found.target)
    for row in found.weights:
        assert len(row) == len(found.source)
        assert all(0 <= weight <= 1 for weight in row)
        assert sum(row) == pytest.approx(1, abs=1e-5)


def test_names_are_the_subwords(looker: Looker) -> None:
    tokenizer = looker.directory.tokenizer
    found = looker.must_look(SENTENCE, OTHER)
    for line, names in ((SENTENCE, found.source), (OTHER, found.target)):
        assert list(names) == [*tokenizer.pieces(tokenizer.encode(line)), "</s>"]
        assert "".join(names[:-1]).replace("\u2581", " ").strip() == line


def test_without_a_target_it_is_the_translation(looker: Looker) -> None:
    own = looker.directory.settings.search
    strategy = BeamSearch.of(SearchOptions(own.beam, 1, own.length_penalty))
    (translation,) = Translator.open(looker.directory.path, strategy).translate([SENTENCE])
    found = looker.must_look(SENTENCE)
    assert list(found.target) == looker.directory.tokenizer.pieces(translation.candidates[0].tokens)
    assert found.target[-1] == "</s>"
    given = looker.must_look(SENTENCE, translation.text)
    if given.target == found.target:
        for row, other in zip(found.weights, given.weights, strict=True):
            assert row == pytest.approx(other, abs=1e-6)


def test_weights_are_those_of_the_search(trained_lstm: Path) -> None:
    """Step by step, as while decoding, the same attention; a Transformer gives none there."""
    looker = Looker.open(ModelDirectory.open(trained_lstm))
    tokenizer, model = looker.directory.tokenizer, looker.engine.model
    found = looker.must_look(SENTENCE, OTHER)
    with torch.inference_mode():
        tokens, state = model.start(Sequences.of([tokenizer.encode(SENTENCE)]))
        for row, token in zip(found.weights, [*tokenizer.encode(OTHER), 3], strict=True):
            scores, state = model.step(tokens, state)
            assert scores.attention is not None
            assert scores.attention[0].tolist() == pytest.approx(row, abs=1e-5)
            tokens = torch.tensor([token])


def test_what_comes_later_does_not_matter(looker: Looker) -> None:
    whole, beginning = looker.must_look(SENTENCE, OTHER), looker.must_look(SENTENCE, "Der Hund")
    shared = [w == b for w, b in zip(whole.target, beginning.target, strict=False)].index(False)
    assert shared > 0
    for row, other in zip(whole.weights[:shared], beginning.weights[:shared], strict=True):
        assert row == pytest.approx(other, abs=1e-5)


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        ("", None, "the sentence must have 1 to 256 subwords, but has 0"),
        (" \u00a0", None, "the sentence must have 1 to 256 subwords, but has 0"),
        ("x " * 300, None, "the sentence must have 1 to 256 subwords, but has "),
        (SENTENCE, " ", "--target must have 1 to 256 subwords, but has 0"),
        (SENTENCE, "x " * 300, "--target must have 1 to 256 subwords, but has "),
    ],
)
def test_a_sentence_that_the_model_cannot_take(looker: Looker, source: str, target: str | None, said: str) -> None:
    with pytest.raises(DataError) as error:
        looker.look(source, target)
    assert error.value.message.startswith(said)
    assert looker.fits(source) == (source == SENTENCE)


def test_a_model_without_attention(bottleneck: Path, nmt: Nmt) -> None:
    looker = Looker.open(ModelDirectory.open(bottleneck))
    assert looker.look(SENTENCE) is None
    with pytest.raises(ModelError):
        looker.must_look(SENTENCE)
    result = nmt("attention", bottleneck, SENTENCE)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"error: {bottleneck} must have attention to show, but its decoder has none\n"
        "hint: nmt train ... --preset lstm-attention trains one that has\n"
    )


@pytest.mark.parametrize("fixture", WITH_ATTENTION)
def test_in_the_terminal(fixture: str, request: pytest.FixtureRequest, nmt: Nmt) -> None:
    model = request.getfixturevalue(fixture)
    result = nmt("attention", model, SENTENCE, "--target", OTHER)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.rstrip("\n").split("\n")
    looker = Looker.open(ModelDirectory.open(model))
    found = looker.must_look(SENTENCE, OTHER)
    assert lines[0] == model.name
    rows = lines[-1 - len(found.target) : -1]
    assert [row.split()[0] for row in rows] == list(found.target)
    assert lines[-1].startswith("░ 0.05+")
    assert max(map(len, lines)) <= 80


def test_a_picture(trained: Path, tmp_path: Path, nmt: Nmt) -> None:
    target = tmp_path / "real.svg"
    target.touch()
    (tmp_path / "link.svg").symlink_to(target)
    for option, path in (("-o", tmp_path / "map.svg"), ("--output", tmp_path / "link.svg")):
        result = nmt("attention", trained, SENTENCE, option, path)
        assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    root = ElementTree.fromstring((tmp_path / "map.svg").read_text(encoding="utf-8"))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    words = {element.text for element in root.iter()}
    assert set(Looker.open(ModelDirectory.open(trained)).must_look(SENTENCE).source) <= words
    assert target.read_bytes() == (tmp_path / "map.svg").read_bytes(), "a link stays a link"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["writer", SENTENCE], 1, "must be a translation model, but was trained for the task lm"),
        (["classifier", SENTENCE], 1, "must be a translation model, but was trained for the task classify"),
        (["trained", "  "], 1, "the sentence must have 1 to 256 subwords, but has 0"),
        (["trained", SENTENCE, "-o", "none/map.svg"], 1, "none must be a folder, but there is none"),
        (["none", SENTENCE], 1, "none must be a model directory, but there is no such folder"),
        (["trained"], 2, "missing argument 'SENTENCE'"),
    ],
)
def test_what_is_refused(words: list[str], code: int, said: str, nmt: Nmt, request: pytest.FixtureRequest) -> None:
    known = {"trained", "writer", "classifier"}
    result = nmt("attention", *(request.getfixturevalue(word) if word in known else word for word in words))
    assert (result.exit_code, result.stdout) == (code, "")
    assert said in result.stderr.split("\n")[0]
    assert result.stderr.startswith("error: ")


def test_a_picture_is_called_one(trained: Path, tmp_path: Path, nmt: Nmt) -> None:
    for words in (["attention", trained, "a sentence"], ["inspect", trained]):
        result = nmt(*words, "-o", tmp_path / "map.png")
        assert result.exit_code == 2
        assert f"error: a picture must be a file that ends in .svg, but is {tmp_path / 'map.png'}" in result.stderr
        assert not (tmp_path / "map.png").exists()


def test_several_sentences_are_warned_of(trained: Path, nmt: Nmt) -> None:
    """The model has learnt from single ones, and translates each by itself."""
    single, double = (nmt("attention", trained, " ".join([SENTENCE] * count)) for count in (1, 2))
    assert (single.exit_code, double.exit_code) == (0, 0)
    assert single.stderr == ""
    assert (
        double.stderr
        == "warning: SENTENCE is read as one here, but nmt translate reads it in 2 pieces, each by itself\n"
    )
