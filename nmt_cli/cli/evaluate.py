"""``nmt evaluate``: how good is a model on text that it has not seen?"""

from pathlib import Path
from typing import Annotated

import typer

from nmt_cli.cli.searching import SearchTyped, searching


@searching
def evaluate(
    search: SearchTyped,
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model directory.")],
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="Source and references; for a language model a text; for a classifier label<TAB>text lines.",
        ),
    ],
    resamples: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help="Bootstrap resamples for 95 % intervals, 0 for none; without: 1000."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the translations here.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(metavar="FILE", help="The output of another system: is the difference chance?")
    ] = None,
    search_errors: Annotated[
        bool,
        typer.Option(
            "--search-errors",
            help="Instead: how often greedy and beam search miss the best translation, by exact search. Slow: some hundred lines.",
        ),
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object instead of text.")] = False,
) -> None:
    """Measure a model. Figures go to stdout.

    A translator: BLEU, chrF2, TER with signature and interval, loss, health, quality by length. A language model:
    perplexity a word and a token, bits a character. A classifier: accuracy, F1, which label is taken for which.

    nmt evaluate model test.en test.de
    """
    import json

    from nmt_cli.reports.search_errors import search_errors as count_search_errors
    from nmt_cli.runs.directory import ModelDirectory
    from nmt_cli.training.tasks import TASKS
    from nmt_cli.training.tasks.base import Measured, Measuring

    directory = ModelDirectory.open(model)
    measuring = Measuring(search.choice(), resamples, against, output)
    if search_errors:
        found: Measured = count_search_errors(directory, files, measuring)
    else:
        found = TASKS[directory.manifest.task].evaluate(directory, files, measuring)
    if json_:
        print(json.dumps(found.to_json(), ensure_ascii=False))
    else:
        print("\n".join(found.lines()))
