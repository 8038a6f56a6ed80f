"""nmt diversify: the pairs of training, and what models make of either side of them, as one corpus; dev and test as they were."""

import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from nmt_cli.corpus.dataset import Dataset, PreparedCorpus
from nmt_cli.inference import diversification
from nmt_cli.inference.translator import Candidate, Line, Translation, Translator
from nmt_cli.runs.lock import locked
from nmt_cli.runs.vocabulary import Vocabulary
from tests.conftest import Made, Nmt, brief, run_nmt

LINES = 60


@pytest.fixture(scope="session")
def prepared(small: Path, made: Made) -> Path:
    """A small corpus of its own."""

    def make(folder: Path) -> None:
        texts = folder.with_name("few")
        texts.mkdir(exist_ok=True)
        for language in ("en", "de"):
            lines = (small / f"a.{language}").read_text(encoding="utf-8").split("\n")[: 3 * LINES]
            parts = lines[:LINES], lines[LINES : LINES + 20], lines[2 * LINES : 2 * LINES + 20]
            for name, part in zip(("train", "dev", "test"), parts, strict=True):
                (texts / f"{name}.{language}").write_text("\n".join(part) + "\n", encoding="utf-8")
        sets = [word for name in ("dev", "test") for word in (f"--{name}", texts / f"{name}.en", texts / f"{name}.de")]
        result = run_nmt("preprocess", texts / "train.en", texts / "train.de", *sets, "--vocabulary", 300, "-o", folder)
        assert result.exit_code == 0, result.stderr

    return made("prepared-few", make)


@pytest.fixture(scope="session")
def back(small: Path, made: Made) -> Path:
    """German to English."""
    words = brief("transformer-tiny", 60)

    def make(model: Path) -> None:
        result = run_nmt("train", small / "a.de", small / "a.en", "-o", model, *words)
        assert result.exit_code == 0, result.stderr

    return made("back-of-diverse", make)


def pairs(split: Dataset) -> list[tuple[str, str]]:
    return list(zip(split["source"].all_texts(), split["target"].all_texts(), strict=True))


def translated(nmt: Nmt, model: Path, lines: list[str], *words: object) -> list[str]:
    result = nmt("translate", model, *words, input="".join(f"{line}\n" for line in lines))
    assert result.exit_code == 0, result.stderr
    return result.stdout.split("\n")[:-1]


def test_each_sentence_comes_back_as_each_model_says_it(
    prepared: Path, trained: Path, back: Path, nmt: Nmt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diversification, "_DOUBTFUL", set())  # tiny models babble
    new = tmp_path / "new" / "diverse"
    words = ("--forward", trained, "--reverse", back, "--reverse", back, "--beam", 2, "--workers", 1, "-o", new)
    result = nmt("diversify", prepared, *words)
    assert result.exit_code == 0, result.stderr
    before, after = PreparedCorpus.open(prepared), PreparedCorpus.open(new)
    own = pairs(before.train)
    sources, targets = [source for source, _ in own], [target for _, target in own]
    forward = zip(sources, translated(nmt, trained, sources, "--beam", 2), strict=True)
    reverse = list(zip(translated(nmt, back, targets, "--beam", 2), targets, strict=True))
    held_out = {source for split in (before.dev, before.test) for source, _ in pairs(split)}
    made = [pair for pair in (*forward, *reverse, *reverse) if all(pair) and pair[0] not in held_out]
    assert Counter(pairs(after.train)) == Counter([*own, *made])
    assert len(after.train) > 3 * len(own)
    for name in ("dev", "test"):
        assert pairs(getattr(after, name)) == pairs(getattr(before, name))
    assert after.languages == ("en", "de")
    assert Vocabulary.open(new).is_that_of(Vocabulary.open(prepared))
    assert f"next: nmt train {new} -o model" in result.stderr
    assert [path.name for path in new.parent.iterdir()] == ["diverse"]  # nothing else is left


