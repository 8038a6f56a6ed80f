"""The little of YAML that Marian writes: one flat map, whose values are scalars or lists of scalars.

    beam-size: 6
    transformer-preprocess: ""
    dim-vocabs:
      - 32000
      - 32000

What else YAML can say (anchors, tags, maps within maps, texts of several lines) is refused, so nothing in a file is ever obeyed.
Its vocabularies are the same, or JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nmt_cli.errors import ModelError

Scalar = str | int | float | bool | None
Value = Scalar | list[Scalar]

_ESCAPED = re.compile(r"\\(x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)", re.DOTALL)
_LETTERS = {
    "0": "\0", "a": "\a", "b": "\b", "t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r", "e": "\x1b", " ": " ", '"': '"',
    "/": "/", "\\": "\\", "N": "\x85", "_": "\xa0", "L": "\u2028", "P": "\u2029",
}  # fmt: skip
_WORDS: Mapping[str, Scalar] = {"true": True, "false": False, "null": None, "~": None, "": None}
_DOUBLE = r'"(?:[^"\\]|\\.)*"'
_SINGLE = r"'(?:[^']|'')*'"
_KEY = re.compile(rf"({_DOUBLE}|{_SINGLE}|[^\s\"'#\[\]{{}},&*!|>%@`-][^\n]*?|-[^\s][^\n]*?)\s*:(?=\s|$)(.*)", re.DOTALL)
_ITEM = re.compile(rf"\s*({_DOUBLE}|{_SINGLE}|[^,\[\]{{}}\"']*?)\s*(,|$)", re.DOTALL)
_FLOAT = r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?"
_COMMENT = re.compile(r"(^|\s)#.*$")
_LONGEST = 4000  # characters of a line; the patterns may take the square of it
_FORBIDDEN = ("&", "*", "!", "|", ">", "%", "@", "`", "{", "? ")


@dataclass(frozen=True)
class _Line:
    """A line of a file."""

    origin: str
    number: int
    text: str

    def refused(self) -> ModelError:
        """What is said where it is none of the few forms."""
        return ModelError(
            f"{self.origin}:{self.number} must be 'key: value' or '- value', but is '{self.text.strip()[:60]}'"
        )

    def scalar(self, text: str) -> Scalar:
        """What a value says."""
        text = text.strip()
        if re.fullmatch(_DOUBLE, text, re.DOTALL):
            return _ESCAPED.sub(self._unescaped, text[1:-1])
        if re.fullmatch(_SINGLE, text, re.DOTALL):
            return text[1:-1].replace("''", "'")
        text = _COMMENT.sub("", text).strip()
        if text.startswith((*_FORBIDDEN, '"', "'")):
            raise self.refused()
        if text.lower() in _WORDS:
            return _WORDS[text.lower()]
        return _number(text)

    def value(self, text: str) -> Value:
        """What stands behind a key: a scalar, or a list in brackets."""
        bare = text.strip()
        if not bare.startswith("["):
            return self.scalar(text)
        inner = _COMMENT.sub("", bare).strip()
        if not inner.endswith("]"):
            raise self.refused()
        found, place, inner = [], 0, inner[1:-1].strip()
        while place < len(inner):
            item = _ITEM.match(inner, place)
            if item is None or item.end() == place:
                raise self.refused()
            found.append(self.scalar(item[1]))
            place = item.end()
        return found

    def _unescaped(self, found: re.Match[str]) -> str:
        code = found[1]
        if code[0] in "xuU" and len(code) > 1:
            point = int(code[1:], 16)
            if point > 0x10FFFF:
                raise self.refused()
            return chr(point)
        if code not in _LETTERS:
            raise self.refused()
        return _LETTERS[code]


def read(text: str, origin: str) -> dict[str, Value]:
    """The map. Raises ModelError, with the line, for what is none."""
    found: dict[str, Value] = {}
    lists: list[Scalar] | None = None  # what the last key, without a value of its own, is given line by line
    key = ""
    for number, row in enumerate(text.split("\n"), 1):
        line = _Line(origin, number, row.rstrip("\r"))
        bare = line.text.strip(" \t")
        if len(bare) > _LONGEST:
            raise line.refused()
        if not bare or bare.startswith("#") or bare in ("---", "..."):
            continue
        if bare.startswith("- ") or bare == "-":
            if lists is None:
                raise line.refused()
            lists.append(line.scalar(bare[1:]))
            found[key] = lists
        elif bare.startswith("[") and lists == [] and found.get(key) is None:
            found[key], lists = line.value(bare), None
        else:
            said = _KEY.fullmatch(bare)
            if said is None or line.text[:1] in " \t":
                raise line.refused()
            key = _key(line, said[1])
            if key in found:
                raise ModelError(f"{origin}:{number} must say each key once, but says '{key[:60]}' again")
            found[key] = line.value(said[2])
            lists = [] if found[key] is None else None
    return found


def read_vocabulary(text: str, origin: str) -> list[str]:
    """The entries in the order of their numbers. Raises ModelError where they are not numbered from 0, each once."""
    numbers: Mapping[str, object] = _json(text, origin) if text.lstrip()[:1] == "{" else read(text, origin)
    table: list[str | None] = [None] * len(numbers)
    for entry, number in numbers.items():
        if type(number) is not int or not 0 <= number < len(table) or table[number] is not None:
            raise ModelError(
                f"{origin} must number its {len(table):,} entries from 0, each once, but '{entry[:60]}' is {number!r}"
            )
        table[number] = entry
    return [entry for entry in table if entry is not None]


def _json(text: str, origin: str) -> Mapping[str, object]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise ModelError(f"{origin} must be JSON, as it begins, but is damaged") from None
    if not isinstance(found, dict):
        raise ModelError(f"{origin} must be one map, but is something else")
    return found


def _key(line: _Line, text: str) -> str:
    """A key is a string whatever it looks like."""
    if text[:1] in ("'", '"'):
        return str(line.scalar(text))
    return text.strip()


def _number(text: str) -> Scalar:
    """A number where it is one, else the text."""
    try:
        return (
            int(text) if re.fullmatch(r"[-+]?\d{1,18}", text) else float(text) if re.fullmatch(_FLOAT, text) else text
        )
    except ValueError:
        return text


def as_list(value: Value) -> Sequence[Scalar]:
    """A list, of one where there is one, of none where there is nothing."""
    return value if isinstance(value, list) else [] if value is None else [value]
