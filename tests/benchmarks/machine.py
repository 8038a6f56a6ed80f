"""What this machine could do at best: the baseline of every other figure."""

import time

import torch


def gemm_peak(seconds: float = 1.0, size: int = 1024) -> float:
    """GFLOP/s of a large single-precision matrix product with the threads that torch uses now; the best of many."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    best, until = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < until:
        started = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - started)
    return 2 * size**3 / best / 1e9
