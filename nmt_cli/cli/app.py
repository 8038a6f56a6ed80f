"""The command ``nmt``: its sub-commands, and what becomes of an error.

Exit codes: 0 done, 1 an error in data or model, 2 a command that was not understood, 130 Ctrl-C, 143 SIGTERM.
A traceback appears only with NMT_DEBUG=1.
"""

import errno
import os
import re
import signal
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from importlib import import_module
from io import TextIOWrapper
from keyword import iskeyword
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from nmt_cli.cli.options import CorpusCommand
from nmt_cli.errors import NMTError

COMMANDS: Mapping[str, type[TyperCommand]] = {
    "preprocess": CorpusCommand,
    "train": CorpusCommand,
    "average": CorpusCommand,
    "diversify": TyperCommand,
    "translate": TyperCommand,
    "evaluate": TyperCommand,
    "score": TyperCommand,
    "logprob": TyperCommand,
    "rerank": TyperCommand,
    "generate": TyperCommand,
    "classify": TyperCommand,
    "compare": TyperCommand,
    "inspect": TyperCommand,
    "attention": TyperCommand,
    "export": CorpusCommand,
    "import": TyperCommand,
    "shortlist": TyperCommand,
    "bench": TyperCommand,
}
"""In the order of their use. Each is a function in a module of its own name, but for ``import``, which Python keeps for itself."""


class Commands(TyperGroup):
    """The commands in the order of their use, with one way to say what went wrong."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Who types nothing is shown what there is."""
        return super().parse_args(ctx, args or ["--help"])

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was typed; typer itself would end a broken pipe with exit code 1."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            _reader_left()

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run and leave; an error becomes one line ``error:`` and at most one line ``hint:``."""
        del standalone_mode  # always False below: typer hands its errors on, and they are said as ours are
        try:
            code = super().main(args, prog_name, complete_var, False, windows_expand_args, **extra)
            sys.stdout.flush()
        except NMTError as error:
            _debug()
            _leave(error.message, error.hint, error.exit_code)
        except BrokenPipeError:
            _reader_left()
        except OSError as error:
            _debug()
            full = error.errno == errno.ENOSPC
            what = error.filename or ("standard output" if full else "input and output")
            hint = "what was there before is whole; free some room and type it again" if full else None
            _leave(f"{what}: {error.strerror or error}", hint, 1)
        except Exception as error:
            _usage(error)
            _debug()
            message = f"{type(error).__name__}: {' '.join(str(error).split())}"
            _leave(message, "this is a mistake of ours; NMT_DEBUG=1 shows where: please report it", 1)
        if code == 130:
            print("interrupted", file=sys.stderr)
        sys.exit(code if isinstance(code, int) else 0)


def _reader_left() -> NoReturn:
    """Whoever read our output has enough, as ``head`` has: no error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(0)


def _usage(error: Exception) -> None:
    """Leave if the error is typer's own: an option that does not exist, an argument that is missing."""
    describe = getattr(error, "format_message", None)
    if describe is None:
        return
    message = describe().strip()
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "nmt"
    found = re.fullmatch(r"(.*?)[.( ]+(?:Did you mean|Possible options:) (.*?)[?)]*", message)
    sentence, hint = message, f"{path} --help"
    if found:  # click names all that are near in the order of the alphabet
        wrong = getattr(error, "option_name", "")
        nearest = max(found[2].split(", "), key=lambda name: SequenceMatcher(None, wrong, name).ratio())
        sentence, hint = found[1], f"did you mean {nearest}?"
    _leave(sentence[0].lower() + sentence[1:].rstrip(". "), hint, 2)


def _debug() -> None:
    """With NMT_DEBUG=1 an error goes on and shows its traceback."""
    if os.environ.get("NMT_DEBUG"):
        raise


def _leave(message: str, hint: str | None, code: int) -> NoReturn:
    print(f"error: {_shown(message)}", file=sys.stderr)
    if hint:
        print(f"hint: {_shown(hint)}", file=sys.stderr)
    sys.exit(code)


def _shown(said: str) -> str:
    """What files and names brought into it does not speak to the terminal, nor break the line."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in said)


def _version(wanted: bool) -> None:
    if wanted:
        from nmt_cli import __version__

        print(__version__)
        raise typer.Exit


def nmt(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Two text files in, a translation model out.

    nmt train corpus.en corpus.de -o model, then nmt translate model < input.txt
    """


def _function(name: str) -> Callable[..., None]:
    """What a command runs."""
    called = f"{name}_" if iskeyword(name) else name
    found: Callable[..., None] = getattr(import_module(f"nmt_cli.cli.{called}"), called)
    return found


def _description(name: str) -> Callable[..., None]:
    """A command without options, that can say what it does and nothing else."""

    def described() -> None: ...

    described.__doc__ = _function(name).__doc__
    return described


def application(names: Iterable[str] = COMMANDS, made: Callable[[str], Callable[..., None]] = _function) -> typer.Typer:
    """``nmt`` with these commands, each ``made`` from its name."""
    built = typer.Typer(
        cls=Commands, name="nmt", pretty_exceptions_enable=False, add_completion=False,
        rich_markup_mode="rich" if os.isatty(1) else None,  # frames are for eyes, and rich costs 0.15 s
    )  # fmt: skip
    built.callback()(nmt)
    for name in names:
        built.command(name, cls=COMMANDS[name])(made(name))
    return built


def typed(words: Sequence[str]) -> typer.Typer:
    """``nmt`` for these words, without what they do not ask for: typer reads the options of a command for milliseconds."""
    if list(words) in ([], ["--help"]):
        return application(made=_description)
    return application(words[:1]) if words[0] in COMMANDS else application()


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    """SIGTERM ends the program as Ctrl-C does: half-written files and workers are cleared away first."""
    del frame
    sys.exit(128 + number)


def main() -> None:
    """The command line: ``__main__`` calls it."""
    signal.signal(signal.SIGTERM, _terminated)
    if isinstance(sys.stdout, TextIOWrapper):  # data is UTF-8, wherever it goes
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    typed(sys.argv[1:])(prog_name="nmt")


def __getattr__(name: str) -> typer.Typer:
    """``app``, with all commands: typer's own tools look for it by this name."""
    if name == "app":
        return application()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
