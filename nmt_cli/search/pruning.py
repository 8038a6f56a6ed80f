"""Which live hypotheses leave although they might still win: what a beam costs, it mostly costs for those that do not."""

import math
from dataclasses import dataclass

from torch import Tensor

from nmt_cli.errors import ConfigError


@dataclass(frozen=True)
class Pruning:
    """Relative threshold pruning (Freitag & Al-Onaizan 2017, section 3.1), in logarithms: an approximation.

    Who lies more than ``margin`` nats below the best live hypothesis of its sentence leaves. Where the model is sure the beam is
    narrow, and where it is not it is as wide as before. With an infinite margin nobody leaves.
    """

    margin: float = math.inf

    def __post_init__(self) -> None:
        if not self.margin > 0:
            raise ConfigError(f"--prune must be above 0, but is {self.margin}", "5 is wide, 1 is narrow")

    def __call__(self, log_probs: Tensor) -> Tensor:
        """(B, K) which of the live hypotheses leave, of which these are the log-probabilities (B, K), best first."""
        return log_probs < log_probs[:, :1] - self.margin
