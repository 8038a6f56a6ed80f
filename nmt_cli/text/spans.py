"""Protected spans: what a translation has to carry over as it is. URLs, e-mail addresses, numbers, {placeholders} and tags."""

import re
from collections import Counter
from dataclasses import dataclass

_KINDS = {
    "url": r"(?:https?://|www\.)[^\s<>\"]*[^\s<>\".,;:!?)\]}']",
    "mail": r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+",
    "tag": r"</?[A-Za-z][^<>]*>",
    "placeholder": r"\{[^{}\s]*\}|%(?:\(\w+\))?[sdif]\b|\$\{\w+\}",
    "number": r"\d+(?:[.,:'\u00a0\u202f]\d+)*",
}
_SPAN = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _KINDS.items()))
_NO_DIGIT = re.compile(r"\D")


@dataclass(frozen=True)
class Span:
    """A part of a line that must survive."""

    kind: str  # url, mail, tag, placeholder or number
    text: str

    @property
    def essence(self) -> str:
        """What has to be the same: of a number its digits, since languages separate thousands differently."""
        return _NO_DIGIT.sub("", self.text) if self.kind == "number" else self.text


def spans(text: str) -> list[Span]:
    """Those of a line, from left to right."""
    return [Span(str(found.lastgroup), found[0]) for found in _SPAN.finditer(text)]


def lost(source: str, translation: str) -> list[Span]:
    """The spans of a source that a translation does not hold, or not as often."""
    there = Counter((span.kind, span.essence) for span in spans(translation))
    missing = []
    for span in spans(source):
        key = (span.kind, span.essence)
        if there[key] > 0:
            there[key] -= 1
        else:
            missing.append(span)
    return missing
