"""Imported models compute what Marian's equations say, whatever file they come in and however they are put together."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nmt_cli.corpus.batching import Batch, Sequences
from nmt_cli.errors import ModelError
from nmt_cli.inference.translator import Engine, Piece
from nmt_cli.interchange.marian_items import Item, Items
from nmt_cli.interchange.marian_options import blueprint, options
from nmt_cli.interchange.marian_weights import convert, vocabulary_size
from nmt_cli.models.base import Decodable
from nmt_cli.runs.directory import ModelDirectory, load_weights
from nmt_cli.search.beam import BeamSearch
from nmt_cli.settings import Sizes

from . import marian
from .conftest import Nmt
from .marian import Kind

KINDS = {
    "opus": Kind(activation="swish"),
    "student": Kind(ssru=True),
    "pre-norm": Kind(pre_norm=True, version="v1.12.0"),
    "pre-norm student": Kind(pre_norm=True, ssru=True),
    "rough gelu": Kind(activation="gelu"),
    "target tied": Kind(tied="target"),
    "source tied": Kind(tied="source"),
    "nothing tied": Kind(tied="none"),
    "nothing tied, old": Kind(tied="none", legacy=True),
    "layers tied": Kind(ssru=True, decoder=3, tied_layers=(1, 1, 2)),
    "no bias, deep and shallow": Kind(bias=False, encoder=3, decoder=1),
}
LINES = [([5, 9, 12, 7], [8, 20, 4]), ([39], [2, 2, 2, 31, 1, 6]), ([2, 1, 3], [])]
"""Ids of Marian's, without the end: source and target; 1 is the unknown word."""


def vocabulary(size: int) -> str:
    """Entries that need all kinds of quotes, as Marian writes them."""
    odd = ['"', "\\", "'", "#", ": ", "- ", "\u2581", "ß", "null", "7"]
    words = ["</s>", "<unk>", *odd, *(f"w{number}" for number in range(2 + len(odd), size))]
    return "".join(
        f'"{word.replace(chr(92), chr(92) * 2).replace(chr(34), chr(92) + chr(34))}": {number}\n'
        for number, word in enumerate(words)
    )


def folder(path: Path, kind: Kind, form: str) -> tuple[Path, marian.Tensors]:
    """A folder as it is handed on, and what its tensors are worth."""
    path.mkdir()
    tensors = marian.weights(kind)
    (path / "vocab.yml").write_text(vocabulary(kind.vocabulary), encoding="utf-8")
    if form == "npz":
        marian.write_npz(path / "model.npz", tensors, kind.config)
    else:
        tensors = marian.write_binary(path / "model.bin", tensors, kind.config, whole=form == "intgemm8")
    return path, tensors


def imported(nmt: Nmt, theirs: Path, model: Path) -> ModelDirectory:
    result = nmt("import", "marian", theirs, "-o", model, "--languages", "en-de")
    assert result.exit_code == 0, result.stderr
    return ModelDirectory.open(model)


def ours(ids: list[int]) -> tuple[int, ...]:
    """Their ids, and the end, in ours."""
    return tuple({0: 3, 1: 2}.get(number, number + 2) for number in [*ids, marian.END])


def found(directory: ModelDirectory, lines: list[tuple[list[int], list[int]]]) -> list[list[float]]:
    """By our model, in double precision, all lines in one batch."""
    model = cast("Decodable[Any]", directory.model().double())
    source, target = (Sequences.of([ours(line[side]) for line in lines], end=()) for side in (0, 1))
    with torch.inference_mode():
        rows = model.log_probs(Batch(source, target)).tolist()
    return [row[: len(line[1]) + 1] for row, line in zip(rows, lines, strict=True)]


@pytest.mark.parametrize("form", ["npz", "float32", "intgemm8"])
@pytest.mark.parametrize("name", KINDS)
def test_log_probabilities_are_those_of_the_equations(name: str, form: str, nmt: Nmt, tmp_path: Path) -> None:
    kind = KINDS[name]
    theirs, tensors = folder(tmp_path / "theirs", kind, form)
    directory = imported(nmt, theirs, tmp_path / "model")
    for (source, target), row in zip(LINES, found(directory, LINES), strict=True):
        wanted = marian.log_probs(kind, tensors, [*source, marian.END], [*target, marian.END])
        assert np.abs(np.array(row) - wanted).max() < 2e-6  # the table of positions is in single precision


def test_new_gelu_is_the_exact_one(nmt: Nmt, tmp_path: Path) -> None:
    theirs, _ = folder(tmp_path / "theirs", Kind(activation="gelu", version="v1.12.14 65bf82f"), "npz")
    config: Any = imported(nmt, theirs, tmp_path / "model").settings.model
    assert config.activation == "gelu"
    theirs, _ = folder(tmp_path / "old", Kind(activation="gelu", version="v1.12.0 65bf82f"), "npz")
    config = imported(nmt, theirs, tmp_path / "older").settings.model
    assert config.activation == "swish"


def test_a_search_finds_what_forced_decoding_says(nmt: Nmt, tmp_path: Path) -> None:
    """Step by step the model begins with no embedding at position 0, and never with the unknown word."""
    kind = KINDS["student"]
    theirs, tensors = folder(tmp_path / "theirs", kind, "npz")
    directory = imported(nmt, theirs, tmp_path / "model")
    engine = Engine.open(directory, BeamSearch(width=3))
    for best in engine.search([Piece(ours([5, 9, 12])[:-1], 0), Piece(ours([30])[:-1], 0)])[0]:
        back = [{3: 0, 2: 1}.get(token, token - 2) for token in best.tokens]
        assert marian.UNKNOWN not in back
        wanted = sum(marian.log_probs(kind, tensors, [5, 9, 12, marian.END], back))
        assert abs(best.log_prob - wanted) < 1e-3


