"""What a CPU has to be told before long work: a training, or a translation."""

import ctypes
import sys

import torch

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # mallopt(3)


def tune() -> None:
    """Keep freed memory, and flush denormal numbers.

    glibc gives each large block back to the system when it is freed, and the system fills the next one with zeros page by page:
    for the large tensors of a training or a search that is a fifth of the time. Numbers below 1e-38 slow recurrent models by an
    order of magnitude.
    """
    torch.set_flush_denormal(True)
    if sys.platform.startswith("linux"):
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
        if mallopt is not None:
            mallopt(_MMAP_MAX, 0)
            mallopt(_TRIM_THRESHOLD, 2**31 - 1)
