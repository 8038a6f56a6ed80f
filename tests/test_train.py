"""``nmt train`` as it is typed."""

import gzip
import json
import lzma
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nmt_cli.corpus.reader import _zstd
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.runs.lock import locked
from nmt_cli.training import autopilot

from .conftest import Nmt, brief

QUICK = brief("transformer-tiny", 3)


@pytest.fixture
def here(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder holds ``a.en`` and ``a.de``."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.en", "a.de"):
        shutil.copy(small / name, name)
    return tmp_path


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def finished(model: Path) -> bool:
    return ModelDirectory.open(model).manifest.finished


@pytest.mark.usefixtures("here")
def test_zero_options(nmt: Nmt, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = {"model": {"architecture": "transformer", "width": 16, "encoder_layers": 1}}
    monkeypatch.setattr("nmt_cli.training.request.preset", lambda name: tiny if name == "transformer-tiny" else {})
    own = autopilot.settings_for

    def short(*arguments: object) -> dict[str, dict[str, int]]:
        chosen = own(*arguments)  # type: ignore[arg-type]
        return {**chosen, "training": {**chosen["training"], "updates": 15}}

    monkeypatch.setattr(autopilot, "settings_for", short)
    result = nmt("train", "a.en", "a.de")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == ""
    said = result.stderr.split("\n")
    assert "preset transformer-tiny, chosen for 480 pairs (--preset names another)" in said
    assert any(line.startswith("transformer, ") and "parameters" in line for line in said)
    measured = next(line for line in said if line.startswith("10 updates measured: "))
    assert "tokens/s, about " in measured
    assert "for all 15 updates at most" in measured
    assert any("dev BLEU" in line and "chrF2" in line and "gradient" in line for line in said)
    assert any(line.startswith("test, 60 sentences, beam 5:") for line in said)
    for name in ("BLEU", "chrF2", "TER"):
        assert any(line.startswith(f"  {name} ") and "|version:" in line for line in said)
    assert said[-2] == "next: nmt translate model < input.txt"
    assert sorted(path.name for path in Path("model").iterdir()) == [
        "config.toml", "corpus", "manifest.json", "metrics.jsonl", "model.safetensors", "subwords.model", "training",
    ]  # fmt: skip
    assert nmt("translate", input="a\n\nb\n").stdout.count("\n") == 3


def test_what_is_recorded(trained: Path, small: Path) -> None:
    directory = ModelDirectory.open(trained)
    records = directory.metrics()
    assert [record["update"] for record in records if record["kind"] == "validation"] == [60, 120, 180]
    assert [record["update"] for record in records if record["kind"] == "train"] == list(range(20, 181, 20))
    validation = next(record for record in records if record["kind"] == "validation")
    assert {"epoch", "best", "seconds", "gradient_norm"} <= set(validation)
    assert {"dev_loss", "dev_bleu", "dev_chrf2", "signature", "health", "samples"} <= set(validation)
    assert 0 <= validation["health"]["duplicated"] <= 1
    assert {"loss", "nll", "rate", "gradient_norm", "tokens_per_second"} <= set(records[0])
    manifest = directory.manifest
    assert (manifest.task, manifest.languages, manifest.finished) == ("translate", ("en", "de"), True)
    assert [score["name"] for score in manifest.scores["test"]] == ["BLEU", "chrF2", "TER"]
    assert all(score["signature"] for score in manifest.scores["test"])
    assert set(manifest.inputs) == {"train.1", "train.2"}
    assert {"python", "torch", "nmt-cli"} <= set(manifest.versions)
    assert str(small) not in (trained / "config.toml").read_text(encoding="utf-8")


@pytest.mark.usefixtures("here")
def test_what_a_person_watches(nmt: Nmt) -> None:
    """The same three lines after every validation, named once, and in metrics.jsonl; what is wrong with all outputs."""
    words = ("--set", "training.validate_every=25", "--set", "training.warmup=10")
    said = nmt("train", "a.en", "a.de", "-o", "m", *brief("transformer-tiny", 75), *words).stderr.split("\n")
    validations = [place for place, line in enumerate(said) if line.startswith("update ") and "dev BLEU" in line]
    assert all(len(said[place]) <= 115 for place in validations)
    records = [record for record in ModelDirectory.open(Path("m")).metrics() if record["kind"] == "validation"]
    assert len(validations) == len(records) == 3
    head = said.index("lines of dev to watch, with their references (=: the output is the same):")
    assert head == validations[0] - 4
    for place, record in zip(validations, records, strict=True):
        for number, sample in enumerate(record["samples"], 1):
            assert said[head + number] == f"  {number}  {sample['source']}  ({sample['reference']})"
            mark = "=" if sample["output"] == sample["reference"] else " "
            assert said[place + number].startswith(f"  {number} {mark} {sample['output'][:90].rstrip()}".rstrip())
    assert len({json.dumps([sample["source"] for sample in record["samples"]]) for record in records}) == 1
    collapsed = [record["health"] for record in records[1:] if record["health"]["most_common"] >= 0.1]
    assert collapsed, "a model that has learnt next to nothing says the same to everybody"
    for health in collapsed:
        warning = f"{100 * health['most_common']:.0f} % of outputs are the same sentence: '{health['most_common_output'][:20]}"
        assert any(line.startswith(f"warning: {warning}") for line in said)


@pytest.mark.usefixtures("here")
def test_the_lines_are_named_again_to_whoever_goes_on(nmt: Nmt) -> None:
    seldom = ("--updates", 6, "--set", "training.validate_every=2")
    trained_here(nmt, *seldom)
    Path("m/training/last.safetensors").unlink()
    said = gone_on(nmt, *seldom)
    assert said.count("lines of dev to watch") == said.count("dev BLEU") == 1


@pytest.mark.usefixtures("here")
def test_a_vocabulary_that_was_removed_comes_back(nmt: Nmt) -> None:
    trained_here(nmt)
    vocabulary = Path("m/subwords.model")
    before = vocabulary.read_bytes()
    vocabulary.unlink()
    gone_on(nmt)
    assert vocabulary.read_bytes() == before


@pytest.mark.usefixtures("here")
def test_weights_that_nobody_knows_are_not_lost(nmt: Nmt) -> None:
    trained_here(nmt)
    weights = Path("m/model.safetensors")
    before = weights.read_bytes()
    Path("m/manifest.json").unlink()
    refused = nmt(*TRAIN)
    assert refused.exit_code == 1
    said = "error: m must hold a manifest.json to be trained, but holds model.safetensors without one\nhint: --restart"
    assert refused.stderr.startswith(said)
    assert weights.read_bytes() == before
    assert nmt(*TRAIN, "--restart").exit_code == 0


TRAIN = ("train", "a.en", "a.de", "-o", "m", *brief("transformer-tiny", 2))


def trained_here(nmt: Nmt, *words: object) -> None:
    """A training in ``m``, brief unless the words say otherwise."""
    result = nmt(*TRAIN, *words)
    assert result.exit_code == 0, result.stderr


def gone_on(nmt: Nmt, *words: object) -> str:
    """What is said when it was stopped before its end, and is gone on with."""
    manifest = Path("m/manifest.json")
    manifest.write_text(manifest.read_text("utf-8").replace('"finished": true', '"finished": false'), "utf-8")
    result = nmt(*TRAIN, *words)
    assert result.exit_code == 0, result.stderr
    return result.stderr


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
@pytest.mark.usefixtures("here")
def test_packed_files(suffix: str, nmt: Nmt) -> None:
    pack: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.compress, ".xz": lzma.compress, ".zst": _zstd().compress}
    for name in ("a.en", "a.de"):
        Path(name + suffix).write_bytes(pack[suffix](Path(name).read_bytes()))
    result = nmt("train", f"a.en{suffix}", f"a.de{suffix}", "--output", "m", *QUICK)
    assert result.exit_code == 0, result.stderr
    assert ModelDirectory.open(Path("m")).manifest.languages == ("en", "de")