def test_what_has_no_row_of_its_own_is_zero(nmt: Nmt, tmp_path: Path) -> None:
    theirs, tensors = folder(tmp_path / "theirs", KINDS["nothing tied"], "npz")
    weights = dict(imported(nmt, theirs, tmp_path / "model").model().named_parameters())
    for name, origin in (("encoder", "encoder_Wemb"), ("decoder", "decoder_Wemb")):
        table = weights[f"{name}.embedding.table"]
        assert not table[:2].any()
        assert torch.equal(table[3], torch.from_numpy(tensors[origin][marian.END]))
        assert torch.equal(table[2], torch.from_numpy(tensors[origin][marian.UNKNOWN]))
        assert torch.equal(table[4:], torch.from_numpy(tensors[origin][2:]))


REFUSED = {
    "type: s2s": "type must be 'transformer', but is 's2s'",
    "right-left: true": "right-left must be false, but is True",
    "transformer-postprocess: hn": "must be '', 'dan', '' or 'n', 'da', 'n', but are '', 'hn', ''",
    "transformer-postprocess-top: n": "but are '', 'dan', 'n'",
    "transformer-preprocess: n": "but are 'n', 'dan', ''",
    "transformer-decoder-autoreg: average-attention": "must be 'self-attention' or 'rnn', but is 'average-attention'",
    "transformer-decoder-autoreg: rnn": "dec-cell must be 'ssru', but is 'gru'",
    "transformer-ffn-activation: tanh": "must be 'relu' or 'swish' or 'gelu', but is 'tanh'",
    "transformer-ffn-depth: 3": "transformer-ffn-depth must be 2, but is 3",
    "transformer-decoder-dim-ffn: 8": "transformer-decoder-dim-ffn must be that of the encoder, 24, but is 8",
    "transformer-train-position-embeddings: true": "transformer-train-position-embeddings must be false, but is True",
    "transformer-rnn-projection: true": "transformer-rnn-projection must be false, but is True",
    "transformer-attention-mask: alibi": "transformer-attention-mask must be '' or 'default' or 'none', but is 'alibi'",
    "transformer-sparkle: 3": "transformer-sparkle must be absent, but is 3",
    "transformer-heads: 3": "width must be even and a multiple of heads (3)",
    "transformer-heads: many": "transformer-heads must be a whole number, but is 'many'",
    "dim-vocabs: [40, 41]": "dim-vocabs must be the same for both sides, which share a vocabulary, but is [40, 41]",
    "dim-emb: 18": "must hold Wemb of shape (40, 18), but has it of (40, 16)",
    "dim-emb: 1000000000000": "must hold Wemb of shape",
    "enc-depth: 3": "must hold encoder_l3_self_Wq, as its options say, but does not",
    "enc-depth: 1000000000": "must hold encoder_l3_self_Wq, as its options say, but does not",
    "dec-depth: 1000000000": "transformer-tied-layers must be a list of 1000000000, one for each layer",
    "enc-depth: 1": "must hold what a Transformer of these options has, but also has encoder_l2_self_Wq",
    "tied-embeddings-all: perhaps": "tied-embeddings-all must be true or false, but is 'perhaps'",
    "transformer-tied-layers: [1, 0]": "transformer-tied-layers must be a list of whole numbers from 1 on",
    "transformer-dim-ffn: &a 24": "must be 'key: value' or '- value', but is 'transformer-dim-ffn: &a 24'",
}


def without(config: str, name: str) -> str:
    """An options text that does not say one of them."""
    kept, dropped = "", False
    for line in config.splitlines(keepends=True):
        dropped = line.startswith(f"{name}:") or (dropped and line.startswith(" "))
        kept += "" if dropped else line
    return kept


@pytest.mark.parametrize("option", REFUSED)
def test_what_cannot_be_computed_is_refused_by_name(option: str, nmt: Nmt, tmp_path: Path) -> None:
    kind = Kind()
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "vocab.yml").write_text(vocabulary(40), encoding="utf-8")
    config = without(kind.config, option.partition(":")[0]) + option
    marian.write_npz(theirs / "model.npz", marian.weights(kind), config)
    result = nmt("import", "marian", theirs, "-o", tmp_path / "model")
    assert result.exit_code == 1, result.stderr
    assert REFUSED[option] in result.stderr
    assert result.stderr.startswith("error: ")
    assert not (tmp_path / "model").exists()


NAMES = [*(line.partition(":")[0] for line in Kind().config.splitlines() if line[:1].strip()), "output-approx-knn"]
VALUES = [
    "-1", "0", "1", "2", "40", "1.5", "1e400", "99999999999999999999", "true", "no", "''", "n", "last", "[]", "[1]", "[1, x]",
    "[40, 40]", "~", "ssru", "rnn", "v9", "'\\'",
]  # fmt: skip


@given(said=st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VALUES), min_size=1, max_size=4))
def test_options_are_understood_or_refused(said: dict[str, str]) -> None:
    kind = Kind()
    config = kind.config
    for name, value in said.items():
        config = without(config, name) + f"{name}: {value}\n"
    tensors = {name: Item(name, values.shape, values.copy) for name, values in marian.weights(kind).items()}
    items = Items(Path("model.npz"), tensors, config)
    try:
        plan = blueprint(options(items), items)
        made = convert(plan, items, range(vocabulary_size(plan, items)))
    except ModelError as error:
        refused = error.message
    else:
        refused = "model.npz"
        load_weights(plan.config.build(Sizes(kind.vocabulary + 2)), made, "model.npz")
    assert refused.startswith("model.npz")
    assert "\n" not in refused
