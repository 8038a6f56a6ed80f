"""Recurrent layers on top of each other: each reads the layer below."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Self, cast

import torch
from torch import Tensor, nn

from nmt_cli.models.cells import Bidirectional, Cell, States

_RESIDUAL_FROM = 2
"""The first layer, counted from 0, that is added to what it reads."""

Layer = Callable[[Tensor, Tensor, States], tuple[Tensor, States]]
"""(B, T, D') under a mask (B, T) and from states (B, D) -> (B, T, D) and the states at the true ends, as a cell."""


class Stack(nn.Module):
    """x := dropout(layer(x)) for each layer in turn; from the third layer on x := x + dropout(layer(x)).

    Deep stacks do not train without the way round the upper layers (Wu et al. 2016, section 3.1).
    """

    def __init__(self, layers: Sequence[Cell | Bidirectional], dropout: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.dropout = dropout
        self.states, self.width = layers[0].states, layers[0].width

    @classmethod
    def of(cls, layer: Callable[[int], Cell | Bidirectional], inputs: int, *, layers: int, dropout: nn.Module) -> Self:
        """``layers`` new ones over ``inputs`` features; ``layer`` makes one of as many features as it is told."""
        made = [layer(inputs)]
        while len(made) < layers:
            made.append(layer(made[-1].width))
        return cls(made, dropout)

    @property
    def cells(self) -> list[Cell]:
        """The layers, from the lowest up, where they read one way."""
        return cast("list[Cell]", list(self.layers))

    def rest(self, like: Tensor) -> States:
        """The states (B, L, D) of a stack that has read nothing, of the kind of ``like`` (B, ...)."""
        return (like.new_zeros(len(like), len(self.layers), self.width),) * self.states

    def forward(self, x: Tensor, mask: Tensor, states: States) -> tuple[Tensor, States]:
        """``x`` (B, T, D'), ``mask`` (B, T), ``states`` (B, L, D) each -> outputs (B, T, D) and the states at the true ends."""
        return self.climb(self.layers, x, mask, states)

    def climb(
        self, layers: Iterable[Layer], x: Tensor, mask: Tensor, states: States, *, first: int = 0
    ) -> tuple[Tensor, States]:
        """``forward`` through some of the layers, from number ``first`` up; ``states`` (B, L - first, D) are theirs."""
        ends = []
        for place, layer in enumerate(layers):
            outputs, end = layer(x, mask, tuple(state[:, place] for state in states))
            above = self.dropout(outputs)
            x = x + above if first + place >= _RESIDUAL_FROM else above
            ends.append(end)
        return x, tuple(torch.stack(parts, 1) for parts in zip(*ends, strict=True)) if ends else states


def apart(states: States) -> tuple[States, States]:
    """(B, L, D) each -> those of the lowest layer (B, D) each, and of the layers above it (B, L - 1, D) each."""
    return tuple(state[:, 0] for state in states), tuple(state[:, 1:] for state in states)


def together(lowest: States, above: States) -> States:
    """What ``apart`` took apart."""
    return tuple(torch.cat([low[:, None], rest], 1) for low, rest in zip(lowest, above, strict=True))
