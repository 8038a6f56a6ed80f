"""The exponential moving average of the weights (Polyak & Juditsky 1992): what is measured and kept instead of the last weights.

    average <- d average + (1 - d) weights        behind every update, with d = min(decay, (1 + update) / (10 + update))

so that the first updates, which are far off, are soon forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from nmt_cli.models.base import Model
from nmt_cli.runs.directory import weights_of


class Average:
    """Of the weights of one model."""

    def __init__(self, model: Model, decay: float) -> None:
        """``decay`` 0: the weights themselves, at no cost."""
        self.model = model
        self.decay = decay
        self.weights: dict[str, Tensor] = {}
        if decay:
            self.weights = {name: value.detach().clone() for name, value in weights_of(model).items()}

    def follow(self, update: int) -> None:
        """Take in the weights behind an update."""
        if self.decay:
            decay = min(self.decay, (1 + update) / (10 + update))
            now = [value.detach() for value in weights_of(self.model).values()]
            torch._foreach_lerp_(list(self.weights.values()), now, 1 - decay)

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Go on from a saved average."""
        for name, value in self.weights.items():
            value.copy_(weights[name])

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Inside the block the model has the average for its weights."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        own = weights_of(self.model)
        for name, value in self.weights.items():
            kept = own[name].detach().clone()
            own[name].data.copy_(value)
            value.copy_(kept)
