"""One run of ``nmt translate``: from files or stdin, through a translator, to a file or stdout."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

from nmt_cli import console
from nmt_cli.corpus.reader import STDIN, lenient_lines, open_bytes
from nmt_cli.errors import ConfigError
from nmt_cli.inference import workers
from nmt_cli.inference.formats import FORMATS, Row
from nmt_cli.inference.translator import SPLIT, Translation, Translator
from nmt_cli.runs import files
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.search import STRATEGIES
from nmt_cli.search.base import SearchStrategy
from nmt_cli.search.options import SearchOptions
from nmt_cli.settings import SearchSettings, check


@dataclass(frozen=True)
class Job:
    """What the user asked for; None: as the model's settings say."""

    model: Path
    files: tuple[Path, ...] = ()
    output: Path | None = None
    search: str = "beam"
    beam: int | None = None
    length_penalty: float | None = None
    n_best: int = 1
    format: str = "text"
    stream: bool = False
    workers: int | None = None


def run(job: Job) -> None:
    """Translate all lines, in order.

    Raises:
        ConfigError: an option out of range.
        DataError: a file that cannot be read, a JSON line that is none.
        ModelError: no model, or one that does not translate.
    """
    form = FORMATS[job.format]()
    directory = ModelDirectory.open(job.model)
    strategy = strategy_for(directory, job)
    if job.output is not None:
        files.check_output(job.output)
    names = [str(path) for path in job.files] or [STDIN]
    at_terminal = STDIN in names and sys.stdin.isatty()
    if at_terminal:
        console.say("type a line and press Enter; Ctrl-D ends")
    one_by_one = job.stream or at_terminal
    with ExitStack() as stack:
        rows = chain.from_iterable(form.read(_lines(name), _shown(name)) for name in names)
        head = [] if one_by_one else list(islice(rows, workers.WORTHWHILE))
        translator = stack.enter_context(workers.translator(directory, strategy, lines=len(head), wanted=job.workers))
        if one_by_one:
            translator = translator.immediate()
        out = stack.enter_context(_output(job.output))
        bar = stack.enter_context(console.progress("translating", None)) if not (one_by_one or out.isatty()) else None
        for number, (row, translation) in enumerate(_translated(translator, chain(head, rows)), 1):
            if SPLIT in translation.flags:
                console.warn(f"line {number} was too long for the model: it was translated in pieces")
            out.write(form.write(number, row, translation, job.n_best).encode("utf-8") + b"\n")
            if one_by_one:
                out.flush()
            if bar:
                bar.update(number, console.count(number, "line"))


def strategy_for(directory: ModelDirectory, job: Job) -> SearchStrategy:
    """The search that is asked for. Raises ConfigError for an option out of range."""
    if job.n_best < 1:
        raise ConfigError(f"--n-best must be at least 1, but is {job.n_best}")
    own = directory.settings.search.model_dump()
    given = {"beam": job.beam, "length_penalty": job.length_penalty}
    typed = {name: value for name, value in given.items() if value is not None}
    settings = check(SearchSettings, "search", {**own, **typed}, "command line")
    strategy = STRATEGIES[job.search]
    for name in [*typed, *(["n_best"] if job.n_best > 1 else [])]:
        if name not in strategy.uses:
            raise ConfigError(
                f"--{name.replace('_', '-')} means nothing to {job.search} search", "--search beam knows it"
            )
    beam = settings.beam if job.beam is not None else max(settings.beam, job.n_best)
    return strategy.of(SearchOptions(beam, job.n_best, settings.length_penalty))


def _translated(translator: Translator, rows: Iterable[Row]) -> Iterator[tuple[Row, Translation]]:
    """Each row with its translation; a row is read only when its window is."""
    waiting: deque[Row] = deque()

    def texts() -> Iterator[str]:
        for row in rows:
            waiting.append(row)
            yield row.text

    for translation in translator.stream(texts()):
        yield waiting.popleft(), translation


def _lines(name: str) -> Iterator[str]:
    with open_bytes(name) as stream:
        yield from lenient_lines(stream, _shown(name), console.warn)


def _shown(name: str) -> str:
    return "stdin" if name == STDIN else name


@contextmanager
def _output(path: Path | None) -> Iterator[BinaryIO]:
    """stdout, or a file that appears when it is complete."""
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with files.output(path) as stream:
        yield stream
