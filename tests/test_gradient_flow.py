"""Gradient flow against its definition: one loss at one position, one row, the gradient by finite differences."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nmt_cli.corpus.batching import Batch, Sequences, TextBatch
from nmt_cli.models import ARCHITECTURES
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.settings import Sizes
from nmt_cli.training.gradient_flow import PROBES, STEPS, NoFlow, Probe, Reach, gradient_flow, measure

from .conftest import brief, run_nmt
from .tiny import VOCABULARY, random_model

H = 1e-5
ROWS = [[5, 6, 7], [8], [], [4, 9, 10, 11, 5], [6] * 9, [7, 8]]
TARGETS = [[4, 5], [], [6], [7, 8, 9], [10], [11]]
REACH = Reach(steps=4, longest=8)  # the row of nine is too long
KEPT = [0, 1, 3, 5]
TRANSLATORS = ("transformer", "transformer-post", "transformer-ssru", "recurrent", "rnn-bottleneck", "gru-bahdanau")
CLASSIFIERS = {
    "final": {"architecture": "recurrent-classifier", "width": 8, "hidden": 12},
    "max": {"architecture": "recurrent-classifier", "width": 8, "hidden": 12, "pooling": "max"},
    "attention": {"architecture": "recurrent-classifier", "width": 8, "hidden": 12, "pooling": "attention"},
    "transformer": {"architecture": "transformer-classifier", "width": 8, "heads": 2, "feed_forward": 12, "layers": 1},
}


def classifier(name: str) -> Any:
    """With weights far from those at the beginning: at first all labels are alike."""
    torch.manual_seed(5)
    settings = {**CLASSIFIERS[name], "dropout": 0.3}
    model: Any = (
        ARCHITECTURES[str(settings["architecture"])].model_validate(settings).build(Sizes(VOCABULARY, labels=3))
    )
    model.double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model


def slopes(embedding: nn.Module, size: tuple[int, int], losses: Callable[[int], Tensor]) -> Tensor:
    """(T, ...) the norm of the gradient by each of the vectors (T, D) that an embedding gives, by central differences.

    ``losses(n)``: of n copies of one row, (n, ...); each copy is moved by a little in one number of one vector.
    """
    numbers = size[0] * size[1]

    def move(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        del module, inputs
        by = H * torch.eye(numbers, dtype=output.dtype).view(numbers, *size)
        return output + torch.cat([by, -by])

    handle = embedding.register_forward_hook(move)
    try:
        with torch.no_grad():
            up, down = losses(2 * numbers).chunk(2)
    finally:
        handle.remove()
    gradient = ((up - down) / (2 * H)).view(*size, *up.shape[1:])
    norms: Tensor = gradient.norm(dim=1)
    return norms


def repeated(row: Sequences, copies: int) -> Sequences:
    return Sequences(row.tokens.expand(copies, -1), row.lengths.expand(copies))


def flow_of(rows: Sequence[tuple[list[float], int]], steps: int, *, pooled: bool = False) -> list[float]:
    """flow(k), as the docstring of the module defines it, from the norms of each row and the place where k = 0."""
    units = {id(norms): sum(norms) / len(norms) if pooled else norms[place] for norms, place in rows}
    found = []
    for k in range(steps + 1):
        reached = [(norms, place) for norms, place in rows if place >= k]
        if reached:
            above, below = sum(n[p - k] for n, p in reached), sum(units[id(n)] for n, _ in reached)
            found.append(above / below)
    return found


@pytest.mark.parametrize("name", TRANSLATORS)
def test_an_encoder_decoder(name: str) -> None:
    """Rows of different lengths, a blank one and one that is too long, side by side: each as if it were alone."""
    model = random_model(name)
    rows = []
    for index in KEPT:
        source, first = Sequences.of([ROWS[index]]), Sequences.of([TARGETS[index][:1] or [model.eos]], end=())

        def losses(copies: int, source: Sequences = source, first: Sequences = first) -> Tensor:
            found: Tensor = -model.log_probs(Batch(repeated(source, copies), repeated(first, copies)))[:, 0]
            return found

        norms = slopes(model.encoder.embedding, (len(ROWS[index]) + 1, 16), losses)
        rows.append((norms.tolist(), len(ROWS[index])))  # EOS is k = 0
    found = measure(PROBES["translate"](model, (ROWS, TARGETS), REACH), REACH.steps)
    assert found == pytest.approx(flow_of(rows, REACH.steps), rel=1e-5)
    assert len(found) == REACH.steps + 1
    assert found[0] == 1


@pytest.mark.parametrize("name", sorted(CLASSIFIERS))
def test_a_classifier(name: str) -> None:
    model = classifier(name)
    rows = []
    for index in KEPT:
        text = Sequences.of([ROWS[index]])

        def losses(copies: int, text: Sequences = text) -> Tensor:
            found: Tensor = -model.log_probs(repeated(text, copies)).amax(1)
            return found

        norms = slopes(model.encoder.embedding, (len(ROWS[index]) + 1, 8), losses)
        rows.append((norms.tolist(), len(ROWS[index])))
    found = measure(PROBES["classify"](model, (ROWS,), REACH), REACH.steps)
    assert found == pytest.approx(flow_of(rows, REACH.steps, pooled=name != "final"), rel=1e-5)


@pytest.mark.parametrize("name", ["recurrent-lm", "transformer-lm"])
def test_a_language_model(name: str) -> None:
    """Two stretches of twelve tokens, lines behind each other, each line behind an EOS; the loss of the last eight of each."""
    model = random_model(name)
    steps, length = 3, 3 + 1 + 8
    text = [[4, 5, 6, 7], [], [8, 9], [10, 11, 4, 5, 6], [7, 8, 9, 10, 11, 4, 5], [6, 7, 8]]
    stream = [model.eos, *(token for row in text if row for token in (*row, model.eos))]
    assert len(stream) == 2 * length + 3
    rows = []
    for start in (0, length):
        piece = torch.tensor([stream[start : start + length + 1]])

        def losses(copies: int, piece: Tensor = piece) -> Tensor:
            tokens = piece.expand(copies, -1)
            batch = TextBatch(tokens[:, :-1], tokens[:, 1:], torch.ones(copies, length, dtype=torch.bool))
            found: Tensor = -model.token_log_probs(batch)[0]
            return found

        norms = slopes(
            model.decoder.embedding, (length, 16), losses
        )  # (T, T): by each vector, of the loss at each place
        rows += [(norms[:, place].tolist(), place) for place in range(steps, length)]
    found = measure(PROBES["lm"](model, (text,), Reach(steps, 256)), steps)
    assert found == pytest.approx(flow_of(rows, steps), rel=1e-5)


class LinearReader(nn.Module):
    """h' = a h + x, and a loss that is the sum of h: d loss_t / d x_{t-k} is a^k, by hand."""

    eos = 3

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor
        self.decoder = nn.ModuleDict({"embedding": nn.Embedding(VOCABULARY, 5, dtype=torch.float64)})

    def token_log_probs(self, batch: TextBatch) -> tuple[Tensor, None]:
        """(B, T)"""
        h, found = torch.zeros(len(batch.inputs), 5, dtype=torch.float64), []
        for x in self.embedding(batch.inputs).unbind(1):
            h = self.factor * h + x
            found.append(h.sum(1))
        return torch.stack(found, 1), None

    @property
    def embedding(self) -> nn.Module:
        return self.decoder["embedding"]


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.25])
def test_a_linear_network_by_hand(factor: float) -> None:
    reader = LinearReader(factor)

    @dataclass(frozen=True)
    class Model:
        decoder: Any
        token_log_probs: Any
        eos: int = 3

    @dataclass(frozen=True)
    class Decoder:
        embedding: nn.Module

    model = Model(Decoder(reader.embedding), reader.token_log_probs)
    found = measure(PROBES["lm"](model, ([[4, 5, 6, 7] * 40],), Reach(STEPS, 256)), STEPS)
    assert found == pytest.approx([factor**k for k in range(STEPS + 1)], rel=1e-12)


