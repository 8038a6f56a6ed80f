"""Cross entropy by chunks, against whole logits and autograd."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from nmt_cli.models.agreement import agreement
from nmt_cli.models.losses import CHUNK, cross_entropy
from nmt_cli.models.transformer import TransformerConfig
from nmt_cli.settings import Sizes
from tests import oracles
from tests.tiny import TINY, VOCABULARY, lesson, random_batch, random_model

D, COLUMNS = 5, 7
SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 600]


def leaves(rows: int) -> tuple[list[Tensor], Tensor]:
    """Hidden, weight and bias, that want gradients; and targets."""
    torch.manual_seed(rows)
    made = [torch.randn(*shape, dtype=torch.float64) for shape in ((rows, D), (COLUMNS, D), (COLUMNS,))]
    return [value.requires_grad_() for value in made], torch.randint(0, COLUMNS, (rows,))


def entropy_of(parts: list[Tensor], targets: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
    hidden, weight, bias = parts
    return cross_entropy(hidden, weight, bias, targets, smoothing)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("rows", SIZES)
def test_equals_whole_logits_with_all_gradients(rows: int, smoothing: float) -> None:
    (hidden, weight, bias), targets = leaves(rows)
    total, nll = cross_entropy(hidden, weight, bias, targets, smoothing)
    wanted_total, wanted_nll = oracles.cross_entropy(hidden @ weight.T + bias, targets, smoothing)
    torch.testing.assert_close(total, wanted_total, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(nll, wanted_nll, rtol=1e-12, atol=1e-12)
    found = torch.autograd.grad(total, (hidden, weight, bias))
    wanted = torch.autograd.grad(wanted_total, (hidden, weight, bias))
    for one, two in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(("smoothing", "weight"), [(0.0, 0.0), (0.1, 0.0), (0.0, 3.0), (0.1, 5.0)])
@pytest.mark.parametrize("rows", SIZES)
def test_two_passes_equal_whole_logits_with_all_gradients(rows: int, smoothing: float, weight: float) -> None:
    (one, table, bias), targets = leaves(rows)
    other = (one.detach() + 0.3 * torch.randn_like(one)).requires_grad_()
    inputs = (one, other, table, bias)
    total, nll = agreement((one, other), table, bias, targets, smoothing, weight)
    logits = (one @ table.T + bias, other @ table.T + bias)
    wanted_total, wanted_nll = oracles.agreement(logits, targets, smoothing, weight)
    torch.testing.assert_close(total, wanted_total, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(nll, wanted_nll, rtol=1e-12, atol=1e-12)
    for found, wanted in zip(
        torch.autograd.grad(total, inputs), torch.autograd.grad(wanted_total, inputs), strict=True
    ):
        torch.testing.assert_close(found, wanted, rtol=1e-11, atol=1e-12)


def test_two_passes_of_a_model() -> None:
    """Without dropout they are one; with dropout they disagree, and that costs something."""
    model: Any = random_model("transformer", seed=3)
    batch = random_batch(6, seed=3)
    plain, _ = model.loss(batch, None, smoothing=0.1)
    twice = model.agreement_loss(batch, smoothing=0.1, weight=5.0)
    torch.testing.assert_close((twice.total, twice.nll), (plain.total, plain.nll))
    assert twice.count == plain.count
    config = TransformerConfig(width=8, heads=2, feed_forward=8, encoder_layers=1, decoder_layers=1, dropout=0.3)
    torch.manual_seed(1)
    dropping = config.build(Sizes(VOCABULARY))
    losses = []
    for weight in (0.0, 5.0):
        torch.manual_seed(2)
        losses.append(dropping.agreement_loss(batch, smoothing=0.1, weight=weight).total.item())
    assert losses[1] > losses[0]


def test_gradient_by_finite_differences() -> None:
    values, targets = leaves(4)
    assert torch.autograd.gradcheck(lambda *parts: entropy_of(list(parts), targets, 0.1)[0], values)


def test_scaled_backward() -> None:
    values, targets = leaves(CHUNK + 3)
    plain = torch.autograd.grad(entropy_of(values, targets, 0.1)[0], values)
    scaled = torch.autograd.grad(entropy_of(values, targets, 0.1)[0] / -37.0, values)
    for one, two in zip(plain, scaled, strict=True):
        torch.testing.assert_close(one / -37.0, two, rtol=1e-12, atol=0)


@pytest.mark.parametrize("wanting", [(0,), (1,), (2,), (0, 2), (1, 2), (0, 1)])
def test_gradients_of_some_inputs_alone(wanting: tuple[int, ...]) -> None:
    """Weights may be frozen in any combination."""
    values, targets = leaves(10)
    everything = torch.autograd.grad(entropy_of(values, targets, 0.1)[0], values)
    some = [value.detach().requires_grad_(place in wanting) for place, value in enumerate(values)]
    found = torch.autograd.grad(
        entropy_of(some, targets, 0.1)[0],
        [some[place] for place in wanting],
    )
    for place, gradient in zip(wanting, found, strict=True):
        torch.testing.assert_close(gradient, everything[place], rtol=0, atol=0)


def test_the_negative_log_likelihood_has_no_gradient() -> None:
    values, targets = leaves(3)
    total, nll = entropy_of(values, targets, 0.1)
    assert total.requires_grad
    assert not nll.requires_grad


def test_extreme_logits_stay_finite() -> None:
    hidden = torch.tensor([[1e4], [-1e4]], requires_grad=True)
    weight = torch.tensor([[1.0], [-1.0], [0.5]], requires_grad=True)
    total, _ = cross_entropy(hidden, weight, torch.zeros(3), torch.tensor([1, 1]), 0.1)
    total.backward()  # type: ignore[no-untyped-call]
    assert total.isfinite()
    assert hidden.grad is not None
    assert bool(hidden.grad.isfinite().all())


@pytest.fixture(params=sorted(TINY))
def name(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture
def model(name: str) -> Any:
    return random_model(name, seed=1)


def test_loss_counts_real_tokens_and_sums_them(name: str, model: Any) -> None:
    batch, pairs = lesson(name, random_batch(6, seed=3))
    with torch.no_grad():
        loss, carry = model.loss(batch, None, smoothing=0.1)
        wanted = -model.log_probs(pairs).sum()
    assert carry is None
    assert loss.count == int(pairs.target.lengths.sum())
    torch.testing.assert_close(loss.nll, wanted, rtol=1e-12, atol=0)


def test_perplexity_never_contains_label_smoothing(name: str, model: Any) -> None:
    batch, _ = lesson(name, random_batch(6, seed=4))
    losses = [model.loss(batch, None, smoothing=smoothing)[0] for smoothing in (0.0, 0.1, 0.5)]
    perplexities = [math.exp(float(loss.nll) / loss.count) for loss in losses]
    assert perplexities == pytest.approx([perplexities[0]] * 3, rel=1e-12)
    totals = [float(loss.total.detach()) for loss in losses]
    assert totals[0] == pytest.approx(float(losses[0].nll), rel=1e-12)
    assert len(set(totals)) == 3


def test_the_gradient_of_a_model_reaches_every_parameter(name: str, model: Any) -> None:
    model.zero_grad()
    loss, _ = model.loss(lesson(name, random_batch(6, seed=5))[0], None, smoothing=0.1)
    loss.total.backward()
    for part, parameter in model.named_parameters():
        assert parameter.grad is not None, part
        assert bool((parameter.grad != 0).any()), part


def test_nothing_is_computed_for_gradients_under_no_grad(
    name: str, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``torch.mm`` and ``addmm_`` are called for gradients alone."""

    def never(*_: object, **__: object) -> None:
        raise AssertionError("a gradient that nobody wants")

    batch, _ = lesson(name, random_batch(6, seed=6))
    monkeypatch.setattr(torch, "mm", never)
    monkeypatch.setattr(Tensor, "addmm_", never)
    with torch.no_grad():
        loss, _ = model.loss(batch, None, smoothing=0.1)
    assert loss.total.isfinite()
    with pytest.raises(AssertionError, match="nobody wants"):
        model.loss(batch, None, smoothing=0.1)
