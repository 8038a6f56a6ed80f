"""What a toolkit is to the benchmark: a command that trains, and lines of its log that say how fast."""

from __future__ import annotations

import os
import re
import subprocess
import time
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Timer
from typing import ClassVar

from nmt_cli.settings import Settings
from tests.benchmarks.contest import Unavailable
from tests.benchmarks.peers.environment import python_with, version
from tests.benchmarks.peers.text import Text

_PATIENCE = 600.0  # seconds in which it must have reported for the first time


@dataclass(frozen=True)
class Peer(ABC):
    """One toolkit, with environments in a cache folder, on as many cores."""

    cache: Path
    cores: int

    name: ClassVar[str]
    packages: ClassVar[tuple[str, ...]]
    """The first is the toolkit; the others are what it needs and forgets to say."""
    torch: ClassVar[bool] = True
    """Whether it needs it."""
    threads: ClassVar[bool] = True
    """Whether its operators use several threads; else it starts threads itself."""
    rate: ClassVar[re.Pattern[str]]
    """Target tokens a second, in a line of its log."""

    @abstractmethod
    def command(self, settings: Settings, text: Text, folder: Path) -> list[str]:
        """What trains such a model, with a folder for whatever it writes; without the interpreter.

        Raises Unavailable for a model that it has not.
        """

    @property
    def python(self) -> Path:
        """The interpreter that has it. Raises Unavailable where it cannot be installed."""
        return python_with(self.cache / self.name.lower(), self.packages, torch=self.torch)

    @property
    def title(self) -> str:
        """Name and version. Raises Unavailable where it cannot be installed."""
        return f"{self.name} {version(self.python, self.packages[0])}"

    def speed(self, settings: Settings, text: Text, seconds: float) -> float:
        """Target tokens a second, over so many seconds behind its first report. Raises Unavailable where it does not train."""
        with TemporaryDirectory() as folder:
            command = [str(self.python), *self.command(settings, text, Path(folder))]
            environment = {**os.environ, "OMP_NUM_THREADS": str(self.cores if self.threads else 1)}
            with subprocess.Popen(
                command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, encoding="utf-8", errors="replace",
            ) as process:  # fmt: skip
                try:
                    return self._listen(process, seconds)
                finally:
                    process.kill()

    def _listen(self, process: subprocess.Popen[str], seconds: float) -> float:
        """Each report covers the time since the last; the first, which covers the start, only begins the count."""
        assert process.stdout is not None
        last: deque[str] = deque(maxlen=1)
        alarm, since = _alarm(process, _PATIENCE), 0.0
        tokens, spent = 0.0, 0.0
        for line in process.stdout:
            last.extend([line.strip()] if line.strip() else [])
            found, now = self.rate.search(line), time.perf_counter()
            if found is None:
                continue
            if since:
                tokens, spent = tokens + float(found[1].replace(",", "")) * (now - since), spent + now - since
            else:
                alarm.cancel()
                alarm = _alarm(process, seconds)
            since = now
        alarm.cancel()
        if not spent:
            raise Unavailable(f"did not train: {' '.join(last)[:200] or 'it said nothing'}")
        return tokens / spent


def _alarm(process: subprocess.Popen[str], seconds: float) -> Timer:
    """End a process in so many seconds."""
    alarm = Timer(seconds, process.kill)
    alarm.daemon = True
    alarm.start()
    return alarm


def transformer_of(settings: Settings) -> bool:
    """Whether a model is a Transformer of the kind that everybody has."""
    return settings.model.architecture == "transformer"
