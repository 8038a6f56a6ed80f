"""A registry maps a name to the place where the thing lives; the place is imported when the thing is asked for.

So listing names costs nothing, and nothing has to be imported for its side effects.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Generic, TypeVar, cast

from nmt_cli.errors import ConfigError, nearest

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """``Registry("architecture", {"transformer": "nmt_cli.models.transformer:Config"})["transformer"]`` imports on use."""

    def __init__(self, kind: str, places: Mapping[str, str]) -> None:
        self.kind = kind
        self._places = dict(places)

    def __getitem__(self, name: str) -> T:
        """Raises ConfigError, with the nearest known name as a hint, where there is no such name."""
        if name not in self._places:
            raise ConfigError(f"{self.kind} must be a known name, but is '{name}'", nearest(name, list(self)))
        module, _, attribute = self._places[name].partition(":")
        return cast("T", getattr(import_module(module), attribute))

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
