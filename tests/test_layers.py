"""The small parts: dropout by statistics, positions by their formula, the columns of the output layer."""

import math

import pytest
import torch
from torch import nn

from nmt_cli.models.layers import Dropout, FeedForward, Output, SinusoidalPositions, embedding_table, shifted, sinusoids
from nmt_cli.text.tokenizer import BOS, EOS, PAD, UNK

MANY = 1 << 20


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


@pytest.mark.parametrize("width", [2, 6, 7])
def test_positions_are_the_formula(width: int) -> None:
    table = SinusoidalPositions(width)(torch.arange(50))
    for position in range(50):
        for column in range(width):
            angle = position / 10_000 ** (column // 2 * 2 / width)
            wanted = math.cos(angle) if column % 2 else math.sin(angle)
            assert abs(float(table[position, column]) - wanted) < 1e-6


def test_positions_of_any_shape() -> None:
    positions, signals = torch.tensor([[0, 3, 5], [9, 9, 1]]), SinusoidalPositions(6)
    found = signals(positions)
    assert found.shape == (2, 3, 6)
    for row in range(2):
        for column in range(3):
            assert torch.equal(found[row, column], signals.table[positions[row, column]])
    assert signals(torch.zeros(0, dtype=torch.long)).shape == (0, 6)
    assert signals(torch.zeros(2, 0, dtype=torch.long)).shape == (2, 0, 6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_table_grows_and_what_was_there_stays(dtype: torch.dtype) -> None:
    """A long neighbour must not change the positions of a short sentence, to the last bit."""
    signals = SinusoidalPositions(8).to(dtype)
    before = signals(torch.arange(512))
    size = len(signals.table)
    long = signals(torch.tensor([511, 512, 1500]))
    assert len(signals.table) > size
    assert long.dtype == dtype
    assert torch.equal(signals(torch.arange(512)), before)
    torch.testing.assert_close(long.double(), sinusoids(1501, 8)[[511, 512, 1500]], rtol=0, atol=1e-2)
    assert not signals.state_dict()
    assert not list(signals.parameters())


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
    """A word-level language model: the unknown word counts, padding and the first token do not."""
    output = Output(torch.nn.Parameter(torch.randn(11, 5)), first=UNK)
    hidden, targets = torch.randn(4, 5), torch.tensor([UNK, EOS, 7, 10])
    _, nll = output.loss(hidden, targets, 0.0)
    torch.testing.assert_close(nll, -output.scores(hidden).of(targets).sum())
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
