"""The small parts: dropout by statistics, the columns of the output layer, feed-forward layers, ways round a sub-layer."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from nmt_cli.models.arithmetic import Arithmetic, Copies, Tensors
from nmt_cli.models.attention import MultiHeadAttention, SelfAttention, Sight
from nmt_cli.models.layers import Dropout, FeedForward, GatedFeedForward, Output, embedding_table, shifted
from nmt_cli.models.packing import Packable
from nmt_cli.models.residual import PostNorm, PreNorm, Residual
from nmt_cli.models.transformer import TransformerConfig
from nmt_cli.settings import Sizes
from nmt_cli.text.tokenizer import BOS, EOS, PAD, UNK
from tests import oracles
from tests.tiny import TINY, VOCABULARY, config, lesson, random_batch

MANY = 1 << 20


class Function(Packable):
    """A sub-layer: 2 x + c."""

    def forward(self, x: torch.Tensor, c: float) -> torch.Tensor:
        return 2 * x + c

    def packed(self, by: Arithmetic) -> Callable[[torch.Tensor, float], torch.Tensor]:
        del by
        return self.forward


def exact(rate: float) -> float:
    """The nearest rate that sixteen bits can tell."""
    return round(rate * 65536) / 65536


def within(successes: int, trials: int, rate: float) -> bool:
    """Not further from the mean of a binomial distribution than five standard deviations."""
    return abs(successes - trials * rate) <= 5 * math.sqrt(trials * rate * (1 - rate))


@pytest.mark.parametrize("rate", [2**-16, 0.001, 0.1, 0.25, 0.3, 0.5, 0.9, 0.999])
def test_dropout_drops_at_its_rate_in_every_lane(rate: float) -> None:
    """Four masks come from one random word: each lane has the rate, and neighbours are independent."""
    torch.manual_seed(7)
    dropped = (Dropout(rate).train()(torch.ones(MANY)) == 0).view(-1, 4)
    for lane in range(4):
        assert within(int(dropped[:, lane].sum()), MANY // 4, exact(rate))
        for other in range(lane):
            both = dropped[:, lane] & dropped[:, other]
            assert within(int(both.sum()), MANY // 4, exact(rate) ** 2)
    assert within(int((dropped[1:, 0] & dropped[:-1, 3]).sum()), MANY // 4 - 1, exact(rate) ** 2)


@pytest.mark.parametrize("rate", [2**-16, 0.1, 0.5, 0.9, 1 - 2**-16])
def test_of_all_words_exactly_the_rate_is_dropped(rate: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the 65,536 words of sixteen bits comes up once."""
    words = torch.arange(-(2**15), 2**15, dtype=torch.int16).view(torch.int64)
    monkeypatch.setattr(torch.Tensor, "random_", lambda noise, *_: noise.copy_(words))
    assert int((Dropout(rate).train()(torch.ones(65536)) == 0).sum()) == round(rate * 65536)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.75])
@pytest.mark.parametrize("shape", [(), (1,), (3,), (5, 7), (2, 3, 11)])
def test_what_is_kept_is_scaled_exactly(rate: float, shape: tuple[int, ...]) -> None:
    torch.manual_seed(8)
    layer, values = Dropout(rate).train(), torch.randn(shape)
    scaled = values * torch.tensor(1 / (1 - exact(rate)))
    for _ in range(20):
        found = layer(values)
        assert found.shape == values.shape
        assert found.dtype == values.dtype
        assert bool(((found == 0) | (found == scaled)).all())


def test_dropout_is_the_identity_in_evaluation_and_without_rate() -> None:
    values = torch.randn(100)
    assert Dropout(0.5).eval()(values) is values
    assert Dropout(0.0).train()(values) is values
    assert Dropout(0.0).train()(values[:0]).shape == (0,)
    assert Dropout(0.5).train()(values[:0]).shape == (0,)


def test_dropout_follows_the_seed() -> None:
    layer, values = Dropout(0.5).train(), torch.randn(1000)
    torch.manual_seed(1)
    first, second = layer(values), layer(values)
    torch.manual_seed(1)
    assert torch.equal(layer(values), first)
    assert torch.equal(layer(values), second)
    assert not torch.equal(first, second)


