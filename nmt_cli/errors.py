"""What can go wrong, and what the user is told.

    NMTError                 any error that a user can cause; the command line prints it as ``error:`` and ``hint:``
    ├── ConfigError          an option, a setting or a preset (exit 2: the command was not understood)
    ├── DataError            a text file, a corpus, a line
    └── ModelError           a model directory, a checkpoint, weights that do not fit

A message names the thing, the rule and the value, has no full stop, and for data says the file and the line:
``corpus.de:17 must be UTF-8, but byte 4 is 0xff``. The hint is the next thing to try or to type.
"""

from difflib import get_close_matches
from typing import ClassVar


class NMTError(Exception):
    """An error that a user can cause and mend."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigError(NMTError):
    """An option, a setting or a preset that does not exist or is out of range."""

    exit_code: ClassVar[int] = 2


class DataError(NMTError):
    """Text that cannot be used as it is."""


class ModelError(NMTError):
    """A model directory that is missing, incomplete or does not fit what it is asked to do."""


def nearest(name: str, known: list[str], section: str = "") -> str:
    """The hint for a mistyped name: the nearest known one, with its ``section``, or all of them where none is near."""
    close = get_close_matches(name, known, n=1, cutoff=0.6)
    return f"did you mean {section and section + '.'}{close[0]}?" if close else f"one of: {', '.join(sorted(known))}"
