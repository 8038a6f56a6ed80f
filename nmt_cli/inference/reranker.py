"""Reranking of n-best lists as a noisy channel: which candidate would a translator back, and a reader of the language, also choose?

    score(y) = log p(y | x) / |y| + (reverse_weight log p(x | y) + lm_weight log p(y)) / |x|

(Yee et al. 2019, with a weight for each; lengths are in tokens, EOS counted.) Direct models like outputs that are fluent and leave
something out; from what is left out the source cannot be told, and p(x | y) notices it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

from nmt_cli.errors import ConfigError, ModelError
from nmt_cli.inference.formats import foreign, json_line
from nmt_cli.inference.given import Given
from nmt_cli.inference.line_scorer import LineScorer
from nmt_cli.inference.pair_scorer import PairScorer
from nmt_cli.inference.scorer import Asked, Scored, Scorer
from nmt_cli.registry import Registry
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.runs.languages import check_reader, check_reverse
from nmt_cli.text.normalize import normalize

_WINDOW = 256  # lines judged together


@dataclass(frozen=True)
class Ranked:
    """A candidate in its new place."""

    text: str
    score: float
    log_prob: float  # of the candidate, given its source
    reverse: float | None  # log-probability of the source, given the candidate; None: nobody was asked
    lm: float | None  # log-probability of the candidate in its language; likewise

    def to_json(self) -> dict[str, Any]:
        """With what was asked for."""
        found = {"translation": self.text, "score": self.score, "log_prob": self.log_prob}
        others = {"reverse_log_prob": self.reverse, "lm_log_prob": self.lm}
        return {**found, **{name: value for name, value in others.items() if value is not None}}


@dataclass(frozen=True)
class Judge:
    """Another model, and how much its opinion counts."""

    scorer: Scorer
    weight: float

    def __post_init__(self) -> None:
        if not 0 <= self.weight < float("inf"):
            raise ConfigError(f"weights must be finite numbers, not below 0, but one is {self.weight}")

    @classmethod
    def back(cls, directory: ModelDirectory, model: ModelDirectory, weight: float) -> Judge:
        """A translation model of the other direction than ``model``. Raises ModelError for any other model."""
        check_reverse(directory.of_task("translate", "a translation model"), model)
        return cls(PairScorer.open(directory), weight)

    @classmethod
    def reader(cls, directory: ModelDirectory, model: ModelDirectory, weight: float) -> Judge:
        """A model of the language that ``model`` writes. Raises ModelError for any other, and for one of a stream."""
        check_reader(directory.of_task("lm", "a language model"), model)
        scorer = LineScorer.open(directory)
        if not scorer.independent:
            raise ModelError(
                f"{directory.path} must judge each line for itself, but was trained on a stream",
                "--set training.window=0 trains one line by line",
            )
        return cls(scorer, weight)


@dataclass(frozen=True)
class Reranker:
    """The model of the direction itself, and who else is asked."""

    direct: PairScorer
    reverse: Judge | None = None
    lm: Judge | None = None

    def rerank(self, lines: Iterable[Given]) -> Iterator[tuple[Given, list[Ranked]]]:
        """The candidates of each line, best first; candidates that score the same stay in their order."""
        remaining = iter(lines)
        while window := list(islice(remaining, _WINDOW)):
            asked = [text for line in window for text in line.texts]
            direct = list(self.direct.score(asked))
            backwards = [Asked(text.source, text.text, place=text.place) for text in asked]
            reverse = _opinions(self.reverse, backwards)
            lm = _opinions(self.lm, [Asked(text.text, place=text.place) for text in asked])
            ranked = iter([self._ranked(*each) for each in zip(direct, reverse, lm, backwards, strict=True)])
            for line in window:
                own = list(islice(ranked, len(line.texts)))
                yield line, sorted(own, key=lambda candidate: -candidate.score)

    def _ranked(self, direct: Scored, reverse: Scored | None, lm: Scored | None, backwards: Asked) -> Ranked:
        """The equation at the head of this file."""
        score = direct.log_prob / max(1, len(direct.tokens))
        size = len(reverse.tokens) if reverse else len(self.direct.tokenizer.encode(backwards.text)) + 1
        for judge, opinion in ((self.reverse, reverse), (self.lm, lm)):
            if judge is not None and opinion is not None:
                score += judge.weight * opinion.log_prob / max(1, size)
        return Ranked(
            direct.text,
            score,
            direct.log_prob,
            None if reverse is None else reverse.log_prob,
            None if lm is None else lm.log_prob,
        )


def _opinions(judge: Judge | None, asked: Sequence[Asked]) -> list[Scored] | list[None]:
    return [None] * len(asked) if judge is None else list(judge.scorer.score(asked))


class Format(Protocol):
    """A way to write a reranked line down."""

    def write(self, line: Given, ranked: Sequence[Ranked]) -> str:
        """Without the last line end."""
        ...


class Text:
    """The best candidate."""

    def write(self, line: Given, ranked: Sequence[Ranked]) -> str:
        """One line."""
        del line
        return normalize(ranked[0].text)  # an object may hold line ends


class Tsv:
    """Line, rank, score, log p, text and flags, as ``nmt translate`` writes them: it can be read again."""

    def write(self, line: Given, ranked: Sequence[Ranked]) -> str:
        """A row for each candidate; the flags are gone."""
        return "\n".join(
            f"{line.number}\t{rank}\t{each.score:.6f}\t{each.log_prob:.6f}\t{normalize(each.text)}\t"
            for rank, each in enumerate(ranked, 1)
        )


class JsonLines:
    """An object a line: what came in, with the best candidate and all of them in their order."""

    def write(self, line: Given, ranked: Sequence[Ranked]) -> str:
        """What a candidate had before, tokens for example, is gone where it belongs to another now."""
        source = {"text": line.texts[0].source}
        candidates = [each.to_json() for each in ranked]
        return json_line({**source, **foreign(line.content), **ranked[0].to_json(), "candidates": candidates})


FORMATS: Registry[type[Format]] = Registry(
    "--format",
    {
        name: f"nmt_cli.inference.reranker:{kind}"
        for name, kind in (("text", "Text"), ("tsv", "Tsv"), ("jsonl", "JsonLines"))
    },
)
