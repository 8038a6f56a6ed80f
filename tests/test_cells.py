"""The recurrent cell over padded batches, against the textbook's cell row by row, torch's own LSTM, and finite differences."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from nmt_cli.models.cells import LSTM, _LSTMSequence, reverse
from tests import oracles

LENGTHS = [5, 1, 7, 3, 7]


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def cell(inputs: int, width: int) -> LSTM:
    """A cell with weights and biases that are all far from zero."""
    torch.manual_seed(3)
    made = LSTM(inputs, width).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    return made


def mask_of(lengths: list[int]) -> Tensor:
    return torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]


def test_equals_the_textbook_cell_on_unpadded_rows() -> None:
    lstm = cell(6, 4)
    x, h0, c0 = random(len(LENGTHS), max(LENGTHS), 6), random(len(LENGTHS), 4), random(len(LENGTHS), 4)
    with torch.no_grad():
        outputs, (h, c) = lstm(x, mask_of(LENGTHS), (h0, c0))
        weights = lstm.project.weight, lstm.recurrent, lstm.project.bias
        for row, length in enumerate(LENGTHS):
            wanted, (end_h, end_c) = oracles.lstm(x[row, :length], h0[row], c0[row], weights)
            torch.testing.assert_close(outputs[row, :length], torch.stack(wanted), rtol=0, atol=1e-12)
            torch.testing.assert_close(h[row], end_h, rtol=0, atol=1e-12)
            torch.testing.assert_close(c[row], end_c, rtol=0, atol=1e-12)


def test_padding_is_never_read() -> None:
    lstm, mask = cell(6, 4), mask_of(LENGTHS)
    x, state = random(len(LENGTHS), max(LENGTHS), 6), (random(len(LENGTHS), 4), random(len(LENGTHS), 4))
    with torch.no_grad():
        one, ends = lstm(x, mask, state)
        two, other_ends = lstm(x.masked_fill(~mask[:, :, None], 1e6), mask, state)
    assert torch.equal(one, two)
    assert all(torch.equal(*pair) for pair in zip(ends, other_ends, strict=True))


def test_equals_torch_on_full_rows_with_its_gradients() -> None:
    lstm = cell(6, 4)
    theirs: Any = nn.LSTM(6, 4, batch_first=True).double()
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(lstm.project.weight)
        theirs.weight_hh_l0.copy_(lstm.recurrent)
        theirs.bias_ih_l0.copy_(lstm.project.bias)
        theirs.bias_hh_l0.zero_()
    x, h0, c0 = random(3, 6, 6), random(3, 4), random(3, 4)
    pulls = random(3, 6, 4), random(3, 4), random(3, 4)  # arbitrary gradients into outputs, h and c
    found: list[list[Tensor]] = []
    for run in ("ours", "theirs"):
        inputs = [value.clone().requires_grad_() for value in (x, h0, c0)]
        if run == "ours":
            outputs, (h, c) = lstm(inputs[0], torch.ones(3, 6, dtype=torch.bool), (inputs[1], inputs[2]))
            weights: list[Tensor] = [lstm.project.weight, lstm.recurrent, lstm.project.bias]
        else:
            outputs, (h, c) = theirs(inputs[0], (inputs[1][None], inputs[2][None]))
            weights = [theirs.weight_ih_l0, theirs.weight_hh_l0, theirs.bias_ih_l0]
        objective = sum((pull * value).sum() for pull, value in zip(pulls, (outputs, h, c), strict=True))
        assert isinstance(objective, Tensor)
        gradients = torch.autograd.grad(objective, [*inputs, *weights])
        found.append([outputs.detach(), h.detach().view(3, 4), c.detach().view(3, 4), *gradients])
    for one, two in zip(*found, strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=1e-12)


def test_gradient_of_the_written_out_backward_pass() -> None:
    """Ragged rows, states that are not zero, and gradients into outputs, h and c, together and one by one."""
    torch.manual_seed(4)
    lengths = [3, 1, 4]
    alive = mask_of(lengths).T[:, :, None].contiguous()
    leaves = [random(4, 3, 8), random(8, 2), random(3, 2), random(3, 2)]
    for leaf in leaves:
        leaf.requires_grad_()

    def run(*values: Tensor) -> Any:
        return _LSTMSequence.apply(*values, alive)  # type: ignore[no-untyped-call]

    assert torch.autograd.gradcheck(run, leaves)
    for part in range(3):
        assert torch.autograd.gradcheck(lambda *values, part=part: run(*values)[part], leaves)


def test_gradient_of_the_whole_layer() -> None:
    lstm, mask = cell(3, 2), mask_of([2, 4])
    leaves = [random(2, 4, 3), random(2, 2), random(2, 2)]
    for leaf in leaves:
        leaf.requires_grad_()

    def run(x: Tensor, h: Tensor, c: Tensor) -> Any:
        outputs, ends = lstm(x, mask, (h, c))
        return outputs, *ends

    assert torch.autograd.gradcheck(run, leaves)


def test_no_gradient_reaches_the_inputs_behind_an_end() -> None:
    lstm, mask = cell(6, 4), mask_of(LENGTHS)
    x = random(len(LENGTHS), max(LENGTHS), 6).requires_grad_()
    outputs, (h, c) = lstm(x, mask, (random(len(LENGTHS), 4), random(len(LENGTHS), 4)))
    (outputs.sum() + h.sum() + c.sum()).backward()
    assert x.grad is not None
    assert bool((x.grad[~mask] == 0).all())
    assert bool((x.grad[mask] != 0).any(1).all())


@settings(deadline=None, derandomize=True, max_examples=50)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=5), st.integers(0, 2))
def test_reverse_turns_each_row_by_its_own_length_and_is_its_own_inverse(lengths: list[int], padding: int) -> None:
    rows, steps = len(lengths), max(lengths) + padding
    values = torch.arange(rows * steps * 2).view(rows, steps, 2)
    turned = reverse(values, torch.tensor(lengths))
    for row, length in enumerate(lengths):
        assert turned[row, :length].tolist() == values[row, :length].tolist()[::-1]
        assert torch.equal(turned[row, length:], values[row, length:])
    assert torch.equal(reverse(turned, torch.tensor(lengths)), values)


@pytest.mark.parametrize("width", [1, 4])
def test_starts_by_remembering(width: int) -> None:
    """Fresh weights: the forget gate is biased to 1, the others to 0, and each recurrent block is orthogonal."""
    lstm = LSTM(3, width)
    assert lstm.project.bias.tolist() == [0.0] * width + [1.0] * width + [0.0] * 2 * width
    for block in lstm.recurrent.detach().chunk(4):
        torch.testing.assert_close(block @ block.T, torch.eye(width), rtol=0, atol=1e-5)
