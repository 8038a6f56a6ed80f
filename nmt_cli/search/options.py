"""What a user may ask of a search; each strategy makes itself from it and says what it uses."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nmt_cli.search.head import Head
from nmt_cli.search.normalization import NORMS, Normalization
from nmt_cli.search.pruning import Pruning
from nmt_cli.search.stopping import Bound, Patience, StoppingRule

Judge = Callable[[Sequence[tuple[int, ...]], Sequence[int]], list[float]]
"""Distinct hypotheses and how often each was found -> the expected utility of each: search itself knows no texts."""


@dataclass(frozen=True)
class SearchOptions:
    """As typed, over the model's own settings. Fields are called like the options; None: as the search itself sees fit."""

    beam: int = 5
    n_best: int = 1
    length_penalty: float = 1.0
    norm: str = "power"
    patience: float | None = None
    coverage: float = 0.0
    prune: float | None = None
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    epsilon: float | None = None
    seed: int = 1
    groups: int | None = None
    diversity: float | None = None
    samples: int | None = None
    mbr_candidates: str = "sample"
    utility: str = "chrf"
    mbr_aggregate: bool = False
    judge: Judge | None = None
    nodes: int | None = None
    seconds: float | None = None
    weighed: bool = True  # whether anybody reads how probable the hypotheses are
    typed: frozenset[str] = frozenset()  # the fields that a user gave; the others are as usual, or the model's own

    @property
    def normalization(self) -> Normalization:
        """How hypotheses of different lengths are compared. Raises ConfigError for an unknown one, or one out of range."""
        return NORMS[self.norm](self.length_penalty)

    @property
    def stop(self) -> StoppingRule:
        """When a sentence is over. Raises ConfigError for one out of range."""
        return Bound() if self.patience is None else Patience(self.patience)

    @property
    def pruning(self) -> Pruning:
        """Who leaves before. Raises ConfigError for one out of range."""
        return Pruning() if self.prune is None else Pruning(self.prune)

    @property
    def head(self) -> Head:
        """What may be drawn. Raises ConfigError for what is out of range."""
        return Head(self.temperature, self.top_k, self.top_p, self.min_p, self.epsilon)
