"""A Transformer in the format of CTranslate2 (Klein et al. 2020), an inference engine in C++.

What is otherwise there than here, and what is done about it:

    positions      its sinusoids are others: ours are written as a table, as learned ones are; its rotary ones are ours
    output layer   it has a column for every id: those that ours has not are made impossible by their bias
    attention      queries, keys and values are one matrix in self-attention, keys and values in attention to the source
    end of source  it puts ``</s>`` behind each source by itself, if told so: whoever uses the folder otherwise cannot forget it
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nmt_cli.inference.ctranslate2 import Loaded, Request, package
from nmt_cli.inference.together import aligned
from nmt_cli.interchange.export import Toolkit
from nmt_cli.interchange.proof import Proof, Trial, prove
from nmt_cli.models.attention import MultiHeadAttention, SelfAttention
from nmt_cli.models.layers import Output
from nmt_cli.models.residual import Residual
from nmt_cli.models.stacks import Embedding
from nmt_cli.models.transformer import TransformerConfig
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.runs.exported import most_positions
from nmt_cli.runs.processes import available_cores
from nmt_cli.text.tokenizer import BOS, EOS, UNK

_IMPOSSIBLE = -1e9
"""The bias of what is never produced: its probability is 0. Finite, as CTranslate2 itself forbids tokens."""


def write(directory: ModelDirectory, folder: Path, quantization: str) -> None:
    """See Writer."""
    spec = _spec(directory)
    spec.validate()
    spec.optimize(quantization=quantization)
    spec.save(str(folder))


def proved(directory: ModelDirectory, folder: Path, trial: Trial) -> Proof:
    """See Toolkit: by the very engine that ``nmt translate`` will use."""
    loaded = Loaded.open(ModelDirectory(folder), workers=available_cores())  # one thread each: none waits for another
    return prove(directory, trial, loaded.log_probs, lambda pieces: next(loaded.run(Request(), [pieces])))


def installed() -> None:
    """See Toolkit."""
    package()


CTRANSLATE2 = Toolkit(write, proved, installed, "architecture = transformer, autoregression = attention")


def _spec(directory: ModelDirectory) -> Any:
    """The model as CTranslate2 describes it, with its weights."""
    settings, model = cast("TransformerConfig", directory.settings.model), cast("Any", directory.model())
    aligned(model, directory, None)
    spec = _shape(settings, model.decoder.aligning)
    positions = 0 if settings.positions == "rotary" else most_positions(directory)
    for side, stack in ((spec.encoder, model.encoder), (spec.decoder, model.decoder)):
        _table(side, stack.embedding, positions)
        if settings.residual == "pre-norm":
            _norm(side.layer_norm, stack.norm)
    _embed(spec.encoder.embeddings[0], model.encoder.embedding)
    _embed(spec.decoder.embeddings, model.decoder.embedding)
    gated = settings.activation == "swiglu"
    for theirs, layer in zip(spec.encoder.layer, model.encoder.layers, strict=True):
        _self_attention(theirs.self_attention, layer.attend)
        _transform(theirs.ffn, layer.transform, gated)
    for theirs, layer in zip(spec.decoder.layer, model.decoder.layers, strict=True):
        _self_attention(theirs.self_attention, layer.recall)
        _look(theirs.attention, layer.looks[0])
        _transform(theirs.ffn, layer.transform, gated)
    _output(spec.decoder.projection, model.output)
    spec.config.layer_norm_epsilon = float(model.encoder.layers[0].transform.norm.eps)
    _vocabulary(spec, directory.tokenizer.pieces(range(directory.tokenizer.size)))
    return spec


def _shape(settings: TransformerConfig, aligning: int) -> Any:
    """What kind of Transformer it is; no weights yet. ``aligning``: which layer of its decoder aligns, from 0."""
    specs = package().specs
    kind = specs.Activation
    activation = {"relu": kind.RELU, "gelu": kind.GELU, "swish": kind.SWISH, "swiglu": kind.SWISH}[settings.activation]
    pre_norm, rms, gated = settings.residual == "pre-norm", settings.norm == "rmsnorm", settings.activation == "swiglu"
    turned = settings.width // settings.heads if settings.positions == "rotary" else None
    encoder = specs.TransformerEncoderSpec(
        settings.encoder_layers, settings.heads,
        pre_norm=pre_norm, activation=activation, ffn_glu=gated, rms_norm=rms, rotary_dim=turned,
    )  # fmt: skip
    decoder = specs.TransformerDecoderSpec(
        settings.decoder_layers, settings.heads,
        pre_norm=pre_norm, activation=activation, ffn_glu=gated, rms_norm=rms, rotary_dim=turned,
        alignment_layer=aligning, alignment_heads=settings.heads,
    )  # fmt: skip
    return specs.TransformerSpec(encoder, decoder)


def _vocabulary(spec: Any, names: list[str]) -> None:
    """The names of the ids, and which of them mean something to CTranslate2."""
    spec.register_source_vocabulary(names)
    spec.register_target_vocabulary(names)
    spec.config.unk_token, spec.config.bos_token, spec.config.eos_token = names[UNK], names[BOS], names[EOS]
    spec.config.decoder_start_token = names[BOS]
    spec.config.add_source_eos = True


def _embed(spec: Any, embedding: Embedding) -> None:
    """Both multiply by sqrt(D)."""
    spec.weight = _array(embedding.table)


def _table(spec: Any, embedding: Embedding, count: int) -> None:
    """What ``count`` positions add to the vectors of tokens, whichever kind they are; nothing if 0."""
    if count:
        nothing = torch.zeros(1, count, embedding.table.shape[1])
        spec.position_encodings.encodings = _array(embedding.positions(nothing, torch.arange(count))[0])


def _self_attention(spec: Any, around: Residual[SelfAttention]) -> None:
    part = around.sublayer.attention
    _linear(spec.linear[0], part.query, part.key, part.value)
    _linear(spec.linear[1], part.output)
    _norm(spec.layer_norm, around.norm)


def _look(spec: Any, around: Residual[MultiHeadAttention]) -> None:
    part = around.sublayer
    _linear(spec.linear[0], part.query)
    _linear(spec.linear[1], part.key, part.value)
    _linear(spec.linear[2], part.output)
    _norm(spec.layer_norm, around.norm)


def _transform(spec: Any, around: Residual[Any], gated: bool) -> None:
    part = around.sublayer
    if gated:
        gate, value = part.expand.weight.chunk(2)
        spec.linear_0.weight, spec.linear_0_noact.weight = _array(gate), _array(value)
    else:
        _linear(spec.linear_0, part.expand)
    _linear(spec.linear_1, part.contract)
    _norm(spec.layer_norm, around.norm)


def _output(spec: Any, output: Output) -> None:
    """With columns for all ids."""
    bias = _array(output.bias)
    bias[: output.first] = _IMPOSSIBLE
    spec.weight, spec.bias = _array(output.embedding), bias


def _linear(spec: Any, *layers: nn.Linear) -> None:
    """Layers of one input as one; keys have no bias, which is one of zeros."""
    spec.weight = _array(torch.cat(tuple(layer.weight for layer in layers)))
    if any(layer.bias is not None for layer in layers):
        biases = [layer.weight.new_zeros(len(layer.weight)) if layer.bias is None else layer.bias for layer in layers]
        spec.bias = _array(torch.cat(tuple(biases)))


def _norm(spec: Any, norm: Any) -> None:
    """One that centres also shifts."""
    spec.gamma = _array(norm.weight)
    if hasattr(spec, "beta"):
        spec.beta = _array(norm.bias)


def _array(tensor: Tensor) -> NDArray[np.float32]:
    """A copy: quantization writes over it."""
    return np.array(tensor.detach().numpy(), dtype=np.float32)
