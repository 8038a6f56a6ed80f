"""``nmt import``: a model of another toolkit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def import_(
    toolkit: Annotated[str, typer.Argument(metavar="TOOLKIT", help="Whose model it is: marian.")],
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="The folder with its files, as OPUS-MT or Firefox hand them on: model and vocabulary."
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="MODEL", help="Where the new model is written.")
    ] = Path("model"),
    languages: Annotated[
        str | None,
        typer.Option("--languages", metavar="SRC-TGT", help="For example en-de; without: what the names of files say."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the model MODEL if it exists.")] = False,
) -> None:
    """Make a model directory of another toolkit's model: Transformers of Marian, .npz or .bin, with their vocabulary.

    Whatever nmt cannot compute as Marian does is refused by its name.

    nmt import marian opus-mt-en-de -o en-de
    """
    from nmt_cli.corpus.pairs import parse_languages
    from nmt_cli.interchange.importing import Import, run

    run(toolkit, Import(folder, output, parse_languages(languages) if languages else None, force))
