"""SVG: the elements a drawing is made of, and how much room text takes. Knows no figure.

A drawing stands alone as a file and inline in a page beside others: it has no identifiers, and every drawing carries
the same rules, under one class name, so that they cannot disagree. Lengths are in user units, about a pixel each.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path

from nmt_cli.errors import ConfigError
from nmt_cli.reports.palette import RULES

TEXT = 13.0
"""Height of ordinary text."""
LINE = 18.0
"""From one line of text to the next."""
TITLE, TITLE_LINE = 16.0, 21.0
"""The same for titles."""

FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif"


def check_picture(path: Path) -> None:
    """Raises ConfigError for a file whose name promises another kind of picture; a pipe or a device may have any name."""
    if path.suffix.lower() != ".svg" and (path.is_file() or not path.exists()):
        raise ConfigError(f"a picture must be a file that ends in .svg, but is {path}", "browsers show such files")


def clean(text: str) -> str:
    """The text with what no XML document may hold (control characters, lone surrogates) replaced by U+FFFD."""
    return "".join(character if _allowed(ord(character)) else "\ufffd" for character in text)


def escape(text: str) -> str:
    """The text, clean, for use between tags or between double quotes."""
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(character, entity)
    return clean(text)


def number(value: float) -> str:
    """A length with at most two decimals, and none that say nothing."""
    return f"{round(value, 2) + 0.0:.2f}".rstrip("0").rstrip(".")  # + 0.0: there is no -0


def element(name: str, attributes: Mapping[str, str | float], content: str = "") -> str:
    """One element. The attributes are escaped here; the content is XML already."""
    written = "".join(
        f' {key}="{escape(value)}"' if isinstance(value, str) else f' {key}="{number(value)}"'
        for key, value in attributes.items()
    )
    return f"<{name}{written}>{content}</{name}>" if content else f"<{name}{written}/>"


def label(text: str, x: float, y: float, kind: str = "nmt-text", anchor: str = "start") -> str:
    """One line of text with its baseline at ``y``; ``anchor`` is SVG's own word: start, middle or end."""
    return element("text", {"class": kind, "x": x, "y": y, "text-anchor": anchor}, escape(text))


def slanted(text: str, x: float, y: float, *, degrees: float, anchor: str) -> str:
    """One line of text turned about the point where it is anchored; clockwise is positive."""
    turn = f"rotate({number(degrees)} {number(x)} {number(y)})"
    return element(
        "text", {"class": "nmt-text", "x": x, "y": y, "text-anchor": anchor, "transform": turn}, escape(text)
    )


def path(points: Iterable[tuple[float, float]]) -> str:
    """The ``d`` of a line through the points."""
    return " ".join(f"{'L' if place else 'M'}{number(x)} {number(y)}" for place, (x, y) in enumerate(points))


def drawing(width: float, height: float, *, title: str, description: str, parts: Iterable[str]) -> str:
    """A whole drawing on its own paper. Title and description are for readers who do not see it."""
    frame: dict[str, str | float] = {
        "xmlns": "http://www.w3.org/2000/svg",
        "class": "nmt-figure",
        "role": "img",
        "viewBox": f"0 0 {number(width)} {number(height)}",
        "width": width,
        "height": height,
        "font-family": FONTS,
        "font-size": TEXT,
    }
    head = (
        element("title", {}, escape(title) or "figure"),
        element("desc", {}, escape(description)),
        element("style", {}, RULES),
        element("rect", {"class": "nmt-paper", "width": width, "height": height}),
    )
    return element("svg", frame, "\n" + "\n".join((*head, *parts)) + "\n")


def text_width(text: str, size: float = TEXT) -> float:
    """About how wide a line of text is. No font is known here, so it is that of a wide one."""
    return size * sum(map(_advance, text))


def shortened(text: str, room: float, size: float = TEXT) -> str:
    """The text, or as much of it as fits, with an ellipsis."""
    if text_width(text, size) <= room:
        return text
    kept = text
    while kept and text_width(kept + "…", size) > room:
        kept = kept[:-1]
    return kept.rstrip() + "…"


def wrapped(text: str, room: float, size: float = TEXT) -> list[str]:
    """The text in lines that fit, broken between words; a word wider than the room is shortened."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size) <= room:
            lines[-1] = longer
        else:
            lines.append(shortened(word, room, size))
    return lines


def _allowed(code: int) -> bool:
    return code in (0x9, 0xA, 0xD) or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or code >= 0x10000


_NARROW = frozenset("iljtfrI.,:;'|!()[] ")
_BROAD = frozenset("mwMWQO@%&—…")


def _advance(character: str) -> float:
    """Width of a character as a share of the height of the text, after DejaVu Sans, the widest of the common fonts."""
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Cf"):
        return 0.0
    if unicodedata.east_asian_width(character) in "WF":
        return 1.05
    if character in _NARROW:
        return 0.38
    if character in _BROAD:
        return 0.98
    return 0.72 if character.isupper() else 0.63
