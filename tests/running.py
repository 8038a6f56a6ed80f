"""Processes that a test has started, and what they have started."""

import subprocess
import time
from collections.abc import Callable


def wait_until(happened: Callable[[], bool]) -> None:
    """For at most three minutes: the machine may be busy."""
    for _ in range(1800):
        if happened():
            return
        time.sleep(0.1)
    raise AssertionError("it has not happened")


def workers_of(leader: int) -> list[int]:
    """The processes that it has begun to share its work with."""
    return [pid for pid, words in _listed("--ppid", str(leader)) if "spawn_main" in words]


def running(pid: int) -> bool:
    """Whether it has not ended."""
    return any("<defunct>" not in words for _, words in _listed("-p", str(pid)))


def _listed(*which: str) -> list[tuple[int, str]]:
    found = subprocess.run(["ps", "-ww", "-o", "pid=,args=", *which], capture_output=True, check=False)
    rows = (line.split(maxsplit=1) for line in found.stdout.decode(errors="replace").splitlines())
    return [(int(row[0]), row[-1]) for row in rows]
