"""The head of a distribution: which tokens may be drawn."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nmt_cli.errors import ConfigError


@dataclass(frozen=True)
class Head:
    """Which tokens may be drawn, by the distribution at a temperature (Ackley et al. 1985). None: no such limit.

    The most probable token always may.
    """

    temperature: float = 1.0  # towards 0 only the best is drawn, above 1 all come closer to each other
    top_k: int | None = None  # the k most probable (Fan et al. 2018)
    top_p: float | None = None  # the fewest that together have so much probability (Holtzman et al. 2020)
    min_p: float | None = None  # those that have so large a part of the best one's probability (Nguyen et al. 2024)
    epsilon: float | None = None  # those that have at least so much probability (Hewitt et al. 2022)

    def __post_init__(self) -> None:
        """Raises ConfigError for what is out of range."""
        if not 0 < self.temperature < float("inf"):
            raise ConfigError(
                f"the temperature must be above 0, but is {self.temperature}", "greedy search is its limit"
            )
        if self.top_k is not None and self.top_k < 1:
            raise ConfigError(f"top-k must be at least 1, but is {self.top_k}")
        for name, share in (("top-p", self.top_p), ("min-p", self.min_p), ("epsilon", self.epsilon)):
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
        if self.epsilon is not None:
            allowed &= (log_probs >= math.log(self.epsilon)) | (log_probs == log_probs.amax(1, keepdim=True))
        return log_probs.masked_fill(~allowed, -torch.inf)
