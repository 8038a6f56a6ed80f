"""The SSRU against its equations, one position of one row at a time, and the gradient that is written by hand."""

import pytest
import torch
from torch import Tensor

from nmt_cli.models.positions import unturned
from nmt_cli.models.ssru import SSRU, Recurrence, scan
from nmt_cli.models.ssru_cells import CellPasts, Cells
from nmt_cli.scoring.rows import Rows
from tests import oracles

B, T, D = 3, 5, 4


def values(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


@pytest.fixture
def unit() -> SSRU:
    """In float64, with a bias that is not zero."""
    torch.manual_seed(1)
    made = SSRU(D).double()
    with torch.no_grad():
        made.bias.normal_()
    return made


def slow(unit: SSRU, x: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """Of one row (T, D): the outputs, and the last c."""
    w_f, w = unit.project.weight.chunk(2)
    outputs = []
    for one in x:
        output, c = oracles.ssru_step(one, c, w_f, unit.bias, w)
        outputs.append(output)
    return torch.stack(outputs), c


def test_the_unit_is_its_equations(unit: SSRU) -> None:
    x = values(B, T, D)
    found = unit(x, Recurrence())
    for row in range(B):
        wanted, _ = slow(unit, x[row], torch.zeros(D, dtype=torch.float64))
        torch.testing.assert_close(found[row], wanted)


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_the_gradient_of_the_scan(steps: int) -> None:
    """Against finite differences, with gradients that come from every step."""
    forget, candidates = torch.sigmoid(values(2, steps, 3)).requires_grad_(), values(2, steps, 3).requires_grad_()
    assert torch.autograd.gradcheck(scan, (forget, candidates, values(2, 3).requires_grad_()))


def test_the_gradient_of_the_unit_is_that_of_its_equations(unit: SSRU) -> None:
    x, pull = values(B, T, D).requires_grad_(), values(B, T, D)
    start = torch.zeros(D, dtype=torch.float64)
    fast = torch.autograd.grad((unit(x, Recurrence()) * pull).sum(), [x, *unit.parameters()])
    rows = torch.stack([slow(unit, row, start)[0] for row in x])
    for one, two in zip(fast, torch.autograd.grad((rows * pull).sum(), [x, *unit.parameters()]), strict=True):
        torch.testing.assert_close(one, two)


def test_the_scan_takes_what_is_a_part_of_something_larger() -> None:
    """Both halves of one projection, as views."""
    both, start = values(B, T, 2 * D), values(B, D)
    forget, candidates = torch.sigmoid(both).chunk(2, 2)
    torch.testing.assert_close(
        scan(forget, candidates, start), scan(forget.contiguous(), candidates.contiguous(), start)
    )


@torch.no_grad()
def test_rows_of_a_sentence_run_on_side_by_side(unit: SSRU) -> None:
    """Two sentences of two rows and of one; each row ends behind its own length, and one of them reads nothing."""
    rows, cells = Rows.of(torch.tensor([0, 0, 1])), Cells(values(3, 2, D))
    x, lengths = values(3, T, D), torch.tensor([4, 0, 2])
    runs, after = cells.consume(rows, torch.arange(T) < lengths[:, None], unturned)
    for layer, run in enumerate(runs):
        found = unit(x, run)
        for row, length in enumerate(lengths.tolist()):
            wanted, _ = slow(unit, x[row], cells.cells[row, layer])
            torch.testing.assert_close(found[row], wanted)
            end = slow(unit, x[row, :length], cells.cells[row, layer])[1] if length else cells.cells[row, layer]
            torch.testing.assert_close(after.cells[row, layer], end)


def test_cells_begin_empty_and_move_with_their_rows() -> None:
    rows = Rows.of(torch.tensor([0, 0, 1]))
    assert torch.equal(CellPasts(D).begin(rows, 2, values(1)).cells, torch.zeros(3, 2, D, dtype=torch.float64))
    cells, moves = Cells(values(3, 2, D)), torch.tensor([1, 1, 2])
    assert torch.equal(cells.reorder(moves, rows, None).cells, cells.cells[moves])
    copy = cells.select(torch.arange(3), rows, torch.arange(2))
    assert torch.equal(copy.cells, cells.cells)
    assert copy.cells.data_ptr() != cells.cells.data_ptr()
