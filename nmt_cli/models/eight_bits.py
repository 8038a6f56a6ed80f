"""The output layer in eight bits: an approximation, quicker where the processor multiplies bytes (VNNI).

    x W^T + b  ~  s_x s_w (q_x q_w^T) + b,    s = max |row| / 127,  q = row / s, rounded

Each row of W has a scale, and each row of x, so that what becomes of a row does not depend on its neighbours; the products of bytes
are added up exactly. The output layer is most of what a small model multiplies, and wide enough to repay the rounding of x: other
layers are not. Measured on a Zen 4, 128 wide, 10,000 columns: 300 rows take 3.2 ms instead of 7.2, 30 take 0.31 instead of 0.71.
"""

import torch
from torch import Tensor

from nmt_cli.models.products import Product

_MOST = 127
_LEAST = 1e-30  # of a scale: a row of zeros stays one


def pays() -> bool:
    """Whether this processor multiplies bytes, and this build of PyTorch knows how."""
    known = all(hasattr(torch.ops.onednn, name) for name in ("qlinear_prepack", "qlinear_pointwise"))
    supported = getattr(
        torch.cpu, "_is_vnni_supported", bool
    )  # newer ones may call it otherwise: then nothing is gained
    return known and bool(supported())


def in_eight_bits(weight: Tensor, bias: Tensor) -> Product:
    """x W^T + b (N, V), nearly, for a ``weight`` (V, D), of which a copy of a quarter of its size is kept, and a ``bias`` (V,)."""
    scales = weight.abs().amax(1).div_(_MOST).clamp_(min=_LEAST)
    layout = torch.ops.onednn.qlinear_prepack((weight / scales[:, None]).round_().to(torch.int8), None)
    zeros, multiply = torch.zeros(len(weight), dtype=torch.int32), torch.ops.onednn.qlinear_pointwise.default

    def read(values: Tensor) -> Tensor:
        most = values.abs().amax(1, keepdim=True).clamp_(min=_LEAST)
        # The processor wants the one side without a sign, moved by 128: and so it rounds by cutting off.
        rows = (values * (_MOST / most)).add_(128.5).to(torch.uint8)
        found: Tensor = multiply(
            rows, 1 / _MOST, 128, layout, scales, zeros, None, 1.0, 0, torch.float32, "none", [], ""
        )
        return torch.addcmul(bias, found, most, out=found)

    return read
