"""Weights and parts of a model laid out for reading alone, where a step of decoding is short and nothing is learnt."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from nmt_cli.models.arithmetic import Arithmetic
from nmt_cli.models.eight_bits import in_eight_bits
from nmt_cli.models.products import Layout, Product, laid_out, packed
from nmt_cli.models.sieve import Highest, sieve


@dataclass(frozen=True)
class Packing:
    """How the weights of a model are packed."""

    layers: Layout  # large ones, where many rows are read
    output: Callable[[Tensor, Tensor], Product]  # that of the output layer
    highest: Callable[[Tensor, Tensor], Highest | None] = lambda *_: None  # of what the output layer says of each row


EXACT = Packing(laid_out, packed, sieve)
EIGHT_BITS = Packing(
    lambda weight, bias: in_eight_bits(weight, bias) or laid_out(weight, bias),
    lambda weight, bias: in_eight_bits(weight, bias) or packed(weight, bias),
)


class Packable(nn.Module):
    """A part of a model that can be read by a function with weights of its own.

    The function spares what a module does around its work, and multiplies once where the module multiplies several times.
    """

    @abstractmethod
    def packed(self, by: Arithmetic) -> Callable[..., Any]:
        """What ``forward`` does in evaluation, over copies, made when they are first read: the weights must stay as they are."""
