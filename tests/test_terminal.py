"""Figures as lines of text: they fit, they line up, and they show what is there."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from nmt_cli.reports.chart import LineChart, Point, Series
from nmt_cli.reports.heatmap import Heatmap
from nmt_cli.reports.table import Table
from nmt_cli.reports.terminal import HEIGHTS, SHADES, chart_lines, heatmap_lines, table_lines

WORDS = st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(
    (
        "猫",
        "座っている",
        "e\u0301te\u0301",
        "👨‍👩‍👧",
        "\x1b[2J",
        "a\tb\nc",
        "\u202egnorw",
        "Donaudampfschifffahrtsgesellschaft",
    )
)
MAP = Heatmap("A map", ("der", "Hund"), ("the", "dog"), ((0.9, 0.1), (0.04, 0.5)))


def flow(*curves: tuple[str, float]) -> LineChart:
    series = tuple(Series(name, tuple(Point(k, rate**k) for k in range(61))) for name, rate in curves)
    return LineChart("Gradient flow", "k", "norm", series, log_y=True)


@st.composite
def heatmaps(draw: st.DrawFn) -> Heatmap:
    rows = tuple(draw(st.lists(WORDS, max_size=5)))
    columns = tuple(draw(st.lists(WORDS, max_size=60)))
    share = draw(st.floats(0, 1))
    return Heatmap(draw(WORDS), rows, columns, tuple(tuple(share for _ in columns) for _ in rows))


def test_a_small_map() -> None:
    assert heatmap_lines(MAP, width=40) == [
        "A map",
        "      t d",
        "      h o",
        "      e g",
        " der  ██░░",
        "Hund    ▓▓",
        "░ 0.05+  ▒ 0.2+  ▓ 0.4+  █ 0.7+",
    ]


def test_words_of_different_lengths_end_above_their_columns() -> None:
    lines = heatmap_lines(replace(MAP, columns=("a", "été")), width=40)
    assert lines[1:4] == ["        é", "        t", "      a é"]


def test_wide_and_joined_letters_keep_the_columns_in_line() -> None:
    lines = heatmap_lines(replace(MAP, rows=("猫", "e\u0301"), columns=("猫は", "o\u0308k")), width=40)
    assert lines[1:5] == ["    猫o\u0308", "    はk", "猫  ██░░", " e\u0301    ▓▓"]


def test_long_words_are_numbered_with_a_key() -> None:
    lines = heatmap_lines(replace(MAP, columns=("the", "internationalisation")), width=40)
    assert lines[1] == "      1 2"
    assert "1 the  2 internationalisation" in lines


def test_a_map_wider_than_the_terminal_comes_in_parts() -> None:
    columns = tuple(f"w{place}" for place in range(1, 31))
    wide = Heatmap("", ("x",), columns, (tuple(place / 29 for place in range(30)),))
    lines = heatmap_lines(wide, width=20)  # 17 columns at once
    shown = "".join(line[3:].ljust(17) for line in lines if line.startswith("x"))
    assert len(shown.rstrip()) == 30
    assert [SHADES.index(shade) for shade in shown.rstrip()] == sorted(SHADES.index(shade) for shade in shown.rstrip())
    assert lines[0] == "   " + " " * 9 + "11111111"  # the tens above the ones
    assert lines[1] == "   12345678901234567"
    assert " 30 w30" in " ".join(lines)


@given(heatmaps(), st.integers(20, 100))
def test_no_line_of_a_map_is_too_wide(heatmap: Heatmap, width: int) -> None:
    lines = heatmap_lines(heatmap, width=width)
    assert all(cell_len(line) <= width for line in lines)
    assert not any(character in line for line in lines for character in "\x1b\n\r\t\u202e\u2028")


def test_a_chart_has_a_row_for_each_series_and_its_values() -> None:
    lines = chart_lines(flow(("RNN", 0.5), ("LSTM", 1.0)), width=100, at=(0, 10, 99))
    assert lines[0] == "Gradient flow"
    assert lines[1].split() == ["0", "60", "at", "0", "at", "10", "at", "99"]
    rnn, lstm = lines[2:4]
    assert rnn.split()[-3:] == ["1", "0.000977", "-"]
    assert lstm.split()[1] == HEIGHTS[-1] * 61
    heights = [HEIGHTS.index(height) for height in rnn.split()[1]]
    assert heights == sorted(heights, reverse=True)
    assert (heights[0], heights[-1], len(heights)) == (7, 0, 61)
    assert lines[4] == "▁ 10⁻¹⁹  █ 1  norm"
    assert len({cell_len(line) for line in lines[1:4]}) == 1


def test_zeros_leave_a_gap_and_are_written_as_zeros() -> None:
    chart = LineChart("", "k", "", (Series("s", (Point(0, 1), Point(1, 0.0), Point(2, 1e-30))),), log_y=True)
    lines = chart_lines(chart, width=60, at=(1,))
    assert lines[1].startswith("s  █ ▁")
    assert lines[1].endswith(" 0")


def test_values_that_do_not_fit_are_left_away_and_the_row_is_thinned() -> None:
    chart = flow(("RNN", 0.5))
    narrow, wide = (chart_lines(chart, width=width, at=(0, 20, 40)) for width in (30, 120))
    assert "at 40" in wide[1]
    assert "at 40" not in narrow[1]
    assert narrow[2].split()[1][0] == HEIGHTS[-1]
    assert "▁" in narrow[2]


def test_words_replace_numbers_along_x() -> None:
    points = (Point(0, 30.25), Point(1, 12))
    chart = LineChart("", "words", "BLEU", (Series("RNN", points),), x_ticks=((0, "1-5"), (1, "6+")), y_range=(0, 40))
    lines = chart_lines(chart, width=60, at=(0,))
    assert lines[0].split() == ["1-5", "6+", "at", "1-5"]
    assert lines[1].split() == ["RNN", "▇▃", "30.2"]
    assert lines[2] == "▁ 0  █ 40  BLEU"


@given(
    st.lists(st.tuples(WORDS, st.lists(st.floats(), max_size=40)), max_size=4),
    st.booleans(),
    st.integers(30, 100),
    WORDS,
)
def test_no_line_of_a_chart_is_too_wide(
    curves: list[tuple[str, list[float]]], log_y: bool, width: int, words: str
) -> None:
    bounded = [(name, [y for y in ys if abs(y) < 1e300 or y != y]) for name, ys in curves]
    series = tuple(Series(name, tuple(Point(x, y) for x, y in enumerate(ys))) for name, ys in bounded)
    chart = LineChart(words, words, words, series, x_ticks=((0, words), (5, words)), log_y=log_y)
    lines = chart_lines(chart, width=width, at=(0, 5, 10, 20))
    assert all(cell_len(line) <= width for line in lines)


@pytest.mark.parametrize("width", [30, 80])
def test_a_chart_of_nothing(width: int) -> None:
    assert chart_lines(LineChart("", "k", "norm", ()), width=width, at=(0,))[-1] == "▁ 0  █ 1  norm"


TABLE = Table(
    "Results", ("model", "BLEU", "seconds"), (("LSTM", "20.0", "7"), ("RNN", "9.5", "12")), "Higher is better."
)


def test_a_table() -> None:
    assert table_lines(TABLE, width=40) == [
        "Results", "model  BLEU  seconds", "LSTM   20.0        7", "RNN     9.5       12", "Higher is better.",
    ]  # fmt: skip


def test_a_table_that_is_too_wide_comes_in_parts() -> None:
    assert table_lines(TABLE, width=20) == table_lines(TABLE, width=40)
    named = replace(TABLE, columns=("model", "BLEU of test", "seconds"))
    assert table_lines(named, width=20) == [
        "Results", "model  BLEU of test", "LSTM           20.0", "RNN             9.5",
        "model  seconds", "LSTM         7", "RNN         12", "Higher is better.",
    ]  # fmt: skip


def test_a_signature_stays_whole() -> None:
    signature = "nrefs:1|case:mixed|eff:no|tok:13a"
    assert table_lines(replace(TABLE, note=f"BLEU {signature}"), width=20)[-2:] == ["BLEU", signature]


@given(st.lists(st.lists(WORDS, min_size=3, max_size=3), max_size=4), st.integers(20, 60))
def test_every_cell_of_a_table_is_there_and_fits(rows: list[list[str]], width: int) -> None:
    table = Table("T", ("a", "b", "c"), tuple(map(tuple, rows)))
    lines = table_lines(table, width=width)
    assert all(cell_len(line) <= width for line in lines)
    assert (len(lines) - 1) % (len(rows) + 1) == 0
