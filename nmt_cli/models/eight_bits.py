"""Products in eight bits: an approximation, quicker where the processor multiplies bytes (VNNI).

    x W^T + b  ~  s_x s_w (q_x q_w^T) + b,    s = max |row| / 127,  q = row / s, rounded

Each row of W has a scale, and each row of x, so that what becomes of a row does not depend on those beside it; the products of
bytes are added up exactly (Jacob et al. 2018). A sentence by itself is decoded over arrays (``solo``), in float32, which is
quicker for its few rows: its log-probabilities differ from those in a batch by what eight bits round off.

Rounding x costs a few passes over it, and so does scaling what comes out, so small weights and few rows gain nothing. Measured on a
Zen 4: 300 rows of 128 x 10,000 take 3.3 ms instead of 7.5, of 256 x 1,024 and 1,024 x 256 0.5 to 0.6 instead of 1.4; 30 rows two
thirds of the time; 5 rows twice as long.
"""

from functools import cache

import torch
from torch import Tensor

from nmt_cli.models.products import Product

_MOST = 127
_SIGN = 128  # the bit that the processor does not want on one of both sides: it takes q + 128 there
_LEAST = 1e-30  # of what is largest in a row: a row of zeros stays one


def pays() -> bool:
    """Whether this processor multiplies bytes, and this build of PyTorch knows how, without loss."""
    built = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    known = built and all(hasattr(torch.ops.onednn, name) for name in ("qlinear_prepack", "qlinear_pointwise"))
    # A later PyTorch may call it otherwise: then nothing is gained, and nothing is lost.
    supported = getattr(torch.cpu, "_is_vnni_supported", bool)
    return known and bool(supported()) and _adds_up()


@cache
def _adds_up() -> bool:
    """Where oneDNN was told to do without VNNI (``ONEDNN_MAX_CPU_ISA``) it adds in 16 bits, which the largest bytes do not fit."""
    width = 64
    layout = torch.ops.onednn.qlinear_prepack(torch.full((width, width), _MOST, dtype=torch.int8), None)
    most, zeros = torch.full((width, width), 255, dtype=torch.uint8), torch.zeros(width, dtype=torch.int32)
    found: Tensor = torch.ops.onednn.qlinear_pointwise(
        most, 1.0, 0, layout, torch.ones(width), zeros, None, 1.0, 0, torch.float32, "none", [], ""
    )
    return bool((found == width * 255 * _MOST).all())


def in_eight_bits(weight: Tensor, bias: Tensor | None) -> Product | None:
    """x W^T + b, nearly, for a ``weight`` (V, D), of which a copy of a quarter of its size is kept, and a ``bias`` (V,).

    None where that does not pay, or the weight has another type than float32.
    """
    if weight.dtype != torch.float32 or not pays():
        return None
    largest = _largest(weight)
    layout, scales = torch.ops.onednn.qlinear_prepack(_whole(weight, largest), None), largest[:, 0] / _MOST
    zeros, multiply = torch.zeros(len(weight), dtype=torch.int32), torch.ops.onednn.qlinear_pointwise.default

    def read(values: Tensor) -> Tensor:
        rows = values.reshape(-1, values.shape[-1])
        most = _largest(rows)
        # By way of int8: PyTorch turns floats into bytes without a sign one by one.
        whole = _whole(rows, most).view(torch.uint8).bitwise_xor_(_SIGN)
        found: Tensor = multiply(
            whole, 1 / _MOST, _SIGN, layout, scales, zeros, None, 1.0, 0, torch.float32, "none", [], ""
        )
        found = found.mul_(most) if bias is None else torch.addcmul(bias, found, most)
        return found.view(*values.shape[:-1], len(scales))

    return read


def as_read(rows: Tensor) -> Tensor:
    """What is multiplied instead of rows (N, D), be they those of x or of W."""
    largest = _largest(rows)
    return _whole(rows, largest) * (largest / _MOST)


def _largest(rows: Tensor) -> Tensor:
    """(N, 1) of each row."""
    return rows.abs().amax(1, keepdim=True).clamp_(min=_LEAST)


def _whole(rows: Tensor, largest: Tensor) -> Tensor:
    """As bytes with a sign."""
    return (rows * (_MOST / largest)).round_().to(torch.int8)
