"""What this machine could do at best: the measure of every other figure."""

import time

import torch

from nmt_cli.bench.crew import everywhere
from nmt_cli.training.team import Team

_SIZES = (512, 1024, 2048)  # somewhere here lies the peak of an ordinary processor


def measured_peak(workers: int) -> float:
    """GFLOP/s of so many processes that share the cores, all at the same time. Raises ConfigError for less than one."""
    return sum(everywhere(_of_one, workers))


def gemm_peak(seconds: float) -> float:
    """GFLOP/s of large single-precision matrix products with the threads that torch uses now: the best size, the best of many."""
    return max(_best(size, seconds / len(_SIZES)) for size in _SIZES)


def _of_one(team: Team) -> float:
    del team
    return gemm_peak(1.0)


def _best(size: int, seconds: float) -> float:
    a, b, product = torch.randn(size, size), torch.randn(size, size), torch.empty(size, size)
    best, until = float("inf"), time.perf_counter() + seconds
    while best == float("inf") or time.perf_counter() < until:
        started = time.perf_counter()
        torch.mm(a, b, out=product)
        best = min(best, time.perf_counter() - started)
    return 2 * size**3 / best / 1e9
