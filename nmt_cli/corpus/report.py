"""What became of the lines of a corpus: how many were read, why some were dropped, where the others are."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from nmt_cli.console import count

SPLITS = ("train", "dev", "test")


@dataclass(frozen=True)
class SplitCounts:
    """The size of one split."""

    pairs: int
    source_subwords: int
    target_subwords: int


@dataclass(frozen=True)
class Report:
    """What became of a corpus: ``sum(read) == sum(dropped) + sum(pairs of splits)``."""

    languages: tuple[str, str]
    vocabulary: int  # ids of the tokenizer
    read: Mapping[str, int]  # split that the files are for -> lines; train also holds what was held out of it
    dropped: Mapping[str, int]  # reason -> pairs
    splits: Mapping[str, SplitCounts]

    def rows(self) -> list[tuple[str, str]]:
        """The rows of the table to show: what, and how many pairs."""
        given = [(f"read for {name}", f"{lines:,}") for name, lines in self.read.items() if name != "train"]
        dropped = [(f"dropped: {reason}", f"{pairs:,}") for reason, pairs in self.dropped.items() if pairs]
        held_out = {name: "" if name in self.read else " (held out)" for name in SPLITS}
        kept = [(f"{name}{held_out[name]}", f"{self.splits[name].pairs:,}") for name in SPLITS]
        return [("read", f"{self.read['train']:,}"), *given, *dropped, *kept]

    def summary(self) -> str:
        """One line about the subwords."""
        source, target = self.languages
        train = self.splits["train"]
        source_length, target_length = train.source_subwords / train.pairs, train.target_subwords / train.pairs
        lengths = f"{source_length:.1f} in {source} and {target_length:.1f} in {target}"
        return f"{count(self.vocabulary, 'subword')} for both languages; a sentence has {lengths}"

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)
