"""How many keys attention should look at in decoding: at least as many as fill a vector of the processor.

PyTorch's softmax takes numbers by whole vectors, and fewer than one vector of them one by one; MKL's small products like whole
vectors too. Measured for 150 sentences with 4 heads and 5 queries: 1,171 us with 15 keys, 341 with 16, where a vector holds 16
(AVX-512); 639 with 7, 270 with 8, where it holds 8 (AVX2). So few keys are filled up with some that are hidden, to which softmax
gives 0. The single query that greedy search has for its own past would gain too (262 and 116 us), but there nothing is hidden yet.
"""

import torch

LANES = 16 if torch.backends.cpu.get_cpu_capability() == "AVX512" else 8
"""Float32 numbers in a vector."""


def filled(keys: int) -> int:
    """How many to look at instead of so many; there may be none."""
    return max(keys, LANES) if keys else 0
