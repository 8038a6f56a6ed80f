"""Tiny models of every registered architecture, and small random batches for them."""

from typing import Any

import torch
from torch import nn

from nmt_cli.corpus.batching import Batch, Sequences
from nmt_cli.models import ARCHITECTURES
from nmt_cli.settings import ModelSettings, Sizes
from nmt_cli.text.tokenizer import EOS

VOCABULARY = 12

TRANSFORMER = {
    "architecture": "transformer", "width": 16, "heads": 2, "feed_forward": 24, "encoder_layers": 2, "decoder_layers": 2,
}  # fmt: skip
RECURRENT = {"architecture": "recurrent", "width": 16, "layers": 2}

TINY: dict[str, dict[str, Any]] = {
    "transformer": TRANSFORMER,
    "recurrent": RECURRENT,
}
"""Tiny models that can be decoded, at least one of each such architecture: test_laws fails for one that is missing here."""


def config(name: str, **changes: Any) -> ModelSettings:
    """The settings of a tiny model."""
    settings = {**TINY[name], "dropout": 0.0, **changes}
    return ARCHITECTURES[settings["architecture"]].model_validate(settings)


def random_model(name: str, *, seed: int = 0, vocabulary: int = VOCABULARY, dtype: torch.dtype = torch.float64) -> Any:
    """Random weights, scaled until the entropy of the next token is below 1 nat: flat distributions hide errors.

    So do distributions that are always the same: no token is the best everywhere, and some sentences end before their limit.
    """
    torch.manual_seed(seed)
    model: Any = config(name).build(Sizes(vocabulary))
    model.to(torch.float64).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
            if parameter.dim() > 1 and parameter is not model.output.embedding:  # so that what was before matters
                parameter *= 3
        while _centred(model) > 0.9:
            model.output.embedding *= 1.2
    return model.to(dtype)


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


def alone(sequences: Sequences, index: int) -> Sequences:
    """One sentence of a batch without its padding."""
    length = int(sequences.lengths[index])
    return Sequences(sequences.tokens[index : index + 1, :length], sequences.lengths[index : index + 1])


def modules_of(model: nn.Module, kind: type[nn.Module]) -> list[nn.Module]:
    """All parts of one kind."""
    return [module for module in model.modules() if type(module) is kind]
