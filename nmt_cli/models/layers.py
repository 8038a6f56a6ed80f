"""The small parts that models are made of."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from nmt_cli.models.losses import cross_entropy
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
        words = -(-values.numel() // 4)
        noise = torch.empty(words, dtype=torch.int64, device=values.device).random_(-(2**63), None)
        bits = noise.view(torch.int16)[: values.numel()].view(values.shape)
        keep = bits >= self._dropped - 2 ** (_BITS - 1)
        kept: Tensor = values * (keep * (1 / (1 - self._dropped / 2**_BITS)))
        return kept

    def extra_repr(self) -> str:
        """What ``print(model)`` shows."""
        return f"{self.rate}"


def sinusoids(length: int, width: int) -> Tensor:
    """(length, width) position signals: sines in the even columns, cosines in the odd (Vaswani et al. 2017, section 3.5)."""
    position = torch.arange(length, dtype=torch.float64)[:, None]
    rate = torch.exp(torch.arange(0, width, 2, dtype=torch.float64) * (-math.log(10_000) / width))
    signal = torch.zeros(length, width, dtype=torch.float64)
    signal[:, 0::2] = torch.sin(position * rate)
    signal[:, 1::2] = torch.cos(position * rate[: width // 2])
    return signal


class SinusoidalPositions(nn.Module):
    """Position signals of any length: the table grows when a longer sequence comes, and is no parameter."""

    table: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.register_buffer("table", sinusoids(512, width).float(), persistent=False)

    def forward(self, positions: Tensor) -> Tensor:
        """positions (...) long -> (..., D)"""
        longest = int(positions.max()) + 1 if positions.numel() else 0
        if longest > len(self.table):
            grown = sinusoids(2 ** math.ceil(math.log2(longest)), self.width)
            self.table = grown.float().to(
                self.table
            )  # by way of float32, as at first: what was there stays, to the bit
        return functional.embedding(positions, self.table)


class FeedForward(nn.Module):
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


class Output(nn.Module):
    """The output layer: logits of every token that can be produced, over an embedding that it may share (Press & Wolf 2017).

    Padding, the first token and the unknown word are never produced, and their ids come first, so the columns are the range
    from ``first`` on: nothing has to be masked, in training as in search. Nobody else knows which column a token is.
    """

    columns: Tensor

    def __init__(self, embedding: nn.Parameter, first: int = EOS) -> None:
        super().__init__()
        self.embedding = embedding  # (V, D)
        self.bias = nn.Parameter(torch.zeros(len(embedding)))
        self.first = first
        self.register_buffer("columns", torch.arange(first, len(embedding)), persistent=False)

    @property
    def weight(self) -> Tensor:
        """(V', D)"""
        return self.embedding[self.first :]

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, D) -> logits (N, V')"""
        return functional.linear(hidden, self.weight, self.bias[self.first :])

    def scores(self, hidden: Tensor, attention: Callable[[], Tensor | None] = lambda: None) -> Scores:
        """What is thought of the token behind each hidden state (N, D)."""
        return Scores(self(hidden), self.columns, attention)

    def loss(self, hidden: Tensor, targets: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
        """Sums over M tokens, from hidden states (M, D) and ids (M,): what is minimised, and the negative log-likelihood."""
        return cross_entropy(hidden, self.weight, self.bias[self.first :], targets - self.first, smoothing)


def embedding_table(vocabulary: int, width: int) -> nn.Parameter:
    """(V, D), normal with variance 1 / D, so that the logits of normalised states start with variance 1."""
    return nn.Parameter(torch.randn(vocabulary, width) / math.sqrt(width))


def shifted(targets: Tensor) -> Tensor:
    """What the decoder reads while it predicts ``targets`` (B, T): the first token, then the targets before each."""
    return torch.cat([targets.new_full((len(targets), 1), BOS), targets[:, :-1]], 1)