@pytest.mark.usefixtures("here")
def test_one_file_of_two_columns(nmt: Nmt) -> None:
    sides = [Path(name).read_text(encoding="utf-8").split("\n") for name in ("a.en", "a.de")]
    Path("a.tsv").write_text("".join(f"{s}\t{t}\n" for s, t in zip(*sides, strict=True) if s), encoding="utf-8")
    result = nmt("train", "a.tsv", "-o", "m", *QUICK)
    assert result.exit_code == 0, result.stderr
    assert ModelDirectory.open(Path("m")).manifest.languages == ("source", "target")
    changed = nmt("train", "a.tsv", "-o", "m", *QUICK, "--languages", "en-de")
    assert (changed.exit_code, "languages: source-target -> en-de" in changed.stderr) == (1, True)
    assert nmt("train", "a.tsv", "-o", "n", *QUICK, "--languages", "en-de").exit_code == 0
    assert ModelDirectory.open(Path("n")).manifest.languages == ("en", "de")


@pytest.mark.usefixtures("here")
def test_a_prepared_folder(nmt: Nmt) -> None:
    assert nmt("preprocess", "a.en", "a.de", "-o", "d").exit_code == 0
    result = nmt("train", "d", "-o", "deep/m", *QUICK)
    assert result.exit_code == 0, result.stderr
    assert not Path("deep/m/corpus").exists()
    assert nmt("translate", "deep/m", input="a\n").exit_code == 0
    refused = nmt("train", "d", "-o", "n", *QUICK, "--languages", "en-de")
    assert (refused.exit_code, "belong to nmt preprocess" in refused.stderr) == (2, True)
    other = nmt("train", "d", "-o", "n", *QUICK, "--set", "data.max_length=50")
    assert (other.exit_code, "was prepared with data.max_length = 256, but 50 is asked for" in other.stderr) == (
        2,
        True,
    )
    into_itself = nmt("train", "d", "-o", "d", *QUICK)
    assert (into_itself.exit_code, "but is a prepared corpus" in into_itself.stderr) == (2, True)
    assert not Path("n").exists()


