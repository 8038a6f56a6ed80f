"""Marian's weights as ours: which of our parameters is made of which of its tensors.

A matrix of Marian's is (in, out) and a vector (1, out); ours are (out, in) and (out,). Rows of embeddings move to the places that
the vocabulary says (``marian_vocabulary``). Nothing is read before every tensor is known to be there in its shape: sizes that an
options text only claims cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nmt_cli.errors import ModelError
from nmt_cli.interchange.marian_items import Floats, Items
from nmt_cli.interchange.marian_options import Blueprint
from nmt_cli.text.tokenizer import UNK

Shape = tuple[int, ...]
Rows = NDArray[np.int64]
_GELU = np.float32(1.702)
_TABLES = ("encoder.embedding.table", "decoder.embedding.table", "output.embedding")
"""Ours, by which a source is read, a target is read, and a target is written. A shared one stands under its first name alone."""


class Part(NamedTuple):
    """One of our parameters: of which tensors, in which shapes, and how it is made of them."""

    name: str
    theirs: Mapping[str, Shape]
    make: Callable[..., Floats]


def vocabulary_size(plan: Blueprint, items: Items) -> int:
    """How many entries the table has that writes. Raises ModelError where it is not there."""
    _, _, writing = _theirs(plan, items)
    shape = items.shape(writing)
    return shape[-1] if writing.endswith("_W") else shape[0]


def convert(plan: Blueprint, items: Items, rows: Sequence[int]) -> dict[str, Tensor]:
    """All of our parameters; ``rows``: of each of our ids from UNK on, the row that Marian has for it.

    Raises ModelError where a tensor is missing or of another shape, and where there is one that no part of our model knows.
    """
    parts = list(_checked(plan, items, np.asarray(rows)))
    known = {name for part in parts for name in part.theirs}
    for name in items.tensors:
        if name not in known:
            raise ModelError(
                f"{items.path} must hold what a Transformer of these options has, but also has {name}",
                "nmt has no such model",
            )
    return {
        part.name: torch.from_numpy(np.array(part.make(*map(items.read, part.theirs)), np.float32, order="C"))
        for part in parts
    }


def _checked(plan: Blueprint, items: Items, rows: Rows) -> Iterator[Part]:
    """One after the other, so that what is missing is noticed before a million layers are listed."""
    for part in _parts(plan, items, rows):
        for name, wanted in part.theirs.items():
            found = items.shape(name)
            if found != wanted:
                raise ModelError(f"{items.path} must hold {name} of shape {wanted}, but has it of {found}")
        yield part


def _parts(plan: Blueprint, items: Items, rows: Rows) -> Iterator[Part]:
    """All of them."""
    config = plan.config
    recall = _ssru if config.autoregression == "ssru" else _self_attention
    yield from _tables(plan, items, rows)
    for layer in range(config.encoder_layers):
        ours, theirs = f"encoder.layers.{layer}", f"encoder_l{layer + 1}"
        yield from _attention(plan, f"{ours}.attend.sublayer.attention", f"{theirs}_self")
        yield from _norm(plan, f"{ours}.attend.norm", f"{theirs}_self_Wo")
        yield from _feed_forward(plan, f"{ours}.transform", f"{theirs}_ffn")
    for layer, number in enumerate(plan.decoder_layers):
        ours, theirs = f"decoder.layers.{layer}", f"decoder_l{number}"
        yield from recall(plan, f"{ours}.recall", theirs)
        yield from _attention(plan, f"{ours}.looks.0.sublayer", f"{theirs}_context")
        yield from _norm(plan, f"{ours}.looks.0.norm", f"{theirs}_context_Wo")
        yield from _feed_forward(plan, f"{ours}.transform", f"{theirs}_ffn")
    if config.residual == "pre-norm":
        for stack in ("encoder", "decoder"):
            yield from _scaled(plan, f"{stack}.norm", f"{stack}_top", "")


def _theirs(plan: Blueprint, items: Items) -> tuple[str, str, str]:
    """The tables of Marian's that stand for ``_TABLES``."""
    if plan.config.tie == "three-way":
        return ("Wemb", "Wemb", "Wemb")
    if plan.config.tie == "two-way":
        return ("encoder_Wemb", "decoder_Wemb", "decoder_Wemb")
    reading = ("Wemb", "Wemb") if plan.shared_reading else ("encoder_Wemb", "decoder_Wemb")
    old = "decoder_ff_logit_out_W"  # before 1.9 the output layer had a matrix as all layers have
    return (*reading, old if old in items.tensors else "decoder_ff_logit_out_Wt")


