"""Which pairs of a sound corpus are not used. Each rule has a reason that the report counts."""

from dataclasses import dataclass

from nmt_cli.settings import DataSettings
from nmt_cli.text.subword import LONGEST

BLANK = "blank on both sides"
HELD_OUT = "source also in dev or test"


@dataclass(frozen=True)
class LengthFilter:
    """Drops pairs that are too long, or of which one side is far longer than the other. Lengths are in subwords."""

    max_length: int
    max_ratio: float

    @classmethod
    def of(cls, settings: DataSettings) -> "LengthFilter":
        """The filter that the settings ask for."""
        return cls(settings.max_length, settings.max_ratio)

    @property
    def long(self) -> str:
        """The reason for dropping a long pair."""
        return f"over {self.max_length:,} subwords"

    @property
    def uneven(self) -> str:
        """The reason for dropping an uneven pair."""
        return f"one side over {self.max_ratio:g} times the other"

    def surely_long(self, source: str, target: str) -> bool:
        """Whether the text is over-long however it is segmented: a subword has at most 16 characters."""
        return max(len(source), len(target)) > LONGEST * self.max_length

    def reason(self, source_length: int, target_length: int) -> str | None:
        """Why a pair is dropped, or None if it is kept. For the ratio EOS counts: 1 to 9 subwords is 2 to 10."""
        shorter, longer = sorted((source_length, target_length))
        if longer > self.max_length:
            return self.long
        return self.uneven if longer + 1 > self.max_ratio * (shorter + 1) else None
