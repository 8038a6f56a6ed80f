"""Samples: what a model under training makes of the same few lines each time, so that a person sees it learn.

The lines are said once, the outputs after every validation:

    three lines of dev, to be watched (=: as the reference):
      1  Your sister is a nurse.  (Deine Schwester ist Krankenschwester.)
      ...
    update     60  ...
      1   Der Garten ist ein Garten.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

_FITTING = 40  # characters of a line that a person reads at a glance, and still says something
_SHOWN = 100  # characters of a longer one


@dataclass(frozen=True)
class Sample:
    """One line, and what became of it. A text that was written from nothing has no source."""

    output: str
    source: str = ""
    reference: str = ""

    @property
    def right(self) -> bool:
        """Whether the output is the reference."""
        return bool(self.source) and self.output == self.reference


def to_watch(sources: Sequence[str], most: int = 3) -> list[int]:
    """The places of a few lines that are worth watching: different ones of a length that is read at a glance."""
    places = {source: place for place, source in reversed(list(enumerate(sources)))}  # of each, the first
    fitting = sorted(places.values(), key=lambda place: (abs(len(sources[place]) - _FITTING), place))
    return sorted(fitting[:most])


def introduced(samples: Iterable[Sample]) -> Iterator[str]:
    """The lines themselves, for a person; nothing where there are none."""
    lines = [f"{_short(one.source)}  ({_short(one.reference)})" for one in samples if one.source]
    if lines:
        yield "lines of dev to watch, with their references (=: the output is the same):"
    yield from (f"  {number}  {line}" for number, line in enumerate(lines, 1))


def told(samples: Iterable[Sample]) -> Iterator[str]:
    """What became of them."""
    for number, one in enumerate(samples, 1):
        yield f"  {number} {'=' if one.right else ' '} {_short(one.output)}".rstrip()


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN].rstrip()}…"
