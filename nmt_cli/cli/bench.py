"""``nmt bench``: what can this machine do?"""

from typing import Annotated

import typer

from nmt_cli.cli.options import SettingsOption


def bench(
    preset: Annotated[
        list[str] | None, typer.Option("--preset", metavar="NAME", help="What to measure; may be repeated.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes that share the work; without: one for each core.")
    ] = None,
    set_: SettingsOption = None,
    seconds: Annotated[float, typer.Option(metavar="S", help="Of each measurement; more is more exact.")] = 8.0,
    json_: Annotated[bool, typer.Option("--json", help="All figures as one JSON object, unrounded.")] = False,
) -> None:
    """How fast this machine trains and translates, and what that means for a million sentences; in about a minute.

    No files are needed: sentences are drawn by lot, with lengths as in newspapers. While it measures, nothing else should run.

    nmt bench --preset transformer-small
    """
    import json

    from nmt_cli.bench.report import PRESETS, Wanted, measure
    from nmt_cli.settings import assignment, merge

    table = merge(*map(assignment, set_ or ()))
    found = measure(Wanted(tuple(preset or PRESETS), workers, seconds, table))
    print(json.dumps(found.to_json()) if json_ else "\n".join(found.lines()))
