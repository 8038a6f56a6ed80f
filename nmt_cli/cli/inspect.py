"""``nmt inspect``: what is inside a model?"""

from pathlib import Path
from typing import Annotated

import typer

_WIDTH = 80  # of a plot, on however wide a terminal


def inspect(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model directory.")],
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE...", help="Text for --gradient-flow (-: stdin); without: the model's own dev split."
        ),
    ] = None,
    gradient_flow: Annotated[
        bool, typer.Option("--gradient-flow", help="How far back the gradient of the loss reaches.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE.svg",
            help="Also a picture: of the curves of its training, or of --gradient-flow.",
        ),
    ] = None,
) -> None:
    """What a model is for, the sizes of its parts, its scores, and how its training went, or goes: loss and BLEU by update.

    nmt inspect model -o curves.svg
    """
    from nmt_cli import console
    from nmt_cli.errors import ConfigError
    from nmt_cli.reports import flow, inspection
    from nmt_cli.reports.canvas import ASCII, BRAILLE
    from nmt_cli.reports.curves import Curves
    from nmt_cli.reports.plot import plot_lines
    from nmt_cli.reports.svg import check_picture
    from nmt_cli.reports.terminal import chart_lines
    from nmt_cli.runs import files as written
    from nmt_cli.runs.directory import ModelDirectory

    directory = ModelDirectory.open(model)
    if files and not gradient_flow:
        raise ConfigError("text belongs to --gradient-flow, which was not asked for")
    if output is not None:
        check_picture(output)
        written.check_output(output)
    if gradient_flow:
        chart = inspection.flow_chart(directory, files or ())
        picture = chart.svg()
        print("\n".join(chart_lines(chart, width=console.width(), at=flow.MARKS)))
    else:
        curves = Curves(directory.path.resolve().name, directory)
        picture = curves.sheet().svg() if output is not None else ""
        print("\n".join(inspection.lines(directory)))
        for each in curves.learning:
            print()
            pen = ASCII if console.knows_only_ascii() else BRAILLE
            console.draw(plot_lines(each, pen, width=min(_WIDTH, console.width())))
    if output is not None:
        with written.output(output) as stream:
            stream.write(picture.encode("utf-8"))
