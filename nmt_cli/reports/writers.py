"""Language models side by side: perplexity that compares over vocabularies, and how far back their gradients reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from nmt_cli import console
from nmt_cli.evaluation.perplexity import Perplexity
from nmt_cli.reports import flow
from nmt_cli.reports.contestant import COST, Contestant, best
from nmt_cli.reports.page import Figure, Section
from nmt_cli.reports.table import Table
from nmt_cli.training.tasks.lm import perplexity_of

WORDS = (
    "Perplexity is the number of equally likely words among which a model would be as uncertain as it is about the next one: lower "
    "is better. For each word, and in bits for each character, it compares over vocabularies of subwords or characters; for each "
    "token it does not. Models of words compare only where the same share of the text is <unk>: whatever they do not know is one "
    "word to them, which is easily guessed. And a text that is read as one stream is easier than the same lines each for itself."
)


@dataclass(frozen=True)
class Result:
    """What one model thinks of the text."""

    contestant: Contestant
    perplexity: Perplexity
    signal: flow.Signal

    @property
    def read_as(self) -> str:
        """As in training."""
        return "stream" if self.contestant.directory.settings.training.window else "lines"

    def to_json(self) -> dict[str, Any]:
        """Everything, unrounded."""
        return {
            **self.contestant.to_json(),
            "read_as": self.read_as,
            "perplexity": self.perplexity.to_json(),
            "gradient_flow": self.signal.to_json(),
        }


@dataclass(frozen=True)
class Writers:
    """The comparison."""

    results: tuple[Result, ...]
    text: str  # its name

    @classmethod
    def measure(cls, models: Sequence[Contestant], name: str, lines: Sequence[str]) -> Writers:
        """Every model reads the text."""
        results = [
            Result(model, perplexity_of(model.directory, lines), flow.Signal.of(model.directory, (lines,)))
            for model in console.tracked(models, "comparing", len(models))
        ]
        return cls(tuple(results), name)

    @cached_property
    def tables(self) -> list[Table]:
        """For the terminal."""
        return [self._perplexity(), flow.table("Language models", self._signals)]

    def opening(self) -> list[Section]:
        """For the beginning of the page."""
        return [Section("Language models", (WORDS,), (self._perplexity(),))]

    def signal(self) -> list[Figure]:
        """How far back gradients reach."""
        note = "Of the loss of one token, by the embeddings of those read before it, lines behind each other; mean over places."
        return [*flow.charts("Language models", self._signals, note), flow.table("Language models", self._signals)]

    def closing(self) -> list[Section]:
        """Nothing."""
        return []

    def to_json(self) -> list[dict[str, Any]]:
        """A model each."""
        return [result.to_json() for result in self.results]

    @property
    def _signals(self) -> flow.Signals:
        return [(result.contestant.name, result.signal) for result in self.results]

    def _perplexity(self) -> Table:
        columns = ("model", "perplexity a word", "a token", "bits a character", "<unk> %", "read as", *COST)
        rows = tuple(
            (
                result.contestant.name,
                f"{result.perplexity.per_word:.2f}",
                f"{result.perplexity.per_token:.2f}",
                f"{result.perplexity.bits_per_character:.3f}",
                f"{100 * result.perplexity.unknown / max(1, result.perplexity.tokens):.2f}",
                result.read_as,
                *result.contestant.cost,
            )
            for result in self.results
        )
        size = self.results[0].perplexity.size
        note = f"On {self.text}: {size.words:,} words in {console.count(size.lines, 'line')}. Lower is better."
        marks: frozenset[tuple[int, int]] = frozenset()
        if len({(row[4], row[5]) for row in rows}) == 1:
            marks = best((result.perplexity.per_word for result in self.results), 1, lowest=True)
            marks |= best((result.perplexity.bits_per_character for result in self.results), 3, lowest=True)
        else:
            note += " Where <unk> % or read as differ, the figures do not compare."
        return Table("Perplexity and cost of language models", columns, rows, note, marks)
