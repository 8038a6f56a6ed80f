"""A picker that draws the next token of each row, from all of the distribution or from its head."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nmt_cli.errors import ConfigError
from nmt_cli.scoring.scores import Scores
from nmt_cli.search import noise


@dataclass(frozen=True)
class Head:
    """Which tokens may be drawn, by the distribution at a temperature (Ackley et al. 1985). None: no such limit.

    The most probable token always may.
    """

    temperature: float = 1.0  # towards 0 only the best is drawn, above 1 all come closer to each other
    top_k: int | None = None  # the k most probable (Fan et al. 2018)
    top_p: float | None = None  # the fewest that together have so much probability (Holtzman et al. 2020)
    min_p: float | None = None  # those that have so large a part of the best one's probability (Nguyen et al. 2024)

    def __post_init__(self) -> None:
        """Raises ConfigError for what is out of range."""
        if not 0 < self.temperature < float("inf"):
            raise ConfigError(
                f"the temperature must be above 0, but is {self.temperature}", "greedy search is its limit"
            )
        if self.top_k is not None and self.top_k < 1:
            raise ConfigError(f"top-k must be at least 1, but is {self.top_k}")
        for name, share in (("top-p", self.top_p), ("min-p", self.min_p)):
            if share is not None and not 0 < share <= 1:
                raise ConfigError(f"{name} must be above 0 and at most 1, but is {share}")

    def __call__(self, logits: Tensor) -> Tensor:
        """(N, V') log-probabilities to draw by, up to a constant of each row; -inf for what may not be drawn."""
        best = logits.double().amax(1, keepdim=True)  # becomes 0, so that no temperature makes it infinite
        log_probs = torch.log_softmax((logits.double() - best) / self.temperature, 1)
        allowed = torch.ones_like(log_probs, dtype=torch.bool)
        if self.top_k is not None:
            kept = log_probs.topk(min(self.top_k, log_probs.shape[1]), 1).indices
            allowed &= torch.zeros_like(allowed).scatter_(1, kept, True)
        if self.top_p is not None:
            ranked, order = log_probs.sort(dim=1, descending=True, stable=True)
            before = ranked.exp().cumsum(1) - ranked.exp()  # the probability of all better ones
            allowed &= torch.zeros_like(allowed).scatter_(1, order, before < self.top_p)
        if self.min_p is not None:
            allowed &= log_probs >= log_probs.amax(1, keepdim=True) + math.log(self.min_p)
        return log_probs.masked_fill(~allowed, -torch.inf)


@dataclass(frozen=True)
class Sampler:
    """Draws by Gumbel noise, which depends on the seed, the line, the sample and the step alone."""

    head: Head
    seed: int
    lines: Tensor  # (B,) which line of the input each row is for
    samples: Tensor  # (B,) which of its samples

    def __call__(self, scores: Scores, row: Tensor, step: int) -> Tensor:
        """(N,) ids; ``row`` (N,) says which of the B rows are left."""
        keys = noise.keys(self.seed, self.lines[row], self.samples[row], step)
        drawn = self.head(scores.logits) + noise.gumbel(keys, scores.columns)
        return scores.columns[drawn.argmax(1)]
