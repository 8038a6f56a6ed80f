"""What is measured is what is said: work is counted as torch counts it, stages add up, and figures follow from one another."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from nmt_cli.bench import training, translation
from nmt_cli.bench.corpora import Drawn, Prepared
from nmt_cli.bench.crew import everywhere
from nmt_cli.bench.peak import gemm_peak
from nmt_cli.bench.reading import Reading, of_pairs, of_text
from nmt_cli.bench.stopwatch import Stopwatch
from nmt_cli.bench.training import STAGES, Subject
from nmt_cli.bench.work import COUNTS, Work, work_of
from nmt_cli.corpus.batching import Batch, Sequences, TextBatch
from nmt_cli.errors import ConfigError, NMTError
from nmt_cli.models import ARCHITECTURES, rounding
from nmt_cli.models.cells import LSTM, Cell
from nmt_cli.models.encoder_decoder import EncoderDecoder
from nmt_cli.settings import ModelSettings, Sizes
from nmt_cli.training.average import Average
from nmt_cli.training.team import Alone, Share, Team

from .conftest import Nmt

SIZES = Sizes(50)
TINY = ("model.width=16", "model.heads=2", "model.feed_forward=16", "training.batch_tokens=128")
RECURRENT: dict[str, Any] = {"width": 16, "hidden": 12}
DEEP: dict[str, Any] = {**RECURRENT, "encoder_layers": 2, "decoder_layers": 2}
ATTENTIVE: dict[str, Any] = {"width": 16, "heads": 2, "feed_forward": 24}

EXACT: list[tuple[str, dict[str, Any]]] = [
    ("transformer", ATTENTIVE),
    ("transformer", {**ATTENTIVE, "activation": "swiglu", "encoder_layers": 2, "decoder_layers": 1}),
    ("transformer", {**ATTENTIVE, "autoregression": "ssru"}),
    ("transformer-lm", {**ATTENTIVE, "layers": 2}),
    *(("recurrent", {"width": 16, "cell": cell}) for cell in ("rnn", "gru", "lstm")),
    *(("recurrent", {**RECURRENT, "attention": kind}) for kind in ("none", "dot", "scaled", "general", "multi-head")),
    *(("recurrent", {"width": 16, "bridge": bridge}) for bridge in ("copy", "zero")),
    *(("recurrent", {**DEEP, "context": context}) for context in ("after", "before")),
    ("recurrent", {**DEEP, "bidirectional": False}),
    ("recurrent-lm", {"width": 16}),
    ("recurrent-lm", {**RECURRENT, "layers": 2}),
]
NEARLY: list[tuple[str, dict[str, Any]]] = [
    (
        "recurrent",
        {**RECURRENT, "attention": "additive"},
    ),  # its slopes are an outer product, which no matrix product makes
    ("recurrent", {**RECURRENT, "context": "feeding"}),  # nothing is fed to the first step
]


def counted(settings: ModelSettings, batch: Any) -> float:
    """Floating-point operations of the matrix products of a forward and a backward pass, as torch sees them."""
    aten = torch.ops.aten
    model: Any = settings.build(SIZES).train()

    def product(*shapes: Any, **_: Any) -> int:
        first, second = [shape for shape in shapes if isinstance(shape, torch.Size)][-2:]
        return int(2 * first.numel() * (second[1] if len(second) == 2 else 1))

    def linear(values: Any, weight: Any, *_: Any, **__: Any) -> int:
        return int(2 * values.numel() * weight[0])

    seen = dict.fromkeys((aten.addmm_, aten.mv, aten.addmv_), product)
    if hasattr(torch.ops.mkldnn, "_linear_pointwise"):  # of builds with oneDNN
        seen[torch.ops.mkldnn._linear_pointwise] = linear
    with FlopCounterMode(display=False, custom_mapping=seen) as counter:
        loss, _ = model.loss(batch, None, smoothing=0.1)
        loss.total.backward()
    total: int = counter.get_total_flops()
    # The slope of a bias is a sum, but is made by a product with a vector.
    bias: int = 2 * loss.count * len(model.output.weight)
    return (total - bias) / 1e9


def share_of_count(architecture: str, settings: dict[str, Any]) -> float:
    """What torch counts, relative to what we do."""
    config = ARCHITECTURES[architecture].model_validate({"architecture": architecture, "dropout": 0.0, **settings})
    source, target = (torch.randint(4, 50, (6, length)) for length in (7, 9))
    work = work_of(config, SIZES)
    assert work is not None
    if config.task == "lm":
        text = TextBatch(target, target, torch.ones_like(target, dtype=torch.bool))
        return counted(config, text) / work.training(of_text(text))
    lengths = (torch.full((6,), length) for length in (7, 9))
    pairs = Batch(*(Sequences(tokens, each) for tokens, each in zip((source, target), lengths, strict=True)))
    return counted(config, pairs) / work.training(of_pairs(pairs))


@pytest.fixture
def _visible(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch's own LSTM is one operator, of which the counter knows nothing: ours does the same in matrix products."""
    monkeypatch.setattr(LSTM, "forward", Cell.forward)