@pytest.mark.usefixtures("here")
def test_given_dev_and_test(nmt: Nmt) -> None:
    for name in ("dev", "test"):
        for side in ("en", "de"):
            lines = Path(f"a.{side}").read_text(encoding="utf-8").split("\n")[: 8 if name == "dev" else 9]
            Path(f"{name}.{side}").write_text("\n".join(lines) + "\n", encoding="utf-8")
    files = ("--dev", "dev.en", "dev.de", "--test", "test.en", "test.de")
    result = nmt("train", "a.en", "a.de", *files, "-o", "m", *QUICK)
    assert result.exit_code == 0, result.stderr
    assert "test, 9 sentences" in result.stderr
    assert "also in dev or test" in result.stderr
    again = nmt("train", "a.en", "a.de", "-o", "m", *QUICK)
    assert again.exit_code == 1
    assert "--dev was given; --test was given" in again.stderr


@pytest.mark.usefixtures("here")
def test_the_same_command_on_a_finished_model(nmt: Nmt) -> None:
    words = ("train", "a.en", "a.de", "-o", "m", *QUICK)
    assert nmt(*words).exit_code == 0
    before = contents(Path("m"))
    again = nmt(*words)
    assert again.exit_code == 0
    said = (
        "m is a finished model: nothing is left to do (--restart trains it anew)\ntest, 60 sentences, beam 5:\n  BLEU "
    )
    for free in (("--workers", "auto"), ("--set", "training.keep=2")):  # what is learnt does not depend on it
        assert nmt(*words, *free).stderr.startswith(said)
    assert again.stderr.startswith(said)
    assert contents(Path("m")) == before
    anew = nmt(*words, "--restart", "--seed", 7)
    assert anew.exit_code == 0, anew.stderr
    assert contents(Path("m")) != before
    assert ModelDirectory.open(Path("m")).settings.training.seed == 7


