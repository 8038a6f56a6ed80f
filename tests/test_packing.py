"""Packed weights give the product that weights give."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from nmt_cli.models.layers import Output, embedding_table
from nmt_cli.models.packing import packed
from nmt_cli.text.tokenizer import EOS, UNK


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
    output.pack()
    after = scored()
    assert torch.equal(after[0], before[0])
    torch.testing.assert_close(after[1], before[1], rtol=0, atol=1e-5)
    assert list(output.state_dict()) == names