def test_what_nobody_should_learn_from_is_left_out(
    prepared: Path, trained: Path, nmt: Nmt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = iter(["", "na na na na na na", "so " + 90 * "lang", "Das ist einmal ein ganz guter Satz."] * LINES)

    def said(_: object, translation: Translation) -> Translation:
        return replace(translation, candidates=(replace(translation.candidates[0], text=next(written)),))

    stream = Translator.stream
    monkeypatch.setattr(
        Translator,
        "stream",
        lambda self, lines: (said(self, translation) for translation in stream(self, lines)),
    )
    new = tmp_path / "diverse"
    result = nmt("diversify", prepared, "--forward", trained, "--workers", 1, "-o", new)
    assert result.exit_code == 0, result.stderr
    found = pairs(PreparedCorpus.open(new).train)[len(PreparedCorpus.open(prepared).train) :]
    for source, target in found:
        flags = Candidate(target, 0.0, 0.0, (), source=source).flags
        assert target
        assert not {"repetition", "length"} & {*flags}
    assert "Das ist einmal ein ganz guter Satz." in {target for _, target in found}
    assert f"{trained}: {len(found)} translations (" in result.stderr
    assert "left out: empty" in result.stderr
    assert "left out: repetition" in result.stderr
    assert "left out: length" in result.stderr


def test_what_is_translated_is_kept_when_it_is_interrupted(
    prepared: Path, trained: Path, back: Path, nmt: Nmt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same command goes on, and makes of it what it would have made at once; another one takes nothing of it."""
    monkeypatch.setattr(diversification, "_DOUBTFUL", set())
    read: list[str] = []
    stream, count = Translator.stream, len(PreparedCorpus.open(prepared).train)
    most = count + 20

    def until_interrupted(self: Translator, lines: Iterable[Line]) -> Iterator[Translation]:
        for translation in stream(self, lines):
            if len(read) == most:
                raise KeyboardInterrupt
            read.append(translation.source)
            yield translation

    monkeypatch.setattr(Translator, "stream", until_interrupted)
    new, whole = tmp_path / "diverse", tmp_path / "whole"
    words = ("--forward", trained, "--reverse", back, "--beam", 2, "--workers", 1)
    result = nmt("diversify", prepared, *words, "-o", new)
    kept = tmp_path / ".diverse.drafts"
    assert (result.exit_code, len(read)) == (130, most)
    assert f"{most} translations kept in {kept}: the same command goes on with them" in result.stderr
    assert not new.exists()
    unfinished = min(kept.iterdir(), key=lambda path: path.stat().st_size)
    with open(unfinished, "ab") as file:
        file.write(b"\tcut o")  # as by a power cut
    most = -1  # nobody interrupts any more
    other = nmt("diversify", prepared, *words, "--prune", 0.1, "-o", whole)
    assert (other.exit_code, len(read)) == (0, count + 20 + 2 * count)
    result = nmt("diversify", prepared, *words, "-o", new)
    assert result.exit_code == 0, result.stderr
    assert len(read) == 4 * count
    assert f"{trained}: goes on" not in result.stderr  # there is nothing left to do
    assert f"{back}: goes on behind 20 translations" in result.stderr
    assert nmt("diversify", prepared, *words, "-o", whole, "--force").exit_code == 0
    assert PreparedCorpus.open(new).checksum == PreparedCorpus.open(whole).checksum
    assert sorted(path.name for path in tmp_path.iterdir()) == ["diverse", "whole"]


def test_two_do_not_write_to_the_same_drafts(prepared: Path, trained: Path, nmt: Nmt, tmp_path: Path) -> None:
    with locked(tmp_path / ".diverse.drafts", "written"):
        result = nmt("diversify", prepared, "--forward", trained, "--workers", 1, "-o", tmp_path / "diverse")
    assert (result.exit_code, "is being written by another process" in result.stderr) == (1, True)
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_before_the_first_leaves_nothing(
    prepared: Path, trained: Path, nmt: Nmt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> Iterator[Translation]:
        yield from ()
        raise KeyboardInterrupt

    monkeypatch.setattr(Translator, "stream", interrupted)
    folder = tmp_path / "some" / "where"
    result = nmt("diversify", prepared, "--forward", trained, "--workers", 1, "-o", folder)
    assert result.exit_code == 130
    assert list(tmp_path.iterdir()) == []


def test_it_is_a_corpus_like_any_other(
    prepared: Path, trained: Path, nmt: Nmt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diversification, "_DOUBTFUL", set())
    new, model = tmp_path / "diverse", tmp_path / "model"
    assert nmt("diversify", prepared, "--forward", trained, "--workers", 1, "-o", new).exit_code == 0
    result = nmt("train", new, "-o", model, *brief("transformer-tiny", 2))
    assert result.exit_code == 0, result.stderr
    again = nmt("diversify", prepared, "--forward", model, "--workers", 1, "-o", new)
    assert (again.exit_code, "--force replaces it" in again.stderr) == (1, True)
    forced = nmt("diversify", prepared, "--forward", model, "--workers", 2, "--int8", "-o", new, "--force")
    assert forced.exit_code == 0, forced.stderr


def test_what_is_refused(
    prepared: Path, trained: Path, back: Path, writer: Path, small: Path, nmt: Nmt, tmp_path: Path
) -> None:
    """Before anything is translated, and nothing is left."""
    new, lm, damaged = tmp_path / "diverse", tmp_path / "lm", shutil.copytree(trained, tmp_path / "damaged")
    (damaged / "model.safetensors").write_bytes(b"no weights")
    assert nmt("preprocess", small / "a.en", "--task", "lm", "-o", lm).exit_code == 0
    cases = [
        ((prepared,), 2, "must be told which models translate"),
        ((prepared, "--forward", back), 1, "must be en-de to translate text of"),
        ((prepared, "--reverse", trained), 1, "must be de-en to translate text of"),
        ((prepared, "--forward", writer), 1, "a translation model"),
        ((prepared, "--forward", trained, "--forward", damaged), 1, f"{damaged}"),
        ((prepared, "--forward", trained, "--beam", 0), 2, "beam should be greater than or equal to 1"),
        ((prepared, "--forward", trained, "-o", prepared, "--force"), 2, "must not be, or hold,"),
        ((prepared, "--forward", trained, "-o", trained.parent, "--force"), 2, "must not be, or hold,"),
        ((lm, "--forward", trained), 1, "must be of pairs of sentences, but was prepared for lm"),
        ((trained, "--forward", trained), 1, "must be a prepared corpus"),
    ]
    for words, code, message in cases:
        result = nmt("diversify", "-o", new, *words)
        assert (result.exit_code, message in result.stderr) == (code, True), (words, result.stderr)
        assert result.stderr.startswith("error: ")
        assert not new.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["damaged", "lm"]


def test_languages_that_nothing_tells_are_a_warning(
    prepared: Path, trained: Path, nmt: Nmt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diversification, "_DOUBTFUL", set())
    unnamed = shutil.copytree(prepared, tmp_path / "unnamed")
    described = unnamed / "corpus.json"
    described.write_text(
        described.read_text(encoding="utf-8").replace('"en",', '"source",').replace('"de"', '"target"'),
        encoding="utf-8",
    )
    result = nmt("diversify", unnamed, "--forward", trained, "--workers", 1, "-o", tmp_path / "diverse")
    assert result.exit_code == 0, result.stderr
    assert f"but the languages of {unnamed} are not known" in result.stderr
