"""The slow, obvious version of each clever thing. The fast one must equal it."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nmt_cli.corpus.batching import Batch, Sequences
from nmt_cli.models.base import Decodable
from nmt_cli.text.tokenizer import EOS


def attention(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    """One query (D,), keys and values (S, D), mask (S,): softmax over the real keys, one at a time."""
    scores = [
        float(query @ key) / len(query) ** 0.5 if real else -torch.inf for key, real in zip(keys, mask, strict=True)
    ]
    weights = torch.softmax(torch.tensor(scores, dtype=query.dtype), 0)
    return torch.stack([weight * value for weight, value in zip(weights, values, strict=True)]).sum(0)


def lstm_step(x: Tensor, h: Tensor, c: Tensor, w: Tensor, u: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The cell as the textbook writes it. x (D',), h and c (D,), w (4D, D'), u (4D, D), b (4D,): gates i, f, g, o."""
    i, f, g, o = (w @ x + u @ h + b).chunk(4)
    new_c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(new_c), new_c


def log_prob(model: Decodable[Any], source: Sequences, tokens: tuple[int, ...]) -> float:
    """Forced decoding of one sentence by teacher forcing."""
    target = Sequences(torch.tensor([tokens]), torch.tensor([len(tokens)]))
    with torch.no_grad():
        return float(model.log_probs(Batch(source, target)).double().sum())


def every_output(
    model: Decodable[Any], source: Sequences, limit: int, vocabulary: int, norm: Callable[[int], float]
) -> list[tuple[tuple[int, ...], float, float]]:
    """Brute force: (tokens, log p, score) of every complete output of one sentence up to ``limit``, best score first.

    At the limit EOS is forced, at its own probability, as in every search.
    """
    prefixes: list[tuple[int, ...]] = [()]
    complete: list[tuple[int, ...]] = []
    for _ in range(limit):
        complete += [(*prefix, EOS) for prefix in prefixes]
        prefixes = [(*prefix, token) for prefix in prefixes for token in range(EOS + 1, vocabulary)]
    rows = Sequences.of([tokens[:-1] for tokens in complete])
    sources = Sequences(source.tokens.expand(len(complete), -1), source.lengths.expand(len(complete)))
    with torch.no_grad():
        totals = model.log_probs(Batch(sources, rows)).sum(1).tolist()
    scored = [(tokens, total, total / norm(len(tokens))) for tokens, total in zip(complete, totals, strict=True)]
    return sorted(scored, key=lambda item: -item[2])


def cross_entropy(logits: Tensor, targets: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
    """Label-smoothed cross entropy and negative log-likelihood, summed, from whole logits (M, V')."""
    log_probs = torch.log_softmax(logits, 1)
    wanted = torch.full_like(log_probs, smoothing / logits.shape[1])
    wanted[torch.arange(len(targets)), targets] += 1 - smoothing
    return -(wanted * log_probs).sum(), -log_probs[torch.arange(len(targets)), targets].sum()