@pytest.mark.usefixtures("here")
def test_other_settings_or_data_are_refused_and_named(nmt: Nmt) -> None:
    assert nmt("train", "a.en", "a.de", "-o", "m", *QUICK).exit_code == 0
    before = contents(Path("m"))

    def refused(*words: str, code: int, said: str) -> None:
        result = nmt("train", "-o", "m", *QUICK, *words)
        assert (result.exit_code, result.stderr.count("\n")) == (code, 2), result.stderr
        assert said in result.stderr
        assert result.stderr.endswith("hint: --restart trains it anew; -o names another model\n")

    files = ("a.en", "a.de")
    refused(*files, "--seed", "9", code=2, said="m was begun with other settings: training.seed: 1 -> 9\n")
    refused(*files, "--set", "training.warmup=9", code=2, said="training.warmup: 20 -> 9")
    refused(
        *files, "--set", "data.max_length=99", code=1, said="m was begun with other data: data.max_length: 256 -> 99"
    )
    refused(
        "a.de", "a.en", code=1, said="a.de is not the same text; a.en is not the same text; languages: en-de -> de-en"
    )
    with open("a.de", "a", encoding="utf-8") as stream:
        stream.write("Noch eine.\n")
    with open("a.en", "a", encoding="utf-8") as stream:
        stream.write("One more.\n")
    refused(*files, code=1, said="m was begun with other data: a.en is not the same text; a.de is not the same text\n")
    assert contents(Path("m")) == before


@pytest.mark.usefixtures("here")
def test_a_restart_that_is_refused_leaves_the_model(nmt: Nmt) -> None:
    words = ("train", "a.en", "a.de", "-o", "m", *QUICK)
    assert nmt(*words).exit_code == 0
    before = contents(Path("m"))
    with open("a.de", "a", encoding="utf-8") as stream:
        stream.write("Eine zu viel.\n")
    for more in ((), ("--set", "training.sed=3"), ("--preset", "none")):
        assert nmt(*words, "--restart", *more).exit_code in {1, 2}
        assert contents(Path("m")) == before


@pytest.mark.usefixtures("here")
def test_a_restart_that_cannot_begin_leaves_the_model(nmt: Nmt) -> None:
    """Nor does what was refused leave other texts in the place of those that were read."""
    words = ("train", "a.en", "a.de", "-o", "m", *QUICK)
    assert nmt(*words).exit_code == 0
    before = contents(Path("m"))
    for name in ("a.en", "a.de"):
        Path(f"b{name[1:]}").write_text(
            "".join(reversed(Path(name).read_text("utf-8").splitlines(keepends=True))), "utf-8"
        )
    others = ("train", "b.en", "b.de", "-o", "m", *QUICK, "--restart")
    for more, said in (
        (("--workers", 999), "--workers must"),
        (
            ("--set", "model.feed_forward=100000000000"),
            "a model of these settings must fit into the memory of this machine",
        ),
    ):
        refused = nmt(*others, *more)
        assert refused.exit_code == 2
        assert said in refused.stderr
        assert contents(Path("m")) == before
    Path("m/corpus").rename("m/.corpus.before")  # as somebody leaves it who is killed while he looks at others
    shutil.copytree("m/.corpus.before", "m/corpus")
    Path("m/corpus/data.bin").write_bytes(b"other")
    assert nmt(*words).exit_code == 0
    assert contents(Path("m")) == before


@pytest.mark.usefixtures("here")
def test_a_restart_leaves_a_training_that_still_runs(own: Path, nmt: Nmt) -> None:
    before = contents(own)
    with locked(own):
        result = nmt("train", "a.de", "a.en", "-o", own, "--languages", "de-en", *QUICK, "--restart")
    assert (result.exit_code, "is being trained by another process" in result.stderr) == (1, True)
    assert contents(own) == before


