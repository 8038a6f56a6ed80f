"""``nmt compare``: one report over several models."""

from pathlib import Path
from typing import Annotated

import typer


def compare(
    models: Annotated[list[Path], typer.Argument(metavar="MODEL...", help="Model directories, the baseline first.")],
    source: Annotated[
        list[str] | None, typer.Option(metavar="FILE", help="For translators; with --reference it may be repeated.")
    ] = None,
    reference: Annotated[
        list[str] | None, typer.Option(metavar="FILE", help="The translation of the --source at the same place.")
    ] = None,
    text: Annotated[str | None, typer.Option(metavar="FILE", help="For language models.")] = None,
    labelled: Annotated[str | None, typer.Option(metavar="FILE", help="For classifiers: label<TAB>text lines.")] = None,
    positions: Annotated[
        str | None, typer.Option(metavar="FILE", help="Beside --labelled: the place of the word that decides, from 0.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="REPORT", help="Also a page with figures: REPORT.html.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="All figures as one JSON object instead of tables.")] = False,
) -> None:
    """Quality, cost, quality by length, gradient flow and attention of several models, side by side.

    Tables go to stdout; the page is one file that needs no network.

    nmt compare rnn lstm --source test.en --reference test.de -o report
    """
    from nmt_cli import console
    from nmt_cli.reports.compare import Wanted, page_path
    from nmt_cli.reports.compare import compare as run
    from nmt_cli.runs import files

    path = page_path(output) if output is not None else None
    found = run(Wanted(tuple(models), tuple(source or ()), tuple(reference or ()), text, labelled, positions))
    if path is not None:  # first: whoever reads the tables may leave before their end
        with files.output(path) as stream:
            stream.write(found.page().encode("utf-8"))
        console.say(f"figures: {path}")
    print(found.to_json() if json_ else "\n".join(found.lines(width=console.width())))
