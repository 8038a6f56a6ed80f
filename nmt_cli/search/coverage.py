"""A penalty for source positions that a hypothesis has not looked at: what was not translated costs something."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nmt_cli.errors import ConfigError
from nmt_cli.scoring.scores import Scores


@dataclass(frozen=True)
class CoveragePenalty:
    """weight * sum_i log(min(1, sum_j a_ij)), the attention a summed over all steps j (Wu et al. 2016, equation 14).

    It is at most 0, so the bound by which a beam search stops holds as it is. With the weight 0 no attention is asked for.
    """

    weight: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.weight < math.inf:
            raise ConfigError(f"--coverage must be a finite number, not below 0, but is {self.weight}")

    def attended(self, scores: Scores) -> Tensor:
        """(N, S) the attention of this step; S = 0 where nothing is penalised. Raises ConfigError where the model has none."""
        if self.weight == 0:
            return scores.normaliser[:, :0]
        if scores.attention is None:
            raise ConfigError(
                "--coverage needs a model with attention, but the decoder of this one has none",
                "nmt train ... --preset lstm-attention trains one that has",
            )
        return scores.attention

    def __call__(self, coverage: Tensor, sources: Tensor) -> Tensor:
        """(B, K) penalties, from the summed attention (B, K, S) and the lengths (B,) of the sources: padding costs nothing."""
        real = torch.arange(coverage.shape[2]) < sources[:, None]  # (B, S)
        logs = coverage.double().clamp(torch.finfo(torch.float64).tiny, 1).log()
        return self.weight * logs.masked_fill(~real[:, None], 0).sum(2)
