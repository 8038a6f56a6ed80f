"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from nmt_cli.corpus.prepare import Inputs

Files = tuple[Path, Path]

DevOption = Annotated[
    Files | None, typer.Option("--dev", metavar="SRC TGT", help="Dev files; without: held out of SRC TGT.")
]
TestOption = Annotated[
    Files | None, typer.Option("--test", metavar="SRC TGT", help="Test files; without: held out of SRC TGT.")
]
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
SearchOption = Annotated[str, typer.Option("--search", help="How translations are found: beam or greedy.")]
BeamOption = Annotated[
    int | None, typer.Option("--beam", help="Width of the beam; without: as in the model's settings, usually 5.")
]
LengthPenaltyOption = Annotated[
    float | None,
    typer.Option(
        "--length-penalty",
        help="Score = log p / length ** this; 0: no normalisation; without: as in the model's settings.",
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
