"""Parts of a model laid out for reading alone, where a step of decoding is short and nothing is learnt."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from torch import nn

from nmt_cli.models.arithmetic import Arithmetic


class Packable(nn.Module):
    """A part of a model that can be read by a function with weights of its own.

    The function spares what a module does around its work, and multiplies once where the module multiplies several times.
    """

    @abstractmethod
    def packed(self, by: Arithmetic) -> Callable[..., Any]:
        """What ``forward`` does in evaluation, over copies, made when they are first read: the weights must stay as they are."""
