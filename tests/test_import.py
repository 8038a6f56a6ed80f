"""``nmt import``: a folder of another toolkit's becomes a model directory that every command takes."""

import json
import shutil
import struct
from pathlib import Path

import pytest

from nmt_cli.runs import shortlist as shortlists
from nmt_cli.runs.directory import ModelDirectory

from . import marian
from .conftest import Nmt
from .marian import ENGLISH, GERMAN, Kind, pieces, sentencepiece


@pytest.fixture(scope="module")
def opus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of OPUS-MT, with a second model that its decoder.yml does not name."""
    folder = tmp_path_factory.mktemp("opus") / "opus-mt-en-de"
    marian.write_opus(folder)
    shutil.copy(folder / "opus.model1.npz", folder / "opus.model2.npz")
    return folder


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as Firefox has them: 8 bits, an SSRU in the decoder, one SentencePiece model, and a shortlist."""
    folder = tmp_path_factory.mktemp("student")
    model = sentencepiece([*ENGLISH, *GERMAN])
    (folder / "vocab.ende.spm").write_bytes(model)
    size = len(pieces(model))
    kind = Kind(vocabulary=size, ssru=True, encoder=1, decoder=1)
    marian.write_binary(folder / "model.ende.intgemm.alphas.bin", marian.weights(kind), kind.config, whole=True)
    (folder / "lex.50.50.ende.s2t.bin").write_bytes(shortlist(size))
    return folder


def shortlist(size: int) -> bytes:
    """Each piece may become itself and the one before it; the end only itself."""
    lists = [sorted({max(0, number - 1), number}) for number in range(size)]
    places = [sum(map(len, lists[:number])) for number in range(size + 1)]
    ids = [each for row in lists for each in row]
    head = struct.pack("<6Q", 0xF11A48D5013417F5, 1, 5, 2, len(places), len(ids))
    return head + struct.pack(f"<{len(places)}Q", *places) + struct.pack(f"<{len(ids)}I", *ids)


