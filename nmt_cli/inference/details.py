"""What is told of each candidate beside its text and its score; it costs a pass of forced decoding."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields

from nmt_cli.errors import ConfigError
from nmt_cli.search.base import Search
from nmt_cli.search.retold import Retold


@dataclass(frozen=True)
class Details:
    """As typed."""

    token_scores: bool = False  # the log-probability of each token
    alignment: bool = False  # links to the source
    attention: bool = False  # how much each token looked at each of the source

    @property
    def looks(self) -> bool:
        """Whether it matters where the model looks."""
        return self.alignment or self.attention

    def around(self, search: Search) -> Search:
        """The search with what is asked of it: as it is where that is nothing."""
        return Retold(search, self.looks) if self.looks or self.token_scores else search

    def within(self, known: Collection[str], format_: str) -> Details:
        """Itself. Raises ConfigError for what is not ``known``: what the format has no room for."""
        for name in (field.name for field in fields(self) if getattr(self, field.name)):
            if name not in known:
                raise ConfigError(f"--{name.replace('_', '-')} means nothing to --format {format_}", _KNOWN_BY[name])
        return self


_KNOWN_BY = {
    "token_scores": "known by --format tsv or jsonl",
    "alignment": "known by --format tsv or jsonl; --format pharaoh writes nothing else",
    "attention": "known by --format jsonl",
}
