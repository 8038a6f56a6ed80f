"""``nmt diversify``: a corpus with other translations of its sentences beside its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nmt_cli.cli.options import WorkersOption
from nmt_cli.cli.searching import SearchTyped


def diversify(
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS", help="A prepared corpus (nmt preprocess).")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where to write the new one.")],
    forward: Annotated[
        list[Path] | None,
        typer.Option(metavar="MODEL", help="A model that translates its sources; may be repeated."),
    ] = None,
    reverse: Annotated[
        list[Path] | None,
        typer.Option(metavar="MODEL", help="A model of the other direction, for its targets; may be repeated."),
    ] = None,
    beam: Annotated[
        int | None, typer.Option(help="Width of the beam that translates; without: as the settings of each model say.")
    ] = None,
    prune: Annotated[
        float | None,
        typer.Option(metavar="NATS", help="An approximation, quicker: see nmt translate --help."),
    ] = None,
    int8: Annotated[
        bool | None, typer.Option("--int8", help="An approximation, quicker: see nmt translate --help.")
    ] = None,
    workers: WorkersOption = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the prepared corpus DIR if it exists.")] = False,
) -> None:
    """Translate a corpus by models that learnt from it, and put it all together: more to learn from the same sentences.

    For small corpora: data diversification (Nguyen et al. 2020), best by models of both directions that were trained on the same
    lines. What is empty, loops, loses sentences, or is far too long or too short is left out; dev and test stay as they are.
    Interrupted, it keeps what is translated, and the same command goes on.

    nmt diversify prepared --forward model --reverse back -o diverse
    """
    from nmt_cli.inference.diversification import Diversification, run

    choice = SearchTyped(beam=beam, prune=prune, int8=int8).choice()
    run(Diversification(corpus, output, tuple(forward or ()), tuple(reverse or ()), choice, workers, force))
