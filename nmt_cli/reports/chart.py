"""A line chart: what a few series measured along one axis, as a drawing. Knows not what was measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import cos, radians, sin

from nmt_cli.reports import legend, svg
from nmt_cli.reports.legend import Entry
from nmt_cli.reports.palette import colour_class
from nmt_cli.reports.scale import Scale, Tick, exact, linear, logarithmic

WIDE, NARROW = 880.0, 380.0
"""The widths that a page shows: on a screen, and on a phone, where everything is smaller but the words."""


@dataclass(frozen=True)
class Point:
    """A measurement. ``low`` and ``high`` are the ends of its 95 % interval, where one is known."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Series:
    """Points that belong together, joined by a line in their order.

    Attributes:
        name: what the legend says.
        points: their order is the order of x.
        colour: a place in the palette, which also picks the mark: the same for all series of one model.
        dashed: a broken line with hollow marks, to tell two series of one colour apart.
    """

    name: str
    points: tuple[Point, ...]
    colour: int = 0
    dashed: bool = False


@dataclass(frozen=True)
class Event:
    """Something that happened at one x, and is marked there across the plot."""

    x: float
    name: str


@dataclass(frozen=True)
class Margins:
    """The room beside a plot, which charts that stand below each other share, so that their x are below each other too."""

    left: float  # for the values of y
    right: float | None  # for the legend; None: it stands below

    @classmethod
    def shared(cls, margins: Sequence[Margins]) -> Margins:
        """Enough for each of several charts."""
        rights = [each.right for each in margins]
        narrow = [right for right in rights if right is not None]
        return cls(max(each.left for each in margins), max(narrow) if len(narrow) == len(rights) else None)


@dataclass(frozen=True)
class LineChart:
    """Several series over one x.

    Attributes:
        title: one sentence, which may say what is to be seen.
        x_label: what x is, and its unit.
        y_label: the same for y.
        series: in the order of the legend.
        x_ticks: (value, words) where x is not to be read as a number, as for ranges of length; None: round numbers.
        log_y: a logarithmic y. Values of 0 have no place on it and are left out, and the caption says so.
        y_range: the least that a linear y shows; values outside of it widen it.
        x_range: the same for x.
        events: in the order of x.
        note: the caption.
    """

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    x_ticks: tuple[Tick, ...] | None = None
    log_y: bool = False
    y_range: tuple[float, float] | None = None
    x_range: tuple[float, float] | None = None
    events: tuple[Event, ...] = ()
    note: str = ""

    def svg(self, *, width: float = WIDE) -> str:
        """The chart as an SVG document, ``width`` units wide and as high as it needs to be."""
        height = min(400.0, max(240.0, 0.45 * width))
        parts, foot = self.parts(width=width, height=height, margins=self.margins(width=width, height=height))
        return svg.drawing(width, foot, title=self.title, description=self.description, parts=parts)

    def parts(self, *, width: float, height: float, margins: Margins) -> tuple[list[str], float]:
        """The elements of the drawing, for whoever draws more than one chart, and how high they are.

        Args:
            width: of the whole chart.
            height: of the plot alone.
            margins: the chart's own, or wider ones.
        """
        return _draw(self, width, height, margins)

    def margins(self, *, width: float, height: float) -> Margins:
        """What the chart needs beside its plot. Arguments as ``parts``."""
        words = self.y_scale().ticks(_most_ticks(height))
        left = _MARGIN + max(svg.text_width(word) for _, word in words) + 8
        return Margins(left, legend.room_beside(_entries(self), width=width, height=height))

    def html(self) -> str:
        """A ``figure`` that holds the chart twice, for screens and for phones; the page's style shows one of them."""
        caption = f"<figcaption>{svg.escape(self.caption)}</figcaption>" if self.caption else ""
        return (
            f'<figure class="chart">\n<div class="wide">{self.svg()}</div>\n'
            f'<div class="narrow">{self.svg(width=NARROW)}</div>\n{caption}</figure>'
        )

    @property
    def caption(self) -> str:
        """The note, and how many values have no place in the drawing, if any."""
        values = [point.y for one in self.series for point in one.points]
        scale = self.y_scale()
        missing = sum(not scale.holds(value) for value in values)
        return " ".join(filter(None, (self.note, _left_out(missing, len(values)) if missing else "")))

    @property
    def description(self) -> str:
        """What is to be seen, for readers who do not see it."""
        names = ", ".join(one.name for one in self.series)
        marked = "".join(f" At {event.x:,.10g}: {event.name}." for event in self.events)
        return f"Line chart: {self.y_label} over {self.x_label}, for {names or 'no series'}.{marked} {self.caption}".strip()

    def x_scale(self) -> Scale:
        """The scale of x, from the first to the last of all."""
        values = [point.x for one in self.series for point in one.points]
        return exact([*values, *(x for x, _ in self.x_ticks or ()), *(self.x_range or ())])

    def y_scale(self) -> Scale:
        """The scale of y, with room for every interval."""
        values = [value for one in self.series for point in one.points for value in _heights(point)]
        return logarithmic(values) if self.log_y else linear(values, self.y_range)