@pytest.fixture(scope="module")
def model(student: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The student, imported."""
    from .conftest import run_nmt

    made = tmp_path_factory.mktemp("imported") / "model"
    result = run_nmt("import", "marian", student, "-o", made)
    assert result.exit_code == 0, result.stderr
    return made


def test_opus(opus: Path, nmt: Nmt, tmp_path: Path) -> None:
    made = tmp_path / "model"
    result = nmt("import", "marian", opus, "--output", made)
    assert result.exit_code == 0, result.stderr
    assert f"{made} is {opus / 'opus.model1.npz'}: en-de, 2 + 3 layers of 16, " in result.stderr
    directory = ModelDirectory.open(made)
    search, manifest = directory.settings.search, directory.manifest
    assert (search.beam, search.length_penalty) == (2, 0.6)
    assert (manifest.languages, manifest.alignment_layer, manifest.finished) == (("en", "de"), 3, True)
    assert manifest.limit is not None
    assert manifest.limit(10) == 34
    assert manifest.origin is not None
    assert manifest.origin.file.endswith("opus.model1.npz")
    text = "the red house\n\nis the house old ?\n"
    translated = nmt("translate", made, "--format", "tsv", "--token-scores", input=text)
    assert translated.exit_code == 0, translated.stderr
    assert len(translated.stdout.splitlines()) == 3
    (tmp_path / "a.en").write_text(text, encoding="utf-8")
    (tmp_path / "a.de").write_text("das rote Haus\n\nist das Haus alt ?\n", encoding="utf-8")
    scored = nmt("logprob", made, tmp_path / "a.en", tmp_path / "a.de", "--format", "jsonl")
    assert scored.exit_code == 0, scored.stderr
    tokens = [json.loads(line)["tokens"] for line in scored.stdout.splitlines()]
    assert tokens[0] == [*directory.tokenizer.target.encode("das rote Haus"), 3]


def test_every_command_takes_it(model: Path, nmt: Nmt, tmp_path: Path) -> None:
    source, target = tmp_path / "a.en", tmp_path / "a.de"
    source.write_text("the red house is here .\nold trees are gone .\n", encoding="utf-8")
    target.write_text("das rote Haus ist hier .\nalte Bäume sind fort .\n", encoding="utf-8")
    for words in (
        ["translate", model, source, "--search", "greedy"],
        ["translate", model, source, "--n-best", "2", "--alignment", "--format", "tsv"],
        ["evaluate", model, source, target, "--resamples", "0"],
        ["logprob", model, source, target],
        ["inspect", model],
        ["inspect", model, source, target, "--gradient-flow"],
        ["attention", model, "the red house", "--target", "das Haus"],
    ):
        result = nmt(*words)
        assert result.exit_code == 0, (words, result.stderr)
        assert result.stdout.strip()


def test_a_prefix_that_it_cannot_write(model: Path, nmt: Nmt) -> None:
    refused = nmt("translate", model, "--prefix", input="a\na\t\U0001f600\n")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert (
        "error: the prefix of line 2 must be spelt in subwords that the model can write, but is '\U0001f600'"
        in refused.stderr
    )


def test_lines_are_said_as_they_were_found(model: Path, nmt: Nmt, tmp_path: Path) -> None:
    """A search and forced decoding of its tokens agree: law 3."""
    lines = '{"text": "the red house is here ."}\n{"text": "is it Ж ?"}\n'
    found = nmt("translate", model, "--format", "jsonl", input=lines).stdout
    (tmp_path / "found.jsonl").write_text(found, encoding="utf-8")
    judged = nmt("logprob", model, tmp_path / "found.jsonl", "--input", "jsonl", "--format", "jsonl")
    assert judged.exit_code == 0, judged.stderr
    for one, other in zip(found.splitlines(), judged.stdout.splitlines(), strict=True):
        assert abs(json.loads(one)["log_prob"] - json.loads(other)["log_prob"]) < 1e-3


def test_the_shortlist_is_kept_in_our_ids(model: Path) -> None:
    size = ModelDirectory.open(model).tokenizer.size
    found = shortlists.read(ModelDirectory.open(model))
    places, targets = found.places.tolist(), found.targets.tolist()
    lists = [targets[places[index] : places[index + 1]] for index in range(size)]
    assert lists[:5] == [[], [], [3], [3], [4]]  # what is unknown is never produced
    assert lists[5:] == [[index - 1, index] for index in range(5, size)]
    assert found.always.tolist() == [3, 4, 5, 6]  # the first five of Marian's, and UNK is one of them


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [(16, 2**40, "must be for the"), (32, 2**60, "bytes, as it says, but has"), (48, 7, "must have places that rise from 0"),
     (56, 2**63, "must have places that rise from 0")],
)  # fmt: skip
def test_a_damaged_shortlist(place: int, value: int, said: str, student: Path, nmt: Nmt, tmp_path: Path) -> None:
    theirs = shutil.copytree(student, tmp_path / "theirs")
    damaged = bytearray((theirs / "lex.50.50.ende.s2t.bin").read_bytes())
    damaged[place : place + 8] = struct.pack("<Q", value)
    (theirs / "lex.50.50.ende.s2t.bin").write_bytes(damaged)
    result = nmt("import", "marian", theirs, "-o", tmp_path / "model")
    assert result.exit_code == 1
    assert said in result.stderr
    assert not (tmp_path / "model").exists()


def test_a_shortlist_of_absurd_size_is_not_read(student: Path, nmt: Nmt, tmp_path: Path) -> None:
    """It is as long as it says, but nearly all of it is a hole."""
    theirs = shutil.copytree(student, tmp_path / "theirs")
    path = theirs / "lex.50.50.ende.s2t.bin"
    places, length = struct.unpack("<6Q", path.read_bytes()[:48])[4], 2**34
    with open(path, "r+b") as stream:
        stream.seek(40)
        stream.write(struct.pack("<Q", length))
        stream.truncate(48 + 8 * places + 4 * length)
    result = nmt("import", "marian", theirs, "-o", tmp_path / "model")
    assert result.exit_code == 1
    assert "must be for the" in result.stderr


def test_what_is_not_taken_over_is_told(
    student: Path, opus: Path, nmt: Nmt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shortlist that is not the only one, and a vocabulary of pieces that nothing cuts; without -o it is ./model."""
    monkeypatch.chdir(tmp_path)
    theirs = shutil.copytree(student, tmp_path / "theirs")
    assert "quicker with --shortlist" in nmt("import", "marian", theirs).stderr
    assert (tmp_path / "model" / shortlists.FILE).is_file()
    shutil.copy(theirs / "lex.50.50.ende.s2t.bin", theirs / "lex.2.bin")
    result = nmt("import", "marian", theirs, "-o", "second")
    assert (
        "no shortlist is taken over: one binary one is, and there is lex.2.bin and lex.50.50.ende.s2t.bin"
        in result.stderr
    )
    assert not (tmp_path / "second" / shortlists.FILE).exists()
    whole = shutil.copytree(opus, tmp_path / "whole")
    assert "text must be cut" not in nmt("import", "marian", whole, "-o", "third").stderr
    for side in ("source", "target"):
        (whole / f"{side}.spm").unlink()
    assert "text must be cut into such pieces" in nmt("import", "marian", whole, "-o", "fourth").stderr


def test_a_model_is_not_written_over(
    model: Path, student: Path, nmt: Nmt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = shutil.copytree(model, tmp_path / "made")
    result = nmt("import", "marian", student, "-o", made)
    assert (result.exit_code, "--force replaces it" in result.stderr) == (2, True)
    assert nmt("import", "marian", student, "-o", made, "--force").exit_code == 0
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    for words in (["-o", other, "--force"], ["-o", other / "thesis.txt"], ["-o", student]):
        result = nmt("import", "marian", student, *words)
        assert result.exit_code == 2, result.stderr
    assert (other / "thesis.txt").read_text() == "mine"
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    result = nmt("import", "marian", student, "-o", ".")
    assert (result.exit_code, result.stderr.split("\n")[0]) == (
        2, "error: . must be another folder than the one that nmt runs in"
    )  # fmt: skip


def test_languages(student: Path, nmt: Nmt, tmp_path: Path) -> None:
    theirs = shutil.copytree(student, tmp_path / "theirs")
    (theirs / "vocab.ende.spm").rename(theirs / "vocab.spm")
    (theirs / "model.ende.intgemm.alphas.bin").rename(theirs / "model.bin")
    result = nmt("import", "marian", theirs, "-o", tmp_path / "unsaid")
    assert "warning: nothing tells the languages of the model" in result.stderr
    assert ModelDirectory.open(tmp_path / "unsaid").manifest.languages == ("source", "target")
    assert nmt("import", "marian", theirs, "-o", tmp_path / "said", "--languages", "en-fr").exit_code == 0
    assert ModelDirectory.open(tmp_path / "said").manifest.languages == ("en", "fr")


def test_folders_that_hold_no_model(student: Path, opus: Path, nmt: Nmt, tmp_path: Path) -> None:
    def refused(said: str, theirs: Path, code: int = 1) -> None:
        result = nmt("import", "marian", theirs, "-o", tmp_path / "model")
        assert result.exit_code == code
        assert said in result.stderr, result.stderr
        assert result.stderr.startswith("error: ")

    refused("must be a folder with a Marian model, but is none", tmp_path / "nowhere")
    empty = tmp_path / "empty"
    empty.mkdir()
    refused("must hold one model, but holds none", empty)
    theirs = shutil.copytree(student, tmp_path / "theirs")
    (theirs / "vocab.ende.spm").unlink()
    refused("must hold one vocabulary, but holds none", theirs)
    (theirs / "vocab.ende.spm").write_bytes(b"spam")
    refused("must be a SentencePiece model, but is damaged", theirs)
    (theirs / "vocab.ende.spm").write_bytes(sentencepiece(GERMAN, size=30))
    refused("it belongs to another model", theirs)
    shutil.copy(student / "vocab.ende.spm", theirs / "vocab.de.spm")
    refused("must hold one vocabulary for both sides, but holds vocab.de.spm and vocab.ende.spm", theirs)
    shutil.copy(theirs / "model.ende.intgemm.alphas.bin", theirs / "other.bin")
    refused("must hold one model, but holds model.ende.intgemm.alphas.bin, other.bin", theirs)
    several = shutil.copytree(opus, tmp_path / "several")
    (several / "target.spm").unlink()
    refused("must hold source.spm and target.spm, but holds one of them", several)
    (several / "opus.model1.npz").unlink()
    refused("must name files of its folder, but opus.model1.npz is not there", several)
    (several / "decoder.yml").write_text("beam-size: many\n", encoding="utf-8")
    shutil.copy(opus / "target.spm", several)
    refused("beam-size must be a whole number, but is 'many'", several)
    result = nmt("import", "fairseq", student, "-o", tmp_path / "model")
    assert (result.exit_code, "TOOLKIT must be a known name, but is 'fairseq'" in result.stderr) == (2, True)


def test_it_goes_on_to_another_toolkit(opus: Path, nmt: Nmt, tmp_path: Path) -> None:
    """In and out again: what CTranslate2 computes is proved to be the imported model, each side cut by its own pieces."""
    pytest.importorskip("ctranslate2")
    assert nmt("import", "marian", opus, "-o", tmp_path / "model").exit_code == 0
    for side, lines in (("en", marian.ENGLISH), ("de", marian.GERMAN)):
        (tmp_path / f"dev.{side}").write_text("".join(f"{line}\n" for line in lines[:4]), encoding="utf-8")
    words = ("--to", "ctranslate2", "--dev", tmp_path / "dev.en", tmp_path / "dev.de")
    result = nmt("export", tmp_path / "model", *words)
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "model-ctranslate2" / "model.bin").is_file(), "beside it, unless -o says otherwise"
