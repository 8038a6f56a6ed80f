"""Training in bfloat16: near float32 and not equal to it, in every architecture; what is added up is not rounded."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from nmt_cli.corpus.batching import LabelledBatch
from nmt_cli.models import rounding
from nmt_cli.models.agreement import agreement
from nmt_cli.models.base import Model
from nmt_cli.models.encoder_decoder import EncoderDecoder
from nmt_cli.models.losses import cross_entropy, logits_sum
from nmt_cli.models.recurrent_settings import CELLS, CellName
from nmt_cli.models.rounding import rounded
from nmt_cli.settings import Sizes, TrainingSettings
from nmt_cli.training.lesson import lesson_of
from tests import oracles, test_classifier
from tests.conftest import Nmt
from tests.tiny import TINY, VOCABULARY, config, lesson, random_batch

STEP = 2.0**-8  # between two neighbours of bfloat16, for each of their size


def learnt(model: Model, batch: Any, **settings: Any) -> tuple[float, Tensor]:
    """The loss of a batch, and its gradient by all weights."""
    model.zero_grad()
    loss, _ = lesson_of(model, TrainingSettings(**settings))(batch, None)
    assert loss.total.dtype == loss.nll.dtype == torch.float32
    loss.total.backward()  # type: ignore[no-untyped-call]
    found = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    assert {each.dtype for each in found} == {torch.float32}
    return loss.total.item(), torch.cat([each.flatten() for each in found])


def near(model: Model, batch: Any, **settings: Any) -> None:
    """In bfloat16 a little differs, and not much."""
    (loss, wanted), (found_loss, found) = (
        learnt(model, batch, precision=precision, **settings) for precision in ("float32", "bfloat16")
    )
    assert 0 < abs(found_loss / loss - 1) < STEP
    assert 0 < float((found - wanted).norm() / wanted.norm()) < 16 * STEP


@pytest.mark.parametrize("name", sorted(TINY))
def test_every_architecture(name: str) -> None:
    torch.manual_seed(1)
    model: Any = config(name).build(Sizes(VOCABULARY))
    near(model.train(), lesson(name, random_batch(30, seed=3))[0])


def test_two_passes() -> None:
    torch.manual_seed(1)
    model: Any = config("transformer").build(Sizes(VOCABULARY))
    near(model.train(), random_batch(30, seed=3), r_drop=3.0)


@pytest.mark.parametrize("name", sorted(test_classifier.TINY))
def test_every_classifier(name: str) -> None:
    model = test_classifier.build(name).float().train()
    texts, labels = random_batch(30, seed=3).source, torch.arange(30) % 3
    near(model, LabelledBatch(texts, labels))
    with rounded():
        loss, _ = model.loss(LabelledBatch(texts, labels), smoothing=0.1)
        logits = model(texts)
    wanted = functional.cross_entropy(logits.float(), labels, reduction="sum", label_smoothing=0.1)
    torch.testing.assert_close(loss.total, wanted, rtol=1e-6, atol=0)  # nothing behind the logits is rounded


@pytest.mark.parametrize("lengths", [(4, 4, 4), (4, 2, 1)])
@pytest.mark.parametrize("cell", sorted(CELLS))
def test_states_of_cells_are_whole(cell: CellName, lengths: tuple[int, ...]) -> None:
    torch.manual_seed(1)
    made = CELLS[cell](6, 5)
    inputs, mask = torch.randn(3, 4, 6), torch.arange(4) < torch.tensor(lengths)[:, None]
    start = tuple(torch.randn(3, 5).bfloat16() for _ in range(made.states))  # as a bridge gives them
    with rounded():
        outputs, ends = made(inputs.bfloat16(), mask, start)
    assert {each.dtype for each in (outputs, *ends)} == {torch.float32}
    wanted, _ = made(inputs, mask, tuple(each.float() for each in start))
    assert 0 < float((outputs - wanted).detach().abs().max()) < 4 * STEP


def test_whatever_is_measured_is_whole(nmt: Nmt, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lessons are rounded, dev is not."""
    seen: set[tuple[bool, bool]] = set()
    loss = EncoderDecoder.loss

    def watched(model: Any, *given: Any, **named: Any) -> Any:
        seen.add((model.training, rounding.is_rounded()))
        return loss(model, *given, **named)

    monkeypatch.setattr(EncoderDecoder, "loss", watched)
    found = nmt(
        "train", small / "a.en", small / "a.de", "-o", tmp_path / "model", "--preset", "gru", "--updates", "2",
        "--set", "training.precision=bfloat16",
    )  # fmt: skip
    assert found.exit_code == 0, found.stderr
    assert seen == {(True, True), (False, False)}


def test_what_comes_back_to_a_weight_adds_up_in_float32() -> None:
    """A recurrent decoder reads its weights at each step: in bfloat16 the sum of 2,000 equal gradients would end at 256."""
    weight, value = torch.ones(1, 1, requires_grad=True), torch.ones(1, 1)
    with rounded():
        total = torch.stack([functional.linear(value, weight).sum().float() for _ in range(2000)]).sum()
    (found,) = torch.autograd.grad(total, weight)
    assert float(found) == 2000


