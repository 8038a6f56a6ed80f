"""Attention in several heads, against one query and one key at a time."""

import pytest
import torch
from torch import Tensor

from nmt_cli.models.attention import (
    MultiHeadAttention,
    RowsSight,
    SelfAttention,
    Sight,
    bias_of,
    causal_bias,
    memory_bias,
)
from nmt_cli.models.positions import RotaryPositions, sinusoids, unturned
from nmt_cli.scoring.rows import Rows
from tests import oracles

B, T, S, D = 3, 4, 5, 12
MASK = torch.arange(S) < torch.tensor([[5], [1], [3]])


@pytest.fixture(params=[1, 2, 3, 12])
def attention(request: pytest.FixtureRequest) -> MultiHeadAttention:
    """Without dropout, in float64, with biases that are not zero."""
    torch.manual_seed(request.param)
    made = MultiHeadAttention(D, request.param, 0.0).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return made


def values(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def slow(attention: MultiHeadAttention, query: Tensor, looked_at: Tensor, mask: Tensor) -> Tensor:
    """(B, T, D), head by head and query by query; ``mask`` (B, T, S)."""
    split = D // attention.heads
    q, k, v = attention.query(query), attention.key(looked_at), attention.value(looked_at)
    found = torch.zeros_like(query)
    for b in range(len(query)):
        for t in range(query.shape[1]):
            for start in range(0, D, split):
                part = slice(start, start + split)
                found[b, t, part] = oracles.attention(q[b, t, part], k[b, :, part], v[b, :, part], mask[b, t])
    joined: Tensor = attention.output(found)
    return joined


@pytest.mark.parametrize("training", [True, False])
def test_equals_one_query_at_a_time(attention: MultiHeadAttention, training: bool) -> None:
    query, looked_at = values(B, T, D), values(B, S, D)
    with torch.no_grad():
        found = attention.train(training)(query, *attention.remember(looked_at), Sight(memory_bias(MASK, query.dtype)))
        wanted = slow(attention, query, looked_at, MASK[:, None].expand(-1, T, -1))
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("training", [True, False])
def test_causal(attention: MultiHeadAttention, training: bool) -> None:
    x = values(B, T, D)
    with torch.no_grad():
        found = attention.train(training)(x, *attention.remember(x), Sight(causal_bias(T, x)))
        wanted = slow(attention, x, x, torch.ones(T, T, dtype=torch.bool).tril().expand(B, -1, -1))
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("biased", [True, False])
def test_training_and_evaluation_agree_with_their_gradients(attention: MultiHeadAttention, biased: bool) -> None:
    query, looked_at, pull = values(B, T, D).requires_grad_(), values(B, S, D).requires_grad_(), values(B, T, D)
    sight = Sight(memory_bias(MASK, query.dtype) if biased else None)
    results = []
    for training in (True, False):
        found = attention.train(training)(query, *attention.remember(looked_at), sight)
        results.append((found, *torch.autograd.grad((found * pull).sum(), [query, looked_at, *attention.parameters()])))
    for one, two in zip(*results, strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=1e-12)


def test_weights_are_distributions_over_what_may_be_seen(attention: MultiHeadAttention) -> None:
    keys, _ = attention.remember(values(B, S, D))
    with torch.no_grad():
        weights = attention.weights(values(B, T, D), keys, Sight(memory_bias(MASK, keys.dtype)))
    assert weights.shape == (B, attention.heads, T, S)
    torch.testing.assert_close(weights.sum(3), torch.ones_like(weights[..., 0]))
    hidden = ~MASK[:, None, None].expand_as(weights)
    assert bool((weights[hidden] == 0).all())
    assert bool((weights[~hidden] > 0).all())


@pytest.mark.parametrize("training", [True, False])
def test_masked_keys_and_values_are_never_read(attention: MultiHeadAttention, training: bool) -> None:
    query, looked_at = values(B, T, D), values(B, S, D)
    sight = Sight(memory_bias(MASK, query.dtype))
    with torch.no_grad():
        one = attention.train(training)(query, *attention.remember(looked_at), sight)
        two = attention(query, *attention.remember(looked_at.masked_fill(~MASK[:, :, None], 50.0)), sight)
    torch.testing.assert_close(one, two, rtol=0, atol=1e-12)


def test_dropout_acts_on_the_weights_in_training_alone() -> None:
    torch.manual_seed(0)
    attention, x = MultiHeadAttention(D, 2, 0.5).double(), values(B, T, D)
    with torch.no_grad():
        noisy = [attention.train()(x, *attention.remember(x), Sight(None)) for _ in range(2)]
        still = [attention.eval()(x, *attention.remember(x), Sight(None)) for _ in range(2)]
    assert not torch.equal(*noisy)
    assert torch.equal(*still)


@pytest.mark.parametrize("length", [1, T, 3 * T])
def test_rows_look_at_what_their_sentence_has(attention: MultiHeadAttention, length: int) -> None:
    """Three of the first sentence, one of each other: as if each had a copy. Few queries are asked otherwise than many."""
    owner = torch.tensor([0, 0, *range(B)])
    query, looked_at = values(len(owner), length, D), values(B, S, D)
    with torch.no_grad():
        sight = RowsSight(memory_bias(MASK, query.dtype), rows=Rows.of(owner))
        keys, found_values = attention.remember(looked_at)
        found = attention.eval()(query, keys, found_values, sight)
        weights = sight.unfold(attention.weights(query, keys, sight).transpose(1, 2))
        copies = Sight(memory_bias(MASK[owner], query.dtype))
        torch.testing.assert_close(found, attention(query, keys[owner], found_values[owner], copies))
        torch.testing.assert_close(weights, attention.weights(query, keys[owner], copies).transpose(1, 2))


def test_biases() -> None:
    assert memory_bias(torch.ones(2, 3, dtype=torch.bool), torch.float32) is None
    mask = torch.tensor([[True, False], [False, True]])
    assert bias_of(mask, torch.float32).tolist() == [[0, -torch.inf], [-torch.inf, 0]]
    assert bias_of(mask, torch.float64).dtype == torch.float64
    assert torch.equal(causal_bias(5, values(1)), bias_of(torch.ones(5, 5, dtype=torch.bool).tril(), torch.float64))


@pytest.mark.parametrize("training", [True, False])
def test_self_attention_looks_at_what_it_reads(attention: MultiHeadAttention, training: bool) -> None:
    x = values(B, T, D)
    with torch.no_grad():
        found = SelfAttention(attention).train(training)(x, Sight(causal_bias(T, x), unturned))
        wanted = slow(attention, x, x, torch.ones(T, T, dtype=torch.bool).tril().expand(B, -1, -1))
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("heads", [1, 2, 3])
def test_turned_queries_look_at_turned_keys(heads: int, training: bool) -> None:
    torch.manual_seed(heads)
    attention, x = MultiHeadAttention(D, heads, 0.0).double().train(training), values(B, T, D)
    rotary = RotaryPositions(D // heads)
    rotary.signals.table = sinusoids(T, D // heads)

    def turned(vectors: Tensor) -> Tensor:
        return torch.stack([torch.stack([oracles.turned(one, t) for t, one in enumerate(row)]) for row in vectors])

    q, k, v = attention.query(x), attention.key(x), attention.value(x)
    parts = [slice(start, start + D // heads) for start in range(0, D, D // heads)]
    weights = [torch.softmax(turned(q[..., p]) @ turned(k[..., p]).mT / (D // heads) ** 0.5, 2) for p in parts]
    wanted = attention.output(torch.cat([one @ v[..., p] for one, p in zip(weights, parts, strict=True)], 2))
    sight = Sight(torch.zeros(T, T, dtype=torch.float64), rotary.turn(torch.arange(T)))
    torch.testing.assert_close(SelfAttention(attention)(x, sight), wanted, rtol=0, atol=1e-12)