def test_the_gradient_of_dropout_is_its_mask() -> None:
    values = torch.ones(1000, requires_grad=True)
    dropped = Dropout(0.3).train()(values)
    dropped.sum().backward()
    assert values.grad is not None
    assert torch.equal(values.grad, dropped.detach())
    assert 0 < int((values.grad == 0).sum()) < 1000


def test_output_scores_what_can_be_produced() -> None:
    """No column for padding, first token and unknown word; the others by their rows of the embedding, which is shared."""
    torch.manual_seed(2)
    table = embedding_table(11, 4)
    output = Output(table)
    with torch.no_grad():
        output.bias.copy_(torch.randn(11))
        hidden = torch.randn(3, 4)
        logits = output(hidden)
        assert output.columns.tolist() == list(range(EOS, 11))
        for row in range(3):
            for place, token in enumerate(output.columns.tolist()):
                wanted = float(hidden[row] @ table[token] + output.bias[token])
                assert abs(float(logits[row, place]) - wanted) < 1e-5
    assert output.embedding is table


def test_an_output_that_may_say_unknown_begins_a_column_earlier() -> None:
    """A word-level language model: the unknown word counts, but search is never offered it; padding and the first token do not."""
    output = Output(torch.nn.Parameter(torch.randn(11, 5)), first=UNK)
    hidden, targets = torch.randn(4, 5), torch.tensor([UNK, EOS, 7, 10])
    _, nll = output.loss(hidden, targets, 0.0)
    torch.testing.assert_close(nll, -output.of(hidden, targets).sum())
    offered = output.scores(hidden).of(targets)
    assert offered[0] == -torch.inf
    torch.testing.assert_close(offered[1:], output.of(hidden, targets)[1:])
    assert bool(torch.isneginf(output.scores(hidden).of(torch.tensor([PAD, BOS, PAD, BOS]))).all())
    assert "columns" not in output.state_dict()


def test_shifted_reads_the_first_token_and_then_what_stands_before() -> None:
    assert shifted(torch.tensor([[5, 6, EOS], [7, EOS, 0]])).tolist() == [[BOS, 5, 6], [BOS, 7, EOS]]
    assert shifted(torch.tensor([[EOS]])).tolist() == [[BOS]]


def test_feed_forward_acts_on_each_position_by_itself() -> None:
    layer, values = FeedForward(4, 8, nn.ReLU(), 0.0).double(), torch.randn(2, 3, 4, dtype=torch.float64)
    found = layer(values)
    for row in range(2):
        for place in range(3):
            inner = torch.clamp(layer.expand.weight @ values[row, place] + layer.expand.bias, min=0)
            torch.testing.assert_close(found[row, place], layer.contract.weight @ inner + layer.contract.bias)


def test_the_gated_feed_forward_is_its_equation() -> None:
    """Three matrices of the same inner width, no bias."""
    layer, values = GatedFeedForward(4, 8, 0.0).double(), torch.randn(2, 3, 4, dtype=torch.float64)
    found = layer(values)
    w, v = layer.expand.weight.chunk(2)
    for row in range(2):
        for place in range(3):
            wanted = oracles.swiglu(values[row, place], w, v, layer.contract.weight)
            torch.testing.assert_close(found[row, place], wanted)
    assert sum(parameter.numel() for parameter in layer.parameters()) == 3 * 4 * 8


@pytest.mark.parametrize(("kind", "before", "after"), [(PreNorm, True, False), (PostNorm, False, True)])
def test_the_norm_stands_before_or_after(kind: type[Residual[Function]], before: bool, after: bool) -> None:
    norm, x = nn.LayerNorm(4), torch.randn(2, 3, 4)
    residual = kind(Function(), norm, 0.0)
    read = norm(x) if before else x
    total = x + 2 * read + 1
    torch.testing.assert_close(residual(x, 1), norm(total) if after else total)
    torch.testing.assert_close(residual.packed(Tensors(Copies()))(x, 1), norm(total) if after else total)
    assert torch.equal(residual.enter(x), read)


