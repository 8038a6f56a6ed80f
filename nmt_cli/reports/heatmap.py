"""A heat map: a table of shares as shades, such as where a model looks while it writes. Knows no attention."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import cos, isfinite, radians, sin

from nmt_cli.reports import svg

_MARGIN = 14.0
_SLANT = 60.0  # degrees by which the words above the columns are turned
_LONGEST = 130.0  # room for a word
_KEY = 16.0
_DARKEST = 10
_LEAST_SIZE = 0.75
_GAMMA = 0.7  # a projector swallows the lightest shades; the strip below the map is drawn likewise


@dataclass(frozen=True)
class Heatmap:
    """Shades in rows and columns.

    Attributes:
        title: one sentence.
        rows: R words, from top to bottom; for attention the target.
        columns: C words, from left to right; for attention the source.
        values: (R, C), 0 to 1.
        note: the caption.
    """

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]
    note: str = ""

    def __post_init__(self) -> None:
        widths = {len(row) for row in self.values}
        if len(self.values) != len(self.rows) or widths - {len(self.columns)}:
            raise ValueError(
                "a heat map must have a value for every row and column, "
                f"but has {len(self.rows)} rows, {len(self.columns)} columns and values of "
                f"{len(self.values)} rows of {', '.join(map(str, sorted(widths))) or 'no'} columns"
            )

    def svg(self) -> str:
        """The map as an SVG document, as large as its cells and words make it."""
        return _draw(self)

    def html(self) -> str:
        """A ``figure`` as wide as the map, so that a page puts several side by side."""
        caption = f"<figcaption>{svg.escape(self.note)}</figcaption>" if self.note else ""
        width = _Grid.of(self).width
        least = (
            f"min-width:{svg.number(_LEAST_SIZE * width)}px"  # on a phone a large map scrolls instead of fading away
        )
        return (
            f'<figure class="map" style="flex-basis:{svg.number(width)}px">\n'
            f'<div tabindex="0"><div style="{least}">{self.svg()}</div></div>\n{caption}</figure>'
        )


@dataclass(frozen=True)
class _Grid:
    """Where the cells lie, in user units."""

    title: tuple[str, ...]
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    left: float
    top: float
    cell: float
    width: float

    @classmethod
    def of(cls, heatmap: Heatmap) -> "_Grid":
        rows = tuple(svg.shortened(word, _LONGEST) for word in heatmap.rows)
        columns = tuple(svg.shortened(word, _LONGEST) for word in heatmap.columns)
        cell = 24.0 if max(len(rows), len(columns)) <= 30 else 18.0
        left = _MARGIN + max(map(svg.text_width, rows), default=0.0) + 8
        right = left + cell * len(columns)
        slanted = [svg.text_width(word) for word in columns]
        leaning = [left + cell * (place + 0.6) + cos(radians(_SLANT)) * wide for place, wide in enumerate(slanted)]
        width = max(right, 220.0, *leaning) + _MARGIN
        title = tuple(svg.wrapped(heatmap.title, width - 2 * _MARGIN, svg.TITLE))
        rise = sin(radians(_SLANT)) * max(slanted, default=0.0)
        top = _MARGIN + svg.TITLE_LINE * len(title) + rise + 18
        return cls(title, rows, columns, left, top, cell, width)

    @property
    def right(self) -> float:
        return self.left + self.cell * len(self.columns)

    @property
    def bottom(self) -> float:
        return self.top + self.cell * len(self.rows)


def _draw(heatmap: Heatmap) -> str:
    grid = _Grid.of(heatmap)
    parts = [
        svg.label(line, _MARGIN, _MARGIN + 12 + svg.TITLE_LINE * place, "nmt-title")
        for place, line in enumerate(grid.title)
    ]
    for place, word in enumerate(grid.rows):
        parts.append(svg.label(word, grid.left - 8, grid.top + grid.cell * (place + 0.5) + 4.5, anchor="end"))
    for place, word in enumerate(grid.columns):
        x, y = grid.left + grid.cell * (place + 0.5) + 4, grid.top - 7
        parts.append(svg.slanted(word, x, y, degrees=-_SLANT, anchor="start"))
    parts += [*_lines(grid), *_cells(grid, heatmap), *_key(grid)]
    described = (
        f"Heat map of {len(heatmap.rows)} rows ({' '.join(heatmap.rows)}) "
        f"and {len(heatmap.columns)} columns ({' '.join(heatmap.columns)}). {heatmap.note}"
    )
    height = grid.bottom + 18 + _KEY + _MARGIN
    return svg.drawing(grid.width, height, title=heatmap.title, description=described.strip(), parts=parts)


def _lines(grid: _Grid) -> Iterator[str]:
    """The grid, so that the eye finds the word that belongs to a cell."""
    for place in range(len(grid.rows) + 1):
        y = grid.top + grid.cell * place
        yield svg.element("line", {"class": "nmt-grid", "x1": grid.left, "x2": grid.right, "y1": y, "y2": y})
    for place in range(len(grid.columns) + 1):
        x = grid.left + grid.cell * place
        yield svg.element("line", {"class": "nmt-grid", "x1": x, "x2": x, "y1": grid.top, "y2": grid.bottom})


def _cells(grid: _Grid, heatmap: Heatmap) -> Iterator[str]:
    """A square for each value that can be seen; the words and the value appear under the pointer."""
    for row, (target, values) in enumerate(zip(heatmap.rows, heatmap.values, strict=True)):
        for column, (source, value) in enumerate(zip(heatmap.columns, values, strict=True)):
            if isfinite(value) and value >= 0.005:
                x, y = grid.left + grid.cell * column + 1, grid.top + grid.cell * row + 1
                said = svg.element("title", {}, svg.escape(f"{target} ← {source}: {value:.2f}"))
                yield _square(x, y, grid.cell - 2, value, said)


def _square(x: float, y: float, size: float, value: float, content: str = "") -> str:
    shade = {
        "class": "nmt-heat",
        "x": x,
        "y": y,
        "width": size,
        "height": size,
        "fill-opacity": min(1.0, value) ** _GAMMA,
    }
    return svg.element("rect", shade, content)


def _key(grid: _Grid) -> Iterator[str]:
    """What the shades mean: a strip from 0 to 1 below the map."""
    x, y = grid.left, grid.bottom + 14
    if x + 36 + _KEY * _DARKEST > grid.width - _MARGIN:  # a narrow map of long words
        x = _MARGIN
    yield svg.label("0", x, y + 12.5, "nmt-faint")
    for place in range(_DARKEST):
        yield _square(x + 14 + _KEY * place, y, _KEY, (place + 0.5) / _DARKEST)
    yield svg.label("1", x + 20 + _KEY * _DARKEST, y + 12.5, "nmt-faint")