def _tables(plan: Blueprint, items: Items, rows: Rows) -> Iterator[Part]:
    """Embeddings and the output. PAD and BOS, which Marian has not, get zeros: it begins with a zero embedding, at position 0."""
    size, width = vocabulary_size(plan, items), plan.config.width
    shared = {"three-way": 1, "two-way": 2, "none": 3}[plan.config.tie]

    def moved(table: Floats) -> Floats:
        return np.concatenate([np.zeros((UNK, width), np.float32), table[rows]])

    def bias(values: Floats) -> Floats:
        return np.concatenate([np.zeros(UNK, np.float32), values[0, rows]])

    for name, theirs in list(zip(_TABLES, _theirs(plan, items), strict=True))[:shared]:
        if theirs.endswith("_W"):
            yield Part(name, {theirs: (width, size)}, lambda table: moved(table.T))
        else:
            yield Part(name, {theirs: (size, width)}, moved)
    if plan.output_bias:
        yield Part("output.bias", {"decoder_ff_logit_out_b": (1, size)}, bias)
    else:
        yield Part("output.bias", {}, lambda: np.zeros(UNK + len(rows), np.float32))


def _self_attention(plan: Blueprint, ours: str, theirs: str) -> Iterator[Part]:
    yield from _attention(plan, f"{ours}.sublayer.attention", f"{theirs}_self")
    yield from _norm(plan, f"{ours}.norm", f"{theirs}_self_Wo")


def _attention(plan: Blueprint, ours: str, theirs: str) -> Iterator[Part]:
    width = plan.config.width
    matrix, vector = (width, width), (1, width)
    for name, letter in (("query", "q"), ("value", "v"), ("output", "o")):
        yield Part(f"{ours}.{name}.weight", {f"{theirs}_W{letter}": matrix}, np.transpose)
        yield Part(f"{ours}.{name}.bias", {f"{theirs}_b{letter}": vector}, np.ravel)
    # A bias of keys adds q . b to all scores of a query q, and softmax does not see what all scores have in common.
    yield Part(f"{ours}.key.weight", {f"{theirs}_Wk": matrix, f"{theirs}_bk": vector}, lambda weight, _: weight.T)


def _ssru(plan: Blueprint, ours: str, theirs: str) -> Iterator[Part]:
    width = plan.config.width
    matrices = {f"{theirs}_rnn_Wf": (width, width), f"{theirs}_rnn_W": (width, width)}
    yield Part(f"{ours}.sublayer.project.weight", matrices, lambda forget, new: np.concatenate([forget.T, new.T]))
    yield Part(f"{ours}.sublayer.bias", {f"{theirs}_rnn_bf": (1, width)}, np.ravel)
    # Where the norm stands before the unit, its name is not that of the one behind it.
    yield from _norm(
        plan, f"{ours}.norm", f"{theirs}_rnn" if plan.config.residual == "pre-norm" else f"{theirs}_rnn_ffn"
    )


def _feed_forward(plan: Blueprint, ours: str, theirs: str) -> Iterator[Part]:
    width, inner = plan.config.width, plan.config.feed_forward
    # x sigmoid(a x) = (1 / a) swish(a x): with a in the weights on either side it is swish, exactly.
    into, out = (_GELU, 1 / _GELU) if plan.roughly_gelu else (np.float32(1), np.float32(1))
    yield Part(f"{ours}.sublayer.expand.weight", {f"{theirs}_W1": (width, inner)}, lambda values: into * values.T)
    yield Part(f"{ours}.sublayer.expand.bias", {f"{theirs}_b1": (1, inner)}, lambda values: into * values[0])
    yield Part(f"{ours}.sublayer.contract.weight", {f"{theirs}_W2": (inner, width)}, lambda values: out * values.T)
    yield Part(f"{ours}.sublayer.contract.bias", {f"{theirs}_b2": (1, width)}, np.ravel)
    yield from _norm(plan, f"{ours}.norm", f"{theirs}_ffn")


def _norm(plan: Blueprint, ours: str, theirs: str) -> Iterator[Part]:
    """The norm of a sub-layer."""
    yield from _scaled(plan, ours, theirs, "_pre" if plan.config.residual == "pre-norm" else "")


def _scaled(plan: Blueprint, ours: str, theirs: str, suffix: str) -> Iterator[Part]:
    vector = (1, plan.config.width)
    yield Part(f"{ours}.weight", {f"{theirs}_ln_scale{suffix}": vector}, np.ravel)
    yield Part(f"{ours}.bias", {f"{theirs}_ln_bias{suffix}": vector}, np.ravel)
