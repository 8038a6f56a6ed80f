"""The ladder: its commands are understood, its rungs are of one size, and it climbs from corpus to report."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from nmt_cli.cli.app import application
from nmt_cli.models import ARCHITECTURES
from nmt_cli.settings import Settings, Sizes, assignment, merge, resolve
from nmt_cli.training.presets import preset

from . import ladder
from .ladder import CLASSIFIERS, TRANSLATORS, WRITERS, Ladder, Plan, Rung
from .running import wait_until
from .test_readme import cut

ROOT = Path(__file__).resolve().parents[1]
TASKS = {"pairs": "translate", "text": "lm", "cues": "classify"}
VOCABULARIES = {"pairs": 2700, "text": 1300, "cues": 76}  # as preprocess sizes them
TINY = ("--updates", "2", "--set", "model.width=16", "--set", "training.validate_every=2")
RUNGS = Plan().rungs()


def option(rung: Rung, name: str) -> list[str]:
    """The values of an option, as often as it is given."""
    return [value for word, value in zip(rung.options, rung.options[1:], strict=False) if word == name]


def settings_of(rung: Rung) -> Settings:
    tables = [preset(option(rung, "--preset")[0]), *map(assignment, option(rung, "--set"))]
    return resolve(merge(*tables), ARCHITECTURES, origin=rung.name)


def parameters_of(rung: Rung) -> int:
    model = settings_of(rung).model.build(Sizes(VOCABULARIES[rung.corpus], labels=4))
    return sum(parameter.numel() for parameter in model.parameters())


# The plan.


def test_every_model_of_the_issue_is_a_rung() -> None:
    """And each stands there once."""
    names = [rung.name for rung in RUNGS]
    assert names == [*TRANSLATORS, *WRITERS, *CLASSIFIERS]
    assert len(set(names)) == len(names) == 18
    assert names[0] == "rnn"
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "eighteen" in readme or "`make ladder`" not in readme


@pytest.mark.parametrize("rung", RUNGS, ids=lambda rung: rung.name)
def test_the_command_of_a_rung_is_understood(rung: Rung) -> None:
    command = get_command(application()).commands["train"]  # type: ignore[attr-defined]
    known = {way for parameter in command.params for way in parameter.opts}
    assert {word for word in rung.words if word.startswith("-")} <= known
    settings = settings_of(rung)
    assert settings.model.task == TASKS[rung.corpus]
    assert (option(rung, "--task") or ["translate"])[0] == TASKS[rung.corpus]
    assert rung.words[:4] == ["train", f"ladder/{rung.corpus}", "-o", f"ladder/{rung.name}"]


def test_models_of_a_kind_are_trained_alike() -> None:
    for corpus in TASKS:
        same = [rung for rung in RUNGS if rung.corpus == corpus]
        for name in ("batch_tokens", "warmup", "validate_every", "seed"):
            assert len({getattr(settings_of(rung).training, name) for rung in same}) == 1, name
        for name in ("width", "dropout"):
            assert len({getattr(settings_of(rung).model, name) for rung in same}) == 1, name
        assert len({option(rung, "--updates")[0] for rung in same}) == 1


@pytest.mark.parametrize("corpus", TASKS)
def test_parameters_are_about_equal(corpus: str) -> None:
    """But for the Transformers, which are larger; among classifiers they are not."""
    same = [rung for rung in RUNGS if rung.corpus == corpus and (corpus == "cues" or "transformer" not in rung.name)]
    sizes = {rung.name: parameters_of(rung) for rung in same}
    assert len(sizes) > 1
    assert max(sizes.values()) <= 1.1 * min(sizes.values()), sizes


@pytest.mark.parametrize(
    ("lower", "upper", "thing"),
    [
        ("rnn", "rnn-deep", {"encoder_layers", "decoder_layers"}),
        ("rnn", "birnn", {"bidirectional"}),
        ("rnn", "gru", {"cell"}),
        ("rnn", "lstm", {"cell"}),
        ("lstm", "lstm-bottleneck", {"bidirectional"}),
        ("lstm-bottleneck", "lstm-attention", {"attention"}),
        ("transformer-tiny", "transformer-ssru", {"autoregression"}),
        ("lm-rnn", "lm-lstm", {"cell"}),
        ("forward", "bidirectional", {"bidirectional"}),
        ("bidirectional", "pooled", {"pooling"}),
        ("bidirectional", "attention", {"pooling"}),
    ],
)
def test_a_rung_changes_one_thing(lower: str, upper: str, thing: set[str]) -> None:
    """Besides the width that makes up for it."""
    one, other = (settings_of(rung) for name in (lower, upper) for rung in RUNGS if rung.name == name)
    assert one.training == other.training
    before, after = one.model.model_dump(), other.model.model_dump()
    assert {key for key in before if before[key] != after[key]} - {"hidden"} == thing


def test_what_attention_adds() -> None:
    """The number that the ladder's text says."""
    sizes = {rung.name: parameters_of(rung) for rung in RUNGS if rung.name.startswith("lstm-")}
    assert round(100 * sizes["lstm-attention"] / sizes["lstm-bottleneck"]) == 108


def test_no_classifier_loses_its_cue() -> None:
    assert {settings_of(rung).model.model_dump()["word_dropout"] for rung in RUNGS if rung.corpus == "cues"} == {0.0}


