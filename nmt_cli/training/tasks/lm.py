"""Language modelling: validated and reported by perplexity.

Lines are independent, or the text is a stream (``training.window``): then what the model remembers is carried from line to line,
in training and in measuring.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from typing import Any, ClassVar, cast

import numpy as np
import torch

from nmt_cli.console import tracked
from nmt_cli.corpus.batching import Indices, TextBatch, by_length
from nmt_cli.corpus.columns import called
from nmt_cli.corpus.dataset import Column, Dataset, PreparedCorpus
from nmt_cli.corpus.rows import Items
from nmt_cli.errors import ConfigError, DataError
from nmt_cli.evaluation.perplexity import Perplexity, TextSize
from nmt_cli.evaluation.texts import read
from nmt_cli.inference.generator import Generator, Wish
from nmt_cli.inference.line_scorer import check_lengths
from nmt_cli.models.base import Carry, Model
from nmt_cli.models.language_model import LanguageModel
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.search.head import Head
from nmt_cli.settings import Settings, TrainingSettings
from nmt_cli.text.normalize import normalize
from nmt_cli.text.tokenizer import UNK
from nmt_cli.training.samples import Sample
from nmt_cli.training.stream import Reader, RowReader, Rows, StreamReader, check_streams, epochs_of
from nmt_cli.training.tasks.base import Measuring, Quality, Report, Rule, Validation, one_file, refuse_r_drop
from nmt_cli.training.team import Share, Team

_BATCH_TOKENS = 2048
_LINES = Wish(samples=3, longest=40, head=Head(temperature=0.8))  # with the same luck each time
_DEV_STREAMS = 16  # dev is read as so many streams: hardly another figure, and several times faster


class LanguageModelling:
    """One language."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(200_000, "lm-transformer", 20),
        Rule(math.inf, "lm-transformer", 8),
    )
    counted: ClassVar[str] = "text"
    least_batch: ClassVar[int] = 1024
    quality: ClassVar[Quality] = Quality(
        "a token, logarithmic", {"dev_perplexity_per_token": "perplexity"}, ratios=True
    )
    limit: ClassVar[None] = None
    sentences: ClassVar[None] = None

    def __init__(self, corpus: PreparedCorpus) -> None:
        self.corpus = corpus

    @staticmethod
    def check(settings: Settings) -> None:
        """Raises ConfigError for the agreement of two passes, and for a stream that is cut into subwords afresh."""
        refuse_r_drop(settings, "lm")
        if settings.training.bpe_dropout > 0 and settings.training.window > 0:
            raise ConfigError(
                "training.bpe_dropout means nothing to a stream", "training.window = 0 learns line by line"
            )

    def reader(self, settings: TrainingSettings, share: Share) -> Reader:
        """Lines in batches of similar length, or the text as streams."""
        if settings.window == 0:
            for name, split in (("train", self.corpus.train), ("dev", self.corpus.dev), ("test", self.corpus.test)):
                text = split["text"]
                check_lengths(text.lengths, partial(_beginning, name, text))
            return RowReader(epochs_of(self.corpus, settings), ("text",), _lines, settings, share)
        streams = max(1, settings.batch_tokens // settings.window)
        check_streams(streams, share)
        return StreamReader(self.corpus.train["text"], streams, settings.window, share)

    def validate(self, model: Model, settings: Settings, team: Team) -> Validation:
        """Perplexity on dev, and lines that the model writes."""
        del team
        language_model = cast("LanguageModel[Any]", model)
        found = self._measure(language_model, self.corpus.dev, settings, _DEV_STREAMS)
        said = f"dev perplexity {found.per_token:.2f} a token, {found.per_word:.2f} a word"
        loss = found.nll / found.tokens
        samples = [Sample(each.text) for each in Generator(self.corpus.tokenizer, language_model).write(_LINES)]
        figures = {f"dev_{name}": value for name, value in found.to_json().items()}
        figures |= {"dev_loss": loss, "samples": list(map(asdict, samples))}
        return Validation(-loss, f"dev perplexity {found.per_token:.1f}", said, figures, tuple(samples))

    def report(self, directory: ModelDirectory) -> Report:
        """Perplexity on test, read as one text from beginning to end where training was on streams."""
        found = self._measure(directory.model(), self.corpus.test, directory.settings, 1, shown)
        said = tuple(f"  {line}" for line in found.lines())
        return Report(("test:", *said), {"test": found.to_json()}, next="nmt generate {model} --prompt 'How it begins'")

    @staticmethod
    def evaluate(directory: ModelDirectory, files: Sequence[str], measuring: Measuring) -> Perplexity:
        """Perplexity of a text; blank lines are left out."""
        measuring.refuse("lm", "resamples", "against", "output")
        name = one_file(files, "the text of a language model")
        return perplexity_of(directory, read(name), called(name))

    def _measure(self, model: Model, split: Dataset, settings: Settings, streams: int, seen: Seen = iter) -> Perplexity:
        text = split["text"]
        rows = [text.ids(index) for index in range(len(text))]
        return measure(model, rows, text.all_texts(), settings.training.window, streams=streams, seen=seen)


def _beginning(split: str, text: Column, index: int) -> str:
    return f"the line of {split} that begins with {text.text(index)[:30]!r}"


def _lines(rows: Rows, indices: Indices) -> TextBatch:
    return TextBatch.of(rows["text"].ids(index) for index in indices)


def perplexity_of(directory: ModelDirectory, lines: Iterable[str], name: str = "the text") -> Perplexity:
    """What a model thinks of a text; blank lines are left out. Raises DataError, with its ``name``, where nothing else is there."""
    numbered = [(number, text) for number, line in enumerate(lines, 1) if (text := normalize(line))]
    if not numbered:
        raise DataError(f"{name} must have lines of text, but has none")
    numbers, texts = zip(*numbered, strict=True)
    rows, window = directory.tokenizer.encode_all(texts), directory.settings.training.window
    if window == 0:
        check_lengths(list(map(len, rows)), lambda index: f"{name}:{numbers[index]}")
    return measure(directory.model(), rows, texts, window, seen=shown)


def measure(
    model: Model,
    rows: Sequence[Items | Sequence[int]],
    texts: Iterable[str],
    window: int,
    *,
    streams: int = 1,
    seen: Seen = iter,
) -> Perplexity:
    """Perplexity of lines of ids that are not blank: each for itself, or (``window`` > 0) as ``streams`` streams.

    They are read in windows as long as in training: a model that carries nothing over their edges knows no others. Cost: one
    pass; a single stream is read token by token behind each other and takes the longest. ``seen``: who watches the batches go by.
    """
    language_model = cast("LanguageModel[Any]", model.eval())
    batches = _Streams.of(rows, streams, window) if window else _Batches(rows)
    total, tokens, unknown = 0.0, 0, 0
    carry: Carry = None
    with torch.inference_mode():
        for batch in seen(batches):
            log_probs, carry = language_model.token_log_probs(batch, carry)
            total -= float(log_probs.sum(dtype=torch.float64))
            tokens += int(batch.mask.sum())
            unknown += int((batch.targets == UNK).sum())
    return Perplexity(total, tokens, unknown, TextSize.of(texts))


@dataclass(frozen=True)
class _Batches:
    """Lines in batches of similar length."""

    rows: Sequence[Items | Sequence[int]]

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[TextBatch]:
        for places in self._places:
            yield TextBatch.of(self.rows[place] for place in places)

    @cached_property
    def _places(self) -> list[Indices]:
        lengths = np.array([len(row) + 1 for row in self.rows], dtype=np.int64)
        return by_length(np.arange(len(self.rows)), [lengths], _BATCH_TOKENS)


@dataclass(frozen=True)
class _Rows:
    """Rows of ids as a column that a stream can be made of."""

    rows: Sequence[Any]

    def __len__(self) -> int:
        return len(self.rows)

    def ids(self, index: int) -> Any:
        return self.rows[index]


@dataclass(frozen=True)
class _Streams:
    """A text as streams, window by window."""

    reader: StreamReader

    @classmethod
    def of(cls, rows: Sequence[Any], streams: int, window: int) -> _Streams:
        return cls(StreamReader(_Rows(rows), streams, window))

    def __len__(self) -> int:
        return len(self.reader.epoch(0))

    def __iter__(self) -> Iterator[TextBatch]:
        return (self.reader.batch(place, 0) for place in self.reader.epoch(0))


def shown(batches: _Batches | _Streams) -> Iterable[TextBatch]:
    """With a bar: for who waits for it. A training has its own."""
    return tracked(batches, "reading", len(batches))


Seen = Callable[[_Batches | _Streams], Iterable[TextBatch]]
