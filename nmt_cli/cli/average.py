"""``nmt average``: the mean of several models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def average(
    models: Annotated[
        list[Path],
        typer.Argument(
            metavar="MODEL...",
            help="One model: the states that its training has kept (training.keep). Several: these, of one architecture "
            "and vocabulary, best if they began with the same weights.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT", help="Where the new model is written.")],
    dev: Annotated[
        list[Path] | None,
        typer.Option("--dev", metavar="FILE...", help="Choose by these files; without: by the dev split of training."),
    ] = None,
    corpus: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Choose by the dev split of this prepared corpus."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the model OUT if it exists.")] = False,
) -> None:
    """Average the weights of models: as fast as one of them, and often better than the best.

    Of one training, the last 2, 3, ... kept states are tried; of several models, the best with each other in turn, which stays if
    dev gets better. The best is written, be it a single one.

    nmt average model -o averaged
    """
    from nmt_cli.errors import ConfigError
    from nmt_cli.training.averaging import Averaging, run

    if dev and corpus is not None:
        raise ConfigError("--dev and --corpus must not both be given: each says what to choose by")
    run(Averaging(tuple(models), output, corpus, tuple(dev or ()), force))
