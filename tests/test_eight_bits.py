"""Products in eight bits: exact where nothing is rounded, within its bound where it is, rows for themselves; the option."""

import statistics
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from nmt_cli.models import arithmetic, eight_bits
from nmt_cli.models.eight_bits import in_eight_bits
from nmt_cli.models.packing import EIGHT_BITS, EXACT, Packing
from nmt_cli.models.products import Layout, Product
from tests.conftest import Nmt
from tests.tiny import random_batch, random_model

multiplies_bytes = pytest.mark.skipif(not eight_bits.pays(), reason="this processor multiplies no bytes (VNNI)")
SIZES = pytest.mark.parametrize(("width", "columns"), [(8, 5), (48, 300), (128, 1000), (256, 33)])


def eight_bits_of(weight: Tensor, bias: Tensor) -> Product:
    product = in_eight_bits(weight, bias)
    assert product is not None
    return product


def log_probs(table: str) -> list[float]:
    """Of each line."""
    return [float(line.split("\t")[3]) for line in table.splitlines()]


def drawn(rows: int, width: int, seed: int) -> Tensor:
    """Rows of very different sizes."""
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(rows, width, generator=draw) * torch.logspace(-3, 2, rows)[:, None]


def whole(rows: int, width: int, seed: int) -> Tensor:
    """Rows of whole numbers up to 127, which each of them has, times powers of two."""
    draw = torch.Generator().manual_seed(seed)
    found = torch.randint(-127, 128, (rows, width), generator=draw).float()
    found[:, seed % width] = 127
    return found * torch.pow(2.0, torch.randint(-9, 4, (rows, 1), generator=draw))


@multiplies_bytes
@SIZES
@pytest.mark.parametrize("rows", [1, 5, 300])
def test_what_eight_bits_can_say_is_exact(rows: int, width: int, columns: int) -> None:
    values, weight, bias = whole(rows, width, 1), whole(columns, width, 2), drawn(1, columns, 3)[0]
    found = eight_bits_of(weight, bias)(values)
    wanted = values.double() @ weight.double().T + bias.double()
    sizes = values.double().abs() @ weight.double().abs().T  # float32 scales what was added up
    assert found.dtype == torch.float32
    assert float(((found - wanted).abs() / (sizes + bias.abs())).max()) < 1e-6


@multiplies_bytes
@SIZES
def test_what_is_rounded_is_off_by_half_a_step_at_most(width: int, columns: int) -> None:
    values, weight, bias = drawn(37, width, 1), drawn(columns, width, 2), drawn(1, columns, 3)[0]
    off = (eight_bits_of(weight, bias)(values) - (values.double() @ weight.double().T + bias)).abs()
    steps = [side.double().abs().amax(1, keepdim=True) / 127 for side in (values, weight)]
    left, right = values.double().abs(), weight.double().abs()
    most = left.sum(1)[:, None] * steps[1].T / 2 + steps[0] / 2 * (right + steps[1] / 2).sum(1)
    assert bool((off <= most * 1.001 + 1e-5 * (left @ right.T)).all())
    assert float(off.sum()) > 0


@multiplies_bytes
def test_a_row_does_not_depend_on_its_neighbours() -> None:
    values, product = drawn(40, 64, 1), eight_bits_of(drawn(500, 64, 2), drawn(1, 500, 3)[0])
    together = product(values)
    for place in range(0, 40, 7):
        torch.testing.assert_close(product(values[place : place + 1])[0], together[place], rtol=1e-6, atol=0.0)


@multiplies_bytes
def test_nothing_and_no_number() -> None:
    """A row of zeros is the bias; a row without numbers stays one, beside others that are sound."""
    weight, bias = drawn(50, 16, 2), drawn(1, 50, 3)[0]
    weight[3] = 0
    values = drawn(4, 16, 1)
    values[0], values[1, 5], values[2, 5] = 0, torch.nan, torch.inf
    found = eight_bits_of(weight, bias)(values)
    torch.testing.assert_close(found[0], bias)
    assert not bool(found[1:3].isfinite().any(1).all())
    assert bool(found[3].isfinite().all())
    assert found[3, 3] == bias[3]


