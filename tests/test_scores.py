"""What search is told of the next token: the k best by blocks, log-probabilities over some columns alone."""

import pytest
import torch
from torch import Tensor

from nmt_cli.scoring.scores import Scores, top

SHORTLIST = torch.tensor([3, 4, 7, 11, 12, 40])


@pytest.mark.parametrize("kind", ["normal", "ties", "impossible"])
@pytest.mark.parametrize("k", [1, 2, 5, 10, 16])
@pytest.mark.parametrize("columns", [16, 63, 64, 65, 511, 512, 1281, 64 * 64 - 1, 64 * 64, 64 * 64 + 1, 8001])
def test_top_is_topk(columns: int, k: int, kind: str) -> None:
    draw = torch.Generator().manual_seed(columns * k)
    values = torch.randn(3, columns, generator=draw)
    if kind == "ties":
        values = (values * 2).round()
    if kind == "impossible":
        values = values.masked_fill(torch.rand(3, columns, generator=draw) < 0.999, -torch.inf)
    found, places = top(values, k)
    assert torch.equal(found, values.topk(k).values)
    assert torch.equal(values.gather(1, places), found)
    assert all(len(set(row)) == k for row in places.tolist())
    if kind == "normal":
        assert torch.equal(places, values.topk(k).indices)


@pytest.mark.parametrize("block", [1, 2, 3, 8])
def test_top_with_any_block(block: int) -> None:
    values = torch.randn(4, 50, generator=torch.Generator().manual_seed(block))
    for k in range(1, 51):
        assert torch.equal(top(values, k, block)[1], values.topk(k).indices)


def test_top_finds_the_best_in_head_and_tail() -> None:
    values = torch.zeros(1, 64 * 20 + 5)
    for place, value in ((64 * 20 + 4, 3.0), (0, 2.0), (64 * 20 - 1, 1.0)):
        values[0, place] = value
    assert top(values, 3)[1].tolist() == [[64 * 20 + 4, 0, 64 * 20 - 1]]


@pytest.mark.parametrize("behind", [0, 1, 2, 63])
def test_top_forgets_no_column_behind_the_last_block(behind: int) -> None:
    values = torch.arange(64.0 * 20 + behind)[None]
    assert top(values, 3)[1].tolist() == [[values.shape[1] - 1, values.shape[1] - 2, values.shape[1] - 3]]


