"""The parts of the recurrent models, one by one, and what their settings refuse. Whole models: test_architectures."""

import math
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nmt_cli.corpus.batching import Batch, Sequences
from nmt_cli.errors import ConfigError
from nmt_cli.models import ARCHITECTURES
from nmt_cli.models.alignment import (
    AdditiveAttention,
    Attention,
    DotAttention,
    GeneralAttention,
    MultiHead,
    ScaledAttention,
    _AdditiveScores,
)
from nmt_cli.models.base import Memory
from nmt_cli.models.bridge import CopyBridge, LearnedBridge, ZeroBridge
from nmt_cli.models.cells import GRU, LSTM, RNN, Bidirectional
from nmt_cli.models.layers import Dropout, VariationalDropout, embedding_table, shifted
from nmt_cli.models.recurrent_decoder import RecurrentDecoder, last
from nmt_cli.models.recurrent_encoder import RecurrentEncoder, ReversedSource
from nmt_cli.models.recurrent_stack import Stack, apart, together
from nmt_cli.models.word_embedding import WordEmbedding
from nmt_cli.scoring.rows import Closing
from nmt_cli.settings import Sizes, resolve
from nmt_cli.training.presets import preset
from tests import oracles
from tests.tiny import VOCABULARY, config, random_batch, random_model

B, T, S, D = 3, 4, 5, 6
MASK = torch.arange(S) < torch.tensor([[5], [1], [3]])


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def memory_of(*layers: int, states: int = 2) -> Memory:
    """With ``layers`` in the encoder."""
    return Memory(random(B, S, D), MASK, tuple(random(B, *layers, D) for _ in range(states)))


# Attention

ATTENTIONS: dict[str, Attention] = {
    "dot": DotAttention(),
    "scaled": ScaledAttention(),
    "general": GeneralAttention(D),
    "additive": AdditiveAttention(D),
    "multi-head": MultiHead(D, 2),
}


