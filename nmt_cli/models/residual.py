"""What surrounds a sub-layer of a Transformer: the way round it (He et al. 2016), a norm before or after it, dropout behind it."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from torch import Tensor, nn

from nmt_cli.models.arithmetic import Arithmetic
from nmt_cli.models.layers import Dropout
from nmt_cli.models.packing import Packable

M = TypeVar("M", bound=Packable)


class Residual(Packable, Generic[M]):
    """x + f(x), without a norm at first: the two kinds say where it stands."""

    def __init__(self, sublayer: M, norm: nn.Module, dropout: float) -> None:
        super().__init__()
        self.sublayer = sublayer
        self.norm = norm
        self.dropout = Dropout(dropout)

    def enter(self, x: Tensor) -> Tensor:
        """What the sub-layer reads."""
        return x

    def leave(self, x: Tensor) -> Tensor:
        """What becomes of the sum."""
        return x

    def forward(self, x: Tensor, *context: object) -> Tensor:
        """(B, T, D) -> (B, T, D); the sub-layer may need a ``context`` of its own."""
        return self.leave(x + self.dropout(self.sublayer(self.enter(x), *context)))


class PreNorm(Residual[M]):
    """x + f(norm(x)) (Xiong et al. 2020): the way round is free from the embedding to the end of the stack, where a norm is due."""

    def enter(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D)"""
        normed: Tensor = self.norm(x)
        return normed

    def packed(self, by: Arithmetic) -> Callable[..., Any]:
        """See Packable."""
        norm, sublayer = by.norm(self.norm), self.sublayer.packed(by)
        return lambda x, *context: x + sublayer(norm(x), *context)


class PostNorm(Residual[M]):
    """norm(x + f(x)) (Vaswani et al. 2017): the sum is normalised every time, and the stack needs no norm at its end.

    Gradients shrink at each norm, which makes it sensitive to large steps early on. The weights begin as ``nn.Linear`` has them, at
    0.58 of Xavier's scale, so that f is small beside x: measured with a short warm-up, 4 + 4 and 6 + 6 layers learn with it (a
    little slower than pre-norm), and with Xavier's own they do not.
    """

    def leave(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D)"""
        normed: Tensor = self.norm(x)
        return normed

    def packed(self, by: Arithmetic) -> Callable[..., Any]:
        """See Packable."""
        norm, sublayer = by.norm(self.norm), self.sublayer.packed(by)
        return lambda x, *context: norm(x + sublayer(x, *context))
