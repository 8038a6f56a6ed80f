"""The highest of all logits, found among few: it is the highest, whatever bytes say; where it cannot be found so, none is said."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from nmt_cli.models import eight_bits, sieve
from nmt_cli.models.eight_bits import in_eight_bits
from nmt_cli.models.layers import Output, embedding_table
from nmt_cli.models.packing import EXACT
from nmt_cli.models.sieve import Sieve
from nmt_cli.scoring.scores import Scores
from nmt_cli.search.ancestral import Greedy
from tests import laws
from tests.conftest import Nmt
from tests.tiny import random_batch, random_model

pytestmark = pytest.mark.skipif(not eight_bits.pays(), reason="this processor multiplies no bytes (VNNI)")
SIZES = pytest.mark.parametrize(("width", "columns"), [(16, 40), (48, 300), (128, 3000), (256, 1000)])


@pytest.fixture(autouse=True)
def anything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sieve, "LARGE", 1)
    monkeypatch.setattr(sieve, "FEW", 0)


def drawn(rows: int, width: int, seed: int) -> Tensor:
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(seed))


def twins(columns: int, width: int, seed: int) -> tuple[Tensor, Tensor]:
    """A weight of which every second row is nearly the one before it, so that bytes cannot tell them apart; and a bias."""
    weight, bias = drawn(columns, width, seed), drawn(1, columns, seed + 1)[0]
    weight[1::2] = weight[::2] + 0.002 * drawn(columns // 2, width, seed + 2)
    bias[1::2] = bias[::2]
    return weight, bias


def watched(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each step that asked was answered."""
    answered: list[bool] = []
    highest = Sieve.highest

    def noted(self: Sieve, values: Tensor) -> tuple[Tensor, Tensor] | None:
        found = highest(self, values)
        answered.append(found is not None)
        return found

    monkeypatch.setattr(Sieve, "highest", noted)
    return answered


@SIZES
def test_it_is_the_highest(width: int, columns: int) -> None:
    (weight, bias), values = twins(columns, width, 1), drawn(200, width, 4) * torch.logspace(-2, 1, 200)[:, None]
    found = Sieve(weight, bias).highest(values)
    assert found is not None
    exact = values.double() @ weight.double().T + bias
    two = exact.topk(2)
    sizes = values.norm(dim=1) * weight.norm(dim=1).max()
    clear = two.values[:, 0] - two.values[:, 1] > 1e-6 * sizes  # float32 can tell them apart
    assert int(clear.sum()) > 150
    assert torch.equal(found[1][clear], two.indices[clear, 0])
    assert bool(((found[0] - two.values[:, 0]).abs() <= 1e-6 * (sizes + bias.abs().max())).all())
    rough = in_eight_bits(weight, bias)
    assert rough is not None
    assert not torch.equal(rough(values).argmax(1)[clear], two.indices[clear, 0])  # the bytes alone are mistaken


@SIZES
def test_no_logit_is_farther_off_than_its_doubt(width: int, columns: int) -> None:
    (weight, bias), values = twins(columns, width, 1), drawn(200, width, 4) * torch.logspace(-2, 1, 200)[:, None]
    rough = in_eight_bits(weight, bias)
    assert rough is not None
    off = (rough(values).double() - (values.double() @ weight.double().T + bias)).abs()
    doubt = Sieve(weight, bias)._doubt(values)
    assert bool((off <= doubt).all())
    assert float((off / doubt).max()) > 0.1  # and not out of all proportion


def test_rows_without_numbers_are_known_by_their_logit() -> None:
    (weight, bias), values = twins(300, 32, 1), drawn(20, 32, 2)
    sound = Sieve(weight, bias).highest(values.clone())
    values[3, 5], values[4, 0], values[5] = torch.nan, torch.inf, torch.nan
    found = Sieve(weight, bias).highest(values)
    assert sound is not None
    assert found is not None
    rest = torch.ones(20, dtype=torch.bool)
    rest[3:6] = False
    assert not bool(found[0][[3, 5]].isfinite().any())
    assert not bool(found[0][4].isfinite())
    assert torch.equal(found[0][rest], sound[0][rest])
    assert torch.equal(found[1][rest], sound[1][rest])