@pytest.mark.parametrize("passes", [1, 2])
def test_what_is_nearly_known_is_still_learnt(passes: int) -> None:
    """The gradient of a token that is expected is small, and a difference: it is taken before anything is rounded."""
    table = torch.ones(1, 1)
    for _ in range(4):
        table = torch.kron(table, torch.tensor([[0.5, 0.5], [0.5, -0.5]]) * 2**0.5)  # rows at right angles, of length 1
    table, bias, targets = table.round(decimals=2), torch.zeros(16), torch.arange(16)
    hidden, other = ((size * table).requires_grad_() for size in (9.0, 9.5))  # 99.8 and 99.9 % for the right one
    losses = []
    for precision in (nullcontext(), rounded()):
        with precision:
            loss = (
                cross_entropy(hidden, table, bias, targets, 0.0)
                if passes == 1
                else agreement((hidden, other), table, bias, targets, 0.0, 3.0)
            )
        losses.append(torch.autograd.grad(loss[0], hidden)[0])
    wanted, found = losses
    assert float((found - wanted).norm() / wanted.norm()) < 2 * STEP


def test_cross_entropy_adds_up_in_float32() -> None:
    """16,384 times the same row: the bfloat16 sum would stop growing long before the end."""
    rows = 2**14
    torch.manual_seed(1)
    hidden, weight, bias = (
        value.bfloat16().float().requires_grad_()
        for value in (torch.randn(1, 8).expand(rows, 8), torch.randn(5, 8), torch.zeros(5))
    )
    targets = torch.zeros(rows, dtype=torch.int64)
    with rounded():
        total, nll = cross_entropy(hidden, weight, bias, targets, 0.1)
    wanted_total, wanted_nll = oracles.cross_entropy(hidden @ weight.T + bias, targets, 0.1)
    torch.testing.assert_close((total, nll), (wanted_total, wanted_nll), rtol=2 * STEP, atol=0)
    found = torch.autograd.grad(total, (weight, bias))
    wanted = torch.autograd.grad(wanted_total, (weight, bias))
    for one, other in zip(found, wanted, strict=True):
        assert float((one - other).norm() / other.norm()) < 4 * STEP


def test_the_sum_of_all_logits_is_whole() -> None:
    torch.manual_seed(2)
    hidden, table, bias = torch.rand(300, 16), torch.rand(40, 16), torch.rand(40)
    with rounded():
        found = logits_sum(hidden, table, bias)
    wanted = (hidden.double() @ table.double().T + bias.double()).sum().float()
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=0)


@pytest.mark.parametrize("passes", [1, 2])
def test_losses_are_those_of_rounded_logits(passes: int) -> None:
    torch.manual_seed(2)
    hidden = [torch.randn(300, 16).requires_grad_() for _ in range(passes)]
    table, bias, targets = (
        torch.randn(40, 16).requires_grad_(),
        torch.randn(40).requires_grad_(),
        torch.arange(300) % 40,
    )
    inputs = (*hidden, table, bias)
    logits = [(each.bfloat16() @ table.bfloat16().T + bias.bfloat16()).float() for each in hidden]
    with rounded():
        if passes == 1:
            found = cross_entropy(hidden[0], table, bias, targets, 0.1)
        else:
            found = agreement((hidden[0], hidden[1]), table, bias, targets, 0.1, 3.0)
    if passes == 1:
        wanted = oracles.cross_entropy(logits[0], targets, 0.1)
    else:
        wanted = oracles.agreement((logits[0], logits[1]), targets, 0.1, 3.0)
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=0)
    gradients = (torch.autograd.grad(loss, inputs) for loss in (found[0], wanted[0]))
    for one, other in zip(*gradients, strict=True):
        assert float((one - other).norm() / other.norm()) < 4 * STEP


def test_a_processor_without_it_is_named(
    nmt: Nmt, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = (
        "train", small / "a.en", small / "a.de", "--preset", "gru", "--updates", "1", "--set", "training.precision=bfloat16",
    )  # fmt: skip
    for pays in (True, False):
        monkeypatch.setattr(rounding, "pays", lambda pays=pays: pays)
        found = nmt(*given, "-o", tmp_path / f"model-{pays}")
        assert found.exit_code == 0, found.stderr
        assert ("this processor is not known to multiply bfloat16: " in found.stderr) is not pays


@pytest.mark.parametrize(
    ("capabilities", "pays"),
    [({}, False), ({"avx2": True, "avx512_bf16": False}, False), ({"avx512_bf16": True}, True), ({"bf16": True}, True)],
)
def test_what_processors_say(capabilities: dict[str, bool], pays: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert rounding.pays() is pays
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert rounding.pays() is False
