"""Counts: what a metric found in each line, which is all it takes to score a text or any resample of its lines.

BLEU, chrF and TER of a text are functions of sums over its lines (matched n-grams, edits, lengths). The costly part,
counting, is done once; then a thousand bootstrap resamples are a thousand sums. Knows no metric by name.

The counting and the formulas are sacreBLEU's, and so are seed and draws: the numbers are those of its own bootstrap.
Only the memory differs. sacreBLEU holds every reference n-gram (60 KB a line for chrF) and R x N x C floats at once,
7 GB at 100,000 lines; here a window bounds the one and a single resample the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sacrebleu.metrics.base import Metric, Score

from nmt_cli.errors import ConfigError

SEED = 12345
"""sacreBLEU's default seed; it stands in every signature that has an interval."""

FEWEST_RESAMPLES = 100
"""Below this a 2.5 % tail holds less than three resamples."""

_WINDOW = 1000  # lines whose n-grams are held at once


@dataclass(frozen=True)
class Counts:
    """One metric's counts for each line of one text.

    Attributes:
        metric: sacreBLEU's metric; the formula from summed counts to the score.
        table: (N, C) lines by counts. C is the metric's own affair: 10 for BLEU, 18 for chrF, 2 for TER.
    """

    metric: Metric
    table: NDArray[np.float64]

    def score(self) -> Score:
        """The score of the text."""
        return self._formula(self.table.sum(axis=0))

    def resampled(self, resamples: int) -> NDArray[np.float64]:
        """(R,) the scores of ``resamples`` texts, each of N lines drawn from this one with replacement (Koehn 2004).

        The draws depend on N and the seed alone, so resample r of two texts holds the same lines: pairs come for free.
        Costs R sums over N lines, and memory for one resample.

        Raises:
            ConfigError: too few resamples.
        """
        if resamples < FEWEST_RESAMPLES:
            raise ConfigError(f"resamples must be at least {FEWEST_RESAMPLES}, but is {resamples}")
        lines = len(self.table)
        random = np.random.default_rng(SEED)
        scores = np.empty(resamples)
        for index in range(resamples):
            times_drawn = np.bincount(random.choice(lines, size=lines), minlength=lines)  # (N,)
            scores[index] = self._formula(times_drawn @ self.table).score
        return scores

    def _formula(self, sums: NDArray[np.float64]) -> Score:
        score: Score = self.metric._compute_score_from_stats(sums.tolist())  # the step before it has no public name
        return score


def count(metric: Metric, hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Counts:
    """Let a metric count, line by line.

    Args:
        metric: one of sacreBLEU's.
        hypotheses: N lines, at least one.
        references: one sequence of N lines for each reference translation.
    """
    rows: list[list[float]] = []
    for start in range(0, len(hypotheses), _WINDOW):
        window = slice(start, start + _WINDOW)
        rows += metric._extract_corpus_statistics(hypotheses[window], [reference[window] for reference in references])
    return Counts(metric, np.array(rows, dtype=np.float64))
