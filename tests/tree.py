"""The tree of commands and their options, as typer builds it."""

from collections.abc import Collection, Iterator
from typing import Any

import typer

from nmt_cli.cli.app import application

ROOT: Any = typer.main.get_command(application())
COMMANDS: dict[str, Any] = ROOT.commands


def options() -> Iterator[tuple[str, tuple[str, ...]]]:
    """(command, the ways to type one of its options); the command is empty for options of nmt itself."""
    for name, command in (("", ROOT), *COMMANDS.items()):
        for parameter in command.params:
            if parameter.param_type_name == "option":
                yield name, (*parameter.opts, *parameter.secondary_opts)


def untyped(typed: Collection[tuple[str, str]]) -> list[str]:
    """``command --option`` for each that was typed in none of its ways."""
    return [
        f"{command} {ways[0]}".strip()
        for command, ways in options()
        if not any((command, way) in typed for way in ways)
    ]
