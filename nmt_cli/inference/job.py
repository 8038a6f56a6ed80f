"""One run of ``nmt translate``: from files or stdin, through a translator, to a file or stdout."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain, islice, starmap
from pathlib import Path
from typing import Any, BinaryIO

from nmt_cli import console
from nmt_cli.corpus.reader import STDIN, lenient_lines, open_bytes
from nmt_cli.errors import DataError
from nmt_cli.inference.choice import Choice
from nmt_cli.inference.engines import ENGINES, OWN
from nmt_cli.inference.flags import SPLIT, TERM
from nmt_cli.inference.formats import FORMATS, Figures, Row
from nmt_cli.inference.glossary import Glossary
from nmt_cli.inference.translator import WORTHWHILE, Line, Translation, Translator
from nmt_cli.runs import files


def no_figures(texts: Sequence[str]) -> dict[str, Any]:
    """Where nobody asks how candidates differ."""
    del texts
    return {}


@dataclass(frozen=True)
class Job:
    """What the user asked for."""

    model: Path
    files: tuple[Path, ...] = ()
    output: Path | None = None
    choice: Choice = field(default_factory=Choice)
    format: str = "text"
    prefixes: bool = False  # each line is source<TAB>prefix
    stream: bool = False
    workers: int | None = None
    figures: Figures = no_figures  # of the candidates of a line
    engine: str = OWN


def run(job: Job) -> None:
    """Translate all lines, in order.

    Raises:
        ConfigError: an option out of range, or one that the search or the engine does not know.
        DataError: a file that cannot be read, a JSON line that is none.
        ModelError: no model, or one that does not translate.
    """
    form = FORMATS[job.format].of(job.figures, job.choice.details)
    engine = ENGINES[job.engine].open(job.model, replace(job.choice, details=form.details, weighed=form.weighs))
    glossary = job.choice.terms()
    if job.output is not None:
        files.check_output(job.output, job.files)
    names = [str(path) for path in job.files] or [STDIN]
    at_terminal = STDIN in names and sys.stdin.isatty()
    if at_terminal:
        console.say("type a line and press Enter; Ctrl-D ends")
    one_by_one = job.stream or at_terminal
    with ExitStack() as stack:
        rows: Iterator[Row] = chain.from_iterable(form.read(_lines(name), _shown(name)) for name in names)
        if job.prefixes:
            rows = starmap(_prefixed, enumerate(rows, 1))
        head = [] if one_by_one else list(islice(rows, WORTHWHILE))
        translator = stack.enter_context(engine.translator(len(head), job.workers)).knowing(glossary)
        if one_by_one:
            translator = translator.immediate()
        out = stack.enter_context(_output(job.output))
        bar = stack.enter_context(console.progress("translating", None)) if not (one_by_one or out.isatty()) else None
        unproved, number = 0, 0
        for number, (row, translation) in enumerate(_translated(translator, chain(head, rows)), 1):
            for warning in _warnings(number, row, translation, glossary, job.choice.restrictions.ban):
                console.warn(warning)
            unproved += any(found.certificate and not found.certificate.proved for found in translation.candidates[:1])
            out.write(form.write(number, row, translation, job.choice.n_best).encode("utf-8") + b"\n")
            if one_by_one:
                out.flush()
            if bar:
                bar.update(number, console.count(number, "line"))
        if unproved:
            lines = console.count(number, "line")
            console.warn(
                f"{unproved:,} of {lines}: the best that was found, not proved to be the best (--nodes, --seconds)"
            )


def _warnings(number: int, row: Row, translation: Translation, glossary: Glossary, ban: Sequence[str]) -> Iterator[str]:
    """What a person should know of a line."""
    if SPLIT in translation.marks:
        yield f"line {number} was too long for the model: it was translated in pieces"
    if TERM in translation.marks:
        terms = ", ".join(f"'{term}'" for term in glossary.missing(row.text, translation.text))
        yield f"line {number} could not be given {terms} of the glossary"
    for word in ban:
        if word in row.prefix:
            yield f"line {number} begins as was asked for, with '{word}', though --ban forbids it"


def _translated(translator: Translator, rows: Iterable[Row]) -> Iterator[tuple[Row, Translation]]:
    """Each row with its translation; a row is read only when its window is."""
    waiting: deque[Row] = deque()

    def texts() -> Iterator[Line]:
        for row in rows:
            waiting.append(row)
            yield Line(row.text, row.prefix)

    for translation in translator.stream(texts()):
        yield waiting.popleft(), translation


def _prefixed(number: int, row: Row) -> Row:
    """The part behind the tab is the beginning of the translation. Raises DataError where there are several."""
    text, tab, prefix = row.text.partition("\t")
    if "\t" in prefix:
        raise DataError(
            f"line {number} must be a source and, behind a tab, a prefix, but holds {row.text.count(tab)} tabs"
        )
    return replace(row, text=text, prefix=prefix) if tab else row


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
