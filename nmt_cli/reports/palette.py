"""The look: how one series is told from another, by colour and, for those who see none, by the shape of its marks.

The colours of either palette differ by at least 25 (CIE 1976) from each other, also for red- and green-blind eyes,
and stand off their paper by a contrast of 3:1 at least.
"""

from math import cos, pi, sin

LIGHT = ("#1543d4", "#cf7d00", "#048651", "#6b2589", "#1a1a1a", "#0f93ff", "#862100", "#ef54aa")
"""Series on white paper."""
DARK = ("#467cff", "#ff6944", "#3cee94", "#8177bb", "#fffffa", "#bacefc", "#ffdb34", "#c5738a")
"""The same series on dark paper."""
INKS = ("#2f7fd6", "#cc7000", "#2a9d58", "#9a6bdc", "#808080", "#1fa0a8", "#d4553f", "#d1559b")
"""Series on the paper of a terminal, of which nothing is known: 3:1 on black and on white."""
PAPER = ("#ffffff", "#14171c")
"""The paper itself, light and dark."""

_INK = ("#1f2328", "#e6e8eb")
_FAINT = ("#59616b", "#a3abb5")  # axes' words
_GRID = ("#e1e4e8", "#31363d")
_HEAT = ("#0b3d91", "#8fc1ff")  # the cells of a heat map, whose opacity is the value


def colour_class(colour: int) -> str:
    """The class of whatever is drawn in a series' colour; the palette starts again at its end."""
    return f"nmt-c{colour % len(LIGHT)}"


def outline(colour: int, x: float, y: float, radius: float) -> list[tuple[float, float]]:
    """The corners of the mark of a colour, about a centre. Nine shapes for eight colours: 72 pairs before one comes back."""
    corners = _SHAPES[colour % len(_SHAPES)]
    return [(x + radius * right, y + radius * down) for right, down in corners]


def _polygon(corners: int, turn: float, size: float, inner: float | None = None) -> tuple[tuple[float, float], ...]:
    """Corners on a circle, the first ``turn`` of a circle past the top; every other one drawn in makes a star."""
    lengths = [inner if inner and corner % 2 else size for corner in range(corners)]
    angles = [2 * pi * (turn + corner / corners) for corner in range(corners)]
    return tuple((length * sin(angle), -length * cos(angle)) for angle, length in zip(angles, lengths, strict=True))


_SHAPES = (
    _polygon(16, 0.0, 0.95),  # a disc
    _polygon(4, 0.125, 1.15),  # a square
    _polygon(3, 0.0, 1.3),  # a triangle that points up
    _polygon(4, 0.0, 1.25),  # a diamond
    _polygon(3, 0.5, 1.3),  # a triangle that points down
    _polygon(8, 0.125, 1.75, 0.6),  # a cross
    _polygon(10, 0.0, 1.6, 0.75),  # a star
    _polygon(8, 0.0, 1.75, 0.6),  # a plus
    _polygon(6, 0.0, 1.1),  # a hexagon
)


def _rules(theme: int) -> str:
    colours = (LIGHT, DARK)[theme]
    return (
        f".nmt-figure .nmt-paper{{fill:{PAPER[theme]}}}"
        f".nmt-figure .nmt-text,.nmt-figure .nmt-title{{fill:{_INK[theme]}}}"
        f".nmt-figure .nmt-faint{{fill:{_FAINT[theme]}}}"
        f".nmt-figure .nmt-grid{{stroke:{_GRID[theme]}}}"
        f".nmt-figure .nmt-axis,.nmt-figure .nmt-event{{stroke:{_FAINT[theme]}}}"
        f".nmt-figure .nmt-heat{{fill:{_HEAT[theme]}}}"
        f".nmt-figure .nmt-solid{{fill:currentColor;stroke:{PAPER[theme]}}}"
        f".nmt-figure .nmt-hollow{{fill:{PAPER[theme]};stroke:currentColor}}"
        + "".join(f".nmt-figure .nmt-c{index}{{color:{colour}}}" for index, colour in enumerate(colours))
    )


# colours stand in the rules themselves: var() would be shorter, but few programs other than browsers read it
RULES = (
    ".nmt-figure{max-width:100%;height:auto}"
    ".nmt-figure .nmt-title{font-size:16px;font-weight:600}"
    ".nmt-figure .nmt-line{fill:none;stroke:currentColor;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}"
    ".nmt-figure .nmt-dashed{stroke-dasharray:6 4}"
    ".nmt-figure .nmt-event{stroke-width:1;stroke-dasharray:2 3}"
    ".nmt-figure .nmt-solid{stroke-width:.8}"
    ".nmt-figure .nmt-hollow{stroke-width:1.6}"
    ".nmt-figure .nmt-leader{fill:none;stroke:currentColor;stroke-width:1;opacity:.55}"
    ".nmt-figure .nmt-bar{stroke:currentColor;stroke-width:1.4;opacity:.75}"
    ".nmt-figure .nmt-band{fill:currentColor;stroke:none;opacity:.13}"
    ".nmt-figure .nmt-grid,.nmt-figure .nmt-axis,.nmt-figure .nmt-cell{stroke-width:1}"
    ".nmt-figure .nmt-cell{fill:none}" + _rules(0) + "@media (prefers-color-scheme:dark){" + _rules(1) + "}"
)
"""The style sheet of every drawing: the same text each time, so that several in one page do not quarrel."""
