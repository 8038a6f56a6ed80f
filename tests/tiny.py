"""Tiny models of every registered architecture, and small random batches for them."""

from copy import deepcopy
from functools import cache
from typing import Any

import torch
from torch import nn

from nmt_cli.corpus.batching import Batch, Sequences, TextBatch
from nmt_cli.models import ARCHITECTURES
from nmt_cli.settings import ModelSettings, Sizes
from nmt_cli.text.tokenizer import EOS

VOCABULARY = 12

TRANSFORMER = {
    "architecture": "transformer", "width": 16, "heads": 2, "feed_forward": 24, "encoder_layers": 2, "decoder_layers": 2,
}  # fmt: skip
TRANSFORMER_POST = {
    **TRANSFORMER, "residual": "post-norm", "norm": "rmsnorm", "activation": "swiglu", "positions": "learned", "tie": "two-way",
}  # fmt: skip
TRANSFORMER_ROTARY = {**TRANSFORMER, "positions": "rotary", "activation": "gelu", "tie": "none", "decoder_layers": 1}
TRANSFORMER_SSRU = {**TRANSFORMER, "autoregression": "ssru", "decoder_layers": 2}
RECURRENT = {"architecture": "recurrent", "width": 16, "encoder_layers": 2, "decoder_layers": 2}
RNN_BOTTLENECK = {
    **RECURRENT, "cell": "rnn", "hidden": 12, "encoder_layers": 3, "decoder_layers": 3,
    "bidirectional": False, "reversed_source": True, "attention": "none",
}  # fmt: skip
GRU_BAHDANAU = {
    **RECURRENT, "cell": "gru", "hidden": 12, "encoder_layers": 1, "attention": "additive", "context": "before", "tie": "two-way",
}  # fmt: skip
LSTM_FEEDING = {
    **RECURRENT, "hidden": 12, "decoder_layers": 3, "bridge": "zero", "attention": "multi-head", "heads": 2,
    "context": "feeding", "tie": "none",
}  # fmt: skip
GRU_ADDITIVE = {
    **RECURRENT, "cell": "gru", "bidirectional": False, "bridge": "copy", "attention": "additive",
}  # fmt: skip

TRANSFORMER_LM = {"architecture": "transformer-lm", "width": 16, "heads": 2, "feed_forward": 24, "layers": 2}
RECURRENT_LM = {"architecture": "recurrent-lm", "width": 16, "hidden": 12, "layers": 2}

TINY: dict[str, dict[str, Any]] = {
    "transformer": TRANSFORMER,
    "transformer-post": TRANSFORMER_POST,
    "transformer-rotary": TRANSFORMER_ROTARY,
    "transformer-ssru": TRANSFORMER_SSRU,
    "recurrent": RECURRENT,
    "rnn-bottleneck": RNN_BOTTLENECK,
    "gru-additive": GRU_ADDITIVE,
    "gru-bahdanau": GRU_BAHDANAU,
    "lstm-feeding": LSTM_FEEDING,
    "transformer-lm": TRANSFORMER_LM,
    "recurrent-lm": RECURRENT_LM,
}
"""Tiny models that can be decoded, at least one of each such architecture: test_laws fails for one that is missing here."""


def config(name: str, **changes: Any) -> ModelSettings:
    """The settings of a tiny model."""
    settings = {**TINY[name], "dropout": 0.0, **changes}
    return ARCHITECTURES[settings["architecture"]].model_validate(settings)


def random_model(name: str, *, seed: int = 0, vocabulary: int = VOCABULARY, dtype: torch.dtype = torch.float64) -> Any:
    """Random weights of a tiny model: see ``random_weights``."""
    return random_weights(config(name), seed=seed, vocabulary=vocabulary, dtype=dtype)


def random_weights(
    settings: ModelSettings, *, seed: int = 0, vocabulary: int = VOCABULARY, dtype: torch.dtype = torch.float64
) -> Any:
    """Random weights, scaled until the entropy of the next token is below 1 nat: flat distributions hide errors.

    So do distributions that are always the same: no token is the best everywhere, and some sentences end before their limit.
    """
    torch.manual_seed(seed)
    return deepcopy(_scaled(settings, seed, vocabulary)).to(dtype)


@cache
def _scaled(settings: ModelSettings, seed: int, vocabulary: int) -> Any:
    torch.manual_seed(seed)
    model: Any = settings.build(Sizes(vocabulary))
    model.to(torch.float64).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
            if parameter.dim() > 1 and parameter is not model.output.embedding:  # so that what was before matters
                parameter *= 3
        while _centred(model) > 0.9:
            model.output.embedding *= 1.2
    return model


def _centred(model: Any) -> float:
    """Its entropy, once its bias makes all tokens equal on average."""
    hidden, _ = model._hidden(random_batch(100, seed=98))
    model.output.bias[EOS:] = -model.output.weight @ hidden.mean(0)
    return entropy(model)


def entropy(model: Any) -> float:
    """Mean entropy (nats) of the next token over a random batch."""
    batch = random_batch(8, seed=99)
    with torch.no_grad():
        hidden, _ = model._hidden(batch)
        log_probs = torch.log_softmax(model.output(hidden), 1)
    return float(-(log_probs.exp() * log_probs).sum(1).mean())


def random_batch(size: int, *, seed: int = 0, longest: int = 7, vocabulary: int = VOCABULARY) -> Batch:
    """Random pairs of random lengths."""
    draw = torch.Generator().manual_seed(seed)

    def side() -> Sequences:
        lengths = torch.randint(0, longest, (size,), generator=draw).tolist()
        return Sequences.of([torch.randint(EOS + 1, vocabulary, (n,), generator=draw).tolist() for n in lengths])

    return Batch(side(), side())


def lesson(name: str, batch: Batch) -> tuple[Any, Batch]:
    """A batch as ``loss`` of a model takes it, and as ``log_probs`` does: a language model learns the targets, each for itself."""
    if config(name).task == "translate":
        return batch, batch
    rows = [row[: length - 1] for row, length in zip(batch.target.tokens, batch.target.lengths.tolist(), strict=True)]
    return TextBatch.of(row.numpy() for row in rows), Batch(Sequences.of([[]] * len(rows)), batch.target)


def alone(sequences: Sequences, index: int) -> Sequences:
    """One sentence of a batch without its padding."""
    length = int(sequences.lengths[index])
    return Sequences(sequences.tokens[index : index + 1, :length], sequences.lengths[index : index + 1])


def modules_of(model: nn.Module, kind: type[nn.Module]) -> list[nn.Module]:
    """All parts of one kind."""
    return [module for module in model.modules() if type(module) is kind]
