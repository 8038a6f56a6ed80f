"""A comparison of two systems on the same lines: is the difference of their scores more than the luck of the test set?

Paired bootstrap resampling, Koehn (2004): Statistical significance tests for machine translation evaluation.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nmt_cli.evaluation.counts import Counts, count
from nmt_cli.evaluation.metrics import MetricScore, check_lines, metrics_for, summarise


@dataclass(frozen=True)
class PairedScore:
    """What one metric says of two systems.

    Attributes:
        system: the score of the first system, with its interval.
        other: the score of the second, with the same signature.
        difference: system minus other; for TER below 0 means that the first is better.
        p_value: how often a difference as large would come from drawing other lines, if the systems were equally good.
    """

    system: MetricScore
    other: MetricScore
    difference: float
    p_value: float

    @property
    def name(self) -> str:
        """``BLEU``, ``chrF2`` or ``TER``."""
        return self.system.name

    @property
    def signature(self) -> str:
        """The signature of both scores."""
        return self.system.signature

    @property
    def verdict(self) -> str:
        """``better`` or ``worse`` (the system than the other) if p < 0.05, else ``no clear difference``."""
        if self.p_value >= 0.05:
            return "no clear difference"
        return "better" if (self.difference > 0) != (self.name == "TER") else "worse"

    def to_json(self) -> dict[str, object]:
        """Every field, unrounded; name and signature once, at the top."""
        return {"name": self.name, "signature": self.signature, **asdict(self)}


def paired_bootstrap(
    system: Sequence[str],
    other: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    language: str | None = None,
    lowercase: bool = False,
    resamples: int = 1000,
) -> Iterator[PairedScore]:
    """BLEU, chrF2 and TER of two systems, and for each the probability that they differ by chance alone.

    The numbers are those of sacreBLEU's ``PairedTest`` of type ``bs``, in one process, with each system counted once.
    One case is mended: two equal scores have a p-value of 1; sacreBLEU gives identical texts the smallest there is.

    Arguments are checked at once; the results come one at a time, the quick ones first (TER takes seconds).

    Args:
        system: N lines of the first system.
        other: N lines of the second, often called the baseline.
        references: one sequence of N lines for each reference translation.
        language: as in ``score_all``.
        lowercase: as in ``score_all``.
        resamples: at least 100; the smallest p-value is 1 / (resamples + 1).

    Raises:
        DataError: no lines, or unequal numbers of lines.
        ConfigError: the language's tokenizer is not installed, or too few resamples.
    """
    check_lines(system, references)
    check_lines(other, references)
    metrics = metrics_for(language, lowercase=lowercase)
    return (
        _compare(count(metric, system, references), count(metric, other, references), resamples) for metric in metrics
    )


def _compare(system: Counts, other: Counts, resamples: int) -> PairedScore:
    samples, other_samples = (
        system.resampled(resamples),
        other.resampled(resamples),
    )  # (R,): the same lines in each pair
    scores = summarise(system, samples), summarise(other, other_samples)
    difference = scores[0].score - scores[1].score
    return PairedScore(*scores, difference, p_value(difference, samples, other_samples))


def p_value(difference: float, samples: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """How often chance alone gives a difference as large, from paired resamples (R,) of both systems."""
    gaps = np.abs(samples - others)
    larger = int(np.sum(gaps - gaps.mean() > abs(difference)))
    return (larger + 1) / (len(samples) + 1) if difference else 1.0


def paired_table(pairs: Sequence[PairedScore], system: str, other: str) -> list[str]:
    """The lines of a table: a line of names, then a line a metric."""
    header = ("", *_labels(system, other), "difference", "p", "verdict", "signature")
    rows = [
        (
            pair.name,
            pair.system.figures,
            pair.other.figures,
            f"{pair.difference:+.1f}",
            f"{pair.p_value:.3f}",
            pair.verdict,
            pair.signature,
        )
        for pair in pairs
    ]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in (header, *rows)]


def _labels(system: str, other: str) -> tuple[str, str]:
    """The files' names, with their folders where the names alone are the same."""
    short = Path(system).name, Path(other).name
    return short if short[0] != short[1] else (system, other)
