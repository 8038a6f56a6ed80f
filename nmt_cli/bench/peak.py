"""What this machine could do at best: the measure of every other figure."""

import statistics
import time

import torch

from nmt_cli.bench.crew import everywhere
from nmt_cli.training.team import Team

_SIZES = (512, 1024, 2048)  # somewhere here lies the peak of an ordinary processor


def measured_peak(workers: int) -> float:
    """GFLOP/s of so many processes that share the cores, all at the same time. Raises ConfigError for less than one."""
    return sum(everywhere(_of_one, workers))


def gemm_peak(seconds: float) -> float:
    """GFLOP/s of large single-precision matrix products with the threads that torch uses now: the best size, the median of many.

    The median, since what is held against it is a mean over some time too: on a machine that is shared the best of many is luck.
    """
    return max(_usual(size, seconds / len(_SIZES)) for size in _SIZES)


def _of_one(team: Team) -> float:
    del team
    return gemm_peak(1.0)


def _usual(size: int, seconds: float) -> float:
    a, b, product = torch.randn(size, size), torch.randn(size, size), torch.empty(size, size)
    spent, until = list[float](), time.perf_counter() + seconds
    while not spent or time.perf_counter() < until:
        started = time.perf_counter()
        torch.mm(a, b, out=product)
        spent.append(time.perf_counter() - started)
    return 2 * size**3 / statistics.median(spent) / 1e9
