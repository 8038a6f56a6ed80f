"""``nmt inspect``: what is inside a model?"""

from pathlib import Path
from typing import Annotated

import typer


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
        Path | None, typer.Option("--output", "-o", metavar="FILE.svg", help="Also a picture of --gradient-flow.")
    ] = None,
) -> None:
    """What a model is for, the sizes of its parts, its training and its scores.

    nmt inspect model --gradient-flow
    """
    from nmt_cli import console
    from nmt_cli.errors import ConfigError
    from nmt_cli.reports import flow, inspection
    from nmt_cli.reports.terminal import chart_lines
    from nmt_cli.runs import files as written
    from nmt_cli.runs.directory import ModelDirectory

    directory = ModelDirectory.open(model)
    if not gradient_flow:
        if files or output:
            raise ConfigError("text and --output belong to --gradient-flow, which was not asked for")
        print("\n".join(inspection.lines(directory)))
        return
    if output is not None:
        written.check_output(output)
    chart = inspection.flow_chart(directory, files or ())
    print("\n".join(chart_lines(chart, width=console.width(), at=flow.MARKS)))
    if output is not None:
        with written.output(output) as stream:
            stream.write(chart.svg().encode("utf-8"))
