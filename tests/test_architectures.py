"""Whole models against their equations, one sentence and one step at a time.

The laws say that a model agrees with itself; only this says that it is the model of its paper.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from nmt_cli.corpus.batching import Sequences
from nmt_cli.errors import ConfigError
from nmt_cli.models.alignment import AdditiveAttention, GeneralAttention, MultiHead
from nmt_cli.models.attention import MultiHeadAttention
from nmt_cli.models.base import Memory
from nmt_cli.models.bridge import CopyBridge, ZeroBridge
from nmt_cli.models.cells import GRU, LSTM, RNN, Bidirectional
from nmt_cli.models.layers import embedding_table, shifted
from nmt_cli.models.positions import Sinusoids, sinusoids
from nmt_cli.models.recurrent_encoder import ReversedSource
from nmt_cli.models.transformer import TransformerConfig
from nmt_cli.settings import Sizes
from nmt_cli.settings import check as checked
from nmt_cli.training.presets import preset
from tests import oracles
from tests.tiny import TINY, VOCABULARY, alone, config, random_batch, random_model


def check(model: Any, hidden_of: Any, memory_of: Any) -> None:
    """Memory and hidden states of a padded batch, sentence by sentence."""
    batch = random_batch(6, seed=21)
    with torch.no_grad():
        memory = model.encoder(batch.source)
        hidden = model.decoder(shifted(batch.target.tokens), memory)
        for index in range(len(batch.source)):
            source, target = alone(batch.source, index), alone(batch.target, index)
            outputs, final = memory_of(model, source.tokens[0])
            torch.testing.assert_close(memory.outputs[index, : len(outputs)], outputs, rtol=0, atol=1e-9)
            for found, wanted in zip(memory.final, final, strict=True):
                torch.testing.assert_close(found[index], wanted, rtol=0, atol=1e-9)
            wanted = hidden_of(model, shifted(target.tokens)[0], outputs, final)
            torch.testing.assert_close(hidden[index, : len(wanted)], wanted, rtol=0, atol=1e-9)


# Elman 1990, Cho et al. 2014, Sutskever et al. 2014, Bahdanau et al. 2015, Luong et al. 2015

STEPS: dict[type[nn.Module], oracles.Step] = {
    RNN: oracles.rnn_step, GRU: oracles.gru_step, LSTM: oracles.lstm_step,
}  # fmt: skip
States = tuple[Tensor, ...]  # of one row: (D,) each


def words(embedding: Any, tokens: Tensor) -> Tensor:
    found: Tensor = embedding.table[tokens] * embedding.table.shape[1] ** 0.5
    return found


def read(layer: Any, x: Tensor, state: States, feed: Tensor | None = None) -> tuple[Tensor, States]:
    """One layer over one row (T, D'); ``feed``: further columns of W."""
    if type(layer) is Bidirectional:
        half = layer.ahead.width
        right, right_end = read(layer.ahead, x, tuple(part[:half] for part in state))
        left, left_end = read(layer.back, x.flip(0), tuple(part[half:] for part in state))
        ends = tuple(torch.cat(pair) for pair in zip(right_end, left_end, strict=True))
        return torch.cat([right, left.flip(0)], 1), ends
    w = layer.project.weight if feed is None else torch.cat([layer.project.weight, feed], 1)
    outputs, end = oracles.unrolled(STEPS[type(layer)], x, state, (w, layer.recurrent, layer.project.bias))
    return torch.stack(outputs), end


def climb(layers: list[Any], x: Tensor, states: list[States], below: int = 0) -> tuple[Tensor, list[States]]:
    """Layer on layer; from the third on each is added to what it reads."""
    ends = []
    for place, (layer, state) in enumerate(zip(layers, states, strict=True), below):
        outputs, end = read(layer, x, state)
        x = x + outputs if place >= 2 else outputs
        ends.append(end)
    return x, ends


def recurrent_memory(model: Any, tokens: Tensor) -> tuple[Tensor, States]:
    order = list(range(len(tokens)))
    if type(model.encoder) is ReversedSource:
        order = [*reversed(order[:-1]), order[-1]]
    stack = (model.encoder.encoder if type(model.encoder) is ReversedSource else model.encoder).stack
    x = words(model.encoder.embedding, tokens)[order]
    zeros = (torch.zeros(stack.width, dtype=x.dtype),) * stack.states
    outputs, ends = climb(list(stack.layers), x, [zeros] * len(stack.layers))
    return outputs[torch.argsort(torch.tensor(order))], tuple(map(torch.stack, zip(*ends, strict=True)))


def begun(decoder: Any, final: States) -> list[States]:
    """The decoder's first states, layer by layer, from the encoder's last (L, D) each."""
    layers, kind = len(decoder.stack.layers), type(decoder.bridge)
    if kind is ZeroBridge:
        return [tuple(torch.zeros_like(part[0]) for part in final)] * layers
    if kind is CopyBridge:
        return [tuple(part[layer] for part in final) for layer in range(layers)]
    below = len(final[0]) - layers  # layers are paired from the uppermost down
    return [
        tuple(
            torch.tanh(decoder.bridge.maps[number * layers + layer](part[max(0, below + layer)]))
            for number, part in enumerate(final)
        )
        for layer in range(layers)
    ]


def seen(attend: Any, h: Tensor, memory: Tensor) -> Tensor:
    """The context (D,) of one state (D,) over the memory (S, D)."""
    if type(attend) is MultiHead:
        return looked_up(attend.attention, h[None], memory, causal=False)[0]
    scores: Any = {
        GeneralAttention: lambda m: h @ (attend.key.weight @ m),
        AdditiveAttention: lambda m: attend.direction @ torch.tanh(attend.query(h) + attend.key.weight @ m),
    }[type(attend)]
    return torch.softmax(torch.stack([scores(m) for m in memory]), 0) @ memory


def bottleneck(model: Any, tokens: Tensor, memory: Tensor, final: States) -> Tensor:
    del memory
    decoder = model.decoder
    outputs, _ = climb(list(decoder.stack.layers), words(decoder.embedding, tokens), begun(decoder, final))
    hidden: Tensor = decoder.readout(outputs)
    return hidden


def attended_after(model: Any, tokens: Tensor, memory: Tensor, final: States) -> Tensor:
    decoder = model.decoder
    outputs, _ = climb(list(decoder.stack.layers), words(decoder.embedding, tokens), begun(decoder, final))
    pairs = [torch.cat([seen(decoder.attend, h, memory), h]) for h in outputs]
    return torch.tanh(decoder.combine(torch.stack(pairs)))


def fed(model: Any, tokens: Tensor, memory: Tensor, final: States) -> Tensor:
    decoder, states = model.decoder, begun(model.decoder, final)
    lowest, *upper = decoder.stack.layers
    made = [torch.zeros(decoder.embedding.width, dtype=memory.dtype)]
    for word in words(decoder.embedding, tokens):
        outputs, states[0] = read(lowest, torch.cat([word, made[-1]])[None], states[0], decoder.feed.weight)
        outputs, states[1:] = climb(upper, outputs, states[1:], 1)
        made.append(torch.tanh(decoder.combine(torch.cat([seen(decoder.attend, outputs[0], memory), outputs[0]]))))
    return torch.stack(made[1:])


def seen_before(model: Any, tokens: Tensor, memory: Tensor, final: States) -> Tensor:
    decoder, states = model.decoder, begun(model.decoder, final)
    lowest, *upper = decoder.stack.layers
    hidden = []
    for word in words(decoder.embedding, tokens):
        context = seen(decoder.attend, states[0][0], memory)
        outputs, states[0] = read(lowest, torch.cat([word, context])[None], states[0], decoder.feed.weight)
        outputs, states[1:] = climb(upper, outputs, states[1:], 1)
        one, two = decoder.readout.expand(torch.cat([outputs[0], word, context])).chunk(2)
        hidden.append(torch.maximum(one, two))
    return torch.stack(hidden)


@pytest.mark.parametrize(
    ("name", "hidden_of"),
    [
        ("recurrent", attended_after),
        ("rnn-bottleneck", bottleneck),
        ("gru-additive", attended_after),
        ("gru-bahdanau", seen_before),
        ("lstm-feeding", fed),
    ],
)
def test_the_recurrent_models_are_their_equations(name: str, hidden_of: Any) -> None:
    for seed in (1, 2):
        check(random_model(name, seed=seed), hidden_of, recurrent_memory)


# Vaswani et al. 2017, and what was later put in the place of its parts

Function = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Paper:
    """What is not the same in all Transformers."""

    around: Callable[[Any, Tensor, Function], Tensor]  # of a residual, what it reads, and its f
    transform: Callable[[Any, Tensor], Tensor]  # of a feed-forward layer and what it reads
    position: Callable[[Any, int], Tensor]  # (T, D) of the positions part and T
    turn: Callable[[Tensor, int], Tensor] | None = None  # of a query or a key of self-attention and its place
    recurrent: bool = False  # an SSRU in the place of the decoder's self-attention


def pre_norm(residual: Any, x: Tensor, f: Function) -> Tensor:
    return x + f(residual.norm(x))


def post_norm(residual: Any, x: Tensor, f: Function) -> Tensor:
    return torch.stack([oracles.rms_norm(one, residual.norm.weight) for one in x + f(x)])


def with_relu(layer: Any, x: Tensor) -> Tensor:
    contracted: Tensor = layer.contract(torch.clamp(layer.expand(x), min=0))
    return contracted


def with_gelu(layer: Any, x: Tensor) -> Tensor:
    """x times the normal distribution function (Hendrycks & Gimpel 2016)."""
    inner = layer.expand(x)
    contracted: Tensor = layer.contract(inner * (1 + torch.erf(inner / 2**0.5)) / 2)
    return contracted


def with_swiglu(layer: Any, x: Tensor) -> Tensor:
    w, v = layer.expand.weight.chunk(2)
    return torch.stack([oracles.swiglu(one, w, v, layer.contract.weight) for one in x])


def waves(positions: Any, length: int) -> Tensor:
    return sinusoids(length, positions.signals.width)


def nowhere(positions: Any, length: int) -> Tensor:
    del positions, length
    return torch.zeros(())


PAPERS = {
    "transformer": Paper(pre_norm, with_relu, waves),
    "transformer-post": Paper(post_norm, with_swiglu, lambda positions, length: positions.table[:length]),
    "transformer-rotary": Paper(pre_norm, with_gelu, nowhere, oracles.turned),
    "transformer-ssru": Paper(pre_norm, with_relu, waves, recurrent=True),
}


def looked_up(attention: MultiHeadAttention, query: Tensor, values: Tensor, causal: bool, turn: Any = None) -> Tensor:
    """(T, D), one head and one query at a time."""
    q, k, v = attention.query(query), attention.key(values), attention.value(values)
    split = query.shape[1] // attention.heads
    parts = [slice(start, start + split) for start in range(0, query.shape[1], split)]
    if turn is not None:
        q = torch.stack([torch.cat([turn(one[part], place) for part in parts]) for place, one in enumerate(q)])
        k = torch.stack([torch.cat([turn(one[part], place) for part in parts]) for place, one in enumerate(k)])
    rows = []
    for t in range(len(query)):
        mask = torch.arange(len(values)) <= t if causal else torch.ones(len(values), dtype=torch.bool)
        rows.append(torch.cat([oracles.attention(q[t, part], k[:, part], v[:, part], mask) for part in parts]))
    joined: Tensor = attention.output(torch.stack(rows))
    return joined


def embedded(paper: Paper, module: Any, tokens: Tensor) -> Tensor:
    table, positions = module.embedding.table, module.embedding.positions
    found: Tensor = functional.embedding(tokens, table) * table.shape[1] ** 0.5 + paper.position(positions, len(tokens))
    return found


def recalled(paper: Paper, sublayer: Any, x: Tensor) -> Tensor:
    """(T, D) what a decoder layer makes of what stands before each position."""
    if not paper.recurrent:
        return looked_up(sublayer.attention, x, x, causal=True, turn=paper.turn)
    w_f, w = sublayer.project.weight.chunk(2)
    c, outputs = torch.zeros_like(x[0]), []
    for one in x:
        output, c = oracles.ssru_step(one, c, w_f, sublayer.bias, w)
        outputs.append(output)
    return torch.stack(outputs)


def memory_by(paper: Paper) -> Callable[[Any, Tensor], tuple[Tensor, tuple[Tensor, ...]]]:
    def memory(model: Any, tokens: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        x = embedded(paper, model.encoder, tokens)
        for layer in model.encoder.layers:
            attention, feed = layer.attend.sublayer.attention, layer.transform.sublayer
            x = paper.around(
                layer.attend, x, partial(lambda one, y: looked_up(one, y, y, causal=False, turn=paper.turn), attention)
            )
            x = paper.around(layer.transform, x, partial(paper.transform, feed))
        return model.encoder.norm(x), ()

    return memory


def hidden_by(paper: Paper) -> Callable[[Any, Tensor, Tensor, tuple[Tensor, ...]], Tensor]:
    def hidden(model: Any, tokens: Tensor, memory: Tensor, final: tuple[Tensor, ...]) -> Tensor:
        del final
        x = embedded(paper, model.decoder, tokens)
        for layer in model.decoder.layers:
            (look,) = layer.looks
            x = paper.around(layer.recall, x, partial(recalled, paper, layer.recall.sublayer))
            x = paper.around(look, x, partial(lambda one, y: looked_up(one, y, memory, causal=False), look.sublayer))
            x = paper.around(layer.transform, x, partial(paper.transform, layer.transform.sublayer))
        last: Tensor = model.decoder.norm(x)
        return last

    return hidden


def exact(model: Any) -> Any:
    """With position signals that were never rounded to single precision."""
    for module in model.modules():
        if isinstance(module, Sinusoids):
            module.table = sinusoids(64, module.width)
    return model


@pytest.mark.parametrize("name", sorted(PAPERS))
def test_the_transformers_are_their_equations(name: str) -> None:
    for seed in (1, 2):
        check(exact(random_model(name, seed=seed)), hidden_by(PAPERS[name]), memory_by(PAPERS[name]))


def test_post_norm_needs_no_norm_at_the_end() -> None:
    """And pre-norm does: nothing else brings the sum of all layers back to scale."""
    post, pre = random_model("transformer-post", seed=1), random_model("transformer", seed=1)
    assert not [*post.encoder.norm.parameters(), *post.decoder.norm.parameters()]
    assert len([*pre.encoder.norm.parameters(), *pre.decoder.norm.parameters()]) == 4


def test_the_alignment_is_the_last_layer_but_one() -> None:
    """In the mean of its heads, one position at a time (Garg et al. 2019), unless another layer is named."""
    batch = random_batch(4, seed=24)
    for name in ("transformer", "transformer-post", "transformer-rotary", "transformer-ssru"):
        model, paper = exact(random_model(name, seed=4)), PAPERS[name]
        inputs = shifted(batch.target.tokens)
        with torch.no_grad():
            found = model.decoder.alignment(inputs, model.encoder(batch.source))
            for index in range(len(batch.source)):
                tokens = shifted(alone(batch.target, index).tokens)[0]
                memory, _ = memory_by(paper)(model, alone(batch.source, index).tokens[0])
                layer = model.decoder.layers[0]  # there are two of them, or one
                x = embedded(paper, model.decoder, tokens)
                x = paper.around(layer.recall, x, partial(recalled, paper, layer.recall.sublayer))
                attention, width = layer.looks[0].sublayer, x.shape[1] // 2
                q, k = (
                    attention.query(x if name == "transformer-post" else layer.looks[0].norm(x)),
                    attention.key(memory),
                )
                heads = [
                    torch.softmax(q[:, part] @ k[:, part].T / width**0.5, 1)
                    for part in (slice(0, width), slice(width, None))
                ]
                wanted = (heads[0] + heads[1]) / 2
                torch.testing.assert_close(found[index, : len(tokens), : len(memory)], wanted, rtol=0, atol=1e-9)
                assert not found[index, :, len(memory) :].any()
            model.decoder.aligning = model.decoder.looking - 1
            highest = model.decoder.alignment(inputs, model.encoder(batch.source))
            assert torch.equal(highest, found) == (model.decoder.looking == 1)
            assert torch.equal(highest, model.decoder.alignments(inputs, model.encoder(batch.source))[-1])


def test_attention_of_the_steps_is_the_alignment_of_the_whole() -> None:
    """Of every layer, also where each row has read another number of tokens at once; until the rows move."""
    batch = random_batch(5, seed=26)
    inputs, last = shifted(batch.target.tokens), batch.target.lengths - 1
    for name in ("transformer", "transformer-post", "transformer-rotary", "transformer-ssru"):
        model = exact(random_model(name, seed=5))
        with torch.no_grad():
            for layer in range(model.decoder.looking):
                model.decoder.aligning = layer
                wanted = model.decoder.alignment(inputs, model.encoder(batch.source))
                scores, state = model.advance(inputs, batch.target.lengths, model.start(batch.source)[1])
                torch.testing.assert_close(scores.attention, wanted[torch.arange(5), last], rtol=0, atol=1e-9)
                assert model.decoder.attention(None, state.select(torch.tensor([2, 0]))) is None
            assert model.decoder.attention(None, model.start(batch.source)[1]) is None


def test_a_decoder_without_memory_is_a_decoder_with_a_sublayer_less() -> None:
    """What a Transformer language model is made of."""
    for name in ("transformer", "transformer-post", "transformer-rotary", "transformer-ssru"):
        settings: Any = config(name)
        table = embedding_table(VOCABULARY, 16)
        decoder = settings.decoder(table, 2, autoregression=settings.autoregression, memory=False).double().eval()
        tokens, nothing = random_batch(5, seed=25).target.tokens, Memory.empty(5, table.double())
        assert sum("looks" in parameter for parameter, _ in decoder.named_parameters()) == 0
        with torch.no_grad():
            hidden, state = decoder(tokens, nothing), decoder.start(nothing)
            assert decoder.alignment(tokens, nothing) is None
            for t in range(tokens.shape[1]):
                found, state = decoder.advance(tokens[:, t : t + 1], torch.ones(5, dtype=torch.long), state)
                torch.testing.assert_close(found, hidden[:, t], rtol=0, atol=1e-12)
                turned = torch.tensor([0, 1, 2, 3, 4]).flip(0)
                state, tokens, hidden = state.select(turned), tokens[turned], hidden[turned]


@pytest.mark.parametrize(("tie", "tables"), [("three-way", 1), ("two-way", 2), ("none", 3)])
def test_ties(tie: str, tables: int) -> None:
    model = config("transformer", tie=tie).build(Sizes(VOCABULARY))
    source, target, output = model.encoder.embedding.table, model.decoder.embedding.table, model.output.embedding
    assert len({id(table) for table in (source, target, output)}) == tables
    assert (source is output) == (tie == "three-way")
    assert (target is output) == (tie != "none")
    assert len({id(parameter) for parameter in model.parameters()}) == len(list(model.parameters()))


def test_one_matrix_is_source_target_and_output_embedding() -> None:
    for architecture in ("transformer", "recurrent"):
        model = random_model(architecture, seed=1)
        table = model.output.embedding
        assert model.encoder.embedding.table is table
        assert model.decoder.embedding.table is table


def test_long_sentences_beside_short_ones_change_nothing() -> None:
    """The table of positions grows in the middle of a life; see test_layers."""
    model = random_model("transformer", seed=2)
    short = random_batch(2, seed=23).source
    with torch.no_grad():
        before = model.encoder(short).outputs
        model.encoder(Sequences.of([[5] * 600]))
        assert torch.equal(model.encoder(short).outputs, before)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"heads": 3}, "width must be even and a multiple of heads (3)"),
        ({"width": 15, "heads": 1}, "width must be even and a multiple of heads (1)"),
        (
            {"width": 12, "heads": 4, "positions": "rotary"},
            "width must be an even multiple of heads (4) for rotary positions",
        ),
        ({"positions": "relative"}, "positions"),
        ({"residual": "none"}, "residual"),
        ({"tie": "four-way"}, "tie"),
        ({"autoregression": "gru"}, "autoregression"),
        ({"max_positions": 0}, "max_positions"),
    ],
)
def test_what_cannot_be_built_is_refused(changes: dict[str, Any], rule: str) -> None:
    with pytest.raises(ConfigError) as refused:
        checked(TransformerConfig, "model", {**TINY["transformer"], **changes}, "here")
    assert rule in str(refused.value)


@pytest.mark.parametrize("name", ["transformer-tiny", "transformer-small", "transformer-base", "transformer-ssru"])
def test_presets_have_the_parameters_that_their_comment_says(name: str) -> None:
    """In millions, with 8,000 subwords."""
    said = re.search(r"([\d.]+) million parameters", (files("nmt_cli") / "presets" / f"{name}.toml").read_text())
    model = TransformerConfig.model_validate(preset(name)["model"]).build(Sizes(8000))
    assert said
    assert abs(sum(parameter.numel() for parameter in model.parameters()) / 1e6 - float(said[1])) < 0.05
