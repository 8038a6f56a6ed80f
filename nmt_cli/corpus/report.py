"""What became of the lines of a corpus: how many were read, why some were dropped, where the others are."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from nmt_cli.console import count

SPLITS = ("train", "dev", "test")


@dataclass(frozen=True)
class SplitCounts:
    """The size of one split."""

    rows: int
    tokens: Mapping[str, int]  # column of text -> its ids, EOS not counted


@dataclass(frozen=True)
class Report:
    """What became of a corpus: ``sum(read) == sum(dropped) + sum(rows of splits)``."""

    languages: tuple[str, ...]
    noun: str  # what a row is called
    vocabulary: int  # ids of the tokenizer
    read: Mapping[str, int]  # split that the files are for -> lines; train also holds what was held out of it
    dropped: Mapping[str, int]  # reason -> rows
    splits: Mapping[str, SplitCounts]

    def rows(self) -> list[tuple[str, str]]:
        """The rows of the table to show: what, and how many."""
        given = [(f"read for {name}", f"{lines:,}") for name, lines in self.read.items() if name != "train"]
        dropped = [(f"dropped: {reason}", f"{rows:,}") for reason, rows in self.dropped.items() if rows]
        held_out = {name: "" if name in self.read else " (held out)" for name in SPLITS}
        kept = [(f"{name}{held_out[name]}", f"{self.splits[name].rows:,}") for name in SPLITS]
        return [("read", f"{self.read['train']:,}"), *given, *dropped, *kept]

    def summary(self) -> str:
        """One line about the vocabulary."""
        train = self.splits["train"]
        names = self.languages if len(self.languages) == len(train.tokens) else tuple(train.tokens)
        means = [
            f"{total / train.rows:.1f} in {name}" for name, total in zip(names, train.tokens.values(), strict=True)
        ]
        return f"{count(self.vocabulary, 'id')} in the vocabulary; a {self.noun} has {' and '.join(means)} on average"

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)
