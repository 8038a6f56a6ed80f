"""How much of what is computed has to be: multiply-adds of a model, counted from its settings alone. Knows no clock.

A product of a matrix (m, n) with the vector of one token is m n multiply-adds; 1 multiply-add is 2 floating-point operations. A
backward pass makes two products for each of the forward pass: one by the inputs and one by the weights. So training costs 6
operations for each multiply-add of a forward pass. d is the width of the embeddings, f the inner width of feed-forward layers, h
the width of recurrent states (both directions counted), G the blocks of a cell (RNN 1, GRU 3, LSTM 4), V' the columns of the
output layer.

    Transformer         source token    Le (4 d^2 + 2 d f) + 2 Ld d^2       the last: keys and values of the memory
                        target token    Ld (6 d^2 + 2 d f) + d V'           SwiGLU has 3 d f; an SSRU has 2 d^2 for 4 d^2
                        position pair   2 d in each layer                   of S^2, T^2 (a causal mask saves nothing) and T S
    recurrent encoder   source token    G h (in + h)    in each layer       where it reads both ways G h (in + h / 2)
    recurrent decoder   target token    G h (in + h)    in each layer       in: d in the lowest, h above
        bridge          sentence        h^2             for each state of each layer
        attention       source token    h^2             keys: general, additive; of several heads keys and values
                        target token    h^2             queries: additive; of several heads queries and outputs
                        position pair   2 h             scores and contexts, T S
        after           target token    2 h d           [context; h] to the width of the output
        feeding         target token    G h d more      what the step before gave is read too
        before          target token    G h^2 + 2 d (2 h + d)               the context is read, and the maxout layer
        output          target token    d V'
    language model      the decoder alone; h d for each token where h is not d

Only real tokens count: work on padding is real work, but not useful. Element-wise operations (gates, norms, softmax, dropout, the
optimiser) are left out: they are few, and what they cost is what an efficiency below one shows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nmt_cli.bench.reading import Reading
from nmt_cli.models.recurrent import RecurrentConfig
from nmt_cli.models.recurrent_lm import RecurrentLanguageModelConfig
from nmt_cli.models.recurrent_settings import CELLS, RecurrentSettings
from nmt_cli.models.transformer import TransformerConfig, TransformerSettings
from nmt_cli.models.transformer_lm import TransformerLanguageModelConfig
from nmt_cli.settings import ModelSettings, Sizes
from nmt_cli.text.tokenizer import EOS, UNK

_TRAINING = 6  # operations for each multiply-add of a forward pass
_FORWARD = 2


@dataclass(frozen=True)
class Work:
    """Multiply-adds of one forward pass, for each of what there is."""

    source: int = 0  # for each source token
    target: int = 0  # for each target token, without the output layer
    output: int = 0  # for each target token
    sentence: int = 0
    source_pair: int = 0  # for each pair of source positions of a sentence
    target_pair: int = 0
    cross_pair: int = 0  # for each target position with each source position

    def training(self, read: Reading) -> float:
        """GFLOP of a forward and a backward pass."""
        return _TRAINING * self._forward(read) / 1e9

    def decoding(self, source: int, target: int, rows: int = 1) -> float:
        """GFLOP of finding a translation of ``target`` tokens for ``source`` tokens, by so many hypotheses side by side.

        The first step has one row, the others ``rows``; each position looks at those before it.
        """
        steps = rows * (target - 1) + 1
        encoder = source * self.source + self.sentence + source**2 * self.source_pair
        looks = rows * target * (target + 1) // 2 * self.target_pair + steps * source * self.cross_pair
        return _FORWARD * (encoder + steps * (self.target + self.output) + looks) / 1e9

    def _forward(self, read: Reading) -> int:
        return (
            read.source * self.source
            + read.target * (self.target + self.output)
            + read.sentences * self.sentence
            + read.source_pairs * self.source_pair
            + read.target_pairs * self.target_pair
            + read.cross_pairs * self.cross_pair
        )


def work_of(settings: ModelSettings, sizes: Sizes) -> Work | None:
    """What a model costs; None for an architecture whose work nobody has counted."""
    count = COUNTS.get(settings.architecture)
    columns = sizes.vocabulary - (UNK if sizes.unknown else EOS)
    return None if count is None else count(settings, columns)


def _transformer(settings: TransformerConfig, columns: int) -> Work:
    d, encoder, decoder = settings.width, settings.encoder_layers, settings.decoder_layers
    transform, attends = _feed_forward(settings), settings.autoregression == "attention"
    recall = 4 * d * d if attends else 2 * d * d
    return Work(
        source=encoder * (4 * d * d + transform) + decoder * 2 * d * d,
        target=decoder * (recall + 2 * d * d + transform),
        output=d * columns,
        source_pair=encoder * 2 * d,
        target_pair=decoder * 2 * d if attends else 0,
        cross_pair=decoder * 2 * d,
    )


def _transformer_lm(settings: TransformerLanguageModelConfig, columns: int) -> Work:
    d, layers = settings.width, settings.layers
    target = layers * (4 * d * d + _feed_forward(settings))
    return Work(target=target, output=d * columns, target_pair=layers * 2 * d)


def _feed_forward(settings: TransformerSettings) -> int:
    matrices = 3 if settings.activation == "swiglu" else 2
    return matrices * settings.width * settings.feed_forward


def _recurrent(settings: RecurrentConfig, columns: int) -> Work:
    d, h, layers = settings.width, settings.state_width, settings.decoder_layers
    ways = 2 if settings.bidirectional else 1
    states = CELLS[settings.cell].states if settings.bridge == "learned" else 0
    keys, queries, pair = _LOOKS[settings.attention]
    return Work(
        source=_stack(settings, settings.encoder_layers, ways) + keys * h * h,
        target=_stack(settings, layers, 1) + queries * h * h + _context(settings),
        output=d * columns,
        sentence=states * layers * h * h,
        cross_pair=pair * h,
    )


_LOOKS = {
    "none": (0, 0, 0),
    "dot": (0, 0, 2),
    "scaled": (0, 0, 2),
    "general": (1, 0, 2),
    "additive": (1, 1, 2),
    "multi-head": (2, 2, 2),
}
"""Attention -> h^2 for each source token, h^2 for each target token, h for each pair."""


def _context(settings: RecurrentConfig) -> int:
    """What is made of a context and a state, for each target token."""
    d, h = settings.width, settings.state_width
    blocks = CELLS[settings.cell].blocks
    if settings.attention == "none":
        return _readout(settings)
    return {"after": 2 * h * d, "feeding": 2 * h * d + blocks * h * d, "before": blocks * h * h + 2 * d * (2 * h + d)}[
        settings.context
    ]


def _recurrent_lm(settings: RecurrentLanguageModelConfig, columns: int) -> Work:
    return Work(target=_stack(settings, settings.layers, 1) + _readout(settings), output=settings.width * columns)


def _readout(settings: RecurrentSettings) -> int:
    """From states to the width of the output, where they differ."""
    d, h = settings.width, settings.state_width
    return 0 if h == d else h * d


def _stack(settings: RecurrentSettings, layers: int, ways: int) -> int:
    """Recurrent layers, for each token; read in so many ways, each of which has its part of the width."""
    h, blocks = settings.state_width, CELLS[settings.cell].blocks
    return sum(blocks * h * (inputs + h // ways) for inputs in (settings.width, *[h] * (layers - 1)))


COUNTS: dict[str, Callable[[Any, int], Work]] = {
    "transformer": _transformer,
    "transformer-lm": _transformer_lm,
    "recurrent": _recurrent,
    "recurrent-lm": _recurrent_lm,
}
"""Architecture -> what a model of it costs, from its settings and the columns of its output layer."""
