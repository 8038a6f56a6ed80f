"""What runs a model for ``nmt translate``: our own engine, or that of another toolkit, for what was exported to it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from nmt_cli.inference import workers
from nmt_cli.inference.choice import Choice
from nmt_cli.inference.together import Together
from nmt_cli.inference.translator import Translator
from nmt_cli.registry import Registry
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.search.base import Search

OWN = "nmt"


class Runner(Protocol):
    """A model, and a search in it."""

    @classmethod
    def open(cls, path: Path, choice: Choice) -> Self:
        """Raises ConfigError for what it cannot do of all that was asked for, ModelError for a model that it cannot run."""
        ...

    def translator(self, lines: int, wanted: int | None) -> AbstractContextManager[Translator]:
        """For about so many lines, by as many workers as are ``wanted``; None: by as many as are worth it."""
        ...


@dataclass(frozen=True)
class Own:
    """Ours."""

    directory: ModelDirectory
    strategy: Search
    together: Together

    @classmethod
    def open(cls, path: Path, choice: Choice) -> Self:
        """See Runner."""
        directory = ModelDirectory.open(path)
        return cls(directory, choice.strategy(directory), choice.together)

    def translator(self, lines: int, wanted: int | None) -> AbstractContextManager[Translator]:
        """See Runner. Its workers are processes."""
        return workers.translator(self.directory, self.strategy, lines=lines, wanted=wanted, together=self.together)


ENGINES: Registry[type[Runner]] = Registry(
    "--engine", {OWN: "nmt_cli.inference.engines:Own", "ctranslate2": "nmt_cli.inference.ctranslate2:CTranslate2"}
)