def _left_out(missing: int, values: int) -> str:
    return f"{missing:,} of {values:,} values are 0 or not finite and have no place in this drawing."


def _heights(point: Point) -> Iterator[float]:
    yield point.y
    if point.low is not None and point.high is not None:
        yield from (point.low, point.high)


@dataclass(frozen=True)
class _Plot:
    """The rectangle between the axes, in user units, and the scales along its sides.

    ``shift`` moves what is drawn a little to the right or, below 0, to the left.
    """

    left: float
    top: float
    width: float
    height: float
    x: Scale
    y: Scale
    shift: float = 0.0

    @property
    def bottom(self) -> float:
        return self.top + self.height

    @property
    def right(self) -> float:
        return self.left + self.width

    def across(self, x: float) -> float:
        return self.left + _INSET + (self.width - 2 * _INSET) * self.x.fraction(x) + self.shift

    def up(self, y: float) -> float:
        return self.bottom - self.height * self.y.fraction(y)

    def runs(self, series: Series) -> Iterator[list[tuple[float, float]]]:
        """The places of the points that have one, in stretches without a gap."""
        run: list[tuple[float, float]] = []
        for point in series.points:
            if self.x.holds(point.x) and self.y.holds(point.y):
                run.append((self.across(point.x), self.up(point.y)))
            elif run:
                yield run
                run = []
        if run:
            yield run


_INSET = 10.0  # so that the marks of the first and the last point do not stand on the border
_MARGIN = 14.0
_MOST_MARKS = 14
_SLANT = 50.0  # degrees by which words below the axis are turned where they would touch


def _draw(chart: LineChart, width: float, height: float, margins: Margins) -> tuple[list[str], float]:
    title = svg.wrapped(chart.title, width - 2 * _MARGIN, svg.TITLE)
    unit = svg.wrapped(chart.y_label, width - 2 * _MARGIN)
    room = width - margins.left - (margins.right or _MARGIN)
    plot = _Plot(margins.left, 0.0, room, height, chart.x_scale(), chart.y_scale())
    events = _Events.of(chart.events, plot)
    head = _MARGIN + svg.TITLE_LINE * len(title) + svg.LINE * len(unit)
    plot = replace(plot, top=head + svg.LINE * events.rows + 16)
    x_ticks, below = _x_axis(plot, chart)
    foot = plot.bottom + below
    entries = _entries(chart)
    plots = [replace(plot, shift=shift) for shift in _shifts(chart)]
    if margins.right:
        ends = [_end(its, one) for its, one in zip(plots, chart.series, strict=True)]
        words = legend.beside(entries, ends, right=plot.right, top=plot.top, height=height)
    else:
        words, foot = legend.below(entries, left=_MARGIN, top=foot + 6, width=width - 2 * _MARGIN)
    heading = [svg.label(line, _MARGIN, _MARGIN + 12 + svg.TITLE_LINE * i, "nmt-title") for i, line in enumerate(title)]
    heading += _stacked(unit, _MARGIN, head - 1 - svg.LINE * (len(unit) - 1), "start")
    axes = (*_y_axis(plot, plot.y.ticks(_most_ticks(height))), *x_ticks)
    return [*heading, *axes, *events.parts(plot), *_data(plots, chart.series), *words], foot + _MARGIN


def _most_ticks(height: float) -> int:
    return max(7, int(height / 44))


def _entries(chart: LineChart) -> list[Entry]:
    return [Entry(one.name, one.colour, one.dashed) for one in chart.series]


@dataclass(frozen=True)
class _Events:
    """Lines across a plot, with their names above it, in as many rows as they need to stand beside each other."""

    placed: tuple[tuple[Event, float, int], ...]  # with the middle of the name, and the row, the lowest first

    @classmethod
    def of(cls, events: Iterable[Event], plot: _Plot) -> _Events:
        ends: list[float] = []  # of each row, where its last name ends
        placed = []
        for event in events:
            half = svg.text_width(event.name) / 2
            middle = max(plot.left + half, min(plot.right - half, plot.across(event.x)))
            row = next((row for row, end in enumerate(ends) if end + 8 <= middle - half), len(ends))
            ends[row : row + 1] = [middle + half]
            placed.append((event, middle, row))
        return cls(tuple(placed))

    @property
    def rows(self) -> int:
        return 1 + max((row for *_, row in self.placed), default=-1)

    def parts(self, plot: _Plot) -> Iterator[str]:
        for event, middle, row in self.placed:
            x = plot.across(event.x)
            yield svg.element("line", {"class": "nmt-event", "x1": x, "x2": x, "y1": plot.top, "y2": plot.bottom})
            yield svg.label(event.name, middle, plot.top - 8 - svg.LINE * row, "nmt-faint", "middle")


