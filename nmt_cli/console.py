"""Talk: everything that is said to the person at the terminal, on stderr. Data goes to stdout and never through here.

rich honours NO_COLOR and TERM=dumb by itself; where stderr is not a terminal there is no colour and no live line,
and every message stays one line however long it is, so that logs can be searched.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:  # rich costs a tenth of a second: loaded when there is something to say
    from rich import progress as bars
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

T = TypeVar("T")

_SILENCE = 300  # seconds after which a log is told how far the work has come


@cache
def console() -> Console:
    """The one console, on stderr."""
    from rich.console import Console

    class Stderr:
        """Looks stderr up at every write, so that whoever redirects it later is obeyed."""

        encoding = "utf-8"

        def write(self, text: str) -> int:
            with _left_alone():
                sys.stderr.write(text)
            return len(text)

        def flush(self) -> None:
            with _left_alone():
                sys.stderr.flush()

        def isatty(self) -> bool:
            return sys.stderr.isatty()

        def fileno(self) -> int:
            return sys.stderr.fileno()

    return Console(file=Stderr(), highlight=False, soft_wrap=True)  # type: ignore[arg-type]


@contextmanager
def _left_alone() -> Iterator[None]:
    """Who does not listen any more does not stop the work: from then on nobody is talked to."""
    try:
        yield
    except BrokenPipeError:
        import os

        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def say(message: str = "", *, style: str | None = None) -> None:
    """One line of talk. Square brackets in it are text, not markup."""
    console().print(message, style=style, markup=False)


def warn(message: str) -> None:
    """Something that the user should know and that does not stop the work."""
    say(f"warning: {message}", style="yellow")


def show(table: Table) -> None:
    """A table, as talk."""
    console().print(table, soft_wrap=False)


def draw(lines: Iterable[Text]) -> None:
    """Lines of data, on stdout: in colour on a terminal, unless NO_COLOR is set."""
    from rich.console import Console

    stdout = Console(highlight=False, soft_wrap=True)
    for line in lines:
        stdout.print(line)


def knows_only_ascii() -> bool:
    """Whether the person at the terminal may see no other characters: by the locale, or on the bare console of Linux.

    stdout does not tell, since what it carries is UTF-8 for everybody.
    """
    import os

    try:
        "\u28ff".encode(sys.stderr.encoding or "utf-8")
    except UnicodeEncodeError:
        return True
    return os.environ.get("TERM") == "linux"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, title: str | None = None) -> Table:
    """A plain table: the first column is text, the others are figures and stand right."""
    from rich.table import Table
    from rich.text import Text

    built = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for index, name in enumerate(columns):
        built.add_column(name, justify="left" if index == 0 else "right")
    for row in rows:
        built.add_row(*(Text(cell) for cell in row))
    return built


@contextmanager
def progress(description: str, total: float | None) -> Iterator[Progress]:
    """A live bar on a terminal; where stderr is a file or a pipe, a line in five minutes.

    ``total`` is in any unit, which is not shown: the note says what there is to say. None where it is not known.
    """
    if not sys.stderr.isatty():  # and then rich need not be loaded
        yield Log(description, total)
        return
    from rich import progress as bars

    columns = (
        bars.TextColumn("{task.description}", markup=False),
        bars.BarColumn(bar_width=10),
        *([bars.TaskProgressColumn(), bars.TimeRemainingColumn(compact=True)] if total else [bars.TimeElapsedColumn()]),
        bars.TextColumn("{task.fields[note]}", markup=False),
    )
    # rich would put itself in front of sys.stderr, which our console writes to: a circle
    with bars.Progress(
        *columns, console=console(), transient=True, redirect_stdout=False, redirect_stderr=False
    ) as live:
        yield Bar(live, live.add_task(description, total=total, note=""))


class Progress(Protocol):
    """What is told how far the work has come."""

    def update(self, completed: float, note: str = "") -> None:
        """So much is done, and there is this ``note`` to it."""
        ...


class Bar:
    """Moves a live bar and writes the note behind it."""

    def __init__(self, live: bars.Progress, task: bars.TaskID) -> None:
        self._live, self._task = live, task

    def update(self, completed: float, note: str = "") -> None:
        """See Progress."""
        self._live.update(self._task, completed=completed, note=note)


class Log:
    """Says how far the work has come, from time to time: whoever reads the log of a long work wants to know that it is alive."""

    def __init__(self, description: str, total: float | None) -> None:
        self._description, self._total = description, total
        self._begun: tuple[float, float] | None = None  # when the first news came, and how far the work was then
        self._said = time.monotonic()

    def update(self, completed: float, note: str = "") -> None:
        """See Progress."""
        now = time.monotonic()
        self._begun = self._begun or (now, completed)
        if now - self._said >= _SILENCE:
            self._said = now
            say("  ".join(filter(None, (self._description, note, self._left(now, completed)))))

    def _left(self, now: float, completed: float) -> str:
        """How much time the rest takes at the pace so far."""
        began, before = self._begun or (now, completed)
        if not self._total or not before < completed < self._total:
            return ""
        return f"{duration((now - began) * (self._total - completed) / (completed - before))} left"


def tracked(items: Iterable[T], description: str, total: int | None) -> Iterator[T]:
    """The items, with a bar that counts them."""
    with progress(description, total) as bar:
        for number, item in enumerate(items, 1):
            yield item
            bar.update(number, f"{number:,} of {total:,}" if total else f"{number:,}")


def duration(seconds: float) -> str:
    """Seconds as a person says them: ``48 s``, ``12 min``, ``3.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


def width() -> int:
    """Columns of the terminal that stdout is; 80 where it is none."""
    import shutil

    return max(40, shutil.get_terminal_size((80, 24)).columns)


def count(number: int, noun: str, plural: str | None = None) -> str:
    """``1 line``, ``20,000 lines``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a plain table: the first column stands left, the others right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]