def test_what_comes_out_of_a_sublayer_is_dropped_and_not_what_goes_round_it() -> None:
    torch.manual_seed(3)
    x = torch.zeros(1000)
    found = PreNorm(Function(), nn.Identity(), 0.5).train()(x, 3)
    assert set(found.tolist()) == {0.0, 6.0}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_norm_by_root_mean_square(dtype: torch.dtype) -> None:
    """torch's, as the settings make it: the same small number in any precision."""
    settings = TransformerConfig(norm="rmsnorm", width=6, heads=1)
    norm: Any = settings.encoder(embedding_table(5, 6), 1).norm.to(dtype)
    with torch.no_grad():
        norm.weight.copy_(torch.randn(6))
        for scale in (1.0, 1e-3):
            x = scale * torch.randn(3, 6, dtype=dtype)
            for one, found in zip(x, norm(x), strict=True):
                torch.testing.assert_close(found, oracles.rms_norm(one, norm.weight))


@pytest.mark.parametrize("name", sorted(TINY))
def test_word_dropout_reaches_every_word_that_is_read(name: str) -> None:
    """Source and target of a translation model, the text of a language model."""
    batch = lesson(name, random_batch(5, seed=2))[0]
    totals: list[float] = []
    for rate in (0.0, 0.3, 0.3):
        torch.manual_seed(1)
        model: Any = config(name, word_dropout=rate).build(Sizes(VOCABULARY)).train()
        torch.manual_seed(len(totals))
        totals.append(float(model.loss(batch, None, smoothing=0.0)[0].total.detach()))
        embeddings = [each for each in model.modules() if hasattr(each, "word_dropout")]
        assert [each.word_dropout.rate for each in embeddings] == [rate] * len(embeddings)
        assert len(embeddings) == (1 if name.endswith("-lm") else 2)
    assert len(set(totals)) == 3, "other words are dropped each time"


@pytest.mark.parametrize("kind", ["feed-forward", "gated", "attention"])
def test_dropout_inside_a_layer_leaves_its_mean(kind: str) -> None:
    """What stands behind it is linear: in the mean of many masks a layer says what it says in evaluation."""
    torch.manual_seed(3)
    x, copies, rate = torch.randn(1, 5, 8, dtype=torch.float64), 4000, 0.4
    layer: Any = {
        "feed-forward": FeedForward(8, 12, nn.ReLU(), rate),
        "gated": GatedFeedForward(8, 12, rate),
        "attention": SelfAttention(MultiHeadAttention(8, 2, rate)),
    }[kind].double()
    context = (Sight(None),) if kind == "attention" else ()
    with torch.no_grad():
        wanted = layer.eval()(x, *context)[0]
        found = layer.train()(x.expand(copies, -1, -1).contiguous(), *context)
    spread = found.std(0)
    assert bool((spread > 0).all())
    assert bool(((found.mean(0) - wanted).abs() < 5 * spread / math.sqrt(copies)).all())


@pytest.mark.parametrize(("setting", "kinds"), [
    ("attention_dropout", (MultiHeadAttention,)), ("activation_dropout", (FeedForward, GatedFeedForward)),
])  # fmt: skip
@pytest.mark.parametrize("activation", ["relu", "swiglu"])
def test_dropout_inside_layers_is_what_the_settings_say(setting: str, kinds: tuple[type, ...], activation: str) -> None:
    """In every layer, on either side, and nowhere else."""
    settings = TransformerConfig.model_validate(
        {"width": 8, "heads": 2, "feed_forward": 12, "activation": activation, "dropout": 0.0, setting: 0.3}
    )
    model = settings.build(Sizes(VOCABULARY))
    layers = [each for each in model.modules() if isinstance(each, (MultiHeadAttention, FeedForward, GatedFeedForward))]
    assert len(layers) == 4 * 2 + 4 * 3
    assert all(each.dropout.rate == (0.3 if isinstance(each, kinds) else 0.0) for each in layers)
