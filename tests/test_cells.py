"""The recurrent cells over padded batches, against the textbook's row by row, torch's own, and finite differences."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from nmt_cli.models.cells import GRU, LSTM, RNN, Bidirectional, Cell, _Sequence, reverse
from tests import oracles

CELLS: list[type[Cell]] = [RNN, GRU, LSTM]
STEPS: dict[type[Cell], oracles.Step] = {RNN: oracles.rnn_step, GRU: oracles.gru_step, LSTM: oracles.lstm_step}
LENGTHS = [5, 1, 7, 3, 7]


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def cell(kind: type[Cell], inputs: int, width: int, recurrent_dropout: float = 0.0) -> Cell:
    """A cell with weights and biases that are all far from zero."""
    torch.manual_seed(3)
    made = kind(inputs, width, recurrent_dropout).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    return made


def state_of(kind: type[Cell], rows: int, width: int) -> tuple[Tensor, ...]:
    return tuple(random(rows, width) for _ in range(kind.states))


def weights_of(made: Cell) -> oracles.Weights:
    return made.project.weight, made.recurrent, made.project.bias


def mask_of(lengths: list[int]) -> Tensor:
    return torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]


@pytest.fixture(params=CELLS)
def kind(request: pytest.FixtureRequest) -> type[Cell]:
    found: type[Cell] = request.param
    return found


@pytest.mark.parametrize("lengths", [LENGTHS, [4, 4, 4], [1, 1], [1, 2]])
def test_equals_the_textbook_cell_on_unpadded_rows(kind: type[Cell], lengths: list[int]) -> None:
    """Also where all rows are full, for which the LSTM goes another way."""
    made = cell(kind, 6, 4)
    x, state = random(len(lengths), max(lengths), 6), state_of(kind, len(lengths), 4)
    with torch.no_grad():
        outputs, ends = made(x, mask_of(lengths), state)
        for row, length in enumerate(lengths):
            start = tuple(part[row] for part in state)
            wanted, wanted_ends = oracles.unrolled(STEPS[kind], x[row, :length], start, weights_of(made))
            torch.testing.assert_close(outputs[row, :length], torch.stack(wanted), rtol=0, atol=1e-12)
            for end, wanted_end in zip(ends, wanted_ends, strict=True):
                torch.testing.assert_close(end[row], wanted_end, rtol=0, atol=1e-12)


def test_padding_is_never_read(kind: type[Cell]) -> None:
    made, mask = cell(kind, 6, 4), mask_of(LENGTHS)
    x, state = random(len(LENGTHS), max(LENGTHS), 6), state_of(kind, len(LENGTHS), 4)
    with torch.no_grad():
        one, ends = made(x, mask, state)
        two, other_ends = made(x.masked_fill(~mask[:, :, None], 1e6), mask, state)
    assert torch.equal(one, two)
    assert all(torch.equal(*pair) for pair in zip(ends, other_ends, strict=True))


@pytest.mark.parametrize(("kind", "theirs"), [(RNN, nn.RNN), (LSTM, nn.LSTM)])
@pytest.mark.parametrize("written_out", [True, False])
def test_equals_torch_on_full_rows_with_its_gradients(kind: type[Cell], theirs: Any, written_out: bool) -> None:
    """(torch has another GRU.)"""
    made, torch_made = cell(kind, 6, 4), theirs(6, 4, batch_first=True).double()
    with torch.no_grad():
        for name, weight in zip(("weight_ih_l0", "weight_hh_l0", "bias_ih_l0"), weights_of(made), strict=True):
            getattr(torch_made, name).copy_(weight)
        torch_made.bias_hh_l0.zero_()
    x, state = random(3, 6, 6), state_of(kind, 3, 4)
    pulls = [random(3, 6, 4), *state_of(kind, 3, 4)]  # arbitrary gradients into outputs and ends
    found: list[list[Tensor]] = []
    for ours in (True, False):
        inputs = [value.clone().requires_grad_() for value in (x, *state)]
        if ours:
            call = Cell.forward if written_out else kind.forward
            outputs, ends = call(made, inputs[0], torch.ones(3, 6, dtype=torch.bool), tuple(inputs[1:]))
            weights = list(weights_of(made))
        else:
            start = tuple(part[None] for part in inputs[1:])
            outputs, end = torch_made(inputs[0], start if len(start) > 1 else start[0])
            ends = tuple(part[0] for part in (end if isinstance(end, tuple) else (end,)))
            weights = [torch_made.weight_ih_l0, torch_made.weight_hh_l0, torch_made.bias_ih_l0]
        objective = torch.stack([(p * v).sum() for p, v in zip(pulls, (outputs, *ends), strict=True)]).sum()
        gradients = torch.autograd.grad(objective, [*inputs, *weights])
        found.append([part.detach() for part in (outputs, *ends, *gradients)])
    for one, two in zip(*found, strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=1e-12)


@pytest.mark.parametrize("lengths", [[3, 1, 4], [2, 2, 2], [0, 2, 1]])
def test_gradient_of_the_written_out_backward_pass(kind: type[Cell], lengths: list[int]) -> None:
    """States that are not zero, and gradients into outputs and ends, together and one by one; ragged rows, full and empty ones."""
    torch.manual_seed(4)
    alive = mask_of(lengths).T[:, :, None].contiguous()
    leaves = [random(max(lengths), 3, kind.blocks * 2), random(kind.blocks * 2, 2), *state_of(kind, 3, 2)]
    for leaf in leaves:
        leaf.requires_grad_()

    def run(inputs: Tensor, recurrent: Tensor, *state: Tensor) -> Any:
        return _Sequence.apply(kind, inputs, recurrent, alive, *state)  # type: ignore[no-untyped-call]

    assert torch.autograd.gradcheck(run, leaves)
    for part in range(1 + kind.states):
        assert torch.autograd.gradcheck(lambda *values, part=part: run(*values)[part], leaves)


def test_gradient_of_the_whole_layer(kind: type[Cell]) -> None:
    made, mask = cell(kind, 3, 2), mask_of([2, 4])
    leaves = [random(2, 4, 3), *state_of(kind, 2, 2)]
    for leaf in leaves:
        leaf.requires_grad_()

    def run(x: Tensor, *state: Tensor) -> Any:
        outputs, ends = made(x, mask, state)
        return outputs, *ends

    assert torch.autograd.gradcheck(run, leaves)


def test_no_gradient_reaches_the_inputs_behind_an_end(kind: type[Cell]) -> None:
    made, mask = cell(kind, 6, 4), mask_of(LENGTHS)
    x = random(len(LENGTHS), max(LENGTHS), 6).requires_grad_()
    outputs, ends = made(x, mask, state_of(kind, len(LENGTHS), 4))
    torch.stack([part.sum() for part in (outputs, *ends)]).sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert bool((x.grad[~mask] == 0).all())
    assert bool((x.grad[mask] != 0).any(1).all())


def test_steps_are_the_sequence(kind: type[Cell]) -> None:
    """Prepared inputs and a fixed matrix, as the decoders with a loop of their own have it."""
    made, mask = cell(kind, 6, 4), mask_of(LENGTHS)
    x, state = random(len(LENGTHS), max(LENGTHS), 6), state_of(kind, len(LENGTHS), 4)
    with torch.no_grad():
        wanted, wanted_ends = made(x, mask, state)
        prepared, matrix, call = made.prepare(x), made.matrix(), made.fixed()
        one, two = state, state
        for t in range(x.shape[1]):
            now = slice(t, t + 1)
            first, one = made.run(prepared[:, now], mask[:, now], one, matrix)
            second, two = call(x[:, now], mask[:, now], two)
            torch.testing.assert_close(first, wanted[:, now], rtol=0, atol=1e-12)
            torch.testing.assert_close(second, wanted[:, now], rtol=0, atol=1e-12)
    for ends in (one, two):
        for end, wanted_end in zip(ends, wanted_ends, strict=True):
            torch.testing.assert_close(end, wanted_end, rtol=0, atol=1e-12)


def test_dropped_weights_are_entries_of_the_recurrent_matrix_while_training(kind: type[Cell]) -> None:
    torch.manual_seed(5)
    made = cell(kind, 6, 20, 0.25)
    assert made.eval().matrix() is made.recurrent
    first, second = made.train().matrix(), made.matrix()
    assert not torch.equal(first, second)
    kept = first != 0
    assert 0.65 < float(kept.double().mean()) < 0.85
    torch.testing.assert_close(first[kept], made.recurrent[kept] / 0.75, rtol=1e-6, atol=0)
    matrix = made.matrix()
    x, state, full = random(2, 3, 6), state_of(kind, 2, 20), torch.ones(2, 3, dtype=torch.bool)
    made.run(made.prepare(x), full, state, matrix)[0].sum().backward()  # type: ignore[no-untyped-call]
    assert made.recurrent.grad is not None
    assert bool((made.recurrent.grad[matrix == 0] == 0).all())


def test_both_directions_stand_side_by_side(kind: type[Cell]) -> None:
    """Each with its half of the states, and its end at its own end."""
    ahead, back = cell(kind, 6, 4), cell(kind, 6, 2)
    both, mask = Bidirectional(ahead, back), mask_of(LENGTHS)
    x, state = random(len(LENGTHS), max(LENGTHS), 6), state_of(kind, len(LENGTHS), 6)
    assert (both.states, both.width) == (kind.states, 6)
    with torch.no_grad():
        outputs, ends = both(x, mask, state)
        for row, length in enumerate(LENGTHS):
            own = x[row, :length]
            right = oracles.unrolled(STEPS[kind], own, tuple(s[row, :4] for s in state), weights_of(ahead))
            left = oracles.unrolled(STEPS[kind], own.flip(0), tuple(s[row, 4:] for s in state), weights_of(back))
            wanted = torch.cat([torch.stack(right[0]), torch.stack(left[0]).flip(0)], 1)
            torch.testing.assert_close(outputs[row, :length], wanted, rtol=0, atol=1e-12)
            for end, *halves in zip(ends, right[1], left[1], strict=True):
                torch.testing.assert_close(end[row], torch.cat(halves), rtol=0, atol=1e-12)


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
def test_fresh_weights(kind: type[Cell], width: int) -> None:
    """Each recurrent block is orthogonal; biases are 0, but that of the LSTM's forget gate is 1: it starts by remembering."""
    made = kind(3, width)
    forget = range(width, 2 * width) if kind is LSTM else range(0)
    assert made.project.bias.tolist() == [float(place in forget) for place in range(kind.blocks * width)]
    for block in made.recurrent.detach().chunk(kind.blocks):
        torch.testing.assert_close(block @ block.T, torch.eye(width), rtol=0, atol=1e-5)