@pytest.fixture
def logits() -> Tensor:
    return torch.randn(5, len(SHORTLIST), dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 3


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_the_highest_one_of_any_type(dtype: torch.dtype) -> None:
    """And what is no number is handed on, to be noticed."""
    values = torch.tensor([[1.0, 4.0, 2.0], [3.0, torch.nan, 5.0], [-torch.inf, -torch.inf, -7.0]], dtype=dtype)
    best, places = top(values, 1)
    assert (best.dtype, places[[0, 2]].tolist()) == (dtype, [[1], [2]])
    assert best[0] == 4
    assert best[1].isnan()
    assert best[2] == -7


def test_log_probs_sum_to_one_over_the_columns(logits: Tensor) -> None:
    log_probs = Scores(logits, SHORTLIST).log_probs()
    torch.testing.assert_close(log_probs.exp().sum(1), torch.ones(5, dtype=torch.float64))
    torch.testing.assert_close(log_probs, torch.log_softmax(logits, 1))
    torch.testing.assert_close(Scores(logits + 1e4, SHORTLIST).log_probs(), log_probs)


def test_best_are_ids_of_columns(logits: Tensor) -> None:
    scores = Scores(logits, SHORTLIST)
    for k in range(1, len(SHORTLIST) + 3):
        values, tokens = scores.best(k)
        assert values.shape == tokens.shape == (5, min(k, len(SHORTLIST)))
        for row in range(5):
            ranked = sorted(zip((-torch.log_softmax(logits[row], 0)).tolist(), SHORTLIST.tolist(), strict=True))
            assert tokens[row].tolist() == [token for _, token in ranked][:k]
            assert values[row].tolist() == pytest.approx([-value for value, _ in ranked][:k])


@pytest.mark.parametrize("height", [0.0, 200.0])
def test_logits_that_are_spent_are_computed_again(logits: Tensor, height: float) -> None:
    """The k best take the room of the logits for their powers, if these can be had again, and never those of somebody else."""
    asked = 0

    def compute() -> Tensor:
        nonlocal asked
        asked += 1
        return logits + height

    scores, kept = Scores(compute, SHORTLIST), Scores(logits + height, SHORTLIST)
    for _ in range(2):
        for found, wanted in zip(scores.best(2), kept.best(2), strict=True):
            torch.testing.assert_close(found, wanted)
    assert asked == 2
    torch.testing.assert_close(scores.log_probs(), torch.log_softmax(logits, 1))
    assert torch.equal(kept.logits, logits + height)
    read_before = Scores(compute, SHORTLIST)
    before = read_before.logits
    read_before.best(2)
    assert torch.equal(before, logits + height)


def test_logits_with_gradients_are_not_spent(logits: Tensor) -> None:
    weight = torch.ones(len(SHORTLIST), dtype=torch.float64, requires_grad=True)
    scores = Scores(lambda: logits * weight, SHORTLIST)
    (_,) = torch.autograd.grad(scores.best(2)[0].sum(), weight)
    assert torch.equal(scores.logits, logits)


def test_the_highest_is_the_best_by_its_raw_score(logits: Tensor) -> None:
    scores = Scores(logits, SHORTLIST)
    values, tokens = scores.highest()
    assert "normaliser" not in vars(scores)
    assert tokens.tolist() == scores.best(1)[1][:, 0].tolist()
    assert values.tolist() == logits.amax(1).tolist()


@pytest.mark.parametrize("height", [17.0, 200.0, 1e4])
def test_the_best_are_told_before_the_normaliser_of_high_logits(height: float) -> None:
    """What top-k found first is what is taken off before the powers: were it another, they would run over a float."""
    logits = torch.zeros(2, 6)
    logits[0, 1], logits[1, 4] = height, height
    log_probs, ids = Scores(logits, SHORTLIST).best(2)
    assert ids[:, 0].tolist() == [4, 12]
    torch.testing.assert_close(log_probs, torch.tensor([[0.0, -height]] * 2), atol=1e-6, rtol=1e-6)


def test_of_is_the_column_or_impossible(logits: Tensor) -> None:
    scores = Scores(logits, SHORTLIST)
    for token in range(50):
        found = scores.of(torch.full((5,), token))
        if token in SHORTLIST.tolist():
            place = SHORTLIST.tolist().index(token)
            torch.testing.assert_close(found, torch.log_softmax(logits, 1)[:, place])
        else:
            assert found.tolist() == [-torch.inf] * 5
    mixed = torch.tensor([[3, 0], [5, 0], [40, 0], [99, 0], [12, 0]])[:, 0]  # one token a row, not contiguous
    assert [value > -torch.inf for value in scores.of(mixed).tolist()] == [True, False, True, False, True]


def test_an_impossible_column_stays_impossible(logits: Tensor) -> None:
    logits[:, 2] = -torch.inf
    scores = Scores(logits, SHORTLIST)
    assert scores.of(torch.full((5,), 7)).tolist() == [-torch.inf] * 5
    assert scores.best(6)[1][:, 5].tolist() == [7] * 5
    torch.testing.assert_close(scores.log_probs().exp().sum(1), torch.ones(5, dtype=torch.float64))


def test_normaliser_and_attention_are_made_when_asked_for_and_once(logits: Tensor) -> None:
    asked = []

    def attention() -> Tensor:
        asked.append(1)
        return torch.ones(5, 2)

    scores = Scores(logits, SHORTLIST, attention)
    assert "normaliser" not in vars(scores)
    assert not asked
    assert scores.attention is scores.attention
    assert asked == [1]
    assert scores.normaliser is scores.normaliser
    assert Scores(logits, SHORTLIST).attention is None


def test_a_normaliser_that_is_handed_on_is_kept() -> None:
    """Banning a token makes no other one more probable; log-probabilities that are there already are not normalised again."""
    logits = torch.randn(3, 9, dtype=torch.float64)
    plain = Scores(logits, torch.arange(9))
    banned = Scores(
        logits.index_fill(1, torch.tensor([4]), -torch.inf), torch.arange(9), normaliser=lambda: plain.normaliser
    )
    kept = [column for column in range(9) if column != 4]
    torch.testing.assert_close(banned.log_probs()[:, kept], plain.log_probs()[:, kept])
    assert bool(torch.isneginf(banned.of(torch.full((3,), 4))).all())
    again = Scores(plain.log_probs(), torch.arange(9), normaliser=lambda: torch.zeros(3, 1, dtype=torch.float64))
    torch.testing.assert_close(again.best(3)[0], plain.best(3)[0])
