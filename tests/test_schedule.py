"""The learning rate as a pure function, and the clock that sets its one planned number."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt_cli.settings import TrainingSettings
from nmt_cli.training.pace import Pace
from nmt_cli.training.schedule import FALLS, MIDDLES, Clock, Schedule, cosine, inverse_sqrt

schedules = st.builds(
    Schedule,
    peak=st.floats(1e-5, 0.1, allow_subnormal=False),
    warmup=st.integers(1, 500),
    decay=st.floats(0, 0.99, allow_subnormal=False),
    middle=st.sampled_from(list(MIDDLES.values())),
    fall=st.sampled_from(list(FALLS.values())),
)


def rates(schedule: Schedule, updates: int | None, end: int) -> list[float]:
    return [schedule.rate(update, updates) for update in range(1, end + 1)]


def test_the_three_parts() -> None:
    schedule = Schedule(peak=1.0, warmup=4, decay=0.5)
    assert rates(schedule, 20, 20) == pytest.approx(
        [0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 1, 1] + [(20 - update + 1) / 11 for update in range(11, 21)]
    )
    assert schedule.rate(21, 20) == 0
    assert schedule.decay_start(20) == 10


def test_the_other_parts() -> None:
    schedule = Schedule(1.0, 4, 0.5, inverse_sqrt, cosine)
    assert rates(schedule, None, 16)[3::4] == pytest.approx([1, 0.5**0.5, (4 / 12) ** 0.5, 0.5])
    falling = Schedule(1.0, 1, 0.5, fall=cosine)
    assert rates(falling, 18, 18)[9:] == pytest.approx(
        [(1 - math.cos(math.pi * left / 10)) / 2 for left in range(9, 0, -1)]
    )
    assert rates(Schedule(1.0, 2, 0.0), 5, 5) == [0.5, 1, 1, 1, 1], "no fall at all"


def test_settings_make_it() -> None:
    settings = TrainingSettings(learning_rate=0.5, warmup=7, decay=0.25)
    assert Schedule.of(settings) == Schedule(0.5, 7, 0.25)
    other = TrainingSettings(after_warmup="inverse-sqrt", decay_shape="cosine", learning_rate=0.5, warmup=7, decay=0.0)
    assert Schedule.of(other) == Schedule(0.5, 7, 0.0, inverse_sqrt, cosine)


@given(schedules, st.integers(1, 3000))
def test_it_rises_then_stays_then_falls_to_zero(schedule: Schedule, updates: int) -> None:
    values = rates(schedule, updates, updates)
    top = values.index(max(values))
    assert values[: top + 1] == sorted(values[: top + 1])
    assert values[top:] == sorted(values[top:], reverse=True)
    assert all(0 < value <= schedule.peak for value in values)
    assert schedule.rate(updates + 1, updates) == 0


@given(schedules, st.integers(1, 3000))
def test_a_plan_that_is_fixed_late_changes_no_rate_of_the_past(schedule: Schedule, update: int) -> None:
    updates = schedule.ending(update)
    assert schedule.decay_start(updates) >= update
    assert rates(schedule, updates, update) == rates(schedule, None, update)


@given(schedules, st.integers(1, 100_000))
def test_the_end_is_as_near_as_the_share_of_decay_allows(schedule: Schedule, update: int) -> None:
    updates = schedule.ending(update)
    assert updates >= update
    assert schedule.decay * updates == pytest.approx(updates - update, abs=1)


@given(
    schedules,
    st.floats(0.01, 3, allow_subnormal=False),
    st.floats(1, 2000, allow_subnormal=False),
    st.floats(0, 600, allow_subnormal=False),  # trainings of this process flush such numbers
)
def test_the_clock_keeps_a_budget_at_constant_speed(
    schedule: Schedule, pace: float, budget: float, preparation: float
) -> None:
    clock, times = Clock(budget), Pace(preparation, 100)
    update, planned = 0, None
    while planned is None:
        update += 1
        assert update < 10 * budget / pace + 10, "the clock never plans"
        elapsed = preparation + update * pace
        planned = clock.plan(schedule, update, elapsed, times.after(update, elapsed))
    used = preparation + planned * pace
    slack = 2 * pace / (1 - schedule.decay)
    assert used <= max(budget, preparation) + slack
    if budget > preparation + slack:
        assert used >= budget - slack


def test_the_clock_says_nothing_as_long_as_there_is_time() -> None:
    clock = Clock(budget=100.0)
    schedule = Schedule(peak=1.0, warmup=1, decay=0.5)
    assert clock.plan(schedule, 40, 50.0, 1.0) is None  # one second an update: 80 updates would end after 90 seconds
    assert clock.plan(schedule, 45, 55.0, 1.0) == 90


def ended(budget: float, seconds: Callable[[int], float], *, every: int = 100, validation: float = 0.0) -> float:
    """When a training ends that takes so many seconds for each update, and for each validation."""
    clock, schedule, times = Clock(budget), Schedule(peak=1.0, warmup=1, decay=0.5), Pace(0.0, every)
    elapsed, update, planned = 0.0, 0, None
    while planned is None or update < planned:
        update += 1
        elapsed += seconds(update)
        planned = planned or clock.plan(schedule, update, elapsed, times.after(update, elapsed))
        if update % every == 0:
            elapsed += validation
            times.validated(validation)
    return elapsed


def test_the_budget_is_used_though_the_machine_was_busy_at_first() -> None:
    """A hundred updates of ten seconds, all others of one: planned by the mean of all, a third of the budget would be left."""
    assert ended(4000.0, lambda update: 10.0 if update <= 100 else 1.0) == pytest.approx(4000, rel=0.01)


@pytest.mark.parametrize("budget", [2860.0, 3300.0, 4000.0])
def test_the_budget_is_used_though_validations_are_rare_and_long(budget: float) -> None:
    assert ended(budget, lambda _: 1.0, every=1000, validation=200.0) == pytest.approx(budget, abs=201)


@pytest.mark.parametrize(
    ("budget", "exploded", "back"),
    [(1800, 190, 100), (1800, 390, 200), (3600, 900, 500), (36000, 3000, 2001), (600, 5, 0)],
)
def test_the_budget_is_used_though_updates_are_done_again(budget: float, exploded: int, back: int) -> None:
    clock, schedule, times = Clock(budget), Schedule(peak=1.0, warmup=1, decay=0.5), Pace(0.0, 100)
    for update in range(1, exploded + 1):
        times.after(update, float(update))
    times.back(back, float(exploded))
    elapsed, update, planned = float(exploded), back, None
    while planned is None:
        update, elapsed = update + 1, elapsed + 1.0
        planned = clock.plan(schedule, update, elapsed, times.after(update, elapsed))
    assert elapsed + planned - update == pytest.approx(budget, abs=2)


def test_the_pace_is_that_of_the_last_third() -> None:
    times = Pace(5.0, 100)
    assert times.after(1, 7.0) == 2.0
    assert [times.after(update, 7.0 + update) for update in range(2, 10)][-1] == 1.0
    went_on = Pace(5.0, 100)  # a resume: all before is one stretch, until it lies behind the last third
    assert went_on.after(100, 205.0) == 2.0
    assert went_on.after(101, 206.0) == pytest.approx(201 / 101)
    assert went_on.after(150, 255.0) == 1.0


def test_a_step_back_at_once_is_no_pace() -> None:
    times = Pace(0.0, 100)
    times.back(70, 90.0)
    assert times.after(71, 92.0) == 2.0


def test_one_slow_update_behind_a_step_back_is_not_the_pace() -> None:
    """What is known of the updates before stays known."""
    times = Pace(0.0, 100)
    for update in range(1, 151):
        times.after(update, float(update))
    times.back(100, 150.0)
    assert times.after(101, 160.0) == pytest.approx((100 + 10) / 101)
