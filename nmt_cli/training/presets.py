"""Ready settings by name: the commented files in ``nmt_cli/presets``."""

import tomllib
from importlib.resources import files

from nmt_cli.errors import ConfigError, nearest
from nmt_cli.settings import Table


def preset_names() -> list[str]:
    """All presets."""
    return sorted(
        entry.name.removesuffix(".toml")
        for entry in (files("nmt_cli") / "presets").iterdir()
        if entry.name.endswith(".toml")
    )


def preset(name: str) -> Table:
    """The settings of a preset. Raises ConfigError, with the nearest known name, where there is none."""
    if name not in preset_names():
        raise ConfigError(f"preset must be a known name, but is '{name}'", nearest(name, preset_names()))
    return tomllib.loads((files("nmt_cli") / "presets" / f"{name}.toml").read_text(encoding="utf-8"))