def test_more_options_come_last() -> None:
    for rung in Plan(more=("--updates", "2")).rungs():
        assert rung.options[-2:] == ("--updates", "2")


def test_the_target_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^ladder: install\n\t@\$\(BIN\)/python tests/ladder\.py$", makefile, re.MULTILINE)
    assert re.search(r"^\.PHONY:.*\bladder\b", makefile, re.MULTILINE)


# The climb.


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that looks like the repository's, with a phrasebook of a few lines, and a ladder of three rungs."""
    folder = tmp_path / "data" / "phrasebook"
    folder.mkdir(parents=True)
    for name, count in (("train", 120), ("dev", 8), ("test", 9), ("test_long", 3)):
        cut(name, count, folder, name)
    script = (ROOT / "data" / "cue" / "generate.py").read_text(encoding="utf-8")
    (tmp_path / "data" / "cue").mkdir()
    fewer = (
        script.replace("4000", "60").replace("400", "10").replace("2000", "20").replace("LENGTH = 50", "LENGTH = 10")
    )
    (tmp_path / "data" / "cue" / "generate.py").write_text(fewer, encoding="utf-8")
    monkeypatch.setattr(ladder, "TRANSLATORS", {"lstm-attention": ("model.hidden=16",)})
    monkeypatch.setattr(ladder, "WRITERS", {"lm-rnn": ("model.hidden=16",)})
    monkeypatch.setattr(ladder, "CLASSIFIERS", {"pooled": ("classify-birnn", ("model.hidden=16", "model.pooling=max"))})
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path


def test_from_corpus_to_report(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert Ladder(Plan(more=TINY), home=home).run() == 0
    said = capfd.readouterr()
    assert said.err == ""
    commands = re.findall(r"^\$ nmt (\w+)", said.out, re.MULTILINE)
    assert commands == ["preprocess"] * 3 + ["train"] * 3 + ["compare"]
    assert "$ python data/cue/generate.py --output ladder/cue\n" in said.out
    for name, figure in (("lstm-attention", "BLEU"), ("lm-rnn", "perplexity"), ("pooled", "accuracy")):
        assert re.search(rf"^{name} +{figure} [\d.]+.* min$", said.out, re.MULTILINE), name
        assert json.loads((home / "ladder" / name / "manifest.json").read_text("utf-8"))["finished"]
    assert "Quality and cost of translation models\n" in said.out
    assert "Accuracy by the place of the word that decides\n" in said.out
    assert re.search(r"^ladder/report.html after \d+\.\d minutes: open it in a browser.$", said.out, re.MULTILINE)
    assert "<h2>The middle</h2>" in (home / "ladder" / "report.html").read_text(encoding="utf-8")


def test_what_is_there_is_not_prepared_again_and_a_failure_stops_it(
    home: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rung that fails: the reason is said, none waits for its turn (at most one has just begun), none is compared."""
    for name in ("pairs", "text", "cues", "cue"):
        (home / "ladder" / name).mkdir(parents=True)
        (home / "ladder" / name / ("test.position" if name == "cue" else "corpus.json")).touch()
    monkeypatch.setattr(ladder, "cores", lambda: 1)
    assert Ladder(Plan(more=TINY), home=home).run() == 1
    said = capfd.readouterr().out
    commands = re.findall(r"^\$ (\w+ \w+)", said, re.MULTILINE)
    assert set(commands) == {"nmt train"}
    assert len(commands) <= 2
    assert "stopped: lstm-attention ended with exit code 1: error: " in said


INTERRUPTED = """
import sys
from pathlib import Path
from tests import ladder
ladder.TRANSLATORS = {"rnn": ("model.hidden=16",), "lstm-attention": ("model.hidden=16",), "gru": ("model.hidden=16",)}
ladder.cores = lambda: 2
plan = ladder.Plan(more=("--updates", "100000", "--set", "model.width=16", "--set", "training.validate_every=100000"))
sys.exit(ladder.Ladder(plan, home=Path(sys.argv[1])).run())
"""


def test_ctrl_c_ends_all_and_saves(home: Path) -> None:
    for name in ("cue", "text", "cues"):
        (home / "ladder" / name).mkdir(parents=True)
        (home / "ladder" / name / ("test.position" if name == "cue" else "corpus.json")).touch()
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, home], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        encoding="utf-8", start_new_session=True,
    ) as process:  # fmt: skip
        try:
            logs = [home / "ladder" / f"{name}.log" for name in ("rnn", "lstm-attention")]
            wait_until(lambda: all(log.exists() and "updates measured" in log.read_text("utf-8") for log in logs))
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does
            out, err = process.communicate(timeout=60)
        finally:
            process.terminate()  # its children have sessions of their own, and it ends them
    assert (process.returncode, err) == (130, "")
    assert out.endswith("\nstopped; make ladder goes on from there\n")
    for log in logs:
        assert "saved at update" in log.read_text(encoding="utf-8")
    assert not (home / "ladder" / "gru").exists()
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, encoding="utf-8", check=True).stdout
    assert str(home) not in listed


def test_cores() -> None:
    assert 1 <= ladder.cores() <= (os.cpu_count() or 1)
    assert shutil.which("make"), "the ladder is climbed by make"
