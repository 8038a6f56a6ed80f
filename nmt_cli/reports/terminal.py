"""The terminal: figures as lines of text, in shades and heights of block characters that need no colour.

Every line fits the given width in cells, of which a Chinese character or an emoji takes two and an accent none.
"""

import textwrap
from collections.abc import Iterator, Sequence

from rich.cells import cell_len

from nmt_cli.reports.cells import at_left, at_right, filled, letters_of, plain, shortened
from nmt_cli.reports.chart import LineChart, Series
from nmt_cli.reports.heatmap import Heatmap
from nmt_cli.reports.scale import Scale
from nmt_cli.reports.table import Table

SHADES = " ░▒▓█"
"""From nothing to everything."""
FROM = (0.05, 0.2, 0.4, 0.7)
"""The shares from which on each shade but the first is drawn: most of what attention does lies far below 1."""
HEIGHTS = "▁▂▃▄▅▆▇█"
"""From the lowest to the highest value of a scale."""

_TALLEST = 12  # letters of a word that is written downwards
_LEAST = 10  # heights in a row, however many values stand beside it


def heatmap_lines(heatmap: Heatmap, *, width: int) -> list[str]:
    """A heat map: its rows down, its columns across, each under its word, which is written downwards.

    Where a word is too long for that, or where there is room for one cell a column only, the columns are numbered and
    a key follows. A map that is still too wide comes in several parts, one below the other.

    Args:
        heatmap: R rows and C columns.
        width: cells of the terminal, at least 20.
    """
    names, left = _names(heatmap.rows, width // 3)
    columns = [plain(word) for word in heatmap.columns]
    room = max(1, width - left - 2)
    cell = 2 if 2 * len(columns) <= room else 1
    upright = cell == 2 and all(len(letters_of(word)) <= _TALLEST for word in columns)
    heads = columns if upright else [str(place) for place in range(1, len(columns) + 1)]
    lines = filled([heatmap.title], width)
    for start in range(0, len(columns), room // cell or 1):
        part = slice(start, start + (room // cell or 1))
        lines += [" " * (left + 2) + line for line in _downwards(heads[part], cell)]
        for name, values in zip(names, heatmap.values, strict=True):
            shades = "".join(_shade(value) * cell for value in values[part])
            lines.append(f"{' ' * (left - cell_len(name))}{name}  {shades}".rstrip())
    if not upright:
        lines += filled([f"{head} {word}" for head, word in zip(heads, columns, strict=True)], width)
    return [*lines, *filled([f"{shade} {share}+" for shade, share in zip(SHADES[1:], FROM, strict=True)], width)]


def table_lines(table: Table, *, width: int) -> list[str]:
    """A table: title, rows, note. One that is too wide comes in several parts, each behind the first column.

    A word of the note that is wider than the terminal, such as a signature, stays whole, so that it can be copied.

    Args:
        table: R rows of C columns.
        width: cells of the terminal, at least 20.
    """
    names, left = _names([table.columns[0], *(row[0] for row in table.rows)], width // 2)
    room = width - left - 2
    cells = [[shortened(plain(cell), room) for cell in row[1:]] for row in (table.columns, *table.rows)]
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    lines = filled([table.title], width)
    for part in _parts(widths, room + 2):
        for name, row in zip(names, cells, strict=True):
            values = "".join("  " + at_right(row[column], widths[column]) for column in part)
            lines.append(f"{at_left(name, left)}{values}".rstrip())
    note = plain(table.note)
    return [*lines, *textwrap.wrap(note, width, break_long_words=False, break_on_hyphens=False)]


def _parts(widths: Sequence[int], room: int) -> Iterator[range]:
    """Columns that fit beside each other, two spaces before each."""
    start, used = 0, 0
    for column, cells in enumerate(widths):
        if column > start and used + 2 + cells > room:
            yield range(start, column)
            start, used = column, 0
        used += 2 + cells
    yield range(start, len(widths))


def chart_lines(chart: LineChart, *, width: int, at: Sequence[float] = ()) -> list[str]:
    """A chart: a row of heights for each series, and its values at a few x.

    Each height is one measured x, at equal distances; where there are too many, some evenly chosen ones. All rows share
    the chart's own scale. What has no place on it leaves a gap among the heights.

    Args:
        chart: N series.
        width: cells of the terminal, at least 30.
        at: the x whose values are written out, ``-`` where there is none. Those for which there is no room are left away.
    """
    names, left = _names([one.name for one in chart.series], width // 2)
    words = dict(chart.x_ticks or ())
    columns = [[f"at {words.get(x, f'{x:g}')}", *(_value(one, x) for one in chart.series)] for x in at]
    while columns and left + 2 + _LEAST + sum(map(_width, columns)) > width:
        columns.pop()
    room = max(1, width - left - 2 - sum(map(_width, columns)))
    xs = _evenly(sorted({point.x for one in chart.series for point in one.points}), room)
    scale = chart.y_scale()
    rows = ["".join(_height(scale, _at(one, x)) for x in xs) for one in chart.series]
    first, last = (words.get(x, f"{x:g}") for x in (xs[0], xs[-1])) if xs else ("", "")
    length = max(len(xs), min(room, cell_len(first) + 1 + cell_len(last)))
    rows.insert(0, shortened(first + " " * (length - cell_len(first) - cell_len(last)) + last, room))
    lines = filled([chart.title], width)
    for place, (name, row) in enumerate(zip(["", *names], rows, strict=True)):
        values = "".join(at_right(column[place], _width(column)) for column in columns)
        lines.append(f"{at_left(name, left)}  {at_left(row, length if columns else 0)}{values}".rstrip())
    low, high = scale.ends()
    return [*lines, *filled([f"{HEIGHTS[0]} {low}", f"{HEIGHTS[-1]} {high}", chart.y_label], width)]


def _names(names: Sequence[str], most: int) -> tuple[list[str], int]:
    """The names that stand left, none wider than ``most``, and the width of the widest."""
    short = [shortened(plain(name), most) for name in names]
    return short, max(map(cell_len, short), default=0)


def _shade(value: float) -> str:
    return SHADES[sum(value >= share for share in FROM)]


def _height(scale: Scale, value: float | None) -> str:
    if value is None or not scale.holds(value):
        return " "
    return HEIGHTS[min(len(HEIGHTS) - 1, int(scale.fraction(value) * len(HEIGHTS)))]


def _at(series: Series, x: float) -> float | None:
    return next((point.y for point in series.points if point.x == x), None)


def _value(series: Series, x: float) -> str:
    value = _at(series, x)
    return "-" if value is None else f"{value:.3g}"


def _width(column: Sequence[str]) -> int:
    """Of a column of values, with the space before it."""
    return 2 + max(map(cell_len, column))


def _evenly(values: Sequence[float], most: int) -> list[float]:
    """All of the values, or ``most`` of them, among which are the first and the last."""
    if len(values) <= most:
        return list(values)
    return [values[round(place * (len(values) - 1) / max(1, most - 1))] for place in range(most)]


def _downwards(words: Sequence[str], cell: int) -> Iterator[str]:
    """The words written downwards side by side, so that all of them end on the last line."""
    letters = [letters_of(word) for word in words]
    tallest = max(map(len, letters), default=0)
    for line in range(tallest):
        row = [word[line - tallest + len(word)] if line >= tallest - len(word) else "" for word in letters]
        yield "".join(at_left(letter if cell_len(letter) <= cell else "□", cell) for letter in row).rstrip()
