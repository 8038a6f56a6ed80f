"""``nmt shortlist``: which words may translate which."""

from pathlib import Path
from typing import Annotated

import typer


def shortlist(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A translation model.")],
    corpus: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Learn from this prepared corpus; without: from that of training."),
    ] = None,
    candidates: Annotated[int, typer.Option(help="Keep so many for each source subword, at most.")] = 50,
    frequent: Annotated[int, typer.Option(help="So many frequent target subwords may translate any.")] = 100,
    force: Annotated[bool, typer.Option("--force", help="Replace the shortlist that is there.")] = False,
) -> None:
    """Learn a shortlist: which target subwords each source subword may become.

    With --shortlist, nmt translate scores these alone. That is faster, and an approximation: nmt evaluate --shortlist tells what
    it costs. The shortlist is learnt by IBM Model 1 from the pairs alone, and stands beside the model.

    nmt shortlist model
    """
    from nmt_cli.training.shortlist import Learning, run

    run(Learning(model, corpus, candidates, frequent, force))