@multiplies_bytes
def test_it_translates_nearly_the_same(own: Path, small: Path, nmt: Nmt) -> None:
    text = "".join(f"{line}\n" for line in (small / "a.en").read_text(encoding="utf-8").split("\n")[:30])
    for search in ("beam", "greedy", "sample"):
        exact, found = (
            nmt("translate", own, "--search", search, "--format", "tsv", *words, input=text)
            for words in ((), ("--int8",))
        )
        assert (found.exit_code, found.stderr) == (0, exact.stderr)
        assert len(found.stdout.splitlines()) == 30
        assert found.stdout != exact.stdout  # log-probabilities differ, if nothing else does
        if search != "sample":
            gaps = [abs(a - b) for a, b in zip(*map(log_probs, (exact.stdout, found.stdout)), strict=True)]
            assert statistics.median(gaps) < 0.3
    scored = nmt("evaluate", own, small / "a.en", small / "a.de", "--int8", "--resamples", 0)
    assert (scored.exit_code, "BLEU" in scored.stdout) == (0, True), scored.stderr
    joined = nmt("translate", own, "--int8", "--ensemble", own, input=text)
    assert (joined.exit_code, len(joined.stdout.splitlines())) == (0, 30), joined.stderr


def test_where_it_gains_nothing_it_is_not_done(own: Path, nmt: Nmt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eight_bits, "pays", bool)
    exact, found = (nmt("translate", own, *words, input="A man sings.\n") for words in ((), ("--int8",)))
    assert (found.exit_code, found.stdout) == (0, exact.stdout)
    assert found.stderr.startswith("warning: --int8 gains nothing: this processor does not multiply bytes (VNNI)")


@multiplies_bytes
@pytest.mark.parametrize("name", ["transformer", "transformer-post", "transformer-ssru"])
def test_layers_and_the_output_are_read_by_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several sentences, nearly what they say in float32; no weight of a test is large by itself."""
    source, read = random_batch(6, seed=2).source, [0, 0]
    monkeypatch.setattr(arithmetic, "LARGE", 1)

    def counting(place: int, layout: Layout) -> Any:
        def watched(weight: Tensor, bias: Tensor | None) -> Product:
            product = layout(weight, bias)
            assert product is not None

            def counted(values: Tensor) -> Tensor:
                read[place] += 1
                return product(values)

            return counted

        return watched

    def said(packing: Packing) -> Tensor:
        model = random_model(name, seed=2, dtype=torch.float32)
        model.pack(packing)
        with torch.no_grad():
            before, state = model.step(*model.start(source))
            scores, _ = model.step(5 + torch.arange(6), state)
            return torch.cat([before.log_probs(), scores.log_probs()])

    exact, found = said(EXACT), said(Packing(counting(0, in_eight_bits), counting(1, in_eight_bits)))
    assert read[0] >= 10
    assert read[1] == 2
    off = (exact.exp() - found.exp()).abs()
    assert 0 < float(off.mean()) < 0.02
    torch.testing.assert_close(said(EIGHT_BITS), found)


def test_what_cannot_be_read_by_it_is_read_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Doubles, and everything where the processor does not know how."""
    weight, bias, values = drawn(20, 8, 1), drawn(1, 20, 2)[0], drawn(3, 8, 3)
    assert in_eight_bits(weight.double(), bias.double()) is None
    monkeypatch.setattr(eight_bits, "pays", bool)
    assert in_eight_bits(weight, bias) is None
    torch.testing.assert_close(EIGHT_BITS.output(weight, bias)(values), values @ weight.T + bias)


@multiplies_bytes
def test_no_rows() -> None:
    product = eight_bits_of(drawn(20, 8, 1), drawn(1, 20, 2)[0])
    assert product(torch.empty(0, 8)).shape == (0, 20)
    assert product(torch.empty(2, 0, 8)).shape == (2, 0, 20)
