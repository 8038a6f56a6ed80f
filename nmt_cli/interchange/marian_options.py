"""What a Marian model says of itself, checked: an architecture of ours, or the name of what it asks for and we have not.

Whatever changes what is computed is either honoured here or refused. What concerns training alone is passed over, and so is what
only other kinds of models look at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nmt_cli.errors import ConfigError, ModelError
from nmt_cli.interchange.marian_items import Items
from nmt_cli.interchange.marian_yaml import Scalar, Value, as_list, read
from nmt_cli.models.transformer import TransformerConfig
from nmt_cli.settings import check

_NOTHING: tuple[Value, ...] = (None, "", False, 0, [])
_ONLY: Mapping[str, tuple[Value, ...]] = {
    "type": ("transformer",),
    "input-types": ([], ["sequence"], ["sequence", "sequence"]),
    "right-left": (False,),
    "ulr": (False,),
    "lemma-dim-emb": (0,),
    "factors-dim-emb": (0,),
    "output-approx-knn": ([],),
    "transformer-ffn-depth": (2,),
    "transformer-decoder-ffn-depth": (0, 2),
    "transformer-no-projection": (False,),
    "transformer-rnn-projection": (False,),
    "transformer-pool": (False,),
    "transformer-train-positions": (False,),
    "transformer-train-position-embeddings": (False,),
    "transformer-disable-position-embeddings": (False,),
    "transformer-attention-mask": ("", "default", "none"),
    "transformer-postprocess-emb": ("", "d"),
}
"""Option -> the values that are understood; where it is absent, it has one of them."""
_HONOURED = frozenset({
    "transformer-heads", "transformer-dim-ffn", "transformer-decoder-dim-ffn", "transformer-ffn-activation",
    "transformer-decoder-autoreg", "transformer-tied-layers", "transformer-preprocess", "transformer-postprocess",
    "transformer-postprocess-top", "transformer-guided-alignment-layer",
})  # fmt: skip
_TRAINING = re.compile(r"transformer-(dropout.*|depth-scaling|dim-aan|aan-.*|alibi-.*)")
"""Of training, or of what is refused by another option if it is used."""
_EXACT_GELU = (1, 12, 1)
"""Before this version gelu meant x sigmoid(1.702 x)."""


@dataclass(frozen=True)
class Blueprint:
    """How a model is to be built, and what its weights need to know besides."""

    config: TransformerConfig
    decoder_layers: tuple[int, ...]  # from 1; whose weights each layer has
    shared_reading: bool  # source and target are read by one table, which is not that of the output
    roughly_gelu: bool  # the activation is x sigmoid(1.702 x)
    output_bias: bool
    alignment_layer: int | None  # from 1, as in the manifest


@dataclass(frozen=True)
class Options:
    """The map, with what its values have to be."""

    origin: str
    values: Mapping[str, Value]

    def value(self, name: str, default: Value) -> Value:
        """What is said, or the default where nothing is."""
        found = self.values.get(name)
        return default if found is None else found

    def flag(self, name: str) -> bool:
        """Yes or no; no where nothing is said."""
        found = self.value(name, False)
        if not isinstance(found, bool):
            raise self.refused(name, "true or false", found)
        return found

    def word(self, name: str, known: Sequence[str], default: str) -> str:
        """One of some words."""
        found = self.value(name, default)
        if not isinstance(found, str) or found not in known:
            raise self.refused(name, " or ".join(f"'{word}'" for word in known), found)
        return found

    def number(self, name: str, default: int) -> int:
        """A number from 0 on."""
        found = self.value(name, default)
        if type(found) is not int or found < 0:
            raise self.refused(name, "a whole number", found)
        return found

    def numbers(self, name: str) -> list[int]:
        """A list of numbers from 1 on; none where nothing is said."""
        listed = as_list(self.value(name, []))
        found = [each for each in listed if type(each) is int and each > 0]
        if len(found) < len(listed):
            raise self.refused(name, "a list of whole numbers from 1 on", self.values[name])
        return found

    def refused(self, name: str, rule: str, found: Value | Sequence[Scalar]) -> ModelError:
        """What is said of a value that is not understood."""
        said = f"'{found[:60]}'" if isinstance(found, str) else str(found)[:60]
        return ModelError(f"{self.origin}: {name} must be {rule}, but is {said}", "nmt has no such model")

    def check(self) -> None:
        """Raises ModelError, naming it, for an option that changes the model in a way that is not known here."""
        for name, known in _ONLY.items():
            found = self.value(name, known[0])
            if found not in known:
                raise self.refused(name, " or ".join(map(_said, known)), found)
        for name, found in self.values.items():
            understood = name in _ONLY or name in _HONOURED or _TRAINING.fullmatch(name)
            if name.startswith("transformer-") and not understood and found not in _NOTHING:
                raise self.refused(name[:60], "absent", found)


def options(items: Items) -> Options:
    """Those of a model. Raises ModelError where they cannot be read."""
    return Options(f"{items.path} (special:model.yml)", read(items.config, f"{items.path} (special:model.yml)"))


def blueprint(said: Options, items: Items) -> Blueprint:
    """How the model is built. Raises ModelError for one that we do not have."""
    said.check()
    residual = _residual(said)
    if len(set(map(str, as_list(said.value("dim-vocabs", []))))) > 1:
        raise said.refused("dim-vocabs", "the same for both sides, which share a vocabulary", said.values["dim-vocabs"])
    inner, own = said.number("transformer-dim-ffn", 2048), said.number("transformer-decoder-dim-ffn", 0)
    if own not in (0, inner):
        raise said.refused("transformer-decoder-dim-ffn", f"that of the encoder, {inner}", own)
    depth = said.number("dec-depth", 1)
    layers = tuple(said.numbers("transformer-tied-layers") or range(1, min(depth, len(items.tensors)) + 1))
    if len(layers) != depth:
        raise said.refused("transformer-tied-layers", f"a list of {depth}, one for each layer", list(layers))
    everything, reading, writing = (said.flag(f"tied-embeddings{which}") for which in ("-all", "-src", ""))
    tie = "three-way" if everything or (reading and writing) else "two-way" if writing else "none"
    activation, roughly = _activation(said)
    table = {
        "architecture": "transformer",
        "width": said.number("dim-emb", 512),
        "heads": said.number("transformer-heads", 8),
        "feed_forward": inner,
        "activation": activation,
        "residual": residual,
        "positions": "timing",
        "norm_epsilon": 1e-6,
        "encoder_layers": said.number("enc-depth", 1),
        "decoder_layers": depth,
        "autoregression": _autoregression(said),
        "tie": tie,
    }
    try:
        config = check(TransformerConfig, "model", table, said.origin)
    except ConfigError as error:
        raise ModelError(error.message, error.hint) from None
    return Blueprint(
        config,
        layers,
        reading and tie == "none",
        roughly,
        not said.flag("output-omit-bias"),
        _alignment_layer(said, depth),
    )


def _said(value: Value) -> str:
    """As it would stand in the file."""
    return f"'{value}'" if isinstance(value, str) else str(value).lower()


def _residual(said: Options) -> str:
    """Where the norms stand. In a string of operations d is dropout, which is for training, a the sum, and n the norm."""
    before, after, top = (
        str(said.value(f"transformer-{name}", default))
        for name, default in (("preprocess", ""), ("postprocess", "dan"), ("postprocess-top", ""))
    )
    strings = tuple(operations.replace("d", "") for operations in (before, after, top))
    kinds = {("", "an", ""): "post-norm", ("n", "a", "n"): "pre-norm"}
    if strings not in kinds:
        raise ModelError(
            f"{said.origin}: transformer-preprocess, -postprocess and -postprocess-top must be '', 'dan', '' or 'n', 'da', 'n', "
            f"but are {', '.join(map(repr, (before, after, top)))[:80]}",
            "nmt has no such model",
        )
    return kinds[strings]


def _autoregression(said: Options) -> str:
    """How a decoder layer looks back."""
    kind = said.word("transformer-decoder-autoreg", ("self-attention", "rnn"), "self-attention")
    if kind == "self-attention":
        return "attention"
    said.word("dec-cell", ("ssru",), "gru")
    return "ssru"


def _activation(said: Options) -> tuple[str, bool]:
    """Our name of it, and whether it is the rough gelu."""
    kind = said.word("transformer-ffn-activation", ("relu", "swish", "gelu"), "swish")
    version = re.match(r"v?(\d+)\.(\d+)\.(\d+)", str(said.value("version", "")))
    exact = version is not None and tuple(map(int, version.groups())) >= _EXACT_GELU
    return ("swish", True) if kind == "gelu" and not exact else (kind, False)


def _alignment_layer(said: Options, depth: int) -> int | None:
    """The one that was taught to align; None where there is no choice, or none was made."""
    found = said.value("transformer-guided-alignment-layer", "last")
    layer = depth if found == "last" else found
    return layer if depth > 1 and type(layer) is int and 1 <= layer <= depth else None