@pytest.mark.usefixtures("_visible")
@pytest.mark.parametrize(("architecture", "settings"), EXACT)
def test_work_is_what_torch_counts(architecture: str, settings: dict[str, Any]) -> None:
    assert share_of_count(architecture, settings) == pytest.approx(1, rel=1e-12)


@pytest.mark.usefixtures("_visible")
@pytest.mark.parametrize(("architecture", "settings"), NEARLY)
def test_work_is_nearly_what_torch_counts(architecture: str, settings: dict[str, Any]) -> None:
    assert 0.98 < share_of_count(architecture, settings) < 1


def test_who_counts_what() -> None:
    assert {name for name, _ in (*EXACT, *NEARLY)} == set(COUNTS)
    labels = ARCHITECTURES["transformer-classifier"].model_validate({"architecture": "transformer-classifier"})
    assert work_of(labels, Sizes(50, 2)) is None


def test_the_formula_of_the_limit() -> None:
    d, f, layers, columns = 128, 256, 4, 8000 - 3
    settings = Subject.of("transformer-tiny", Drawn()).settings.model
    work = work_of(settings, Sizes(8000))
    assert work is not None
    encoder, decoder = layers * (4 * d * d + 2 * d * f) + 2 * layers * d * d, layers * (6 * d * d + 2 * d * f)
    assert (work.source, work.target, work.output) == (encoder, decoder, d * columns)
    assert work.source_pair == work.target_pair == work.cross_pair == 2 * d * layers
    greedy, beam = work.decoding(10, 12), work.decoding(10, 12, rows=5)
    pairs = 10**2 * work.source_pair + 12 * 13 // 2 * work.target_pair + 12 * 10 * work.cross_pair
    assert greedy == pytest.approx(2 * (10 * encoder + 12 * (decoder + d * columns) + pairs) / 1e9)
    assert 3 < beam / greedy < 5, "the encoder runs once, and the first step has one row"


def test_what_is_read() -> None:
    pairs = Batch(Sequences.of([[5, 6], [5]]), Sequences.of([[5], [5, 6, 7]]))
    assert of_pairs(pairs) == Reading(2, 5, 6, 13, 20, 3 * 2 + 2 * 4, 2 * 3 + 2 * 4)
    text = TextBatch.of([[5, 6], [5]])
    assert of_text(text) == Reading(2, 0, 5, 0, 13, 0, 6)
    both = of_pairs(pairs) + of_text(text)
    assert (both.sentences, both.target, both.padding) == (4, 11, 1 - 16 / 20)
    assert Reading().padding == 0
    assert Work(source=1, target=2, output=3, sentence=4).training(Reading(1, 10, 100)) == 6 * (10 + 500 + 4) / 1e9


def test_a_stopwatch_loses_nothing() -> None:
    watch = Stopwatch()
    for stage in ("data", "loss", "data"):
        watch.lap(stage)
    assert set(watch.seconds) == {"data", "loss"}
    assert watch.total == sum(watch.seconds.values()) > 0
    watch.restart()
    assert watch.total == 0


