"""``nmt translate``: lines in, translations out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from nmt_cli.cli.options import WorkersOption
from nmt_cli.cli.searching import SearchTyped, searching


def _figures(texts: Sequence[str]) -> dict[str, Any]:
    """What tells how a line's candidates differ; loaded only where somebody wants to know: the first line shall come at once."""
    from nmt_cli.evaluation.diversity import figures

    return figures(texts)


@searching
def translate(
    search: SearchTyped,
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model directory.")] = Path("model"),
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE", help="Text to translate; without, or -: stdin.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write here instead of stdout.")
    ] = None,
    format_: Annotated[
        str,
        typer.Option(
            "--format",
            help="text, tsv (line, rank, score, log p, text, flags), jsonl, or pharaoh (links of words: 0-0 1-2).",
        ),
    ] = "text",
    token_scores: Annotated[
        bool, typer.Option("--token-scores", help="Also the log-probability of each token (tsv, jsonl).")
    ] = False,
    alignment: Annotated[
        bool,
        typer.Option("--alignment", help="Also links of words (tsv, jsonl) and of subwords (jsonl) to the source."),
    ] = False,
    attention: Annotated[
        bool, typer.Option("--attention", help="Also how much each subword looked at each of the source (jsonl).")
    ] = False,
    prefix: Annotated[
        bool, typer.Option("--prefix", help="Each line is source<TAB>how the translation begins (jsonl: field prefix).")
    ] = False,
    stream: Annotated[bool, typer.Option("--stream", help="Answer each line at once, as at a terminal.")] = False,
    workers: WorkersOption = None,
    engine: Annotated[
        str, typer.Option("--engine", help="nmt, or ctranslate2, of a MODEL that nmt export has written for it.")
    ] = "nmt",
) -> None:
    """Translate: one line in, one line out, in order, blank for blank.

    Whatever is not a translation goes to stderr.

    nmt translate model < input.txt > output.txt
    """
    from dataclasses import replace

    from nmt_cli.inference.details import Details
    from nmt_cli.inference.job import Job, run

    choice = replace(search.choice(), details=Details(token_scores, alignment, attention))
    run(Job(model, tuple(files or ()), output, choice, format_, prefix, stream, workers, _figures, engine))
