"""The benchmark of other toolkits, without them: what they are asked for, what their logs say, who is left out."""

import json
import re
import sys
from pathlib import Path
from typing import ClassVar

import pytest

from nmt_cli.bench.corpora import Drawn
from nmt_cli.bench.training import Subject
from nmt_cli.corpus.dataset import PreparedCorpus
from nmt_cli.settings import Settings
from tests.benchmarks.contest import Unavailable, contest
from tests.benchmarks.peers.eole import Eole
from tests.benchmarks.peers.joeynmt import JoeyNMT
from tests.benchmarks.peers.marian import Marian
from tests.benchmarks.peers.peer import Peer
from tests.benchmarks.peers.text import Text

LOGS = {
    Marian: "[2026-01-01 10:00:00] Ep. 1 : Up. 5 : Sen. 1,553 : Cost 8.91 : Time 66.68s : 2,378.23 words/s : gNorm 1.54",
    Eole: "INFO] Step 26/100000; acc: 5.5; lr: 5.00e-04; sents: 413; bsz: 3016/3734/206; 1926/2378 tok/s;    372 sec;",
    JoeyNMT: "INFO - Epoch   1, Step:        5, Batch Acc: 0.002687, Tokens per Sec:     2378, Lr: 0.000100",
}


@pytest.fixture
def text(trained: Path, tmp_path: Path) -> Text:
    """The corpus of a model, for others."""
    return Text.of(PreparedCorpus.open(trained / "corpus"), tmp_path / "text")


def settings_of(preset: str) -> Settings:
    """Of a preset as it is."""
    return Subject.of(preset, Drawn()).settings


@pytest.mark.parametrize("kind", LOGS)
def test_what_their_logs_say(kind: type[Peer]) -> None:
    found = kind.rate.search(LOGS[kind])
    assert found is not None
    assert int(float(found[1].replace(",", ""))) == 2378


def test_everybody_reads_the_same(text: Text, trained: Path) -> None:
    corpus = PreparedCorpus.open(trained / "corpus")
    for side, tokens in (("source", text.source_tokens), ("target", text.target_tokens)):
        lines = text.path(f"train.{side}").read_text(encoding="utf-8").splitlines()
        assert [list(map(int, line.split())) for line in lines] == [
            corpus.train[side].ids(row).tolist() for row in range(len(corpus.train))
        ]
        assert sum(len(line.split()) + 1 for line in lines) == tokens
    words = text.words(["</s>"])
    assert len(words) == len(set(words)) == text.size - 3
    used = set(text.path("train.target").read_text(encoding="utf-8").split())
    assert used <= set(words)


def test_marian_is_asked_for_the_same_model(text: Text, tmp_path: Path) -> None:
    settings = settings_of("transformer-tiny")
    *_, words = Marian(tmp_path, 2).command(settings, text, tmp_path)
    for said in (
        "--dim-emb 128",
        "--transformer-dim-ffn 256",
        "--enc-depth 4",
        "--cpu-threads 2",
        "--label-smoothing 0.1",
    ):
        assert said in words
    budget = re.search(r"--mini-batch-words (\d+)", words)
    assert budget is not None
    assert int(budget[1]) * text.target_tokens / text.source_tokens == pytest.approx(4096, rel=0.01)
    with pytest.raises(Unavailable, match="no such recurrent model"):
        Marian(tmp_path, 2).command(settings_of("lstm-attention"), text, tmp_path)


def test_eole_is_asked_for_the_same_model(text: Text, tmp_path: Path) -> None:
    path = Path(Eole(tmp_path, 2).command(settings_of("transformer-small"), text, tmp_path)[-1])
    table = json.loads(path.read_text(encoding="utf-8"))
    assert table["model"]["hidden_size"] == 256
    assert table["model"]["encoder"]["layers"] == 3
    assert table["training"]["batch_size"] == 4096
    assert len(Path(table["src_vocab"]).read_text(encoding="utf-8").splitlines()) == text.size
    with pytest.raises(Unavailable, match="Transformers alone"):
        Eole(tmp_path, 2).command(settings_of("lstm-attention"), text, tmp_path)


def test_joeynmt_is_asked_for_the_same_model(text: Text, tmp_path: Path) -> None:
    joeynmt = JoeyNMT(tmp_path, 2)
    for preset, kind, width in (("transformer-tiny", "transformer", 128), ("lstm-attention", "recurrent", 256)):
        *_, path, _ = joeynmt.command(settings_of(preset), text, tmp_path)
        model = json.loads(Path(path).read_text(encoding="utf-8"))["model"]
        assert (model["decoder"]["type"], model["decoder"]["hidden_size"]) == (kind, width)
        assert model["encoder"]["embeddings"]["embedding_dim"] == width
    for preset in ("gru-bahdanau", "lm-lstm"):
        with pytest.raises(Unavailable):
            joeynmt.command(settings_of(preset), text, tmp_path)


class Echo(Peer):
    """A toolkit that says what its program says."""

    name: ClassVar[str] = "Echo"
    packages: ClassVar[tuple[str, ...]] = ()
    rate: ClassVar[re.Pattern[str]] = re.compile(r"at ([\d.,]+) a second")
    program: ClassVar[str] = "import time\nwhile True: print('at 1,000 a second', flush=True); time.sleep(0.05)"

    @property
    def python(self) -> Path:
        """Ours."""
        return Path(sys.executable)

    def command(self, settings: Settings, text: Text, folder: Path) -> list[str]:
        """The program."""
        del settings, text, folder
        return ["-c", self.program]


class Broken(Echo):
    """One that does not work."""

    program: ClassVar[str] = "raise SystemExit('no such processor')"


def test_a_peer_is_listened_to_and_ended(text: Text, tmp_path: Path) -> None:
    assert Echo(tmp_path, 1).speed(settings_of("transformer-tiny"), text, 0.5) == pytest.approx(1000)
    with pytest.raises(Unavailable, match="did not train: no such processor"):
        Broken(tmp_path, 1).speed(settings_of("transformer-tiny"), text, 0.5)


def test_rounds_are_paired() -> None:
    order: list[str] = []

    def figure(name: str, figures: list[float]) -> float:
        order.append(name)
        if not figures:
            raise Unavailable("it is gone")
        return figures.pop(0)

    ours, others = [6.0, 8.0, 10.0], [3.0, 2.0, 5.0]
    results = contest(
        {"ours": lambda: figure("ours", ours), "theirs": lambda: figure("theirs", others), "none": lambda: figure("none", [])}, 3
    )  # fmt: skip
    assert order == ["ours", "theirs", "none", "theirs", "ours", "ours", "theirs"]
    assert results.missing == {"none": "it is gone"}
    assert results.median("ours") == 8
    assert results.ratio("ours", "theirs") == (2, 2, 4)
