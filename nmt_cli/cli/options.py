"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from nmt_cli.corpus.prepare import Inputs

Files = tuple[Path, Path]

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

WorkersOption = Annotated[
    int | None,
    typer.Option("--workers", help="Processes that translate; without: one a core if the input is long enough."),
]


def inputs_of(files: list[Path], dev: Files | None, test: Files | None, languages: str | None) -> Inputs:
    """What a corpus is made of, as typed."""
    from nmt_cli.corpus.pairs import PairFiles, parse_languages
    from nmt_cli.corpus.prepare import Inputs

    return Inputs(
        PairFiles(tuple(files)),
        PairFiles(dev) if dev else None,
        PairFiles(test) if test else None,
        parse_languages(languages) if languages else None,
    )
