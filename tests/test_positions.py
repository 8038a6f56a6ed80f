"""Positions: signals by their formula, rotations by their matrix, and what each kind leaves alone."""

import math

import pytest
import torch
from torch import Tensor

from nmt_cli.models.positions import (
    LearnedPositions,
    Positions,
    RotaryPositions,
    SinusoidalPositions,
    Sinusoids,
    sinusoids,
    timing_signals,
)
from tests import oracles

B, H, T, D = 2, 3, 7, 6


def values(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def rotary() -> RotaryPositions:
    """Without the rounding of the table to single precision."""
    made = RotaryPositions(D)
    made.signals.table = sinusoids(64, D)
    return made


@pytest.mark.parametrize("width", [2, 6, 7])
def test_sinusoids_are_the_formula(width: int) -> None:
    table = Sinusoids(width)(torch.arange(50))
    for position in range(50):
        for column in range(width):
            angle = position / 10_000 ** (column // 2 * 2 / width)
            wanted = math.cos(angle) if column % 2 else math.sin(angle)
            assert abs(float(table[position, column]) - wanted) < 1e-6


def test_sinusoids_of_any_shape() -> None:
    positions, signals = torch.tensor([[0, 3, 5], [9, 9, 1]]), Sinusoids(6)
    found = signals(positions)
    assert found.shape == (2, 3, 6)
    for row in range(2):
        for column in range(3):
            assert torch.equal(found[row, column], signals.table[positions[row, column]])
    assert signals(torch.zeros(0, dtype=torch.long)).shape == (0, 6)
    assert signals(torch.zeros(2, 0, dtype=torch.long)).shape == (2, 0, 6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_table_grows_and_what_was_there_stays(dtype: torch.dtype) -> None:
    """A long neighbour must not change the positions of a short sentence, to the last bit."""
    signals = Sinusoids(8).to(dtype)
    before = signals(torch.arange(512))
    size = len(signals.table)
    long = signals(torch.tensor([511, 512, 1500]))
    assert len(signals.table) > size
    assert long.dtype == dtype
    assert torch.equal(signals(torch.arange(512)), before)
    torch.testing.assert_close(long.double(), sinusoids(1501, 8)[[511, 512, 1500]], rtol=0, atol=1e-2)
    assert not signals.state_dict()
    assert not list(signals.parameters())


def test_signals_are_added_to_vectors_and_nothing_is_turned() -> None:
    torch.manual_seed(1)
    vectors, heads, places = torch.randn(B, T, D), torch.randn(B, H, T, D), torch.arange(T)
    sinusoidal, learned = SinusoidalPositions(D), LearnedPositions(T, D)
    torch.testing.assert_close(sinusoidal(vectors, places), vectors + sinusoids(T, D).float())
    assert torch.equal(learned(vectors, places), vectors + learned.table)
    for kind in (sinusoidal, learned):
        assert torch.equal(kind(vectors, places), kind(vectors, places.expand(B, -1)))
        assert kind.turn(places)(heads) is heads


def test_behind_the_end_of_the_learned_table_all_places_are_the_last() -> None:
    learned, nothing = LearnedPositions(4, D), torch.zeros(1, 7, D)
    found = learned(nothing, torch.arange(7))[0]
    assert torch.equal(found[:4], learned.table)
    assert torch.equal(found[4:], learned.table[3].expand(3, -1))


def test_rotation_is_the_matrix_of_the_paper() -> None:
    """The same places for all rows of the batch, or places of their own; vectors stay as they are."""
    heads, own = values(B, T, H, D), torch.tensor([[0, 1, 2, 3, 4, 5, 6], [9, 3, 3, 0, 1, 2, 11]])
    for places in (torch.arange(T), own):
        found = rotary().turn(places)(heads)
        for b in range(B):
            for h in range(H):
                for t in range(T):
                    place = int(places.expand(B, -1)[b, t])
                    torch.testing.assert_close(found[b, t, h], oracles.turned(heads[b, t, h], place))
    vectors = values(B, T, D)
    assert rotary()(vectors, own) is vectors


def test_turned_products_know_the_distance_alone() -> None:
    query, key = values(1, 1, 1, D), values(1, 1, 1, D)

    def product(m: int, n: int) -> Tensor:
        turn = rotary().turn
        return (turn(torch.tensor([m]))(query) * turn(torch.tensor([n]))(key)).sum()

    for distance in (0, 1, 5):
        torch.testing.assert_close(product(3, 3 + distance), product(40, 40 + distance))
    assert abs(float(product(3, 3) - product(3, 8))) > 1e-3
    torch.testing.assert_close(product(7, 7), (query * key).sum())


def test_the_gradient_of_a_rotation_is_the_rotation_back() -> None:
    heads, pull = values(B, T, H, D).requires_grad_(), values(B, T, H, D)
    turn = rotary().turn(torch.arange(T))
    (found,) = torch.autograd.grad((turn(heads) * pull).sum(), heads)
    torch.testing.assert_close(turn(found), pull)


def test_what_attention_hands_over_can_be_turned() -> None:
    """A view whose tokens are not next to each other in memory, in both precisions."""
    for dtype in (torch.float32, torch.float64):
        heads = values(B, T, 3, H, D).to(dtype).unbind(2)[1]
        signals = RotaryPositions(D).to(dtype)
        found = signals.turn(torch.arange(T))(heads)
        assert found.dtype == dtype
        torch.testing.assert_close(found, signals.turn(torch.arange(T))(heads.contiguous()))


def test_nowhere() -> None:
    vectors, heads = values(B, T, D), values(B, T, H, D)
    assert Positions()(vectors, torch.arange(T)) is vectors
    assert Positions().turn(torch.arange(T))(heads) is heads


@pytest.mark.parametrize("width", [2, 6, 8])
def test_timing_signals_are_the_formula_of_tensor2tensor(width: int) -> None:
    half = width // 2
    table = Sinusoids(width, timing_signals)(torch.arange(600))
    for position in range(0, 600, 7):
        for column in range(half):
            angle = position / 10_000 ** (column / max(1, half - 1))
            assert abs(float(table[position, column]) - math.sin(angle)) < 1e-6
            assert abs(float(table[position, half + column]) - math.cos(angle)) < 1e-6
