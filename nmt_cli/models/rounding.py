"""Products in bfloat16 while a model learns: an approximation, quicker where the processor multiplies it (AVX-512 BF16, AMX).

PyTorch's autocast rounds what the products of layers read to the 8 leading bits of float32, whose range stays, so that nothing has
to be scaled (Kalamkar et al. 2019). Weights and their gradients, the optimizer, norms and the way round the layers stay in float32.
What adds up over many steps, or over a vocabulary, says here that it calculates whole.
"""

import platform
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
    """Here, what products read is rounded to bfloat16."""
    return torch.autocast("cpu", torch.bfloat16)


def whole() -> AbstractContextManager[None]:
    """Here, nothing is rounded."""
    return torch.autocast("cpu", enabled=False)


def is_rounded() -> bool:
    """Whether what products read is rounded."""
    return torch.is_autocast_enabled("cpu")


def pays() -> bool:
    """Whether this processor multiplies bfloat16; where PyTorch cannot tell, that it does."""
    if platform.machine().lower() not in {"x86_64", "amd64"}:
        return True
    # A later PyTorch may call them otherwise.
    known = [getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")]
    return any(supported is None or supported() for supported in known)