def _y_axis(plot: _Plot, ticks: Iterable[Tick]) -> Iterator[str]:
    for value, words in ticks:
        y = plot.up(value)
        yield svg.element("line", {"class": "nmt-grid", "x1": plot.left, "x2": plot.right, "y1": y, "y2": y})
        yield svg.label(words, plot.left - 8, y + 4.5, "nmt-faint", "end")


def _x_axis(plot: _Plot, chart: LineChart) -> tuple[list[str], float]:
    """The axis below the plot, and how far it reaches down."""
    ticks = chart.x_ticks or plot.x.ticks(max(3, int(plot.width / 60)))
    places = [plot.across(value) for value, _ in ticks]
    gap = min((after - before for before, after in pairwise(sorted(places))), default=plot.width)
    widest = max((svg.text_width(words) for _, words in ticks), default=0.0)
    turned = widest > min(gap - 6, 2 * (_INSET + _MARGIN))  # the last has no neighbour, but the border of the drawing
    parts = [_rule(plot.left, plot.right, plot.bottom, plot.bottom)]
    for x, (_, words) in zip(places, ticks, strict=True):
        parts.append(_rule(x, x, plot.bottom, plot.bottom + 5))
        if turned:
            short = svg.shortened(words, plot.left / cos(radians(_SLANT)))
            parts.append(svg.slanted(short, x + 4, plot.bottom + 16, degrees=-_SLANT, anchor="end"))
        else:
            parts.append(svg.label(words, x, plot.bottom + 20, "nmt-faint", "middle"))
    depth = 36 + (sin(radians(_SLANT)) * min(widest, plot.left / cos(radians(_SLANT))) if turned else 4)
    name = svg.wrapped(chart.x_label, plot.width)
    parts += _stacked(name, plot.left + plot.width / 2, plot.bottom + depth, "middle")
    return parts, depth + svg.LINE * (len(name) - 1) + 4


def _rule(left: float, right: float, top: float, bottom: float) -> str:
    return svg.element("line", {"class": "nmt-axis", "x1": left, "x2": right, "y1": top, "y2": bottom})


def _stacked(lines: Iterable[str], x: float, y: float, anchor: str) -> list[str]:
    """Lines of text, the first at ``y`` and the others below."""
    return [svg.label(line, x, y + svg.LINE * place, "nmt-faint", anchor) for place, line in enumerate(lines)]


def _shifts(chart: LineChart) -> list[float]:
    """How far each series stands from its true x: where x is a few ranges, intervals stand side by side."""
    bars = any(point.low is not None for one in chart.series for point in one.points)
    apart = min(2.5, 2 * (_INSET - 1) / max(1, len(chart.series) - 1)) if bars and chart.x_ticks else 0.0
    return [apart * (place - (len(chart.series) - 1) / 2) for place in range(len(chart.series))]


def _data(plots: Sequence[_Plot], series: Sequence[Series]) -> Iterator[str]:
    """Every series, the intervals behind all lines and the first series in front, as it is the first of the legend."""
    for plot, one in zip(plots, series, strict=True):
        yield _group(one, _intervals(plot, one))
    for place, (plot, one) in reversed(list(enumerate(zip(plots, series, strict=True)))):
        yield _group(one, (*_lines(plot, one), *_marks(plot, one, place)))


def _group(series: Series, parts: Iterable[str]) -> str:
    return svg.element("g", {"class": colour_class(series.colour)}, "".join(parts))


def _lines(plot: _Plot, series: Series) -> Iterator[str]:
    for run in plot.runs(series):
        line = svg.path(run if len(run) > 1 else 2 * run)  # of a line that goes nowhere its round ends are drawn: a dot
        yield svg.element("path", {"class": legend.line_class(dashed=series.dashed), "d": line})


def _marks(plot: _Plot, series: Series, place: int) -> Iterator[str]:
    """A mark for every point, or for some of many; which ones depends on the series, so that fewer coincide."""
    points = [point for run in plot.runs(series) for point in run]
    every = -(-len(points) // _MOST_MARKS)
    for x, y in points[place % every :: every] if points else ():
        yield legend.mark(series.colour, x, y, dashed=series.dashed)


def _intervals(plot: _Plot, series: Series) -> Iterator[str]:
    for point in series.points:
        if point.low is not None and point.high is not None and plot.x.holds(point.x) and plot.y.holds(point.y):
            x = plot.across(point.x)
            ends: dict[str, str | float] = {"x1": x, "x2": x, "y1": plot.up(point.low), "y2": plot.up(point.high)}
            yield svg.element("line", {"class": "nmt-bar", **ends})


def _end(plot: _Plot, series: Series) -> tuple[float, float] | None:
    """Where the line ends, if it is drawn at all."""
    runs = list(plot.runs(series))
    return runs[-1][-1] if runs else None
