"""The small parts that models are made of."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from nmt_cli.models.agreement import agreement
from nmt_cli.models.arithmetic import Arithmetic, Function
from nmt_cli.models.losses import CHUNK, cross_entropy
from nmt_cli.models.packing import Packable, Packing
from nmt_cli.models.products import Product
from nmt_cli.models.sieve import Highest
from nmt_cli.scoring.scores import Scores
from nmt_cli.text.tokenizer import BOS, EOS

_BITS = 16


class Dropout(nn.Module):
    """Dropout (Srivastava et al. 2014), with masks drawn four to a random word.

    torch's own draws one 64-bit number for each element, and serially: on a CPU that is a quarter of a small model's training.
    Sixteen bits decide as well; the rate is exact to 2^-16, and the kept values are scaled by the exact rate.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self._dropped = round(rate * 2**_BITS)

    def forward(self, values: Tensor) -> Tensor:
        """Same shape."""
        if not self.training or self._dropped == 0:
            return values
        return values * self.mask(values)

    def mask(self, like: Tensor) -> Tensor:
        """A random mask of the same shape: 0 for what is dropped, 1 / (1 - rate) for what is kept."""
        words = -(-like.numel() // 4)
        noise = torch.empty(words, dtype=torch.int64, device=like.device).random_(-(2**63), None)
        bits = noise.view(torch.int16)[: like.numel()].view(like.shape)
        kept = bits.float().ge_(self._dropped - 2 ** (_BITS - 1))  # 1.0 or 0.0: comparing integers takes twice as long
        return kept.mul_(1 / (1 - self._dropped / 2**_BITS))

    def extra_repr(self) -> str:
        """What ``print(model)`` shows."""
        return f"{self.rate}"


class VariationalDropout(Dropout):
    """One mask for a row, the same at all its time steps (Gal & Ghahramani 2016)."""

    def forward(self, values: Tensor) -> Tensor:
        """(B, T, D), same shape."""
        if not self.training or self._dropped == 0:
            return values
        return values * self.mask(values[:, :1])


class FeedForward(Packable):
    """W2 act(W1 x) on each position by itself."""

    def __init__(self, width: int, inner: int, activation: nn.Module, dropout: float) -> None:
        super().__init__()
        self.expand = nn.Linear(width, inner)
        self.activation = activation
        self.dropout = Dropout(dropout)
        self.contract = nn.Linear(inner, width)

    def forward(self, values: Tensor) -> Tensor:
        """(..., D) -> (..., D)"""
        contracted: Tensor = self.contract(self.dropout(self.activation(self.expand(values))))
        return contracted

    def packed(self, by: Arithmetic) -> Function:
        """See Packable."""
        expand, activation, contract = (
            by.product(self.expand),
            by.function(self.activation.forward),
            by.product(self.contract),
        )
        return lambda values: contract(activation(expand(values)))


class GatedFeedForward(Packable):
    """W2 (silu(W x) * V x) on each position by itself: SwiGLU (Shazeer 2020), without biases.

    Three matrices where ``FeedForward`` has two: at the same inner width half as many parameters again, so two thirds of the width
    make an even comparison.
    """

    def __init__(self, width: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.expand = nn.Linear(width, 2 * inner, bias=False)  # W and V
        self.dropout = Dropout(dropout)
        self.contract = nn.Linear(inner, width, bias=False)

    def forward(self, values: Tensor) -> Tensor:
        """(..., D) -> (..., D)"""
        gate, value = self.expand(values).chunk(2, -1)
        contracted: Tensor = self.contract(self.dropout(functional.silu(gate) * value))
        return contracted

    def packed(self, by: Arithmetic) -> Function:
        """See Packable."""
        expand, silu, contract = by.product(self.expand), by.function(functional.silu), by.product(self.contract)
        inner = self.contract.in_features

        def forward(values: Any) -> Any:
            both = expand(values)
            return contract(silu(both[..., :inner]) * both[..., inner:])

        return forward


class Output(nn.Module):
    """The output layer: logits of every token that can be produced, over an embedding that it may share (Press & Wolf 2017).

    Padding and the first token are never produced, and their ids come first, so the columns are the range from ``first`` on:
    nothing has to be masked, in training as in search. Nobody else knows which column a token is. Where a text may hold unknown
    words, ``first`` is UNK: they are learnt and scored, but search is never offered one.
    """

    columns: Tensor

    def __init__(self, embedding: nn.Parameter, first: int = EOS) -> None:
        super().__init__()
        self.embedding = embedding  # (V, D)
        self.bias = nn.Parameter(torch.zeros(len(embedding)))
        self.first = first
        self.register_buffer("columns", torch.arange(first, len(embedding)), persistent=False)
        self._product: Product | None = None
        self._highest: Highest | None = None

    @property
    def weight(self) -> Tensor:
        """(V', D)"""
        return self.embedding[self.first :]

    def pack(self, packing: Packing) -> None:
        """Prepare for reading alone: from now on the weights must stay as they are."""
        self._product = packing.output(self.weight.detach(), self.bias[self.first :].detach())
        self._highest = packing.highest(self.embedding[EOS:].detach(), self.bias[EOS:].detach())

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, D) -> logits (N, V')"""
        if self._product is not None:
            return self._product(hidden)
        return functional.linear(hidden, self.weight, self.bias[self.first :])

    @property
    def producible(self) -> Tensor:
        """The columns that search is offered."""
        return self.columns[EOS - self.first :]

    def scores(self, hidden: Tensor, attention: Callable[[], Tensor | None] = lambda: None) -> Scores:
        """What is thought of the token behind each hidden state (N, D)."""
        banned = EOS - self.first
        highest = self._highest and partial(self._highest, hidden)
        # packed, it knows no gradients: whoever reads the logits later, or never, may do so in any mode
        logits = self(hidden) if self._product is None else partial(self, hidden)
        if banned == 0:
            return Scores(logits, self.columns, attention, highest=highest)
        every = Scores(logits, self.columns)
        return Scores(lambda: every.logits[:, banned:], self.producible, attention, lambda: every.normaliser, highest)

    def of(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """(M,) the log-probability of each target (M,) behind its hidden state (M, D); -inf for what is no column."""
        parts = []
        for rows, ids in zip(torch.split(hidden, CHUNK), torch.split(targets, CHUNK), strict=True):
            logits = self(rows)
            places = (ids - self.first).clamp(min=0)[:, None]
            found = (logits.gather(1, places) - logits.logsumexp(1, keepdim=True))[:, 0]
            parts.append(found.masked_fill(ids < self.first, -torch.inf))
        return torch.cat(parts)

    def loss(self, hidden: Tensor, targets: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
        """Sums over M tokens, from hidden states (M, D) and ids (M,): what is minimised, and the negative log-likelihood."""
        return cross_entropy(hidden, self.weight, self.bias[self.first :], targets - self.first, smoothing)

    def agreement(
        self, passes: tuple[Tensor, Tensor], targets: Tensor, smoothing: float, weight: float
    ) -> tuple[Tensor, Tensor]:
        """The same from two passes under different dropout, with what they disagree in: see ``models/agreement``."""
        return agreement(passes, self.weight, self.bias[self.first :], targets - self.first, smoothing, weight)


def put_back(values: Tensor, mask: Tensor) -> Tensor:
    """(B, T) the M ``values`` (M,) where the ``mask`` (B, T) has its M real places, 0 on padding: undoes ``values[mask]``."""
    return values.new_zeros(mask.shape).masked_scatter(mask, values)


def embedding_table(vocabulary: int, width: int) -> nn.Parameter:
    """(V, D), normal with variance 1 / D, so that the logits of normalised states start with variance 1."""
    return nn.Parameter(torch.randn(vocabulary, width) / math.sqrt(width))


def shifted(targets: Tensor) -> Tensor:
    """What the decoder reads while it predicts ``targets`` (B, T): the first token, then the targets before each."""
    return torch.cat([targets.new_full((len(targets), 1), BOS), targets[:, :-1]], 1)
