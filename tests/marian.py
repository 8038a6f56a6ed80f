"""Marian, slowly: its files as it writes them, with random weights, and what its Transformer computes, in plain NumPy.

Written from the description of the format and of the model, not from ours; one sentence at a time, in double precision.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sentencepiece import SentencePieceProcessor, SentencePieceTrainer

Array = NDArray[Any]
Tensors = dict[str, Array]

END, UNKNOWN = 0, 1
CONFIG = "special:model.yml"
DECODER = """relative-paths: true
models:
  - /elsewhere/opus.model1.npz
vocabs:
  - /elsewhere/opus.vocab.yml
  - /elsewhere/opus.vocab.yml
beam-size: 2
normalize: 0.6
max-length-factor: 3
word-penalty: 0
mini-batch: 1
"""
ENGLISH = ["the red house is here .", "a blue horse was there .", "old trees are gone .", "is the house old ?"] * 5
GERMAN = ["das rote Haus ist hier .", "ein blaues Pferd war dort .", "alte Bäume sind fort .", "ist das Haus alt ?"] * 5


def sentencepiece(lines: Iterable[str], *, bytes_: bool = False, size: int = 300) -> bytes:
    """A model as Marian trains them: unigram, ``</s>`` first, normalised by SentencePiece."""
    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=model, vocab_size=size, hard_vocab_limit=False, model_type="unigram",
        bos_id=-1, pad_id=-1, eos_id=END, unk_id=UNKNOWN, byte_fallback=bytes_, minloglevel=2,
    )  # fmt: skip
    return model.getvalue()


def pieces(*models: bytes) -> list[str]:
    """All pieces of some models, each once: ``</s>`` and ``<unk>`` first."""
    found: dict[str, None] = {}
    for model in models:
        processor = SentencePieceProcessor(model_proto=model)
        found |= dict.fromkeys(processor.id_to_piece(number) for number in range(processor.get_piece_size()))
    return list(found)


@dataclass(frozen=True)
class Kind:
    """Of the many models that Marian has, one."""

    vocabulary: int = 40
    width: int = 16
    heads: int = 2
    inner: int = 24
    encoder: int = 2
    decoder: int = 2
    ssru: bool = False
    pre_norm: bool = False
    activation: str = "relu"
    tied: str = "all"  # all, target, source, none
    tied_layers: tuple[int, ...] = ()
    bias: bool = True
    legacy: bool = False  # an output layer that is no embedding stands as all other matrices do
    version: str = "v1.9.56 1a2b3c4 2021-01-01"

    @property
    def config(self) -> str:
        """As Marian writes it: sorted, lists on lines of their own."""
        before, after, top = ("n", "da", "n") if self.pre_norm else ('""', "dan", '""')
        said = {
            "dec-cell": "ssru" if self.ssru else "gru",
            "dec-depth": self.decoder,
            "dim-emb": self.width,
            "dim-rnn": 1024,
            "enc-depth": self.encoder,
            "input-types": "\n  []",
            "layer-normalization": "false",
            "output-omit-bias": "false" if self.bias else "true",
            "tied-embeddings": str(self.tied == "target").lower(),
            "tied-embeddings-all": str(self.tied == "all").lower(),
            "tied-embeddings-src": str(self.tied == "source").lower(),
            "transformer-aan-activation": "swish",
            "transformer-decoder-autoreg": "rnn" if self.ssru else "self-attention",
            "transformer-decoder-dim-ffn": 0,
            "transformer-dim-aan": 2048,
            "transformer-dim-ffn": self.inner,
            "transformer-ffn-activation": self.activation,
            "transformer-ffn-depth": 2,
            "transformer-guided-alignment-layer": "last",
            "transformer-heads": self.heads,
            "transformer-no-projection": "false",
            "transformer-postprocess": after,
            "transformer-postprocess-emb": "d",
            "transformer-postprocess-top": top,
            "transformer-preprocess": before,
            "transformer-tied-layers": "".join(f"\n  - {layer}" for layer in self.tied_layers) or "\n  []",
            "type": "transformer",
            "version": self.version,
        }
        sizes = f"dim-vocabs:\n  - {self.vocabulary}\n  - {self.vocabulary}\n"
        return sizes + "".join(f"{name}: {value}\n" for name, value in said.items())

    @property
    def shapes(self) -> dict[str, tuple[int, int]]:
        """Of all tensors."""
        d, size = self.width, self.vocabulary
        table, vector = (size, d), (1, d)
        found: dict[str, tuple[int, int]] = {}
        names = {"all": ("Wemb",), "source": ("Wemb",), "target": ("encoder_Wemb", "decoder_Wemb"),
                 "none": ("encoder_Wemb", "decoder_Wemb")}[self.tied]  # fmt: skip
        found |= dict.fromkeys(names, table)
        if self.tied in ("source", "none"):
            found |= {"decoder_ff_logit_out_W": (d, size)} if self.legacy else {"decoder_ff_logit_out_Wt": table}
        if self.bias:
            found["decoder_ff_logit_out_b"] = (1, size)
        stacks = [("encoder", range(1, self.encoder + 1)), ("decoder", dict.fromkeys(self.layers))]
        for stack, layers in stacks:
            for layer in layers:
                prefix = f"{stack}_l{layer}"
                looks = ["self"] if stack == "encoder" else ["context"] if self.ssru else ["self", "context"]
                for look in looks:
                    found |= {f"{prefix}_{look}_W{letter}": (d, d) for letter in "qkvo"}
                    found |= {f"{prefix}_{look}_b{letter}": vector for letter in "qkvo"}
                if stack == "decoder" and self.ssru:
                    found |= {f"{prefix}_rnn_W": (d, d), f"{prefix}_rnn_Wf": (d, d), f"{prefix}_rnn_bf": vector}
                found |= {f"{prefix}_ffn_W1": (d, self.inner), f"{prefix}_ffn_b1": (1, self.inner)}
                found |= {f"{prefix}_ffn_W2": (self.inner, d), f"{prefix}_ffn_b2": vector}
                recurrent = ["rnn" if self.pre_norm else "rnn_ffn"] if stack == "decoder" and self.ssru else []
                for norm in [*(f"{look}_Wo" for look in looks), "ffn_ffn", *recurrent]:
                    found |= {f"{prefix}_{norm}_ln_{part}{self.suffix}": vector for part in ("scale", "bias")}
        if self.pre_norm:
            for stack in ("encoder", "decoder"):
                found |= {f"{stack}_top_ln_{part}": vector for part in ("scale", "bias")}
        return found

    @property
    def layers(self) -> tuple[int, ...]:
        """Whose weights each layer of the decoder has."""
        return self.tied_layers or tuple(range(1, self.decoder + 1))

    @property
    def suffix(self) -> str:
        """Of the norms before a sub-layer."""
        return "_pre" if self.pre_norm else ""


def weights(kind: Kind, seed: int = 1) -> Tensors:
    """Random, and large enough that everything matters."""
    random = np.random.default_rng(seed)
    found: Tensors = {}
    for name, shape in kind.shapes.items():
        values = random.normal(size=shape) / (1 if shape[0] == 1 else shape[0] ** 0.5)
        found[name] = (1 + 0.3 * values if "_ln_scale" in name else 0.3 * values if shape[0] == 1 else values).astype(
            "f4"
        )
    return found


def write_opus(folder: Path) -> None:
    """A folder as OPUS-MT hands them on: two SentencePiece models over one vocabulary, and how to decode."""
    folder.mkdir()
    reader, writer = sentencepiece(ENGLISH), sentencepiece(GERMAN)
    (folder / "source.spm").write_bytes(reader)
    (folder / "target.spm").write_bytes(writer)
    entries = [*pieces(reader, writer), "<pad>"]
    lines = (f"{json.dumps(piece, ensure_ascii=False)}: {number}\n" for number, piece in enumerate(entries))
    (folder / "opus.vocab.yml").write_text("".join(lines), encoding="utf-8")
    (folder / "decoder.yml").write_text(DECODER, encoding="utf-8")
    kind = Kind(vocabulary=len(entries), activation="swish", decoder=3)
    write_npz(folder / "opus.model1.npz", weights(kind), kind.config)


def write_npz(path: Path, tensors: Mapping[str, Array], config: str) -> None:
    """As Marian does: nothing packed."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, values in {**tensors, CONFIG: np.frombuffer(config.encode() + b"\0", np.int8)}.items():
            content = io.BytesIO()
            np.save(content, values)
            archive.writestr(f"{name}.npy", content.getvalue())


