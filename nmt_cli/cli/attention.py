"""``nmt attention``: where does the model look while it writes?"""

from pathlib import Path
from typing import Annotated

import typer


def attention(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A translation model.")],
    sentence: Annotated[str, typer.Argument(metavar="SENTENCE", help="A line in the source language, in quotes.")],
    target: Annotated[str | None, typer.Option(help="A translation to look at; without: the model's own.")] = None,
    layer: Annotated[
        int | None,
        typer.Option(help="This layer of a Transformer's decoder, from 1; without: the one found best on dev."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE.svg", help="Write a picture instead.")
    ] = None,
) -> None:
    """Draw the attention of a translation: rows are what is written, columns the source.

    nmt attention model "a sentence"
    """
    from nmt_cli import console
    from nmt_cli.inference.attention import Looker
    from nmt_cli.reports.maps import heatmap
    from nmt_cli.reports.svg import check_picture
    from nmt_cli.reports.terminal import heatmap_lines
    from nmt_cli.runs import files
    from nmt_cli.runs.directory import ModelDirectory

    if output is not None:
        check_picture(output)
        files.check_output(output)
    looker = Looker.open(ModelDirectory.open(model), layer)
    found, pieces = looker.must_look(sentence, target), looker.pieces(sentence)
    if pieces > 1:
        console.warn(f"SENTENCE is read as one here, but nmt translate reads it in {pieces} pieces, each by itself")
    drawn = heatmap(model.resolve().name, found)
    if output is None:
        print("\n".join(heatmap_lines(drawn, width=console.width())))
        return
    with files.output(output) as stream:
        stream.write(drawn.svg().encode("utf-8"))
