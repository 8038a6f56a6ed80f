"""How fast a training goes."""

from __future__ import annotations

from dataclasses import dataclass

from nmt_cli.training.loop import Step

WARM = 3
"""Updates that are slower than all others, and not counted."""


@dataclass(frozen=True)
class Speed:
    """Running means over the last hundred or so updates of this session."""

    updates: int = 0
    seconds_per_update: float = 0.0
    tokens_per_update: float = 0.0

    def after(self, step: Step) -> Speed:
        """With one step more."""
        count = self.updates + 1
        keep = 0.0 if count <= WARM else min(0.99, 1 - 1 / (count - WARM))
        return Speed(
            count,
            keep * self.seconds_per_update + (1 - keep) * step.seconds,
            keep * self.tokens_per_update + (1 - keep) * step.tokens,
        )

    @property
    def tokens_per_second(self) -> float:
        """Target tokens, of all processes."""
        return self.tokens_per_update / self.seconds_per_update if self.seconds_per_update else 0.0

    def __str__(self) -> str:
        return f"{self.tokens_per_second:,.0f} tokens/s"
