"""When a sentence is over."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from nmt_cli.errors import ConfigError


@dataclass(frozen=True)
class Progress:
    """Where each sentence of a beam search stands."""

    finished: Tensor  # (B, K) scores of the finished pool, best first, -inf where empty
    ended: Tensor  # (B,) how many hypotheses have ended so far
    reach: Tensor  # (B, K) the best score that each live hypothesis can still get, -inf where there is none


class StoppingRule(Protocol):
    """One value that says how long a beam search goes on."""

    def hopeless(self, progress: Progress, n_best: int) -> Tensor:
        """(B, K) live hypotheses that need not go on. A sentence without live hypotheses is over."""
        ...


@dataclass(frozen=True)
class Bound:
    """Stop when nothing live can enter the n best any more: this costs nothing in quality, it is a proof.

    A hypothesis that cannot may leave by itself, before the others: whatever it keeps from the pool has a lower log-probability
    than it has, and so could not win either.
    """

    def hopeless(self, progress: Progress, n_best: int) -> Tensor:
        """Those whose reach is not above the n-th best finished score."""
        return progress.reach <= progress.finished[:, n_best - 1, None]


@dataclass(frozen=True)
class Patience:
    """Stop when ``factor`` times K hypotheses have ended (Kasai et al. 2022); 1 is the rule of most toolkits."""

    factor: float = 1.0

    def __post_init__(self) -> None:
        if not self.factor > 0:
            raise ConfigError(f"patience must be above 0, but is {self.factor}")

    def hopeless(self, progress: Progress, n_best: int) -> Tensor:
        """All or none of a sentence's."""
        del n_best
        done = progress.ended >= self.factor * progress.finished.shape[1]
        return done[:, None] | torch.isneginf(progress.reach)
