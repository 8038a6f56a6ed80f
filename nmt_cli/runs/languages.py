"""Whether two models are for languages that go together, as far as their manifests tell."""

from __future__ import annotations

import re
from pathlib import Path

from nmt_cli import console
from nmt_cli.corpus.files import FILES
from nmt_cli.errors import ModelError
from nmt_cli.runs.directory import ModelDirectory


def known(directory: ModelDirectory) -> tuple[str, ...] | None:
    """The languages of a model; None where nothing told them, and they are called by the columns of text."""
    manifest = directory.manifest
    return None if {*manifest.languages} & {*FILES[manifest.task].columns} else manifest.languages


def check_reverse(back: ModelDirectory, model: ModelDirectory) -> None:
    """Raises ModelError where one translation model does not lead back from the other; warns where nothing tells."""
    own, found = known(model), known(back)
    if own is None or found is None:
        unsaid = model if own is None else back
        console.warn(
            f"{back.path} should lead back from {model.path}, but the languages of {unsaid.path} are not known"
        )
    elif not _same(found, own[::-1]):
        wanted = own[::-1]
        raise ModelError(
            f"{back.path} must be {'-'.join(wanted)}, back from {model.path}, but is {'-'.join(found)}",
            f"nmt train corpus.{wanted[0]} corpus.{wanted[1]} -o back trains one",
        )


def check_direction(directory: ModelDirectory, languages: tuple[str, ...], corpus: Path) -> None:
    """Raises ModelError where a translation model is for other ``languages`` than a ``corpus`` needs; warns where nothing tells."""
    found = known(directory)
    if found is None or {*languages} & {*FILES[directory.manifest.task].columns}:
        unsaid = directory.path if found is None else corpus
        console.warn(f"{directory.path} should translate text of {corpus}, but the languages of {unsaid} are not known")
    elif not _same(found, languages):
        raise ModelError(
            f"{directory.path} must be {'-'.join(languages)} to translate text of {corpus}, but is {'-'.join(found)}",
            "--forward names models of its direction, --reverse those of the other",
        )


def check_reader(reader: ModelDirectory, model: ModelDirectory) -> None:
    """Raises ModelError where a language model reads another language than the translation model writes."""
    own, found = known(model), known(reader)
    if own is not None and found is not None and not _same(found, own[1:]):
        raise ModelError(
            f"{reader.path} must be of {own[1]}, which {model.path} translates into, but is of {found[0]}",
            f"nmt train --task lm corpus.{own[1]} -o lm trains one",
        )


def _same(some: tuple[str, ...], others: tuple[str, ...]) -> bool:
    """Regions and scripts do not count: a model of zh reads zh_Hans."""
    return [re.split("[-_]", each)[0] for each in some] == [re.split("[-_]", each)[0] for each in others]