@pytest.mark.usefixtures("here")
def test_no_time_is_foretold_before_it_is_measured(nmt: Nmt) -> None:
    words = ("--set", "training.validate_every=1")
    result = nmt("train", "a.en", "a.de", "-o", "m", *brief("transformer-tiny", 4), *words)
    validations = [line for line in result.stderr.split("\n") if "dev BLEU" in line]
    assert [" left" in line for line in validations] == [False, False, False, True]


@pytest.mark.usefixtures("here")
def test_where_settings_come_from(nmt: Nmt) -> None:
    Path("c.toml").write_text(
        "[training]\nminutes = 5\nwarmup = 7\nbeta1 = 0.8\n[search]\nbeam = 2\n", encoding="utf-8"
    )
    result = nmt("train", "a.en", "a.de", "-o", "m", *QUICK, "--config", "c.toml", "--set", "training.beta1=0.7")
    assert result.exit_code == 0, result.stderr
    settings = ModelDirectory.open(Path("m")).settings
    assert settings.search.beam == 2
    assert (settings.training.warmup, settings.training.beta1) == (20, 0.7)  # --set over --config
    assert (settings.training.updates, settings.training.minutes) == (3, None)  # --updates over --config
    assert "beam 2:" in result.stderr


@pytest.mark.parametrize(
    ("words", "code", "said", "hint"),
    [
        (["--set", "training.learning_rte=1"], 2, "no setting training.learning_rte", "did you mean training.learning_rate?"),
        (["--set", "trainin.seed=1"], 2, "there is no section [trainin]", "did you mean training?"),
        (["--set", "model.heads=7"], 2, "width must be even and a multiple of heads (7)", None),
        (["--set", "model.wdth=16"], 2, "there is no setting model.wdth", "did you mean model.width?"),
        (["--set", "seed"], 2, "--set must be SECTION.KEY=VALUE, but is 'seed'", "for example"),
        (["--preset", "lstm-atention"], 2, "preset must be a known name", "did you mean lstm-attention?"),
        (["--minutes", "1", "--updates", "5"], 2, "--minutes and --updates must not both be given", None),
        (["--minutes", "0"], 2, "training.minutes should be greater than 0", None),
        (["--minutes", "soon"], 2, "invalid value for '--minutes'", None),
        (["--updates", "0"], 2, "training.updates should be greater than or equal to 1", None),
        (["--seed", "-1"], 2, "training.seed should be greater than or equal to 0", None),
        (["--task", "translte"], 2, "task must be a known name, but is 'translte'", "did you mean translate?"),
        (["--languages", "english"], 2, "--languages must be two language codes", "for example"),
        (["--config", "none.toml"], 2, "none.toml cannot be read: No such file or directory", None),
        (["--outptu", "m"], 2, "no such option: --outptu", "did you mean --output?"),
        (["--dev", "a.en", "none"], 1, "none must be a file, but there is none", None),
        (["-o", "a.en"], 2, "a.en must be a folder for the model, but is a file", None),
        (["-o", "foreign"], 2, "foreign must be empty or a model directory, but is something else", "-o names another"),
        (["-o", "foreign", "--restart"], 2, "foreign must be empty or a model directory", "-o names another"),
        (["-o", "."], 2, ". must be empty or a model directory", "-o names another"),
    ],
)  # fmt: skip
def test_refusals_come_before_any_work(
    words: list[str], code: int, said: str, hint: str | None, nmt: Nmt, here: Path
) -> None:
    Path("foreign/corpus").mkdir(parents=True)
    Path("foreign/corpus/mine.txt").write_text("mine", encoding="utf-8")
    Path("foreign/manifest.json").write_text("{}", encoding="utf-8")
    before = contents(here)
    result = nmt("train", "a.en", "a.de", *words)
    assert result.exit_code == code
    lines = result.stderr.rstrip("\n").split("\n")
    assert lines[0].startswith("error: ")
    assert said in lines[0]
    assert len(lines) <= 2
    assert hint is None or lines[1].startswith(f"hint: {hint}")
    assert contents(here) == before


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["a.en", "short.de"], "a.en and short.de must have equally many lines, but have 600 and 599"),
        (["a.en", "none.de"], "none.de must be a file, but there is none"),
        (["a.en", "a.en"], "source and target must be two files, but both are a.en"),
        (["empty.en", "empty.de"], "empty.en must have lines, but is empty"),
        (["a.en", "latin.de"], "latin.de:2 must be UTF-8, but byte 3 of the line is 0xfc"),
        (["a.en", "blank.de"], "blank.de:3 must not be blank where the other side is not"),
        (["a.en"], "a.en:1 must hold exactly one tab, but holds 0"),
        (["a.en", "a.de", "a.de"], "a corpus must be one file or two, but is 3"),
        (["folder"], "folder must be a prepared corpus, but holds no corpus.json"),
        (["folder", "a.de"], "folder must be a file, but is a folder"),
        (["a.en", "cut.de.gz"], "cut.de.gz must be a whole archive, but is damaged"),
    ],
)
def test_data_that_is_refused_leaves_nothing(files: list[str], said: str, nmt: Nmt, here: Path) -> None:
    lines = Path("a.de").read_bytes().split(b"\n")
    Path("short.de").write_bytes(b"\n".join(lines[:-2]) + b"\n")
    Path("latin.de").write_bytes(b"\n".join([lines[0], "für".replace("f", "fr").encode("latin1"), *lines[2:]]))
    Path("blank.de").write_bytes(b"\n".join([*lines[:2], b" ", *lines[3:]]))
    Path("cut.de.gz").write_bytes(gzip.compress(Path("a.de").read_bytes())[:-20])
    for name in ("empty.en", "empty.de"):
        Path(name).touch()
    Path("folder").mkdir()
    before = contents(here)
    result = nmt("train", *files, "-o", "m", *QUICK)
    assert (result.exit_code, result.stderr.count("error")) == (1, 1), result.stderr
    assert result.stderr.startswith(f"error: {said}")
    assert contents(here) == before


