"""Packed weights give the product that weights give."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from nmt_cli.models import arithmetic
from nmt_cli.models.arithmetic import Weights
from nmt_cli.models.layers import Output, embedding_table
from nmt_cli.models.packing import EXACT, Packing
from nmt_cli.models.products import Product, laid_out, packed
from nmt_cli.text.tokenizer import EOS, UNK
from tests.tiny import random_batch, random_model


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("rows", [1, 2, 7, 300])
@pytest.mark.parametrize("sizes", [(1, 1), (5, 3), (301, 16)])
def test_the_product(sizes: tuple[int, int], rows: int, dtype: torch.dtype) -> None:
    torch.manual_seed(rows)
    weight, bias, values = (
        torch.randn(sizes, dtype=dtype),
        torch.randn(sizes[0], dtype=dtype),
        torch.randn(rows, sizes[1]),
    )
    with torch.inference_mode():
        found = packed(weight, bias)(values.to(dtype))
    assert found.dtype == dtype
    tolerance = 1e-5 if dtype == torch.float32 else 0.0
    torch.testing.assert_close(found, functional.linear(values.to(dtype), weight, bias), rtol=0, atol=tolerance)


@pytest.mark.parametrize("shape", [(5,), (300,), (2, 3)])
@pytest.mark.parametrize("biased", [True, False])
def test_the_product_of_any_shape_where_it_can_be_laid_out(shape: tuple[int, ...], biased: bool) -> None:
    torch.manual_seed(3)
    weight, values = torch.randn(301, 16), torch.randn(*shape, 16)
    bias = torch.randn(301) if biased else None
    read = laid_out(weight, bias)
    if read is None:
        pytest.skip("this build of PyTorch packs no weights")
    wanted = functional.linear(values, weight, bias)
    weight.zero_()  # what was laid out is a copy
    with torch.inference_mode():
        torch.testing.assert_close(read(values), wanted, rtol=0, atol=1e-5)


def test_doubles_are_not_laid_out() -> None:
    assert laid_out(torch.randn(5, 3, dtype=torch.float64), None) is None


@pytest.mark.parametrize("name", ["transformer", "transformer-post", "transformer-ssru", "transformer-rotary"])
@pytest.mark.parametrize(("sentences", "rows"), [(1, 1), (1, arithmetic.MANY), (1, 9), (3, 2)])
def test_large_weights_say_what_small_ones_say(
    name: str, sentences: int, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many rows as you like of a sentence, and of several; no weight of a test is large by itself."""
    source = random_batch(sentences, seed=2).source
    tokens = 5 + torch.arange(sentences * rows) % 6

    def said(packing: Packing = EXACT) -> Tensor:
        model = random_model(name, seed=2, dtype=torch.float32)
        model.pack(packing)
        with torch.no_grad():
            _, state = model.step(*model.start(source))
            scores, _ = model.step(tokens, state.reorder(torch.arange(sentences).repeat_interleave(rows)))
            found: Tensor = scores.log_probs()
            return found

    small = said()
    read: list[int] = []

    def watched(weight: Tensor, bias: Tensor | None) -> Product | None:
        layout = laid_out(weight, bias)

        def product(values: Tensor) -> Tensor:
            assert layout is not None
            read.append(len(values))
            return layout(values)

        return None if layout is None else product

    monkeypatch.setattr(arithmetic, "LARGE", 1)
    monkeypatch.setattr(arithmetic, "laid_out", watched)
    torch.testing.assert_close(said(Packing(watched, packed)), small, rtol=0, atol=1e-4)
    if laid_out(torch.ones(1, 1), None) is not None:
        assert sentences * rows in read  # one row among them: that of the encoder


@pytest.mark.parametrize("first", [EOS, UNK])
def test_a_packed_output_layer_scores_as_before(first: int) -> None:
    """It has the same columns, and no weights but those that it had."""
    torch.manual_seed(1)
    output, hidden = Output(embedding_table(50, 8), first), torch.randn(3, 8)
    names = list(output.state_dict())

    def scored() -> tuple[Tensor, Tensor]:
        with torch.inference_mode():
            scores = output.scores(hidden)
            return scores.columns, scores.log_probs()

    before = scored()
    output.pack(EXACT)
    after = scored()
    assert torch.equal(after[0], before[0])
    torch.testing.assert_close(after[1], before[1], rtol=0, atol=1e-5)
    assert list(output.state_dict()) == names


def test_copies_are_made_when_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packing makes none; text in batches needs no columns, which are for a line by itself."""
    if laid_out(torch.ones(1, 1), None) is None:
        pytest.skip("this build of PyTorch packs no weights")
    monkeypatch.setattr(arithmetic, "LARGE", 1)
    made: list[Weights] = []

    def weights_of(layers: Sequence[nn.Linear]) -> Weights:
        made.append(Weights(layers))
        return made[-1]

    monkeypatch.setattr(arithmetic, "Weights", weights_of)
    model = random_model("transformer", seed=2, dtype=torch.float32)
    model.pack()

    def copies() -> tuple[int, int]:
        """Columns, and layouts."""
        return sum("columns" in vars(each) for each in made), sum(map(bool, (each._laid_out for each in made)))

    def read(sentences: int) -> tuple[int, int]:
        with torch.inference_mode():
            _, state = model.step(*model.start(random_batch(sentences, seed=2).source))
            model.step(torch.full((sentences,), 5), state)
        return copies()

    assert made
    assert copies() == (0, 0)
    columns, layouts = read(3)
    assert columns == 0 < layouts
    assert read(1)[0] > 0
    assert read(1)[1] == layouts


def test_an_output_layer_copies_what_is_read() -> None:
    if laid_out(torch.ones(1, 1), None) is None:
        pytest.skip("this build of PyTorch packs no weights")
    for rows, read in ((1, "_one"), (2, "_many")):
        product = packed(torch.randn(5, 3), torch.randn(5))
        assert {"_one", "_many"} & vars(product).keys() == set()
        product(torch.randn(rows, 3))
        assert {"_one", "_many"} & vars(product).keys() == {read}
