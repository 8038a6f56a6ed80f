"""``nmt rerank``: n-best lists in a better order."""

from pathlib import Path
from typing import Annotated

import typer


def rerank(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A translation model, for log p(target | source).")],
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="The source and a table (tsv), or one file of objects (jsonl)."),
    ],
    reverse: Annotated[
        Path | None, typer.Option(metavar="MODEL", help="A model of the other direction: log p(source | target).")
    ] = None,
    reverse_weight: Annotated[
        float | None, typer.Option(help="Of the model of the other direction.", show_default="1.0")
    ] = None,
    lm: Annotated[
        Path | None, typer.Option(metavar="MODEL", help="A language model of the target language: log p(target).")
    ] = None,
    lm_weight: Annotated[float | None, typer.Option(help="Of the language model.", show_default="0.3")] = None,
    input_: Annotated[
        str, typer.Option("--input", help="tsv or jsonl, as nmt translate --n-best writes them.")
    ] = "tsv",
    format_: Annotated[
        str,
        typer.Option(
            "--format", help="text: the best of each line; tsv or jsonl: all, in the new order, without flags."
        ),
    ] = "text",
) -> None:
    """Put n-best lists into a better order (noisy channel): the best translation is one that leads back to its source.

    Models may have vocabularies of their own. nmt translate --n-best 10 --format tsv writes the lists.

    nmt rerank model input.txt list.tsv --reverse back
    """
    import sys

    from nmt_cli import console
    from nmt_cli.errors import ConfigError
    from nmt_cli.inference.given import INPUTS
    from nmt_cli.inference.pair_scorer import PairScorer
    from nmt_cli.inference.reranker import FORMATS, Judge, Reranker
    from nmt_cli.runs.directory import ModelDirectory

    if reverse is None and lm is None:
        raise ConfigError("nmt rerank must be told who else to ask, by --reverse or --lm, but is told of nobody")
    for model_, weight, name in ((reverse, reverse_weight, "reverse"), (lm, lm_weight, "lm")):
        if model_ is None and weight is not None:
            raise ConfigError(f"--{name}-weight means nothing without --{name}", f"--{name} MODEL names the model")
    given, form = INPUTS[input_](), FORMATS[format_]()
    directory = ModelDirectory.open(model).of_task("translate", "a translation model")
    direct = PairScorer.open(directory)
    judges = (
        None if reverse is None else Judge.back(ModelDirectory.open(reverse), directory, _or(reverse_weight, 1.0)),
        None if lm is None else Judge.reader(ModelDirectory.open(lm), directory, _or(lm_weight, 0.3)),
    )
    reranker = Reranker(direct, *judges)
    given.judged(files, direct.columns)  # refuses too few files, or too many
    found = reranker.rerank(given.read_all(files, direct.columns))
    for line, ranked in found if sys.stdout.isatty() else console.tracked(found, "judging", None):
        print(form.write(line, ranked))


def _or(typed: float | None, usual: float) -> float:
    """What was typed, or what is usual."""
    return usual if typed is None else typed