def write_binary(path: Path, tensors: Mapping[str, Array], config: str, *, whole: bool) -> Tensors:
    """The container; ``whole``: matrices as numbers of 8 bits. Returns what the tensors are worth then."""
    heads, names, shapes, data, worth = b"", b"", b"", b"", {}
    for name, values in tensors.items():
        kind, content, worth[name] = _packed(name, values) if whole and values.shape[0] > 1 else _plain(values)
        content += bytes(-len(content) % 256)
        heads += struct.pack("<4Q", len(name) + 1, kind, values.ndim, len(content))
        names += name.encode() + b"\0"
        shapes += struct.pack(f"<{values.ndim}i", *values.shape)
        data += content
    if whole:
        extra = struct.pack("<f", 12.5) + bytes(252)
        heads += struct.pack("<4Q", 21, 0x404, 2, len(extra))
        names += b"encoder_x_QuantMultA\0"
        shapes += struct.pack("<2i", 1, 1)
        data += extra
    text = config.encode() + b"\0"
    heads += struct.pack("<4Q", len(CONFIG) + 1, 0x101, 1, len(text))
    names += CONFIG.encode() + b"\0"
    shapes += struct.pack("<i", len(text))
    front = struct.pack("<2Q", 1, len(heads) // 32) + heads + names + shapes
    padding = 256 - (len(front) + 8) % 256
    path.write_bytes(front + struct.pack("<Q", padding) + bytes(padding) + data + text)
    return worth


def _plain(values: Array) -> tuple[int, bytes, Array]:
    return 0x404, values.astype("<f4").tobytes(), values


def _packed(name: str, values: Array) -> tuple[int, bytes, Array]:
    scale = np.float32(127 / np.abs(values).max())
    numbers = np.round(values * scale).astype(np.int8)
    rows = numbers if "Wemb" in name else numbers.T
    return 0x4101, np.ascontiguousarray(rows).tobytes() + struct.pack("<f", scale), numbers.astype("f4") / scale


def log_probs(kind: Kind, tensors: Mapping[str, Array], source: Sequence[int], target: Sequence[int]) -> list[float]:
    """Of each token of a target, given a source; ids are Marian's, the end is the last of each."""
    return [float(row[token]) for row, token in zip(_thoughts(kind, tensors, source, target), target, strict=True)]


def _thoughts(kind: Kind, tensors: Mapping[str, Array], source: Sequence[int], target: Sequence[int]) -> Array:
    """(T, V) the log-probability of every token behind what comes before each of the target."""
    model = _Model(kind, {name: values.astype("f8") for name, values in tensors.items()})
    tables = {"all": ("Wemb", "Wemb", "Wemb"), "target": ("encoder_Wemb", "decoder_Wemb", "decoder_Wemb"),
              "source": ("Wemb", "Wemb", ""), "none": ("encoder_Wemb", "decoder_Wemb", "")}[kind.tied]  # fmt: skip
    read, heard, written = (model.tensors.get(name) for name in tables)
    assert read is not None
    assert heard is not None
    if written is None:
        written = model.tensors["decoder_ff_logit_out_W"].T if kind.legacy else model.tensors["decoder_ff_logit_out_Wt"]
    memory = model.encode(read[list(source)])
    before = np.concatenate([np.zeros((1, kind.width)), heard[list(target[:-1])]])
    logits = model.decode(before, memory) @ written.T + (model.tensors["decoder_ff_logit_out_b"] if kind.bias else 0)
    found: Array = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    return found


@dataclass(frozen=True)
class _Model:
    kind: Kind
    tensors: Tensors

    def encode(self, x: Array) -> Array:
        """(S, D) embeddings -> (S, D)"""
        x = self.positioned(x)
        for layer in range(1, self.kind.encoder + 1):
            prefix = f"encoder_l{layer}"
            x = self.around(x, f"{prefix}_self_Wo", lambda y, p=prefix: self.attend(y, y, f"{p}_self", causal=False))
            x = self.around(x, f"{prefix}_ffn_ffn", lambda y, p=prefix: self.transform(y, f"{p}_ffn"))
        return self.norm(x, "encoder_top", "") if self.kind.pre_norm else x

    def decode(self, x: Array, memory: Array) -> Array:
        """(T, D) embeddings of what came before -> (T, D)"""
        x = self.positioned(x)
        for layer in self.kind.layers:
            prefix = f"decoder_l{layer}"
            if self.kind.ssru:
                norm = f"{prefix}_rnn" if self.kind.pre_norm else f"{prefix}_rnn_ffn"
                x = self.around(x, norm, lambda y, p=prefix: self.recur(y, f"{p}_rnn"))
            else:
                x = self.around(x, f"{prefix}_self_Wo", lambda y, p=prefix: self.attend(y, y, f"{p}_self", causal=True))
            x = self.around(
                x, f"{prefix}_context_Wo", lambda y, p=prefix: self.attend(y, memory, f"{p}_context", causal=False)
            )
            x = self.around(x, f"{prefix}_ffn_ffn", lambda y, p=prefix: self.transform(y, f"{p}_ffn"))
        return self.norm(x, "decoder_top", "") if self.kind.pre_norm else x

    def positioned(self, x: Array) -> Array:
        """Times sqrt(D), and sines in the first half of the columns, cosines in the second."""
        half = self.kind.width // 2
        angles = np.arange(len(x))[:, None] * np.exp(-np.log(10_000) * np.arange(half) / (half - 1))
        found: Array = x * self.kind.width**0.5 + np.concatenate([np.sin(angles), np.cos(angles)], 1)
        return found

    def around(self, x: Array, name: str, sublayer: Any) -> Array:
        """The sum, and the norm before or behind."""
        if self.kind.pre_norm:
            found: Array = x + sublayer(self.norm(x, name, "_pre"))
            return found
        return self.norm(x + sublayer(x), name, "")

    def norm(self, x: Array, name: str, suffix: str) -> Array:
        scale, bias = (self.tensors[f"{name}_ln_{part}{suffix}"] for part in ("scale", "bias"))
        centred = x - x.mean(1, keepdims=True)
        found: Array = scale * centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-6) + bias
        return found

    def affine(self, x: Array, prefix: str, letter: str) -> Array:
        return x @ self.tensors[f"{prefix}_W{letter}"] + self.tensors[f"{prefix}_b{letter}"]

    def attend(self, x: Array, memory: Array, prefix: str, *, causal: bool) -> Array:
        queries, keys, values = (
            self.affine(x, prefix, "q"),
            self.affine(memory, prefix, "k"),
            self.affine(memory, prefix, "v"),
        )
        size = self.kind.width // self.kind.heads
        found = []
        for head in range(self.kind.heads):
            part = slice(head * size, (head + 1) * size)
            scores = queries[:, part] @ keys[:, part].T / size**0.5
            if causal:
                scores = np.where(np.tri(len(x), len(memory)) > 0, scores, -1e9)
            likely = np.exp(scores - scores.max(1, keepdims=True))
            found.append(likely / likely.sum(1, keepdims=True) @ values[:, part])
        return self.affine(np.concatenate(found, 1), prefix, "o")

    def transform(self, x: Array, prefix: str) -> Array:
        inner = self.affine(x, prefix, "1")
        steep = {"relu": np.inf, "swish": 1.0, "gelu": 1.702}[self.kind.activation]
        active = np.maximum(inner, 0) if np.isinf(steep) else inner / (1 + np.exp(-steep * inner))
        return self.affine(active, prefix, "2")

    def recur(self, x: Array, prefix: str) -> Array:
        forget = 1 / (1 + np.exp(-(x @ self.tensors[f"{prefix}_Wf"] + self.tensors[f"{prefix}_bf"])))
        new, cell, found = x @ self.tensors[f"{prefix}_W"], np.zeros(self.kind.width), []
        for f, candidate in zip(forget, new, strict=True):
            cell = f * cell + (1 - f) * candidate
            found.append(np.maximum(cell, 0))
        return np.stack(found)
