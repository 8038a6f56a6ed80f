"""Model soups (Wortsman et al. 2022): the arithmetic mean of the weights of several models, chosen by what it does on dev.

It is as fast as one model and often better than the best of them, where all lie in one valley of the loss: states of one training
(Vaswani et al. 2017 average the last ones; see Izmailov et al. 2018), or trainings that began with the same weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from nmt_cli.errors import ModelError
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.runs.files import read_tensors
from nmt_cli.training.tasks.base import Validation


@dataclass(frozen=True)
class Ingredient:
    """Weights on the disk."""

    name: str  # for a person
    model: ModelDirectory  # whose they are
    file: Path


@dataclass(frozen=True)
class Soup:
    """What was averaged, of one ingredient or of several, and how good it is on dev."""

    name: str
    ingredients: tuple[Ingredient, ...]
    found: Validation

    def is_better_than(self, other: Soup) -> bool:
        """On dev."""
        return self.found.score > other.found.score


Taste = Callable[[str, Sequence[Ingredient]], Soup]
"""Gives a name to the mean of some ingredients, and measures it."""


def mean(ingredients: Sequence[Ingredient]) -> dict[str, Tensor]:
    """Of their weights, in memory for two of them: the sum is in double precision, so that the order does not matter.

    Raises ModelError where a file is missing, damaged or of another model.
    """
    sums: dict[str, Tensor] = {}
    for ingredient in ingredients:
        weights, _ = read_tensors(ingredient.file)
        sums = sums or {name: torch.zeros_like(value, dtype=torch.float64) for name, value in weights.items()}
        if {name: value.shape for name, value in weights.items()} != {
            name: value.shape for name, value in sums.items()
        }:
            raise ModelError(
                f"{ingredient.file} must hold the same parameters as {ingredients[0].file}, but holds others"
            )
        for name, value in weights.items():
            sums[name] += value
    return {name: (total / len(ingredients)).float() for name, total in sums.items()}


def last(states: Sequence[Ingredient], taste: Taste) -> Iterator[Soup]:
    """Of states of one training, the oldest first: the last two, the last three, and so on."""
    for count in range(2, len(states) + 1):
        yield taste(f"the last {count} validations", states[-count:])


def greedy(ones: Sequence[Soup], taste: Taste) -> Iterator[Soup]:
    """All that are tried: the best one, with each other in turn from the next best on, which stays if the soup gets better.

    ``ones``: soups of one ingredient each. So at most as many are measured as there are ingredients, and not all subsets.
    """
    best, *others = sorted(ones, key=lambda one: one.found.score, reverse=True)
    for other in others:
        ingredients = (*best.ingredients, *other.ingredients)
        tried = taste(" + ".join(each.name for each in ingredients), ingredients)
        yield tried
        if tried.is_better_than(best):
            best = tried