def test_nothing_typed(nmt: Nmt) -> None:
    result = nmt("train")
    assert (result.exit_code, result.stderr.split("\n")[0]) == (2, "error: missing argument 'FILE...'")


@pytest.mark.usefixtures("here")
def test_what_a_killed_preparation_left_is_no_obstacle(nmt: Nmt) -> None:
    Path("m/.corpus.abc/new").mkdir(parents=True)
    assert nmt("train", "a.en", "a.de", "-o", "m", *QUICK).exit_code == 0
    assert finished(Path("m"))


@pytest.mark.usefixtures("here")
def test_a_corpus_without_a_model_is_used_or_replaced(nmt: Nmt) -> None:
    """As after Ctrl-C between the preparation and the first update."""
    assert nmt("train", "a.en", "a.de", "-o", "m", *QUICK).exit_code == 0
    for path in Path("m").iterdir():
        if path.name != "corpus":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    result = nmt("train", "a.en", "a.de", "-o", "m", *QUICK, "--set", "data.max_length=99")
    assert result.exit_code == 0, result.stderr
    assert ModelDirectory.open(Path("m")).settings.data.max_length == 99


def test_a_finished_model_can_be_moved_and_stripped(own: Path, nmt: Nmt, tmp_path: Path) -> None:
    text = "Your brother is a teacher.\n\nWhy?\n"
    before = nmt("translate", own, input=text).stdout
    moved = own.rename(tmp_path / "elsewhere")
    for name in ("training", "corpus"):
        shutil.rmtree(moved / name)
    for name in ("metrics.jsonl",):
        (moved / name).unlink()
    assert nmt("translate", moved, input=text).stdout == before
    assert before.count("\n") == 3


