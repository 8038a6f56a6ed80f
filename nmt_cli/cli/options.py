"""Options that several commands share."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from nmt_cli.corpus.files import ARCHIVES
from nmt_cli.errors import ConfigError, nearest

if TYPE_CHECKING:
    from nmt_cli.corpus.prepare import Inputs

DEFAULT_TASK = "translate"

FilesArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE...",
        help="Two aligned files, or one of source<TAB>target; a text (lm); one of label<TAB>text (classify).",
    ),
]
DevOption = Annotated[
    list[Path] | None, typer.Option("--dev", metavar="FILE...", help="Dev, in the form of FILE; without: held out.")
]
TestOption = Annotated[
    list[Path] | None, typer.Option("--test", metavar="FILE...", help="Test, in the form of FILE; without: held out.")
]
UnitsOption = Annotated[
    str | None, typer.Option(help="What text is cut into: subword, word or character; without: subword.")
]


_TABLE = re.compile(rf"\.tsv({'|'.join(map(re.escape, ARCHIVES))})?$")


def _may_be_file(word: str) -> bool:
    """No other option, and no folder, as those that ``nmt average`` takes."""
    return not word.startswith("-") and not Path(word).is_dir()


class CorpusCommand(TyperCommand):
    """A command whose ``--dev`` and ``--test`` take as many files as a set of its task has: ``--dev dev.en dev.de``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """typer knows only options with a fixed number of values, so each file gets the option for itself."""
        sets = ("--dev", "--test")
        known = tuple(f"{option}=" for option in ("--task", *sets))
        args = [part for word in args for part in (word.split("=", 1) if word.startswith(known) else [word])]
        task = args[args.index("--task") + 1] if "--task" in args[:-1] else DEFAULT_TASK
        columns = 2 if task == DEFAULT_TASK else 1
        spread: list[str] = []
        while args:
            word, *args = args
            files = 1 if args and _TABLE.search(args[0]) else columns
            given = list(takewhile(_may_be_file, args[:files])) if word in sets else []
            args = args[len(given) :]
            spread += [part for name in given for part in (word, name)] or [word]
        return super().parse_args(ctx, spread)


LanguagesOption = Annotated[
    str | None,
    typer.Option("--languages", metavar="SRC-TGT", help="For example en-de; without: from the names of the files."),
]
SettingsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="SECTION.KEY=VALUE",
        help="One setting, for example training.learning_rate=0.001; may be repeated.",
    ),
]


def processes(typed: str) -> int | None:
    """How many; None for ``auto``, which is what happens anyway. Raises BadParameter for anything else."""
    if typed == "auto":
        return None
    try:
        return int(typed)
    except ValueError:
        raise typer.BadParameter(f"must be a number or auto, but is '{typed}'") from None


WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        parser=processes,
        help="Processes that translate; auto, or without: one a core if the input is long enough.",
    ),
]


@dataclass(frozen=True)
class Sets:
    """The files of a corpus, as typed."""

    train: list[Path]
    dev: list[Path] | None
    test: list[Path] | None
    languages: str | None

    def inputs(self, task: str) -> Inputs:
        """Raises ConfigError for a task that does not exist, DataError for files that are not there or are too many."""
        from nmt_cli.corpus.files import FILES
        from nmt_cli.corpus.pairs import parse_languages
        from nmt_cli.corpus.prepare import Inputs

        kind = FILES[task]
        return Inputs(
            kind(tuple(self.train)),
            kind(tuple(self.dev)) if self.dev else None,
            kind(tuple(self.test)) if self.test else None,
            parse_languages(self.languages, len([name for name in kind.columns if name != "label"]))
            if self.languages
            else None,
        )


def asks_for_json(format_: str) -> bool:
    """What ``--format`` says where there are two. Raises ConfigError for a third."""
    if format_ not in ("text", "jsonl"):
        raise ConfigError(f"--format must be text or jsonl, but is '{format_}'", nearest(format_, ["text", "jsonl"]))
    return format_ == "jsonl"
