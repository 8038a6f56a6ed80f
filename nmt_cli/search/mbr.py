"""Minimum Bayes risk decoding: not the most probable translation, but the one that agrees best with all that are probable.

A mode may be an oddity, in a model that spreads its probability over very many translations (Eikema & Aziz 2020). So candidates are
drawn, and each is judged by all of them as references, as often as each was drawn (Kumar & Byrne 2004).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from torch import Tensor

from nmt_cli.errors import ConfigError
from nmt_cli.registry import Registry
from nmt_cli.scoring.scorer import Scorer
from nmt_cli.search.base import Hypothesis, SearchStrategy, Sentences
from nmt_cli.search.beam import BeamSearch
from nmt_cli.search.head import Head
from nmt_cli.search.options import Judge, SearchOptions
from nmt_cli.search.sampling import Sampling

SAMPLES = 64
"""How many are drawn where nobody says."""
EPSILON = 0.02
"""What is drawn where nobody says: tokens of at least this probability, the best of the heads that Freitag et al. (2023) compared.
The long tail of a distribution makes bad candidates and bad references. All of it, as Eikema & Aziz had it, is ``top_p=1``."""

_OF_SAMPLES = Sampling.uses - {"n_best"} | {"samples"}
_OF_BEAMS = BeamSearch.uses - {"n_best"}


@dataclass(frozen=True)
class MinimumBayesRisk:
    """The ``n_best`` of the candidates that another search finds, by their expected utility, which becomes their score.

    Equal candidates are one, which counts as often as it was found; what a beam finds counts once. Equally useful ones are
    ranked by the model. Cost: that of the other search, and of the judge.
    """

    uses: ClassVar[frozenset[str]] = _OF_SAMPLES | _OF_BEAMS | {"n_best", "mbr_candidates", "utility", "mbr_aggregate"}
    repeats: ClassVar[bool] = False  # samples do not

    candidates: SearchStrategy
    judge: Judge
    n_best: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.n_best <= self.rows:
            raise ConfigError(
                f"--n-best must lie between 1 and the number of candidates ({self.rows}), but is {self.n_best}"
            )

    @property
    def rows(self) -> int:
        """Those of the other search."""
        return self.candidates.rows

    @classmethod
    def of(cls, options: SearchOptions) -> Self:
        """Raises ConfigError for what is out of range, or means nothing to the chosen candidates."""
        if options.judge is None:
            raise ConfigError("mbr search must have a judge of its candidates, but has none")
        return cls(CANDIDATES[options.mbr_candidates](options), options.judge, options.n_best)

    def __call__(self, scorer: Scorer[Any], tokens: Tensor, state: Any, sentences: Sentences) -> list[list[Hypothesis]]:
        """See SearchStrategy."""
        return [self._ranked(found) for found in self.candidates(scorer, tokens, state, sentences)]

    def _ranked(self, found: Sequence[Hypothesis]) -> list[Hypothesis]:
        """The best of one sentence."""
        counts = Counter(hypothesis.tokens for hypothesis in found)
        ids = sorted(counts)  # an order of their own: sums are the same to the last bit, however they were found
        utilities = dict(zip(ids, self.judge(ids, [counts[each] for each in ids]), strict=True))
        distinct = {hypothesis.tokens: hypothesis for hypothesis in found}
        judged = [replace(distinct[each], score=utilities[each]) for each in ids]
        return sorted(judged, key=lambda hypothesis: (-hypothesis.score, -hypothesis.log_prob))[: self.n_best]


def drawn(options: SearchOptions) -> SearchStrategy:
    """Candidates that are samples."""
    _refuse(options, _OF_BEAMS, "samples")
    head = options.head
    if head == Head(head.temperature):
        head = replace(head, epsilon=EPSILON)
    return Sampling(max(SAMPLES, options.n_best) if options.samples is None else options.samples, head, options.seed)


def best(options: SearchOptions) -> SearchStrategy:
    """Candidates that are all that a beam finds."""
    _refuse(options, _OF_SAMPLES, "the candidates of a beam")
    return BeamSearch.of(replace(options, n_best=options.beam))


CANDIDATES: Registry[Callable[[SearchOptions], SearchStrategy]] = Registry(
    "mbr-candidates", {"sample": "nmt_cli.search.mbr:drawn", "beam": "nmt_cli.search.mbr:best"}
)


def _refuse(options: SearchOptions, others: frozenset[str], candidates: str) -> None:
    for name in sorted(options.typed & others):
        raise ConfigError(f"--{name.replace('_', '-')} means nothing to mbr search among {candidates}")