def test_drawn_sentences_are_as_said() -> None:
    corpus = Drawn(vocabulary=300, length=25, rows=3000)
    for column in corpus.columns().values():
        assert float((column.lengths + 1).mean()) == pytest.approx(25, rel=0.05)
        assert len(column) == 3000
        assert [len(column.ids(row)) for row in range(3000)] == column.lengths.tolist()
        assert all(4 <= id_ < 300 for row in range(100) for id_ in column.ids(row))
    settings = Subject.of("transformer-tiny", corpus).settings.training
    whole = sum(len(rows) for rows in corpus.reader("translate", settings, Share()).epoch(0))
    assert whole == 3000
    lines = Subject.of("lm-transformer", corpus).settings.training
    assert sum(len(rows) for rows in corpus.reader("lm", lines, Share()).epoch(0)) == 3000
    text = Subject.of("lm-lstm", corpus).settings.training
    stream: Any = corpus.reader("lm", text, Share())
    assert stream.tokens[:, : text.window].shape == (text.batch_tokens // text.window, text.window)


def test_the_peak_is_a_figure() -> None:
    assert gemm_peak(0.0) > 0


def _rank(team: Team) -> tuple[int, int, float]:
    return team.share.rank, team.share.size, team.sum([team.share.rank + 1.0])[0]


def _refuse(team: Team) -> None:
    raise ConfigError(f"process {team.share.rank} refuses")


def _die(team: Team) -> None:
    del team
    raise SystemExit(3)


def test_everywhere() -> None:
    assert everywhere(_rank, 2) == [(0, 2, 3.0), (1, 2, 3.0)]


@pytest.mark.parametrize(("task", "said"), [(_refuse, "process 0 refuses"), (_die, "ended before its work was done")])
def test_everywhere_errors_come_home(task: Callable[[Team], None], said: str) -> None:
    with pytest.raises(NMTError, match=said):
        everywhere(task, 1)


@pytest.mark.parametrize(("preset", "workers"), [("transformer-tiny", 2), ("lm-lstm", 1)])
def test_a_training_is_measured(preset: str, workers: int) -> None:
    table = {"model": {"width": 16}, "training": {"batch_tokens": 256}}
    found = training.measure(Subject.of(preset, Drawn(rows=400), table), workers=workers, seconds=0.2)
    assert found.workers == workers
    assert set(found.stages) == set(STAGES)
    assert sum(found.stages.values()) == pytest.approx(1)
    assert all(0 < share < 1 for share in found.stages.values())
    assert found.useful is not None
    assert found.gflops == pytest.approx(found.useful / found.seconds)
    assert found.efficiency == pytest.approx(found.useful / found.seconds / found.peak)
    assert found.seconds >= 0.2
    assert found.read.target == pytest.approx(found.tokens_per_second * found.seconds)
    assert (found.read.source == 0) == (preset == "lm-lstm")


def test_two_passes_are_twice_the_work_and_their_loss_is_timed() -> None:
    table = {"model": {"width": 16}, "training": {"batch_tokens": 256, "r_drop": 3.0, "ema": 0.9}}
    found = training.measure(Subject.of("transformer-tiny", Drawn(rows=400), table), workers=1, seconds=0.2)
    work = work_of(Subject.of("transformer-tiny", Drawn(), table).settings.model, Drawn().sizes)
    assert work is not None
    assert found.useful == pytest.approx(2 * work.training(found.read))
    assert found.stages["loss"] > 0.05


def test_an_average_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the time that is measured."""
    followed: list[int] = []
    monkeypatch.setattr(Average, "follow", lambda _, update: followed.append(update))
    table = {"model": {"width": 16}, "training": {"batch_tokens": 256, "ema": 0.9}}
    measuring = training._Training(Subject.of("transformer-tiny", Drawn(rows=400), table), 0.05)
    measuring(Alone())
    assert followed == list(range(1, len(followed) + 1))
    assert followed


def test_a_prepared_corpus_is_measured(trained: Path) -> None:
    corpus = Prepared(trained / "corpus")
    table = {"model": {"width": 16}, "training": {"batch_tokens": 256}}
    found = training.measure(Subject.of("transformer-tiny", corpus, table), workers=1, seconds=0.01)
    assert found.read.target > 0
    assert found.stages["exchange"] < 0.01, "nobody to exchange with"


def test_translation_is_measured() -> None:
    table = {"model": {"width": 16}, "search": {"batch_tokens": 64}}
    corpus = Drawn(vocabulary=40, length=6, rows=100)
    found = translation.measure(Subject.of("lstm-attention", corpus, table).settings, corpus, 2, 0.01)
    assert [one.search for one in found] == list(translation.SEARCHES)
    assert all(one.lines > 0 and one.lines_per_second == one.lines / one.seconds for one in found)


def test_translation_is_measured_as_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """By packed models."""
    packed: list[Any] = []
    monkeypatch.setattr(EncoderDecoder, "pack", lambda model: packed.append(model))
    monkeypatch.setattr(translation, "everywhere", lambda task, workers: [task(Alone())] * workers)
    corpus = Drawn(vocabulary=40, length=6, rows=100)
    settings = Subject.of("transformer-tiny", corpus, {"model": {"width": 16}}).settings
    translation.measure(settings, corpus, 1, 0.01)
    assert len(packed) == 1


ROUNDED = ("training.precision=bfloat16",)


def options(table: tuple[str, ...]) -> Iterator[str]:
    """``--set`` for each."""
    for setting in table:
        yield from ("--set", setting)


def test_the_command_says_what_it_means(nmt: Nmt) -> None:
    result = nmt("bench", "--preset", "transformer-small", "--workers", 1, "--seconds", 0.01, *options(TINY))
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert re.fullmatch(r"1 process of \d+ threads?, which multiply matrices at [\d,]+ GFLOP/s at best", lines[0])
    for said in (
        r"transformer-small +[\d,]+ +[\d,.]+ +\d+ % +\d+ %",
        r"where the time goes +data +forward +loss +backward +exchange +optimizer",
        r"a million sentences of 25 subwords, learnt from once:",
        r"from a million pairs nmt train would make a transformer-small, in \d+ epochs at most: .+",
        r"translation, transformer-small +lines/s +a million lines",
        r"  beam 5 +[\d,.]+ +.+",
    ):
        assert any(re.fullmatch(said, line) for line in lines), said


@pytest.mark.parametrize(("pays", "table", "said"), [(True, (), 1), (True, ROUNDED, 0), (False, (), 0)])
def test_bfloat16_is_recommended_where_it_pays(
    pays: bool, table: tuple[str, ...], said: int, nmt: Nmt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounding, "pays", lambda: pays)
    words = ("--preset", "transformer-tiny", "--workers", 1, "--seconds", 0.01, *options((*TINY, *table)))
    result = nmt("bench", *words)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.count("\nthis processor multiplies bfloat16: --set training.precision=bfloat16") == said
    assert result.stdout.count("\nthe peak is that of float32, which bfloat16 may exceed\n") == len(table)


def test_the_command_in_json(nmt: Nmt) -> None:
    words = ("--preset", "transformer-tiny", "--preset", "lm-rnn", "--set", "model.width=16", "--seconds", 0.01)
    result = nmt("bench", *words, "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert [one["name"] for one in found["training"]] == ["transformer-tiny", "lm-rnn"]
    for one in found["training"]:
        assert one["efficiency"] == pytest.approx(one["useful_gflops"] / one["gemm_peak_gflops"])
        hours = 1_000_000 * found["sentence_length"] / one["target_tokens_per_second"] / 3600
        assert one["hours_per_million_sentences"] == pytest.approx(hours)
    assert list(found["translation"]) == ["transformer-tiny"]
    assert all(one["lines_per_second"] > 0 for one in found["translation"]["transformer-tiny"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--preset", "transformer-tinny"), "did you mean transformer-tiny?"),
        (("--preset", "classify-birnn"), "classify-birnn is for the task classify"),
        (("--seconds", 0), "--seconds must be above 0, but is 0"),
        (("--workers", 0), "--workers must be at least 1, but is 0"),
        (("--set", "model.widht=3"), "did you mean model.width?"),
        (
            ("--set", "training.bpe_dropout=0.1"),
            "training.bpe_dropout must be 0 where sentences are drawn by lot, but is 0.1",
        ),
    ],
)
def test_what_cannot_be_measured(words: tuple[object, ...], said: str, nmt: Nmt) -> None:
    result = nmt("bench", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
