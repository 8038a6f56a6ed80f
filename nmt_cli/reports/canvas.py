"""A canvas: lines and marks in the cells of a terminal, each of which is divided into dots."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from rich.text import Text


@dataclass(frozen=True)
class Pen:
    """What is drawn with.

    Attributes:
        weights: what each dot of a cell adds to the place of its glyph; rows from the top, columns from the left.
        glyphs: every way in which the dots of a cell can be set.
        marks: what tells one series from another.
        upright, ticked, corner, level, notched: the axis of y, where it has a value, their corner, and the same for x.
        event: a line across the plot.
    """

    weights: tuple[tuple[int, ...], ...]
    glyphs: str
    marks: str
    upright: str
    ticked: str
    corner: str
    level: str
    notched: str
    event: str


BRAILLE = Pen(
    ((1, 8), (2, 16), (4, 32), (64, 128)), "".join(chr(0x2800 + dots) for dots in range(256)), "●■▲◆▼✚★✖", *"│┤└─┬┊"
)
"""Eight dots in a cell."""
ASCII = Pen(((1,), (2,)), " '.:", "o#^*v+@x", *"|++-+:")
"""Two dots in a cell, for a terminal that knows nothing else."""


@dataclass(frozen=True)
class Canvas:
    """Places go from 0 to 1, to the right and upwards. What is drawn later lies in front."""

    pen: Pen
    columns: int
    rows: int
    _dots: dict[tuple[int, int], tuple[int, str]] = field(
        default_factory=dict
    )  # by row and column: the glyph, its style
    _marks: dict[tuple[int, int], tuple[str, str]] = field(default_factory=dict)

    def line(self, start: tuple[float, float], end: tuple[float, float], style: str) -> None:
        """A straight line."""
        (left, top), (right, bottom) = self._dot(*start), self._dot(*end)
        steps = max(abs(right - left), abs(bottom - top), 1)
        for step in range(steps + 1):
            self._set(left + round(step * (right - left) / steps), top + round(step * (bottom - top) / steps), style)

    def mark(self, x: float, y: float, glyph: str, style: str) -> None:
        """A glyph in the cell of a place."""
        column, row = self._dot(x, y)
        self._marks[row // len(self.pen.weights), column // len(self.pen.weights[0])] = (glyph, style)

    def rule(self, x: float, style: str) -> None:
        """A line from the top to the bottom, behind everything else."""
        for row in range(self.rows):
            self._marks.setdefault((row, self.column(x)), (self.pen.event, style))

    def column(self, x: float) -> int:
        """The cell in which a place lies."""
        return self._dot(x, 0.0)[0] // len(self.pen.weights[0])

    def lines(self) -> Iterator[Text]:
        """The rows, from the top."""
        for row in range(self.rows):
            line = Text()
            for column in range(self.columns):
                glyph, style = self._cell(row, column)
                line.append(glyph, style)
            yield line

    def _cell(self, row: int, column: int) -> tuple[str, str]:
        mark, dots = self._marks.get((row, column)), self._dots.get((row, column))
        if dots and (mark is None or mark[0] == self.pen.event):
            return self.pen.glyphs[dots[0]], dots[1]
        return mark or (" ", "")

    def _dot(self, x: float, y: float) -> tuple[int, int]:
        """From the left and from the top."""
        across, down = self.columns * len(self.pen.weights[0]), self.rows * len(self.pen.weights)
        return round(x * (across - 1)), round((1 - y) * (down - 1))

    def _set(self, column: int, row: int, style: str) -> None:
        down, across = len(self.pen.weights), len(self.pen.weights[0])
        cell = (row // down, column // across)
        before, _ = self._dots.get(cell, (0, ""))
        self._dots[cell] = (before | self.pen.weights[row % down][column % across], style)
