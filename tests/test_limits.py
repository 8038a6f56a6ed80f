"""Length limits cover the training pairs, and little more."""

import numpy as np
import pytest

from nmt_cli.corpus.limits import LengthLimit, fit


def test_the_line_is_rounded_up_and_leaves_room_for_the_end() -> None:
    assert LengthLimit(1.5, 2.0)(3) == 7
    assert LengthLimit(1.1, 0.0)(10) == 11
    assert LengthLimit(0.0, -5.0)(3) == 1


@pytest.mark.parametrize("ratio", [0.5, 1.0, 2.5])
def test_covers_the_share_and_is_not_loose(ratio: float) -> None:
    draw = np.random.default_rng(1)
    source = draw.integers(2, 40, 20_000)
    target = np.maximum(1, (ratio * source + draw.normal(0, 1.5, len(source))).round().astype(np.int64))
    limit = fit(source, target)
    limits = np.array([limit(int(length)) for length in source])
    assert (target <= limits).mean() >= 0.999
    assert limits.mean() < target.mean() + 8
    assert limit(400) >= 400 * ratio * 0.95


def test_one_pair_leaves_room() -> None:
    limit = fit(np.array([5]), np.array([3]))
    assert limit(5) >= 3 + 4


def test_outliers_do_not_move_it_far() -> None:
    source = np.full(10_000, 10)
    target = np.where(np.arange(10_000) < 5, 200, 10)
    assert fit(source, target)(10) < 20


def test_many_pairs_are_sampled() -> None:
    source = np.tile(np.arange(2, 42), 60_000)
    assert fit(source, source)(40) == 44
