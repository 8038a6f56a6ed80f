"""How far back a model can learn from: the gradient of the loss at one position by the embeddings before it.

    flow(k) = mean |d loss_t / d x_{t-k}|  /  mean |d loss_t / d x_t|

A tanh RNN multiplies the gradient at every step by the slope of tanh and the recurrent matrix, so it falls exponentially: the
vanishing gradient (Hochreiter 1991; Bengio et al. 1994). Gates (LSTM, GRU) and attention are the two ways round it.

    language model      the loss of one token, by the tokens read before it; t is the token read last
    classifier          the loss of the label, by the text counted from its end
    encoder-decoder     the loss of the first target token, by the source counted from its end

Steps are counted in the order of reading. A classifier that pools over all places has none that is nearest to the label, and a
maximum may leave t without any gradient: there the mean over the whole text stands below the line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nmt_cli.corpus.batching import Batch, Sequences, TextBatch
from nmt_cli.errors import DataError
from nmt_cli.models.base import Model
from nmt_cli.runs.directory import ModelDirectory, build
from nmt_cli.text.normalize import normalize

STEPS = 40
"""k up to here."""

_ROWS = 64  # rows of a text are read side by side, at most so many in all
_POSITIONS = 8  # at which a language model's loss is looked at, in each stretch of text


@dataclass(frozen=True)
class Probe:
    """A loss of each row, whose gradient is asked for, and the place in the embeddings from which steps are counted back."""

    losses: Tensor  # (B,)
    embedded: Tensor  # (B, T, D)
    places: Tensor  # (B,) long
    pooled: bool = False  # no place is nearest: the mean over all of them takes the place of k = 0


class NoFlow(DataError):
    """There is no gradient flow, and the message says why."""


@dataclass(frozen=True)
class GradientFlow:
    """``initial[k]`` and ``trained[k]``, each relative to its k = 0; shorter than asked for where no text is so long."""

    initial: tuple[float, ...]
    trained: tuple[float, ...]
    pooled: bool = False  # relative to the mean over all places instead, where a classifier pools over them


@dataclass(frozen=True)
class Reach:
    """How far to look back, and which lines to look at: those of at most ``longest`` tokens."""

    steps: int
    longest: int


Texts = Sequence[Sequence[int]]
"""A column of the lines, as ids."""
Ask = Callable[[Any, Sequence[Texts], Reach], Iterator[Probe]]


def gradient_flow(directory: ModelDirectory, columns: Sequence[Sequence[str]], steps: int = STEPS) -> GradientFlow:
    """Of fresh weights, drawn as those that the training began with, and of the trained ones.

    ``columns``: the text, as many columns as the model's task has. In double precision: what vanishes is smaller than single
    precision can hold. Raises NoFlow where no line fits the model, or nothing flows to k = 0.
    """
    settings = directory.settings
    ask, reach = PROBES[directory.manifest.task], Reach(steps, settings.data.max_length)
    sides = (directory.tokenizer, directory.tokenizer.target)
    rows = [side.encode_all([normalize(line) for line in column]) for side, column in zip(sides, columns, strict=False)]
    with torch.random.fork_rng(devices=()):  # nobody else's random numbers depend on a look inside
        torch.manual_seed(settings.training.seed)
        both: tuple[Model, ...] = (build(settings, directory.sizes), directory.model())
    probes = [list(ask(model.double().eval(), rows, reach)) for model in both]
    initial, trained = (measure(each, steps) for each in probes)
    return GradientFlow(initial, trained, any(probe.pooled for probe in probes[0]))


def measure(probes: Iterable[Probe], steps: int) -> tuple[float, ...]:
    """flow(k) over all rows and positions; where a row is shorter than k, it counts neither above nor below the line.

    Cost: a backward pass for each probe.
    """
    above, below = np.zeros(steps + 1), np.zeros(steps + 1)
    probed = False
    for probe in probes:
        probed = True
        (gradient,) = torch.autograd.grad(probe.losses.sum(), probe.embedded, retain_graph=True)
        norms = gradient.norm(dim=2)  # (B, T)
        nearest = norms.gather(1, probe.places[:, None])[:, 0]
        unit = norms.sum(1) / (probe.places + 1) if probe.pooled else nearest  # padding has no gradient
        for k in range(steps + 1):
            place = probe.places - k
            reached = place >= 0
            above[k] += float(norms.gather(1, place.clamp(min=0)[:, None])[:, 0][reached].sum())
            below[k] += float(unit[reached].sum())
    if not probed:
        raise NoFlow("the gradient flow must be measured on lines that the model can take, but there are none")
    known = int((below > 0).sum())
    if not known:
        raise NoFlow(
            "the gradient flow must be relative to that of k = 0, but the loss does not depend on what stands there"
        )
    return tuple((above[:known] / below[:known]).tolist())


@contextmanager
def _seen(embedding: nn.Module) -> Iterator[list[Tensor]]:
    """The vectors that an embedding gives while the block runs, one tensor a call."""
    vectors: list[Tensor] = []

    def note(module: nn.Module, inputs: Any, output: Tensor) -> None:
        del module, inputs
        vectors.append(output)

    handle = embedding.register_forward_hook(note)
    try:
        yield vectors
    finally:
        handle.remove()


def _longest(rows: Texts, reach: Reach) -> list[int]:
    """Which rows to look at: the longest, since short ones say nothing of what lies far back."""
    possible = [index for index, row in enumerate(rows) if 0 < len(row) <= reach.longest]
    return sorted(possible, key=lambda index: -len(rows[index]))[:_ROWS]


def _first_target(model: Any, columns: Sequence[Texts], reach: Reach) -> Iterator[Probe]:
    """Encoder-decoders. The embedding of the encoder is a module of its own, also where its table is shared."""
    sources, targets = columns
    chosen = _longest(sources, reach)
    if not chosen:
        return
    source = Sequences.of(sources[index] for index in chosen)
    first = Sequences.of([targets[index][:1] or [model.eos] for index in chosen], end=())
    with _seen(model.encoder.embedding) as seen:
        log_probs = model.log_probs(Batch(source, first))[:, 0]
    yield Probe(-log_probs, seen[0], source.lengths - 1)


def _label(model: Any, columns: Sequence[Texts], reach: Reach) -> Iterator[Probe]:
    """Classifiers: the label that the model finds most probable, so that no label has to be known."""
    (texts,) = columns
    chosen = _longest(texts, reach)
    if not chosen:
        return
    batch = Sequences.of(texts[index] for index in chosen)
    with _seen(model.encoder.embedding) as seen:
        log_probs = model.log_probs(batch)
    yield Probe(-log_probs.amax(1), seen[0], batch.lengths - 1, model.pooling.everywhere)


def _tokens(model: Any, columns: Sequence[Texts], reach: Reach) -> Iterator[Probe]:
    """Language models: the lines behind each other, cut into stretches that are long enough, or one of what there is."""
    (texts,) = columns
    stream = [model.eos, *(token for row in texts if row for token in (*row, model.eos))]
    length = min(reach.steps + 1 + _POSITIONS, len(stream) - 1)
    if length == 0:
        return
    starts = range(0, len(stream) - length, length)[:_ROWS]
    tokens = torch.tensor([stream[start : start + length + 1] for start in starts])
    batch = TextBatch(tokens[:, :-1], tokens[:, 1:], torch.ones_like(tokens[:, 1:], dtype=torch.bool))
    with _seen(model.decoder.embedding) as seen:
        log_probs, _ = model.token_log_probs(batch)
    for place in range(min(reach.steps, length - 1), length):
        yield Probe(-log_probs[:, place], seen[0], torch.full((len(tokens),), place))


PROBES: dict[str, Ask] = {"translate": _first_target, "lm": _tokens, "classify": _label}
"""Task -> the losses that its models are asked for."""
