"""Whole models against their equations, one sentence and one step at a time.

The laws say that a model agrees with itself; only this says that it is the model of its paper.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from nmt_cli.corpus.batching import Sequences
from nmt_cli.models.attention import MultiHeadAttention
from nmt_cli.models.cells import LSTM
from nmt_cli.models.layers import FeedForward, shifted, sinusoids
from tests import oracles
from tests.tiny import alone, random_batch, random_model


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


# Bahdanau et al. 2015, Luong et al. 2015


def cell(x: Tensor, lstm: LSTM, h: Tensor, c: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    outputs, end = oracles.lstm(x, h, c, (lstm.project.weight, lstm.recurrent, lstm.project.bias))
    return torch.stack(outputs), end


def recurrent_memory(model: Any, tokens: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    encoder = model.encoder
    x = encoder.embedding.table[tokens] * encoder.embedding.table.shape[1] ** 0.5
    ends = []
    for ahead, back in zip(encoder.forward_layers, encoder.backward_layers, strict=True):
        zero = torch.zeros(ahead.width, dtype=x.dtype)
        right, (right_h, right_c) = cell(x, ahead, zero, zero)
        left, (left_h, left_c) = cell(x.flip(0), back, zero, zero)
        x = torch.cat([right, left.flip(0)], 1)
        ends.append((torch.cat([right_h, left_h]), torch.cat([right_c, left_c])))
    return x, (torch.stack([h for h, _ in ends]), torch.stack([c for _, c in ends]))


def recurrent_hidden(model: Any, tokens: Tensor, memory: Tensor, final: tuple[Tensor, Tensor]) -> Tensor:
    decoder, layers = model.decoder, len(model.decoder.layers)
    x = decoder.embedding.table[tokens] * decoder.embedding.table.shape[1] ** 0.5
    for place, layer in enumerate(decoder.layers):
        h = torch.tanh(decoder.bridge.maps[place](final[0][place]))
        c = torch.tanh(decoder.bridge.maps[layers + place](final[1][place]))
        x, _ = cell(x, layer, h, c)
    attended = []
    for h in x:
        weights = torch.softmax(torch.stack([h @ (decoder.attend.key.weight @ one) for one in memory]), 0)
        attended.append(torch.tanh(decoder.attend.combine(torch.cat([weights @ memory, h]))))
    return torch.stack(attended)


def test_the_recurrent_model_is_its_equations() -> None:
    for seed in (1, 2):
        check(random_model("recurrent", seed=seed), recurrent_hidden, recurrent_memory)


def test_its_attention_is_what_the_step_looked_at() -> None:
    model, source = random_model("recurrent", seed=3), random_batch(4, seed=22).source
    with torch.no_grad():
        first, state = model.start(source)
        scores, state = model.step(first, state)
        assert scores.attention is not None
        torch.testing.assert_close(scores.attention.sum(1), torch.ones(4, dtype=torch.float64))
        assert bool((scores.attention[~source.mask] == 0).all())
        wanted = torch.softmax((state.states[0][:, -1:] @ state.keys.transpose(1, 2) + state.bias)[:, 0], 1)
        torch.testing.assert_close(scores.attention, wanted)


# Vaswani et al. 2017, pre-norm


def looked_up(attention: MultiHeadAttention, query: Tensor, values: Tensor, causal: bool) -> Tensor:
    """(T, D), one head and one query at a time."""
    q, k, v = attention.query(query), attention.key(values), attention.value(values)
    split = query.shape[1] // attention.heads
    rows = []
    for t in range(len(query)):
        mask = torch.arange(len(values)) <= t if causal else torch.ones(len(values), dtype=torch.bool)
        parts = [slice(start, start + split) for start in range(0, query.shape[1], split)]
        rows.append(torch.cat([oracles.attention(q[t, part], k[:, part], v[:, part], mask) for part in parts]))
    joined: Tensor = attention.output(torch.stack(rows))
    return joined


def transformed(layer: FeedForward, x: Tensor) -> Tensor:
    contracted: Tensor = layer.contract(torch.clamp(layer.expand(x), min=0))
    return contracted


def embedded(module: Any, tokens: Tensor) -> Tensor:
    table = module.embedding.table
    positions = sinusoids(len(tokens), table.shape[1]).float().to(table.dtype)
    found: Tensor = functional.embedding(tokens, table) * table.shape[1] ** 0.5 + positions
    return found


def transformer_memory(model: Any, tokens: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    x = embedded(model.encoder, tokens)
    for layer in model.encoder.layers:
        normed = layer.attention_norm(x)
        x = x + looked_up(layer.attention, normed, normed, causal=False)
        x = x + transformed(layer.transform, layer.transform_norm(x))
    return model.encoder.norm(x), ()


def transformer_hidden(model: Any, tokens: Tensor, memory: Tensor, final: tuple[Tensor, ...]) -> Tensor:
    del final
    x = embedded(model.decoder, tokens)
    for layer in model.decoder.layers:
        normed = layer.attention_norm(x)
        x = x + looked_up(layer.attention, normed, normed, causal=True)
        x = x + looked_up(layer.memory_attention, layer.memory_norm(x), memory, causal=False)
        x = x + transformed(layer.transform, layer.transform_norm(x))
    hidden: Tensor = model.decoder.norm(x)
    return hidden


def test_the_transformer_is_its_equations() -> None:
    for seed in (1, 2):
        check(random_model("transformer", seed=seed), transformer_hidden, transformer_memory)


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
