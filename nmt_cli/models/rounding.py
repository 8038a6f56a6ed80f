"""Products in bfloat16 while a model learns: an approximation, quicker where the processor multiplies it (AVX-512 BF16, AMX).

PyTorch's autocast rounds what the products of layers read, and what they give, to the 8 leading bits of float32, whose range stays,
so that nothing has to be scaled (Kalamkar et al. 2019). Weights, the optimizer, norms and the way round the layers stay in float32,
and gradients are added up in it: that of a product by its weight is rounded once. What adds up over many steps, or over a
vocabulary, says here that it calculates whole. Dev and test are measured in float32.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import torch

Forward = TypeVar("Forward", bound=Callable[..., Any])


def in_float32(forward: Forward) -> Forward:
    """The forward pass of a Function that calculates whole, whatever surrounds it: what comes in rounded is widened."""
    found: Forward = torch.amp.custom_fwd(forward, device_type="cpu", cast_inputs=torch.float32)
    return found


def rounded() -> AbstractContextManager[None]:
    """Here, products are rounded to bfloat16."""
    # A rounded weight that is kept would add up in bfloat16 what comes back from all the products that read it.
    return torch.autocast("cpu", torch.bfloat16, cache_enabled=False)


def whole() -> AbstractContextManager[None]:
    """Here, nothing is rounded."""
    return torch.autocast("cpu", enabled=False)


def is_rounded() -> bool:
    """Whether products are."""
    return torch.is_autocast_enabled("cpu")


def pays() -> bool:
    """Whether this processor is known to multiply bfloat16."""
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # an older PyTorch cannot tell
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