def weights_of(attend: Any, query: Tensor, memory: Tensor) -> Tensor:
    """(S,) of one query (D,) and a memory (S, D) without padding, score by score."""
    if isinstance(attend, MultiHead):
        query, keys = attend.attention.query(query), attend.attention.key(memory)
        parts = [slice(0, D // 2), slice(D // 2, D)]
        heads = [torch.softmax(keys[:, part] @ query[part] / math.sqrt(D // 2), 0) for part in parts]
        return torch.stack(heads).mean(0)
    scores = []
    for m in memory:
        if isinstance(attend, AdditiveAttention):
            scores.append(attend.direction @ torch.tanh(attend.query(query) + attend.key.weight @ m))
        elif isinstance(attend, GeneralAttention):
            scores.append(query @ attend.key.weight @ m)
        else:
            scores.append(query @ m / (math.sqrt(D) if isinstance(attend, ScaledAttention) else 1))
    return torch.softmax(torch.stack(scores), 0)


@pytest.mark.parametrize("name", sorted(ATTENTIONS))
def test_attention_is_its_equation(name: str) -> None:
    torch.manual_seed(1)
    attend, query, memory = ATTENTIONS[name].double(), random(B, T, D), memory_of(1)
    with torch.no_grad():
        held = attend.remember(memory)
        weights, context = attend.weights(query, held), attend(query, held)
        for b in range(B):
            own = memory.outputs[b, MASK[b]]
            for t in range(T):
                wanted = weights_of(attend, query[b, t], own)
                torch.testing.assert_close(weights[b, t, MASK[b]], wanted, rtol=0, atol=1e-12)
                assert bool((weights[b, t, ~MASK[b]] == 0).all())
                if not isinstance(attend, MultiHead):
                    torch.testing.assert_close(context[b, t], wanted @ own, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", sorted(ATTENTIONS))
def test_what_is_held_of_a_memory_can_be_picked_by_sentence(name: str) -> None:
    attend, query, memory = ATTENTIONS[name].double(), random(2, T, D), memory_of(1)
    chosen = torch.tensor([2, 0])
    with torch.no_grad():
        picked = attend.remember(memory).of(chosen)
        fresh = attend.remember(Memory(memory.outputs[chosen], MASK[chosen], ()))
        assert torch.equal(attend(query, picked), attend(query, fresh))
        spoilt = Memory(memory.outputs.masked_fill(~MASK[:, :, None], 50.0), MASK, ())
        torch.testing.assert_close(attend(query, attend.remember(spoilt).of(chosen)), attend(query, picked))


@pytest.mark.parametrize("name", sorted(ATTENTIONS))
def test_sentences_close_up_and_the_memory_stays_as_it_was(name: str) -> None:
    """It belongs to whoever has given it, and may be keys and values at once; what was copied is closed up where it is."""
    attend, query, memory = ATTENTIONS[name].double(), random(2, T, D), memory_of(1)
    before, turned, left = memory.outputs.clone(), torch.tensor([2, 1, 0]), torch.tensor([1, 0])
    with torch.no_grad():
        held = attend.remember(memory)
        wanted = held.of(turned).of(left)
        found = held.closing(Closing.of(turned))
        keys = found.keys.data_ptr()
        found = found.closing(Closing.of(left))
        assert torch.equal(attend(query, found), attend(query, wanted))
        assert found.keys.data_ptr() == keys
    assert torch.equal(memory.outputs, before)


def test_gradient_of_additive_scores() -> None:
    leaves = [random(2, 3, 4).requires_grad_(), random(2, 5, 4).requires_grad_(), random(4).requires_grad_()]
    assert torch.autograd.gradcheck(_AdditiveScores.apply, leaves)


# Stack


@pytest.mark.parametrize("layers", [1, 2, 3, 4])
def test_a_layer_from_the_third_on_is_added_to_what_it_reads(layers: int) -> None:
    stack = Stack.of(partial(GRU, width=D), D, layers=layers, dropout=Dropout(0.0)).double()
    x, mask = random(B, S, D), MASK
    states = tuple(random(B, layers, D) for _ in range(GRU.states))
    with torch.no_grad():
        outputs, ends = stack(x, mask, states)
        wanted = x
        for place, cell in enumerate(stack.cells):
            made, end = cell(wanted, mask, tuple(state[:, place] for state in states))
            wanted = wanted + made if place >= 2 else made
            assert torch.equal(ends[0][:, place], end[0])
        assert torch.equal(outputs, wanted)
        lowest, above = apart(states)
        assert all(torch.equal(*pair) for pair in zip(together(lowest, above), states, strict=True))


def test_dropout_stands_behind_each_layer() -> None:
    class Noted(nn.Module):
        seen: list[tuple[int, ...]]

        def forward(self, values: Tensor) -> Tensor:
            self.seen.append(tuple(values.shape))
            return values * 2

    noted = Noted()
    noted.seen = []
    stack = Stack.of(partial(RNN, width=D), 4, layers=3, dropout=noted).double()
    outputs, _ = stack(random(B, S, 4), MASK, stack.rest(random(B, 1)))
    assert noted.seen == [(B, S, D)] * 3
    assert float(outputs.detach().abs().max()) > 2  # two of them, doubled, in the sum


# Dropout of rows and of words


def test_variational_dropout_is_the_same_at_all_steps() -> None:
    torch.manual_seed(2)
    dropout, values = VariationalDropout(0.5), torch.ones(20, 7, 30)
    dropped = dropout.train()(values)
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert len({tuple(row) for row in dropped[:, 0].tolist()}) == 20
    assert abs(float(dropped.mean()) - 1) < 0.1
    assert dropout.eval()(values) is values
    assert VariationalDropout(0.0).train()(values) is values


def test_a_dropped_word_is_dropped_wherever_it_stands_in_its_row() -> None:
    torch.manual_seed(3)
    table = embedding_table(50, D)
    embedding = WordEmbedding(table, Dropout(0.0), 0.3)
    tokens = torch.randint(0, 50, (40, 60))
    with torch.no_grad():
        plain, dropped = embedding.eval()(tokens), embedding.train()(tokens)
    kept = (dropped != 0).all(2)
    assert bool(((dropped == 0).all(2) | kept).all())
    torch.testing.assert_close(dropped[kept], plain[kept] / 0.7)
    for row, keep in zip(tokens.tolist(), kept.tolist(), strict=True):
        assert len(dict.fromkeys(zip(row, keep, strict=True))) == len(set(row))
    fates = {(token, keep) for row, keeps in zip(tokens.tolist(), kept.tolist(), strict=True)
             for token, keep in zip(row, keeps, strict=True)}  # fmt: skip
    assert len(fates) > 80  # other rows, other words
    assert 0.6 < float(kept.double().mean()) < 0.8


# Encoders


def test_a_reversed_source_is_read_backwards_up_to_its_end_and_remembered_in_order() -> None:
    torch.manual_seed(4)
    embedding = WordEmbedding(embedding_table(VOCABULARY, D), Dropout(0.0))
    plain = RecurrentEncoder(embedding, Stack.of(partial(GRU, width=D), D, layers=2, dropout=Dropout(0.0)))
    source = Sequences.of([[5, 6, 7], [8], [], [9, 10]])
    turned = Sequences.of([[7, 6, 5], [8], [], [10, 9]])
    with torch.no_grad():
        one, two = ReversedSource(plain)(source), plain(turned)
    assert torch.equal(one.mask, source.mask)
    assert torch.equal(one.final[0], two.final[0])
    for row, order in enumerate(([2, 1, 0, 3], [0, 1], [0], [1, 0, 2])):
        assert torch.equal(one.outputs[row, : len(order)], two.outputs[row, order])


def test_final_states_are_those_of_the_uppermost_outputs() -> None:
    """One way: behind the last token. Both ways: half behind the last, half behind the first."""
    embedding = WordEmbedding(embedding_table(VOCABULARY, D), Dropout(0.0))
    source = random_batch(6, seed=31).source
    both_ways = partial(Bidirectional.of, partial(LSTM, width=D // 2))
    for layer, half in ((partial(LSTM, width=D), D), (both_ways, D // 2)):
        encoder = RecurrentEncoder(embedding, Stack.of(layer, D, layers=2, dropout=Dropout(0.0)))
        with torch.no_grad():
            memory = encoder(source)
        at_end = last(memory.outputs, source.lengths)
        top = memory.final[0][:, -1]
        assert [tuple(part.shape) for part in memory.final] == [(6, 2, D)] * 2
        torch.testing.assert_close(top[:, :half], at_end[:, :half])
        torch.testing.assert_close(top[:, half:], memory.outputs[:, 0, half:])


# Bridges


@pytest.mark.parametrize(
    ("encoder_layers", "layers", "sources"), [(1, 1, [0]), (2, 2, [0, 1]), (1, 3, [0, 0, 0]), (3, 1, [2]), (2, 3, [0, 0, 1])]
)  # fmt: skip
def test_a_learned_bridge_pairs_layers_from_the_uppermost_down(
    encoder_layers: int, layers: int, sources: list[int]
) -> None:
    bridge, memory = LearnedBridge(D, states=2, encoder_layers=encoder_layers, layers=layers), memory_of(encoder_layers)
    with torch.no_grad():
        begun = bridge.double()(memory)
        for number, (part, end) in enumerate(zip(begun, memory.final, strict=True)):
            assert part.shape == (B, layers, D)
            for layer, source in enumerate(sources):
                wanted = torch.tanh(bridge.maps[number * layers + layer](end[:, source]))
                assert torch.equal(part[:, layer], wanted)


def test_the_other_bridges() -> None:
    memory = memory_of(2)
    assert CopyBridge()(memory) is memory.final
    for other in (memory, Memory.empty(B, memory.outputs)):
        zeros = ZeroBridge(7, states=2, layers=3)(other)
        assert [tuple(zero.shape) for zero in zeros] == [(B, 3, 7)] * 2
        assert all(not zero.any() and zero.dtype == torch.float64 for zero in zeros)


# Decoders


def language_decoder(hidden: int, variational: bool = False) -> RecurrentDecoder:
    torch.manual_seed(6)
    kind = VariationalDropout if variational else Dropout
    embedding = WordEmbedding(embedding_table(VOCABULARY, D), kind(0.3), 0.2)
    cell = partial(LSTM, width=hidden, recurrent_dropout=0.2)
    return RecurrentDecoder.alone(embedding, Stack.of(cell, D, layers=3, dropout=kind(0.3)))


@pytest.mark.parametrize("hidden", [D, 9])
def test_a_decoder_without_an_encoder_reads_a_stream_in_stretches(hidden: int) -> None:
    """What is carried makes one text of them; gradients end between two."""
    decoder = language_decoder(hidden).double().eval()
    tokens, nothing = torch.randint(0, VOCABULARY, (B, 12)), Memory.empty(B, decoder.embedding.table)
    whole = decoder(tokens, nothing)
    carry, parts = None, []
    for stretch in torch.split(tokens, [5, 1, 6], 1):
        hidden_states, carry = decoder.read(stretch, nothing, carry)
        parts.append(hidden_states)
        assert carry is not None
        assert all(not part.requires_grad and part.shape == (B, 3, hidden) for part in carry)
    assert whole.shape == (B, 12, D)
    torch.testing.assert_close(torch.cat(parts, 1), whole, rtol=0, atol=1e-12)
    state = decoder.start(nothing)
    for t in range(12):
        found, state = decoder.advance(tokens[:, t : t + 1], torch.ones(B, dtype=torch.long), state)
        torch.testing.assert_close(found, whole[:, t], rtol=0, atol=1e-12)
    looks: Any = decoder
    assert looks.attention(found, state) is None
    assert looks.alignment(tokens, nothing) is None


@pytest.mark.parametrize("variational", [True, False])
def test_its_dropouts_act_in_training_alone(variational: bool) -> None:
    decoder = language_decoder(D, variational)
    tokens, nothing = torch.randint(0, VOCABULARY, (B, 12)), Memory.empty(B, decoder.embedding.table)
    assert not torch.equal(decoder.train()(tokens, nothing), decoder(tokens, nothing))
    assert torch.equal(decoder.eval()(tokens, nothing), decoder(tokens, nothing))


@pytest.mark.parametrize("name", ["recurrent", "gru-additive", "gru-bahdanau", "lstm-feeding"])
def test_attention_of_the_steps_is_the_alignment_of_the_whole(name: str) -> None:
    """Each step's own, also of rows that have been reordered and sentences that have left."""
    model, batch = random_model(name, seed=3), random_batch(5, seed=22)
    inputs = shifted(batch.target.tokens)
    with torch.no_grad():
        memory = model.encoder(batch.source)
        alignment = model.decoder.alignment(inputs, memory)
        torch.testing.assert_close(alignment.sum(2), torch.ones_like(alignment[:, :, 0]))
        assert bool((alignment[~batch.source.mask[:, None].expand_as(alignment)] == 0).all())
        _, state = model.start(batch.source)
        rows = torch.arange(5)
        for t in range(inputs.shape[1]):
            scores, state = model.step(inputs[rows, t], state)
            torch.testing.assert_close(scores.attention, alignment[rows, t], rtol=0, atol=1e-12)
            moved = torch.tensor([2, 0, 3]) if t == 1 else torch.arange(len(rows)).repeat_interleave(1 + t % 2)
            state, rows = state.select(moved), rows[moved]
            torch.testing.assert_close(model.decoder.attention(None, state), alignment[rows, t], rtol=0, atol=1e-12)


def test_several_tokens_at_once_leave_the_attention_of_the_last() -> None:
    for name in ("recurrent", "gru-bahdanau", "lstm-feeding"):
        model, batch = random_model(name, seed=4), random_batch(5, seed=23)
        inputs = shifted(batch.target.tokens)
        with torch.no_grad():
            alignment = model.decoder.alignment(inputs, model.encoder(batch.source))
            scores, _ = model.advance(inputs, batch.target.lengths, model.start(batch.source)[1])
        torch.testing.assert_close(scores.attention, last(alignment, batch.target.lengths), rtol=0, atol=1e-12)


@pytest.mark.parametrize("context", ["after", "feeding", "before"])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_every_decoder_learns_with_every_dropout(context: str, cell: str) -> None:
    """All parameters get a gradient, and two passes differ only by what is dropped."""
    settings = config("recurrent", cell=cell, context=context, decoder_layers=3, dropout=0.2, recurrent_dropout=0.2)
    model = settings.build(Sizes(VOCABULARY)).train()
    loss, _ = model.loss(random_batch(9, seed=24), None, smoothing=0.1)
    loss.total.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert bool((parameter.grad != 0).any()), name
    other, _ = model.loss(random_batch(9, seed=24), None, smoothing=0.1)
    assert not torch.equal(other.total, loss.total)


@pytest.mark.parametrize("context", ["feeding", "before"])
def test_a_loop_over_time_has_one_recurrent_matrix(context: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries of U are dropped once for all steps of all layers."""
    drawn = []
    original = LSTM.matrix

    def counted(self: LSTM) -> Tensor:
        drawn.append(self)
        return original(self)

    monkeypatch.setattr(LSTM, "matrix", counted)
    model = config("recurrent", context=context, decoder_layers=3, recurrent_dropout=0.2).build(Sizes(VOCABULARY))
    batch = random_batch(9, seed=25)
    memory = model.encoder(batch.source)
    drawn.clear()
    model.decoder(shifted(batch.target.tokens), memory)
    assert drawn == model.decoder.stack.cells


@pytest.mark.parametrize("name", ["recurrent", "gru-bahdanau", "lstm-feeding"])
def test_gradients_of_whole_models_are_those_of_finite_differences(name: str) -> None:
    """Through bridges, attention and loops: along one random direction in the space of all weights."""
    model, batch = random_model(name, seed=5), random_batch(4, seed=26)
    parameters = list(model.parameters())
    model.loss(batch, None)[0].total.backward()
    torch.manual_seed(7)
    direction = [torch.randn_like(parameter) for parameter in parameters]
    wanted = sum(float((p.grad * d).sum()) for p, d in zip(parameters, direction, strict=True))
    values = []
    with torch.no_grad():
        for change in (1e-6, -2e-6):
            for parameter, one in zip(parameters, direction, strict=True):
                parameter.add_(change * one)
            values.append(float(model.loss(batch, None)[0].total))
    assert (values[0] - values[1]) / 2e-6 == pytest.approx(wanted, rel=1e-5)


# Settings


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hidden": 15}, "hidden must be even for two directions, but is 15"),
        ({"width": 15}, "hidden must be even for two directions, but is 15"),
        ({"attention": "multi-head", "heads": 3}, "hidden (16) must be a multiple of heads (3)"),
        (
            {"bridge": "copy", "decoder_layers": 1},
            "bridge can copy only between as many encoder_layers as decoder_layers, but there are 2 and 1",
        ),
        (
            {"reversed_source": True},
            "reversed_source must be false where bidirectional is true: both ways are read anyway",
        ),
        (
            {"attention": "none", "bridge": "zero"},
            "bridge must not be zero where attention is none: nothing would come from the source",
        ),
        ({"attention": "none", "context": "feeding"}, "context must be after where attention is none, but is feeding"),
    ],
)
def test_combinations_that_mean_nothing_are_refused(changes: dict[str, Any], said: str) -> None:
    table = {"model": {"architecture": "recurrent", "width": 16, "encoder_layers": 2, "decoder_layers": 2, **changes}}
    with pytest.raises(ConfigError) as caught:
        resolve(table, ARCHITECTURES, origin="here")
    assert caught.value.message == f"here: in [model] {said}"


@pytest.mark.parametrize(("tie", "tables"), [("three-way", 1), ("two-way", 2), ("none", 3)])
@pytest.mark.parametrize("name", ["recurrent", "rnn-bottleneck"])
def test_ties(name: str, tie: str, tables: int) -> None:
    model = config(name, tie=tie).build(Sizes(VOCABULARY))
    source, target, output = model.encoder.embedding.table, model.decoder.embedding.table, model.output.embedding
    assert len({id(table) for table in (source, target, output)}) == tables
    assert (source is output) == (tie == "three-way")
    assert (target is output) == (tie != "none")


# Presets

RUNGS = ["rnn", "gru", "lstm", "rnn-deep", "birnn", "lstm-bottleneck", "lstm-attention", "gru-bahdanau"]


def settings_of(name: str) -> Any:
    return resolve(preset(name), ARCHITECTURES, origin=name).model


def size_of(name: str, vocabulary: int) -> int:
    with torch.device("meta"):
        model = settings_of(name).build(Sizes(vocabulary))
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(("vocabulary", "apart"), [(8000, 1.10), (2000, 1.13)])
def test_the_rungs_of_the_ladder_are_of_one_size(vocabulary: int, apart: float) -> None:
    sizes = {name: size_of(name, vocabulary) for name in RUNGS}
    assert max(sizes.values()) <= apart * min(sizes.values()), sizes


@pytest.mark.parametrize(
    ("name", "other", "changed"),
    [
        ("gru", "rnn", {"cell"}),
        ("lstm", "rnn", {"cell"}),
        ("rnn-deep", "rnn", {"encoder_layers", "decoder_layers"}),
        ("birnn", "rnn", {"bidirectional"}),
        ("lstm-bottleneck", "lstm", {"bidirectional"}),
        ("lstm-attention", "lstm-bottleneck", {"attention"}),
        ("gru-bahdanau", "lstm-attention", {"attention", "cell", "context"}),
    ],
)
def test_each_rung_changes_one_thing_and_at_most_its_width(name: str, other: str, changed: set[str]) -> None:
    one, two = settings_of(name).model_dump(), settings_of(other).model_dump()
    assert {key for key in one if one[key] != two[key]} - {"hidden"} == changed
    assert preset(name)["training"] == preset(other)["training"]


def test_one_step_of_each_rung_makes_it_better() -> None:
    """Along the gradient, on the same sentences."""
    batch = random_batch(12, seed=27)
    for name in RUNGS:
        torch.manual_seed(8)
        settings = settings_of(name).model_copy(update={"width": 16, "hidden": 16, "dropout": 0.0})
        model = settings.build(Sizes(VOCABULARY))
        losses = []
        for _ in range(2):
            model.zero_grad()
            loss, _ = model.loss(Batch(batch.source, batch.target), None, smoothing=0.0)
            loss.total.backward()
            losses.append(float(loss.nll))
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter -= 1e-3 * parameter.grad
        assert losses[1] < losses[0], name


def test_the_oracle_of_attention_is_scaled() -> None:
    """One head of the Transformer's attention and the scaled score are one thing."""
    query, memory = random(1, 1, D), memory_of(1)
    attend = ScaledAttention()
    for b in range(B):
        own = Memory(memory.outputs[b : b + 1], MASK[b : b + 1], ())
        found = attend(query, attend.remember(own))[0, 0]
        wanted = oracles.attention(query[0, 0], own.outputs[0], own.outputs[0], MASK[b])
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)
