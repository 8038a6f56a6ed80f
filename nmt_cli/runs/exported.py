"""A model in the format of another toolkit: a folder with its weights, and with the tokenizer, the settings and the manifest of the
model that it was made from. ``nmt export`` writes it, and an engine of that toolkit runs it."""

from __future__ import annotations

from pathlib import Path

from nmt_cli.errors import ModelError
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.runs.manifest import FILE as MANIFEST


def open_exported(path: Path, toolkit: str) -> ModelDirectory:
    """Its settings, tokenizer and manifest; it has no weights that ``ModelDirectory.model`` could read.

    Raises ModelError, with what to do instead, where there is none, or one that was not exported to this toolkit.
    """
    if not (path / MANIFEST).is_file():
        what = "is a file" if path.is_file() else "holds none" if path.is_dir() else "there is no such folder"
        raise ModelError(
            f"{path} must be a model that was exported to {toolkit}, but {what}",
            f"nmt export model --to {toolkit} -o exported makes one",
        )
    directory = ModelDirectory(path)
    if directory.manifest.exported != toolkit:
        raise ModelError(
            f"{path} must be a model that was exported to {toolkit}, but is one of nmt itself",
            f"nmt export {path} --to {toolkit} -o exported makes one of it; without --engine nmt translate runs it as it is",
        )
    return directory


def most_positions(directory: ModelDirectory) -> int:
    """How many positions an exported model has, where they stand in a table: more than its longest source or translation needs."""
    longest, limit = directory.settings.data.max_length + 1, directory.manifest.limit
    needed = longest if limit is None else max(longest, limit(longest))
    return max(512, 1 << (needed - 1).bit_length())
