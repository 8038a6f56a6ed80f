"""A trial: one translation model put to the test. Knows no other model."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmt_cli.evaluation import buckets
from nmt_cli.evaluation.buckets import Bucket
from nmt_cli.evaluation.counts import count
from nmt_cli.evaluation.metrics import MetricScore, bleu, metrics_for, summarise
from nmt_cli.inference import workers
from nmt_cli.inference.choice import Choice
from nmt_cli.inference.flags import SPLIT
from nmt_cli.inference.translator import Translation
from nmt_cli.reports.contestant import Contestant
from nmt_cli.reports.flow import Signal
from nmt_cli.training.tasks.translate import Loss, mean_loss

SIZES = (1, 2, 4, 8)
"""Sentences that make one line."""

_RESAMPLES = 1000
_FEW_RESAMPLES = 300  # of each part of the text
_WARM = 32  # lines before the clock starts


@dataclass(frozen=True)
class TestSet:
    """Sources and their references under a name."""

    name: str
    sources: Sequence[str]
    references: Sequence[str]

    def joined(self, size: int) -> TestSet:
        """Each ``size`` sentences behind each other as one line; a rest that makes no whole line is left out."""
        starts = range(0, len(self.sources) - size + 1, size)
        sides = [[" ".join(side[i : i + size]) for i in starts] for side in (self.sources, self.references)]
        return TestSet(f"{self.name}, {size} at once", *sides)


@dataclass(frozen=True)
class Joined:
    """The translations of lines that are ``size`` sentences each."""

    size: int
    lines: int
    split: int  # of them, too long for the model and translated in pieces, as nmt translate does
    score: MetricScore  # BLEU

    @classmethod
    def of(cls, size: int, given: TestSet, translations: Sequence[Translation], language: str) -> Joined:
        """From what became of the lines."""
        texts = [translation.text for translation in translations]
        split = sum(SPLIT in translation.marks for translation in translations)
        score = bleu(texts, [given.references], language=language, resamples=_FEW_RESAMPLES)
        return cls(size, len(texts), split, score)

    def to_json(self) -> dict[str, Any]:
        """Everything, unrounded."""
        return {"size": self.size, "lines": self.lines, "split": self.split, "score": self.score.to_json()}


@dataclass(frozen=True)
class Trial:
    """What one model made of the test sets."""

    contestant: Contestant
    scores: tuple[MetricScore, MetricScore]  # BLEU and chrF2 of the first set
    samples: tuple[
        NDArray[np.float64], ...
    ]  # (R,) the same of resamples of the first set: the same lines for every model
    loss: Loss  # of the first set
    words_per_second: float  # of the source of the first set, on all cores, loading not counted
    buckets: tuple[Bucket, ...]  # over all sets
    joined: tuple[Joined, ...]  # lines of the first set
    signal: Signal

    @property
    def name(self) -> str:
        """Of the model."""
        return self.contestant.name

    @property
    def bleu(self) -> MetricScore:
        """Of the first set."""
        return self.scores[0]

    def to_json(self) -> dict[str, Any]:
        """Everything, unrounded."""
        return {
            **self.contestant.to_json(),
            "scores": [score.to_json() for score in self.scores],
            **self.loss.to_json(),
            "words_per_second": self.words_per_second,
            "by_length": [bucket.to_json() for bucket in self.buckets],
            "joined": [each.to_json() for each in self.joined],
            "gradient_flow": self.signal.to_json(),
        }


def measure(model: Contestant, sets: Sequence[TestSet]) -> Trial:
    """Translate every set once, as ``nmt translate`` would, and look at what came of it.

    Cost: the translations, and a few seconds for intervals and gradients. TER, which would take longest, is left out.
    """
    directory, first = model.directory, sets[0]
    language = directory.manifest.languages[1]
    larger = [first.joined(size) for size in SIZES[1:] if size <= len(first.sources)]
    written, speed = _translate(model, [*sets, *larger])
    outputs = [[translation.text for translation in each] for each in written]
    quick = metrics_for(language, lowercase=False)[:2]
    counts = [count(metric, outputs[0], [first.references]) for metric in quick]
    samples = [each.resampled(_RESAMPLES) for each in counts]
    score, chrf = map(summarise, counts, samples)
    sources = [line for each in sets for line in each.sources]
    wanted = [line for each in sets for line in each.references]
    everything = [line for each in outputs[: len(sets)] for line in each]
    by_length = buckets.by_length(sources, everything, [wanted], language=language, resamples=_FEW_RESAMPLES)
    return Trial(
        contestant=model,
        scores=(score, chrf),
        samples=tuple(samples),
        loss=mean_loss(directory, first.sources, first.references),
        words_per_second=speed,
        buckets=tuple(by_length),
        joined=tuple(
            Joined.of(size, each, translations, language)
            for size, each, translations in zip(
                SIZES, [first, *larger], [written[0], *written[len(sets) :]], strict=False
            )
        ),
        signal=Signal.of(directory, (sources, wanted)),
    )


def _translate(model: Contestant, sets: Sequence[TestSet]) -> tuple[list[list[Translation]], float]:
    """The translations of each set, and words a second of the first.

    One translator for all of them: workers are started once, and before the clock.
    """
    directory, first = model.directory, sets[0].sources
    strategy = Choice().strategy(directory)
    lines = sum(len(each.sources) for each in sets)
    with workers.translator(directory, strategy, lines=lines) as translator:
        translator.translate(first[:_WARM])
        started = time.perf_counter()
        translations = [translator.translate(first)]
        seconds = time.perf_counter() - started
        translations += [translator.translate(each.sources) for each in sets[1:]]
    return translations, sum(len(line.split()) for line in first) / seconds
