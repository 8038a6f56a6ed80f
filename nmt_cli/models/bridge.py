"""Bridges: how what an encoder has read becomes the state in which a recurrent decoder begins."""

from abc import abstractmethod

import torch
from torch import nn

from nmt_cli.models.base import Memory
from nmt_cli.models.cells import States


class Bridge(nn.Module):
    """Memory -> the decoder's first states."""

    @abstractmethod
    def forward(self, memory: Memory) -> States:
        """h (and c), (B, L, D) each."""


class LearnedBridge(Bridge):
    """tanh(W h + b), one map for each layer of the decoder, for h and for c (Bahdanau et al. 2015, A.2.2: s_0).

    Layers are paired from the uppermost down; where the encoder has fewer, its lowest serves all that are left. (The paper maps
    the state of the backward direction alone; here both directions take part.)
    """

    def __init__(self, width: int, *, states: int, encoder_layers: int, layers: int) -> None:
        super().__init__()
        self.maps = nn.ModuleList(nn.Linear(width, width) for _ in range(states * layers))
        self.sources = [max(0, encoder_layers - layers + layer) for layer in range(layers)]

    def forward(self, memory: Memory) -> States:
        """h (and c), (B, L, D) each."""
        maps = iter(self.maps)
        return tuple(
            torch.stack([torch.tanh(next(maps)(ends[:, source])) for source in self.sources], 1)
            for ends in memory.final
        )


class CopyBridge(Bridge):
    """The encoder's final states as they are (Sutskever et al. 2014): as many layers on both sides."""

    def forward(self, memory: Memory) -> States:
        """h (and c), (B, L, D) each."""
        return memory.final


class ZeroBridge(Bridge):
    """Zeros: a decoder that learns of the source by attention alone, or has none, as a language model."""

    def __init__(self, width: int, *, states: int, layers: int) -> None:
        super().__init__()
        self.width = width
        self.states = states
        self.layers = layers

    def forward(self, memory: Memory) -> States:
        """h (and c), (B, L, D) each."""
        return (memory.outputs.new_zeros(len(memory.outputs), self.layers, self.width),) * self.states
