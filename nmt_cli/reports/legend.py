"""The legend: which line is which, beside the ends of the lines where there is room, otherwise below."""

from collections.abc import Sequence
from dataclasses import dataclass

from nmt_cli.reports import svg
from nmt_cli.reports.palette import colour_class, outline

_SAMPLE = 30.0  # a piece of line with its mark
_LEADER = 26.0  # from the plot to the samples
_GAP = 6.0


@dataclass(frozen=True)
class Entry:
    """A name, and how its line looks."""

    name: str
    colour: int
    dashed: bool


def mark(colour: int, x: float, y: float, *, dashed: bool, radius: float = 4.5) -> str:
    """The mark of a colour about a centre; hollow where the line is dashed."""
    corners = svg.path(outline(colour, x, y, radius))
    return svg.element("path", {"class": "nmt-hollow" if dashed else "nmt-solid", "d": f"{corners} Z"})


def line_class(*, dashed: bool) -> str:
    """The class of a line."""
    return "nmt-line nmt-dashed" if dashed else "nmt-line"


def room_beside(entries: Sequence[Entry], *, width: float, height: float) -> float | None:
    """How much of the width a legend beside the plot takes, or None where it had better stand below."""
    if len(entries) * svg.LINE > height:
        return None
    needed = _LEADER + _SAMPLE + _GAP + max((svg.text_width(entry.name) for entry in entries), default=0.0) + _GAP
    return needed if needed <= 0.36 * width else None


def beside(
    entries: Sequence[Entry], ends: Sequence[tuple[float, float] | None], *, right: float, top: float, height: float
) -> list[str]:
    """A legend beside the plot, each entry as near as can be to the height at which its line ends.

    Args:
        entries: N of them.
        ends: (x, y) of the last point of each, or None where nothing is drawn.
        right: where the plot ends.
        top: where it begins.
        height: the legend does not go beyond it.
    """
    bottom = top + height
    wanted = [end[1] if end else bottom for end in ends]
    heights = spread(wanted, gap=svg.LINE, low=top, high=bottom)
    parts = []
    for entry, end, y in zip(entries, ends, heights, strict=True):
        x = right + _LEADER
        leader = ""
        if end and right - end[0] <= 2 * _LEADER:  # from further away it would cross the plot
            leader = svg.element("path", {"class": "nmt-leader", "d": svg.path([(end[0] + 6, end[1]), (x - 2, y)])})
        parts.append(_entry(entry, x, y, leader))
    return parts


def below(entries: Sequence[Entry], *, left: float, top: float, width: float) -> tuple[list[str], float]:
    """A legend in rows below the plot, and where it ends."""
    parts = []
    x, y = left, top + svg.LINE / 2
    for entry in entries:
        short = Entry(svg.shortened(entry.name, width - _SAMPLE - _GAP), entry.colour, entry.dashed)
        needed = _SAMPLE + _GAP + svg.text_width(short.name)
        if x > left and x + needed > left + width:
            x, y = left, y + svg.LINE + 2
        parts.append(_entry(short, x, y))
        x += needed + 3 * _GAP
    return parts, y + svg.LINE / 2


def spread(wanted: Sequence[float], *, gap: float, low: float, high: float) -> list[float]:
    """Places at least ``gap`` apart, in the order of the wanted ones, and in sum of squares as near to them as can be.

    Pool-adjacent-violators (Ayer et al., 1955), in O(N log N). Everything lies between ``low`` and ``high`` if N places
    fit in there, otherwise it begins at ``low`` and goes on beyond ``high``.
    """
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    blocks: list[tuple[float, int]] = []  # where the first of it would be best, and how many stand in it
    for place, index in enumerate(order):
        blocks.append((wanted[index] - gap * place, 1))
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            (one, many), (other, more) = blocks.pop(), blocks.pop()
            blocks.append(((one * many + other * more) / (many + more), many + more))
    last = high - gap * (len(wanted) - 1)
    starts = [max(low, min(last, start)) for start, size in blocks for _ in range(size)]
    places = [0.0] * len(wanted)
    for place, (index, start) in enumerate(zip(order, starts, strict=True)):
        places[index] = start + gap * place
    return places


def _entry(entry: Entry, x: float, y: float, leader: str = "") -> str:
    line = {"class": line_class(dashed=entry.dashed), "d": svg.path([(x, y), (x + _SAMPLE, y)])}
    sample = leader + svg.element("path", line) + mark(entry.colour, x + _SAMPLE / 2, y, dashed=entry.dashed)
    return svg.element("g", {"class": colour_class(entry.colour)}, sample) + svg.label(
        entry.name, x + _SAMPLE + _GAP, y + 4.5
    )
