"""Charts as plots of dots: they fit, they run as their numbers do, and they can do without anything but ASCII."""

import io
import sys
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from nmt_cli import console
from nmt_cli.reports.canvas import ASCII, BRAILLE, Canvas, Pen
from nmt_cli.reports.chart import Event, LineChart, Point, Series
from nmt_cli.reports.plot import ROWS, plot_lines

RISING = LineChart(
    "Rising",
    "updates",
    "BLEU",
    (Series("a", tuple(Point(x, x) for x in range(0, 101, 10))), Series("b", (Point(50, 0), Point(100, 0)), 1)),
    events=(Event(50, "decay"), Event(100, "best")),
)


def plain(chart: LineChart, pen: Pen = BRAILLE, width: int = 60) -> list[str]:
    return [line.plain for line in plot_lines(chart, pen, width=width)]


def test_a_plot_has_a_title_a_legend_events_and_axes() -> None:
    title, legend, events, *rows, axis, values, unit = plain(RISING)
    assert (title, legend) == ("Rising", "BLEU  ● a  ■ b")
    assert events.split() == ["decay", "best"]
    assert len(rows) == ROWS
    assert [row.split()[0] for row in rows if "┤" in row] == ["100", "80", "60", "40", "20", "0"]
    assert axis.strip().startswith("└┬")
    assert values.split() == ["0", "50", "100"]
    assert unit == f"{'updates':>60}", "beside the last value there is no room"


@pytest.mark.parametrize("pen", [BRAILLE, ASCII])
def test_what_rises_is_drawn_rising(pen: Pen) -> None:
    chart = LineChart("", "x", "y", (Series("a", (Point(0, 0), Point(1, 1))),))
    rows = [row.split("│")[-1].split("┤")[-1].split("|")[-1] for row in plain(chart, pen)[2 : 2 + ROWS]]
    drawn = [row.split("+", 1)[-1] if pen is ASCII and "+" in row else row for row in rows]
    starts = [len(row) - len(row.lstrip()) for row in drawn if row.strip()]
    assert len(starts) == ROWS
    assert all(before > after for before, after in pairwise(starts))


def test_dots_of_a_cell_add_up() -> None:
    canvas = Canvas(BRAILLE, 1, 1)
    for x in (0.0, 1.0):
        canvas.line((x, 0.0), (x, 1.0), "")
    assert [line.plain for line in canvas.lines()] == ["⣿"]
    small = Canvas(ASCII, 3, 1)
    small.line((0.0, 0.0), (1.0, 0.0), "")
    small.line((0.5, 1.0), (0.5, 1.0), "")
    assert [line.plain for line in small.lines()] == [".:."]


def test_a_line_lies_in_front_of_an_event_and_a_mark_in_front_of_both() -> None:
    canvas = Canvas(ASCII, 3, 3)
    canvas.rule(0.5, "")
    canvas.line((0.0, 0.0), (1.0, 0.0), "")
    canvas.mark(1.0, 0.0, "o", "")
    assert [line.plain for line in canvas.lines()] == [" : ", " : ", "..o"]


def test_ascii_is_nothing_else() -> None:
    assert all(line.isascii() for line in plain(RISING, ASCII))
    assert "o" in "".join(plain(RISING, ASCII))


def test_one_point_and_none() -> None:
    (mark,) = [row for row in plain(LineChart("", "x", "y", (Series("a", (Point(3, 3),)),)))[2:] if "●" in row]
    assert mark.count("●") == 1
    assert not any("●" in row for row in plain(LineChart("t", "x", "y", ())))


def test_what_has_no_place_is_left_out() -> None:
    points = (Point(0, 0), Point(1, 10), Point(2, float("nan")), Point(3, 1000))
    rows = plain(LineChart("", "x", "y", (Series("a", points),), log_y=True))
    assert sum(row.count("●") for row in rows) == 3  # one of them in the legend


words = st.text(st.characters(codec="utf-8"), max_size=30) | st.sampled_from(("\x1b[2J", "猫猫猫", "a\nb"))


@given(
    st.lists(st.tuples(words, st.lists(st.floats(-1e12, 1e12) | st.just(float("nan")), max_size=40)), max_size=4),
    st.lists(st.tuples(st.integers(0, 39), words), max_size=4),
    st.booleans(),
    st.integers(40, 100),
    words,
    st.sampled_from((BRAILLE, ASCII)),
)
def test_no_line_is_too_wide(
    curves: list[tuple[str, list[float]]],
    events: list[tuple[int, str]],
    log_y: bool,
    width: int,
    word: str,
    pen: Pen,
) -> None:
    series = tuple(Series(name, tuple(Point(x, y) for x, y in enumerate(ys))) for name, ys in curves)
    marked = tuple(Event(x, name) for x, name in sorted(events))
    chart = LineChart(word, word, word, series, log_y=log_y, x_range=(0, 39), events=marked)
    lines = plain(chart, pen, width)
    assert all(cell_len(line) <= width for line in lines)
    assert not any(character in line for line in lines for character in "\x1b\n\r\t")


@pytest.mark.parametrize(
    ("encoding", "term", "ascii_only"), [("utf-8", "xterm", 0), ("ascii", "xterm", 1), ("utf-8", "linux", 1)]
)
def test_who_knows_only_ascii(encoding: str, term: str, ascii_only: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    monkeypatch.setenv("TERM", term)
    assert console.knows_only_ascii() == bool(ascii_only)