def test_it_doubts_as_much_as_it_must() -> None:
    """Errors that all point the same way reach the bound: of the best downwards, and of the one that bytes take for it upwards."""
    width, columns = 64, 30
    values = torch.where(drawn(1, width, 1) > 0, 1.0, -1.0).expand(12, -1)  # are read as they are
    off = 0.49 * values[:1]
    weight = torch.round(drawn(columns, width, 2)).clamp(-2, 2)
    weight[:, 0] = 127  # what is read is whole
    weight[3, 1:] = torch.round(20 * values[0, 1:]) + off[0, 1:]
    weight[7, 1:] = torch.round(20 * values[0, 1:]) + values[0, 1:] - off[0, 1:]
    bias = torch.zeros(columns)
    bias[3] = float(weight[7] @ values[0] - weight[3] @ values[0]) + 0.5
    made, read = Sieve(weight, bias), in_eight_bits(weight, bias)
    assert read is not None
    rough, doubt = read(values)[0], float(made._doubt(values)[0])
    assert int(rough.argmax()) == 7
    assert 1.5 * doubt < float(rough[7] - rough[3]) < 2 * doubt
    found = made.highest(values)
    assert found is not None
    assert int(found[1][0]) == 3


def test_where_all_are_alike_none_is_said_and_soon_none_is_looked_for() -> None:
    alike = Sieve(torch.ones(500, 16), torch.zeros(500))
    for _ in range(20):
        assert alike.highest(drawn(9, 16, 1)) is None
    assert alike._in_vain == sieve._PATIENCE


def test_patience_is_for_times_in_a_row() -> None:
    made, clear, unclear = Sieve(torch.eye(64), torch.zeros(64)), torch.eye(64)[:12], torch.ones(12, 64)
    for _ in range(3):
        for _ in range(sieve._PATIENCE - 1):
            assert made.highest(unclear) is None
        assert made.highest(clear) is not None


def test_where_it_does_not_pay_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    (weight, bias), values = twins(300, 32, 1), drawn(20, 32, 2)
    assert sieve.sieve(weight, bias) is not None
    assert sieve.sieve(weight.double(), bias.double()) is None
    assert Sieve(weight, bias).highest(values) is not None
    monkeypatch.setattr(sieve, "FEW", 20)
    assert Sieve(weight, bias).highest(values) is None
    monkeypatch.setattr(sieve, "LARGE", weight.numel() + 1)
    assert sieve.sieve(weight, bias) is None
    monkeypatch.setattr(sieve, "LARGE", 1)
    monkeypatch.setattr(sieve, "pays", bool)
    assert sieve.sieve(weight, bias) is None


def test_gradients_are_no_obstacle() -> None:
    (weight, bias), values = twins(300, 32, 1), drawn(20, 32, 2)
    wanted, found = (Sieve(weight, bias).highest(given) for given in (values.clone(), values.requires_grad_()))
    assert wanted is not None
    assert found is not None
    assert torch.equal(wanted[1], found[1])


@pytest.mark.parametrize("first", [1, 2, 3])
def test_scores_say_the_same_with_it_and_without(first: int) -> None:
    """Whatever ids come before those that can be produced; and what is left aside is computed when it is asked for."""
    output, hidden = Output(embedding_table(400, 16), first), drawn(30, 16, 5)

    def scored() -> Scores:
        return output.scores(hidden)

    with torch.inference_mode():
        output.bias.copy_(drawn(1, 400, 6)[0])
        wanted = scored()
        highest, log_probs = wanted.highest()[1], wanted.best(1)[0][:, 0]
        output.pack(EXACT)
        found = scored()
        ids = found.highest()[1]
        assert "logits" not in vars(found)
        assert torch.equal(ids, highest)
        torch.testing.assert_close(found.of(ids), log_probs)


@pytest.mark.parametrize("name", ["transformer", "transformer-ssru", "recurrent", "lstm-feeding"])
def test_greedy_search_finds_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the packed model, while its sentences leave one after the other."""
    source, asked = random_batch(30, seed=3).source, watched(monkeypatch)
    monkeypatch.setattr(sieve, "_MANY", 1.05)
    monkeypatch.setattr(sieve, "_PATIENCE", 100)

    def found(packs: bool) -> list[tuple[int, ...]]:
        model = random_model(name, seed=2, dtype=torch.float32)
        if packs:
            model.pack()
        ends = laws.run(model, Greedy(weighed=False), source, laws.sentences_of(source))
        return [each[0].tokens for each in ends]

    wanted = found(False)
    assert asked == []
    assert found(True) == wanted
    assert set(asked) == {True, False}  # some steps were answered, and some were not


def test_it_translates_the_same(own: Path, small: Path, nmt: Nmt, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (small / "a.en").read_text(encoding="utf-8").split("\n")[:40]
    text = "".join(f"{line}\n" for line in lines)
    asked = watched(monkeypatch)
    found = nmt("translate", own, "--search", "greedy", input=text)
    assert any(asked)
    monkeypatch.setattr(sieve, "pays", bool)
    exact = nmt("translate", own, "--search", "greedy", input=text)
    assert (found.exit_code, found.stdout) == (0, exact.stdout)