def test_a_model_that_lost_its_state_says_that_it_begins_anew(own: Path, small: Path, nmt: Nmt) -> None:
    manifest = json.loads((own / "manifest.json").read_text(encoding="utf-8"))
    (own / "manifest.json").write_text(json.dumps({**manifest, "finished": False}), encoding="utf-8")
    shutil.rmtree(own / "training")
    result = nmt("train", small / "a.en", small / "a.de", "-o", own, *brief("transformer-tiny", 180))
    assert result.exit_code == 0
    assert f"warning: {own} holds weights of this training, but no state to go on from: it begins anew" in result.stderr


def test_no_live_line_where_nobody_looks(trained: Path, nmt: Nmt) -> None:
    assert nmt("translate", trained, input="a\n").stderr == ""


def test_a_refused_corpus_leaves_no_empty_folder(here: Path, nmt: Nmt) -> None:
    (here / "short.de").write_text("Eins.\n", encoding="utf-8")
    result = nmt("train", "a.en", "short.de", "-o", "some/where/model")
    assert result.exit_code == 1
    assert not (here / "some").exists()


@pytest.mark.parametrize("more", [(), ("--restart",)])
def test_one_training_at_a_time(own: Path, small: Path, nmt: Nmt, more: tuple[str, ...]) -> None:
    """Whoever comes second is told who is there, and touches nothing, with --restart either."""
    words = ("train", small / "a.en", small / "a.de", "-o", own, *QUICK, *more)
    with locked(own):
        before = (own / "model.safetensors").read_bytes(), (own / "manifest.json").read_bytes()
        result = nmt(*words)
        assert result.exit_code == 1
        assert "is being trained by another process" in result.stderr
        assert before == ((own / "model.safetensors").read_bytes(), (own / "manifest.json").read_bytes())
    assert "is being trained" not in nmt(*words).stderr


@pytest.mark.usefixtures("here")
def test_what_lies_in_a_folder_of_another_purpose_stays(nmt: Nmt) -> None:
    """A prepared corpus does not make a model directory of the folder that it lies in, nor does a list of words."""
    Path("mine/training").mkdir(parents=True)
    for name in ("training/raw.en", "words.txt", "config.toml", "thesis.tex"):
        (Path("mine") / name).write_text("mine", encoding="utf-8")
    assert nmt("preprocess", "a.en", "a.de", "-o", "mine/corpus").exit_code == 0
    before = contents(Path("mine"))
    for words in ([], ["--restart"]):
        refused = nmt("train", "mine/corpus", "-o", "mine", *QUICK, *words)
        assert (refused.exit_code, "mine must be empty or a model directory" in refused.stderr) == (2, True)
    assert contents(Path("mine")) == before


@pytest.mark.usefixtures("here")
def test_a_restart_takes_away_what_is_of_the_training_and_nothing_else(nmt: Nmt) -> None:
    trained_here(nmt, "--set", "training.keep=2")
    for name in ("notes.txt", "training/notes.txt"):
        (Path("m") / name).write_text("mine", encoding="utf-8")
    assert nmt("train", "a.de", "--task", "lm", "-o", "m", *brief("lm-rnn", 3), "--restart").exit_code == 0
    assert {path.name for path in Path("m/training").iterdir()} == {
        "last.safetensors",
        "previous.safetensors",
        "notes.txt",
    }
    assert Path("m/notes.txt").read_text(encoding="utf-8") == "mine"


@pytest.mark.usefixtures("here")
def test_a_model_of_another_task_takes_the_place_of_a_classifier(nmt: Nmt, small: Path) -> None:
    labelled = ("train", small / "kinds.tsv", "--task", "classify", "-o", "m", *brief("classify-birnn", 3))
    assert nmt(*labelled).exit_code == 0
    result = nmt("train", "a.en", "a.de", "-o", "m", *QUICK, "--restart")
    assert result.exit_code == 0, result.stderr
    assert nmt("translate", "m", input="a\n").exit_code == 0


