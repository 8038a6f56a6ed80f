"""What is forbidden in every translation, whichever search finds it."""

from __future__ import annotations

from dataclasses import dataclass

from nmt_cli.errors import ConfigError
from nmt_cli.search.base import Search
from nmt_cli.search.processors import BannedWords, NoRepeat, Processor, RepetitionPenalty
from nmt_cli.search.restricted import Restricted
from nmt_cli.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class Restrictions:
    """As typed; None: not at all. Lengths are in subwords."""

    ban: tuple[str, ...] = ()
    no_repeat: int | None = None
    min_length: int | None = None
    max_length: int | None = None
    repetition_penalty: float | None = None

    def around(self, search: Search, tokenizer: Tokenizer) -> Restricted:
        """The search within them. Raises ConfigError for one out of range."""
        if self.max_length is not None and self.max_length < 1:
            raise ConfigError(f"--max-length must be at least 1, but is {self.max_length}")
        processors: list[Processor] = []
        if self.ban:
            processors.append(BannedWords.of(self.ban, tokenizer.spellings(range(tokenizer.size))))
        if self.no_repeat is not None:
            processors.append(NoRepeat(self.no_repeat))
        if self.repetition_penalty is not None:
            processors.append(RepetitionPenalty(self.repetition_penalty))
        longest = None if self.max_length is None else self.max_length + 1
        return Restricted(search, tuple(processors), (self.min_length or 0) + 1, longest)
