"""Normal forms of a line: the one that a model sees, and the stronger one by which two lines count as the same."""

import re
from hashlib import blake2b
from unicodedata import normalize as unicode_form

_GAP = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")  # \s is every Unicode space: U+00A0, U+2028, U+3000 and so on
_INVISIBLE = "\ufeff"  # a byte order mark in the middle of a line, as concatenated files have
_SURROGATE = re.compile(r"[\ud800-\udfff]")  # half a character: cannot be written as UTF-8


def normalize(text: str) -> str:
    """The line in Unicode NFC, each run of whitespace and control characters one space, none at the ends.

    What joins characters (zero-width joiners in emoji and Persian) stays. Normalising twice changes nothing.
    """
    if text.isascii() and text.isprintable() and "  " not in text:
        return text.strip(" ")
    text = _SURROGATE.sub("\ufffd", text.replace(_INVISIBLE, ""))
    return _GAP.sub(" ", unicode_form("NFC", text)).strip(" ")


def source_key(text: str) -> str:
    """A line without what seldom makes it another one: compatibility forms, case and width of characters, spaces."""
    if text.isascii():
        return normalize(text).lower()
    return normalize(unicode_form("NFKC", unicode_form("NFKC", text).casefold()))


def stable_hash(text: str) -> int:
    """64 bits that are the same for the same text on every machine and in every run."""
    return int.from_bytes(blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "little")