@pytest.mark.usefixtures("here")
def test_other_text_leaves_a_model_whose_corpus_was_deleted(nmt: Nmt) -> None:
    trained_here(nmt)
    shutil.rmtree("m/corpus")
    before = contents(Path("m"))
    refused = nmt("train", "a.de", "a.en", "--languages", "en-de", "-o", "m", *QUICK)
    assert (refused.exit_code, "m was begun with other data: a.de is not the same text" in refused.stderr) == (1, True)
    assert contents(Path("m")) == before
    refused = nmt(*TRAIN, "--set", "data.max_length=20", "--set", "data.vocabulary=400")
    assert (refused.exit_code, "m was begun with another corpus" in refused.stderr) == (1, True)
    assert contents(Path("m")) == before
    assert nmt(*TRAIN).exit_code == 0


@pytest.mark.usefixtures("here")
def test_a_vocabulary_that_the_text_does_not_give_is_no_other_one(nmt: Nmt) -> None:
    words = (*TRAIN, "--set", "data.vocabulary=30000")
    assert nmt(*words).exit_code == 0
    assert (ModelDirectory.open(Path("m")).settings.data.vocabulary or 0) < 30_000
    again = nmt(*words)
    assert (again.exit_code, "m is a finished model" in again.stderr) == (0, True), again.stderr
    other = nmt(*TRAIN, "--set", "data.vocabulary=20000")
    assert (other.exit_code, "data.vocabulary: " in other.stderr) == (1, True)


@pytest.mark.usefixtures("here")
def test_a_corpus_of_an_earlier_training_is_not_the_models_own(nmt: Nmt) -> None:
    """Its dev may be what the model has learnt from."""
    trained_here(nmt, "--set", "training.keep=2")
    assert nmt("preprocess", "a.en", "a.de", "-o", "c", "--tokenizer", "m", "--max-length", 40).exit_code == 0
    assert nmt("train", "c", "-o", "m", *QUICK, "--set", "training.keep=2", "--restart").exit_code == 0
    for words in (("shortlist", "m"), ("average", "m", "-o", "mean")):
        refused = nmt(*words)
        assert (refused.exit_code, "m holds no corpus of its own" in refused.stderr) == (1, True), refused.stderr


@pytest.mark.usefixtures("here")
def test_a_table_in_front_of_the_corpus(nmt: Nmt) -> None:
    sides = [Path(name).read_text(encoding="utf-8").split("\n")[:20] for name in ("a.en", "a.de")]
    Path("dev.en-de.tsv").write_text("".join(f"{s}\t{t}\n" for s, t in zip(*sides, strict=True)), encoding="utf-8")
    result = nmt("train", "--dev", "dev.en-de.tsv", "a.en", "a.de", "-o", "m", *QUICK)
    assert result.exit_code == 0, result.stderr


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    "left", [[], ["subwords.model"], ["subwords.model", "config.toml", "metrics.jsonl", ".manifest.json.new"]]
)
def test_a_training_that_was_killed_early_begins_anew(left: list[str], nmt: Nmt) -> None:
    """Whatever it has written of its folder, it has the corpus first and the manifest last."""
    trained_here(nmt)
    Path("m/.manifest.json.new").touch()
    for path in list(Path("m").iterdir()):
        if path.is_file() and path.name not in left:
            path.unlink()
    shutil.rmtree("m/training")
    Path("m/subwords.model.part").touch()
    assert nmt(*TRAIN).exit_code == 0


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names of files are Unicode")
@pytest.mark.usefixtures("here")
def test_a_name_that_is_not_utf8(nmt: Nmt) -> None:
    name = os.fsdecode(b"caf\xe9.en")
    shutil.copy("a.en", name)
    result = nmt("train", name, "a.de", "-o", "m", *QUICK)
    assert result.exit_code == 0, result.stderr
    assert "caf\\xe9.en" in ModelDirectory.open(Path("m")).manifest.command