def test_a_reversed_source_is_counted_in_the_order_of_reading() -> None:
    """EOS is read last, and before it the first word of the source."""
    model = random_model("rnn-bottleneck")
    (probe,) = PROBES["translate"](model, ([[5, 6, 7], [8, 9]], [[4], [4]]), REACH)
    expected = [model.encoder.embedding(torch.tensor([[word]]))[0, 0] for word in (5, 8)]
    for row in range(2):
        torch.testing.assert_close(probe.embedded[row, probe.places[row] - 1], expected[row])


def test_a_short_text_gives_short_curves() -> None:
    model = random_model("recurrent-lm")
    assert len(measure(PROBES["lm"](model, ([[4, 5, 6]],), Reach(STEPS, 256)), STEPS)) == 4
    assert len(measure(PROBES["lm"](model, ([[4] * 44],), Reach(STEPS, 256)), STEPS)) == STEPS + 1
    model = random_model("recurrent")
    assert len(measure(PROBES["translate"](model, ([[4, 5, 6]], [[4]]), Reach(STEPS, 256)), STEPS)) == 4


@pytest.mark.parametrize(("task", "name"), [("translate", "recurrent"), ("lm", "recurrent-lm"), ("classify", "final")])
def test_no_text(task: str, name: str) -> None:
    model = classifier(name) if task == "classify" else random_model(name)
    rows: list[list[int]] = [[], []]
    columns = (rows,) * (2 if task == "translate" else 1)
    with pytest.raises(NoFlow, match="must be measured on lines that the model can take, but there are none"):
        measure(PROBES[task](model, columns, REACH), REACH.steps)


