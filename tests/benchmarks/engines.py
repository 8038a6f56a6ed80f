"""A process with one engine that translates: our own, or CTranslate2 with the same weights.

    python -m tests.benchmarks.engines < a request in JSON

Each engine has a process of its own, since CTranslate2 reads in its environment which matrix products it takes, and since memory
is that of a process. It translates once to be warm and once to be measured; tokenising and putting together are in the time. Both
normalise lengths alike, and stop a sentence at K finished hypotheses, as CTranslate2 does by itself. Linux only.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from nmt_cli.inference import workers
from nmt_cli.inference.ctranslate2 import TOOLKIT, Loaded
from nmt_cli.inference.together import Together
from nmt_cli.models import eight_bits
from nmt_cli.runs import shortlist
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.runs.exported import open_exported
from nmt_cli.runs.processes import available_cores
from nmt_cli.search import STRATEGIES
from nmt_cli.search.options import SearchOptions
from tests.benchmarks.contest import Unavailable

_TOKENS = 4096  # of a batch of CTranslate2
PRUNE = 1.5  # as the README advises
_PATIENCE = 1.0  # times K hypotheses that have ended

Translate = Callable[[Sequence[str]], list[str]]


@dataclass(frozen=True)
class Request:
    """What a process is asked for."""

    model: str
    beam: int  # 1: greedy
    workers: int
    exported: bool  # to CTranslate2
    lines: tuple[str, ...]
    single: bool  # one line at a time, as they come; else all at once
    quicker: bool = False  # ours, with --prune, --int8 where it pays, and for beams --shortlist where there is one


@dataclass(frozen=True)
class Answer:
    """What a process says."""

    seconds: float
    texts: list[str]
    mebibytes: float  # at most, of all its processes


def ask(request: Request, environment: dict[str, str]) -> Answer:
    """In a process of its own, with more in its environment. Raises Unavailable where it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.engines"], input=json.dumps(asdict(request)), capture_output=True,
        encoding="utf-8", env={**os.environ, "OPENBLAS_NUM_THREADS": "1", **environment}, check=False,  # as nmt does
    )  # fmt: skip
    if done.returncode:
        raise Unavailable(" ".join(done.stderr.split())[-300:] or "it said nothing")
    return Answer(**json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """From standard input to standard output."""
    request = Request(**json.load(sys.stdin))
    at_once = [[line] for line in request.lines] if request.single else [list(request.lines)]
    with (_ctranslate2 if request.exported else _ours)(request) as translate:
        for lines in at_once:
            translate(lines)
        started = time.perf_counter()
        texts = [text for lines in at_once for text in translate(lines)]
        answer = Answer(time.perf_counter() - started, texts, _most_memory())
    print(json.dumps(asdict(answer)))


def _most_memory() -> float:
    """In mebibytes: the most that this process has had, and each that it has started and that still runs.

    Not by ``getrusage``, where a process begins with what the one had that started it.
    """
    found = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = dict(line.split(":", 1) for line in (folder / "status").read_text(encoding="utf-8").splitlines())
        except OSError:  # it has just ended
            continue
        if os.getpid() in (int(status["Pid"]), int(status["PPid"])) and "VmHWM" in status:
            found += int(status["VmHWM"].split()[0])
    return found / 1024


@contextmanager
def _ours(request: Request) -> Iterator[Translate]:
    options = SearchOptions(
        beam=request.beam, prune=PRUNE if request.quicker else None, patience=_PATIENCE, weighed=False
    )
    strategy = STRATEGIES["greedy" if request.beam == 1 else "beam"].of(options)
    directory = ModelDirectory.open(Path(request.model))
    # greedy search looks at most logits in bytes alone, which is quicker than to choose candidates for each batch
    shortlisted = request.quicker and request.beam > 1 and (directory.path / shortlist.FILE).exists()
    together = Together(shortlist=shortlisted, int8=request.quicker and eight_bits.pays())
    if request.workers == 1:
        torch.set_num_threads(available_cores())
    with workers.translator(
        directory, strategy, lines=len(request.lines), wanted=request.workers, together=together
    ) as translator:
        yield lambda lines: [translation.text for translation in translator.translate(lines)]


@contextmanager
def _ctranslate2(request: Request) -> Iterator[Translate]:
    """Everything in one call, which it sorts and cuts into batches itself; the limit of the longest line is that of all."""
    directory = open_exported(Path(request.model), TOOLKIT)
    loaded, tokenizer = Loaded.open(directory, workers=request.workers), directory.tokenizer
    longest = max(loaded.limit(len(tokenizer.encode(line)) + 1) for line in request.lines)
    beam: dict[str, Any] = {"beam_size": request.beam, "length_penalty": SearchOptions().length_penalty}

    def translate(lines: Sequence[str]) -> list[str]:
        found = loaded.engine.translate_batch(
            [[loaded.names[index] for index in ids] for ids in map(tokenizer.encode, lines)], max_batch_size=_TOKENS,
            batch_type="tokens", max_decoding_length=longest, **(beam if request.beam > 1 else {"beam_size": 1}),
        )  # fmt: skip
        return [tokenizer.target.decode([loaded.ids[name] for name in each.hypotheses[0]]) for each in found]

    yield translate


if __name__ == "__main__":
    main()
