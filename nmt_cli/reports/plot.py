"""A plot: a line chart as lines of text, with its axes, drawn by dots. Each line fits the given width."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.cells import cell_len
from rich.text import Text

from nmt_cli.reports.canvas import Canvas, Pen
from nmt_cli.reports.cells import at_left, at_right, plain, shortened
from nmt_cli.reports.chart import LineChart, Series
from nmt_cli.reports.palette import INKS
from nmt_cli.reports.scale import Scale

ROWS = 12
_FAINT = "dim"
_MOST_MARKS = 12


def plot_lines(chart: LineChart, pen: Pen, *, width: int) -> list[Text]:
    """A chart as a plot of 12 rows, with its title, legend, axes and events.

    A dashed series has no dashes here: it is told from others by its marks.

    Args:
        chart: x is to be read as a number.
        pen: BRAILLE or ASCII.
        width: cells of the terminal, at least 40.
    """
    y_words = _placed_values(chart.y_scale())
    left = max(map(len, y_words.values()), default=0) + 1
    canvas = Canvas(pen, width - left - 1, ROWS)
    _draw(canvas, chart)
    events = [(canvas.column(chart.x_scale().fraction(event.x)), event.name) for event in chart.events]
    above = [Text(" " * (left + 1) + line, _FAINT) for line in _labels(events, canvas.columns)]
    rows = []
    for row, cells in enumerate(canvas.lines()):
        word = y_words.get(row, "")
        axis = f"{word:>{left - 1}} {pen.ticked if word else pen.upright}"
        rows.append(Text.assemble((axis, _FAINT), cells))
    lines = [Text(shortened(plain(chart.title), width), "bold"), _legend(chart, pen, width), *reversed(above), *rows]
    lines += [Text(" " * left + line, _FAINT) for line in _x_axis(chart, canvas)]
    for line in lines:
        line.rstrip()
    return lines


def _draw(canvas: Canvas, chart: LineChart) -> None:
    """The first series in front."""
    x, y = chart.x_scale(), chart.y_scale()
    for place, series in reversed(list(enumerate(chart.series))):
        for run in _runs(series, x, y):
            for start, end in zip(run, run[1:] or run, strict=False):
                canvas.line(start, end, _style(series))
        points = [point for run in _runs(series, x, y) for point in run]
        every = -(-len(points) // _MOST_MARKS)
        for point in points[place % every :: every] if points else ():
            canvas.mark(*point, _mark(canvas.pen, series), _style(series))
    for event in chart.events:
        canvas.rule(x.fraction(event.x), _FAINT)


def _runs(series: Series, x: Scale, y: Scale) -> Iterator[list[tuple[float, float]]]:
    """The places of the points that have one, in stretches without a gap."""
    run: list[tuple[float, float]] = []
    for point in series.points:
        if x.holds(point.x) and y.holds(point.y):
            run.append((x.fraction(point.x), y.fraction(point.y)))
        elif run:
            yield run
            run = []
    if run:
        yield run


def _mark(pen: Pen, series: Series) -> str:
    return pen.marks[series.colour % len(pen.marks)]


def _style(series: Series) -> str:
    return INKS[series.colour % len(INKS)]


def _placed_values(scale: Scale) -> dict[int, str]:
    """The values beside the axis of y, by their rows."""
    return {round((1 - scale.fraction(value)) * (ROWS - 1)): words for value, words in scale.ticks(ROWS // 2)}


def _legend(chart: LineChart, pen: Pen, width: int) -> Text:
    line = Text.assemble((shortened(plain(chart.y_label), width // 3), _FAINT))
    for series in chart.series:
        line.append(f"  {_mark(pen, series)} ", _style(series))
        line.append(plain(series.name))
    line.truncate(width)
    return line


def _labels(placed: Iterable[tuple[int, str]], columns: int) -> list[str]:
    """Words centred on their columns, in as many lines as they need to stand beside each other; the first takes most."""
    lines: list[str] = []
    for column, word in placed:
        short = shortened(plain(word), columns)
        start = max(0, min(columns - cell_len(short), column - cell_len(short) // 2))
        row = next((row for row, line in enumerate(lines) if cell_len(line) < max(1, start - 1)), len(lines))
        before = lines[row] if row < len(lines) else ""
        lines[row : row + 1] = [at_left(before, start) + short]
    return lines


def _x_axis(chart: LineChart, canvas: Canvas) -> list[str]:
    """From the corner on: the axis, the values below it, and what they are."""
    ticks: Sequence[tuple[float, str]] = chart.x_ticks or chart.x_scale().ticks(max(3, canvas.columns // 12))
    placed = [(canvas.column(chart.x_scale().fraction(value)), words) for value, words in ticks]
    notched = {column for column, _ in placed}
    axis = "".join(canvas.pen.notched if column in notched else canvas.pen.level for column in range(canvas.columns))
    values, *_ = [*_labels(placed, canvas.columns), ""]
    unit = shortened(plain(chart.x_label), canvas.columns)
    room = canvas.columns - cell_len(values)
    below = [values + at_right(unit, room)] if cell_len(unit) + 2 <= room else [values, at_right(unit, canvas.columns)]
    return [canvas.pen.corner + axis, *(f" {line}" for line in below)]