def test_nothing_flows_to_the_last_place() -> None:
    """As in a maximum that another place has; the mean over all places is no zero."""
    embedded = torch.ones(1, 3, 2, requires_grad=True)
    losses, places = embedded[:, 0].sum(1), torch.tensor([2])
    with pytest.raises(NoFlow, match="relative to that of k = 0, but the loss does not depend on what stands there"):
        measure(iter([Probe(losses, embedded, places)]), 4)
    assert measure(iter([Probe(losses, embedded, places, pooled=True)]), 4) == pytest.approx((0, 0, 3))


LINES = ["The dog sleeps.", "I see the old house and the garden behind it.", "", "Where are you?"]


def test_fresh_weights_are_those_that_the_training_began_with(small: Path, tmp_path: Path) -> None:
    """A training that hardly moves them leaves both curves alike; with another seed they part."""
    still = ("--set", "training.learning_rate=1e-12", "--seed", 7)
    words = (small / "a.en", small / "a.de", "-o", tmp_path / "m", *brief("lstm-attention", 1), *still)
    assert run_nmt("train", *words).exit_code == 0
    found = gradient_flow(ModelDirectory.open(tmp_path / "m"), (LINES, LINES))
    assert found.initial == pytest.approx(found.trained, rel=1e-4)
    other = shutil.copytree(tmp_path / "m", tmp_path / "other")
    config = (other / "config.toml").read_text(encoding="utf-8")
    assert "seed = 7" in config
    (other / "config.toml").write_text(config.replace("seed = 7", "seed = 8"), encoding="utf-8")
    parted = gradient_flow(ModelDirectory.open(other), (LINES, LINES))
    assert parted.trained == found.trained
    assert parted.initial != pytest.approx(found.initial, rel=0.01)


@pytest.mark.parametrize("fixture", ["trained", "trained_lstm", "writer", "stream_writer", "classifier"])
def test_of_a_model_directory(fixture: str, request: pytest.FixtureRequest) -> None:
    """The curves begin at 1, training has changed them, and nobody's random numbers are touched."""
    directory = ModelDirectory.open(request.getfixturevalue(fixture))
    columns = (LINES, LINES) if directory.manifest.task == "translate" else (LINES,)
    before = torch.get_rng_state()
    found = gradient_flow(directory, columns)
    assert torch.equal(torch.get_rng_state(), before)
    assert found.initial[0] == found.trained[0] == 1
    assert len(found.initial) == len(found.trained) > 5
    assert found.initial != pytest.approx(found.trained, rel=0.01)
    assert all(0 < value < float("inf") for value in (*found.initial, *found.trained))
    assert found == gradient_flow(directory, columns)


def test_spaces_and_forms_of_letters_do_not_matter(trained: Path) -> None:
    directory = ModelDirectory.open(trained)
    spaced = [f"  {line}\u00a0" for line in LINES]
    assert gradient_flow(directory, (spaced, LINES)) == gradient_flow(directory, (LINES, LINES))
