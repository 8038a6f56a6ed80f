"""Which rows of a sound corpus are not used. Each rule has a reason that the report counts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nmt_cli.settings import DataSettings
from nmt_cli.text.subword import LONGEST

BLANK = "blank"
_LONGEST = {"subword": LONGEST, "word": math.inf, "character": 1, "piece": math.inf}
"""Characters of the longest unit; unknown ones in a row are one piece."""


def held_out(key: str) -> str:
    """The reason for dropping a row of train whose ``key`` column says the same as one of dev or test."""
    return f"{key} also in dev or test"


@dataclass(frozen=True)
class LengthFilter:
    """Drops rows that are too long, and pairs of which one side is far longer than the other. Lengths are in units."""

    max_length: int
    max_ratio: float
    units: str = "subword"

    @classmethod
    def of(cls, settings: DataSettings) -> "LengthFilter":
        """The filter that the settings ask for."""
        return cls(settings.max_length, settings.max_ratio, settings.units)

    @property
    def long(self) -> str:
        """The reason for dropping a long pair."""
        return f"over {self.max_length:,} {self.units}s"

    @property
    def uneven(self) -> str:
        """The reason for dropping an uneven pair."""
        return f"one side over {self.max_ratio:g} times the other"

    def surely_long(self, texts: Sequence[str]) -> bool:
        """Whether a row is over-long however it is segmented: a subword has at most 16 characters."""
        return max(map(len, texts)) > _LONGEST[self.units] * self.max_length

    def reason(self, lengths: Sequence[int]) -> str | None:
        """Why a row is dropped, or None if it is kept. For the ratio EOS counts: 1 to 9 subwords is 2 to 10."""
        shorter, longer = min(lengths), max(lengths)
        if longer > self.max_length:
            return self.long
        return self.uneven if longer + 1 > self.max_ratio * (shorter + 1) else None
