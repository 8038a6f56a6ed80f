"""What ``nmt logprob`` writes: of each text that is given, what the model thinks of it.

text    the log-probability; a line for each text, blank for a blank one
tsv     number of the line, rank among its texts, log-probability, tokens, perplexity, text
jsonl   an object for each line: text (and translation), log_prob, perplexity, and of each token its id ("tokens"), its name
        ("pieces") and its log-probability ("log_probs"); several texts of a line are its "candidates", and the first of them stands
        at the top too, as ``nmt translate`` has it. It can be read again by ``--input jsonl``
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

from nmt_cli.errors import ConfigError
from nmt_cli.inference.formats import json_line
from nmt_cli.inference.given import Given
from nmt_cli.inference.scorer import Asked, Scored, Scorer
from nmt_cli.registry import Registry
from nmt_cli.text.normalize import normalize
from nmt_cli.text.tokenizer import Tokenizer

Opinion = tuple[Given, list[Scored]]
"""A line, and what is thought of each of its texts."""


def opinions(scorer: Scorer, lines: Iterable[Given]) -> Iterator[Opinion]:
    """Line by line. Raises ConfigError for several texts of a line where each would be judged as what follows the one before."""
    waiting: deque[Given] = deque()

    def texts() -> Iterator[Asked]:
        for line in lines:
            if len(line.texts) > 1 and not scorer.independent:
                raise ConfigError(
                    "a model that was trained on a stream must be given one text for each line, not several"
                )
            waiting.append(line)
            yield from line.texts

    found: list[Scored] = []  # of the first that waits
    for scored in scorer.score(texts()):
        found.append(scored)
        if len(found) == len(waiting[0].texts):
            yield waiting.popleft(), found
            found = []


class Format(Protocol):
    """A way to write an opinion down."""

    @classmethod
    def of(cls, tokenizer: Tokenizer, columns: int) -> Self:
        """``columns`` is 2 for texts that have a source, else 1."""
        ...

    def write(self, line: Given, found: Sequence[Scored]) -> str:
        """Without the last line end."""
        ...


@dataclass(frozen=True)
class Text:
    """Numbers."""

    @classmethod
    def of(cls, tokenizer: Tokenizer, columns: int) -> Self:
        """It needs none of them."""
        del tokenizer, columns
        return cls()

    def write(self, line: Given, found: Sequence[Scored]) -> str:
        """One for each text that is not blank."""
        del line
        return "\n".join(f"{scored.log_prob:.6f}" if scored.tokens else "" for scored in found)


@dataclass(frozen=True)
class Tsv:
    """A table."""

    @classmethod
    def of(cls, tokenizer: Tokenizer, columns: int) -> Self:
        """It needs none of them."""
        del tokenizer, columns
        return cls()

    def write(self, line: Given, found: Sequence[Scored]) -> str:
        """A row for each text."""
        rows = (
            (
                str(line.number),
                str(rank),
                f"{scored.log_prob:.6f}",
                str(len(scored.tokens)),
                f"{scored.perplexity:.4f}",
                normalize(scored.text),  # without tabs
            )
            for rank, scored in enumerate(found, 1)
        )
        return "\n".join("\t".join(row) for row in rows)


@dataclass(frozen=True)
class JsonLines:
    """An object a line."""

    tokenizer: Tokenizer
    columns: int

    @classmethod
    def of(cls, tokenizer: Tokenizer, columns: int) -> Self:
        """The tokenizer names the tokens."""
        return cls(tokenizer, columns)

    def write(self, line: Given, found: Sequence[Scored]) -> str:
        """The object that came in, if it was one, with what was found."""
        source = {"text": line.texts[0].source} if self.columns > 1 else {}
        content = {**source, **line.content, **self._fields(found[0])}
        if len(found) > 1 or "candidates" in line.content:
            known = line.content.get("candidates", [{}] * len(found))
            content["candidates"] = [
                {**each, **self._fields(scored)} for each, scored in zip(known, found, strict=True)
            ]
        return json_line(content)

    def _fields(self, scored: Scored) -> dict[str, Any]:
        return {
            "translation" if self.columns > 1 else "text": scored.text,
            "log_prob": scored.log_prob,
            "perplexity": scored.perplexity,
            "tokens": list(scored.tokens),
            "pieces": self.tokenizer.pieces(scored.tokens),
            "log_probs": list(scored.log_probs),
        }


FORMATS: Registry[type[Format]] = Registry(
    "--format",
    {
        name: f"nmt_cli.inference.opinions:{kind}"
        for name, kind in (("text", "Text"), ("tsv", "Tsv"), ("jsonl", "JsonLines"))
    },
)
