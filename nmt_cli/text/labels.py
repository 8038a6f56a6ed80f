"""The labels of a classifier: a few names, numbered in the order of the alphabet."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from nmt_cli.errors import DataError

FILE = "labels.txt"
_MOST = 10_000


class Labels:
    """A list of names; the id of a label is its place."""

    def __init__(self, names: Iterable[str]) -> None:
        """Raises DataError where there are fewer than two, and nothing could be told apart, or far too many to be labels."""
        self.names = tuple(sorted(set(names)))
        self._ids = {name: index for index, name in enumerate(self.names)}
        if len(self.names) < 2:
            raise DataError(f"labels must be at least two different ones, but are {list(self.names)}")
        if len(self.names) > _MOST:
            raise DataError(
                f"labels must be at most {_MOST:,} different ones, but are {len(self.names):,}",
                "a labelled text is one line, label<TAB>text: do the columns stand the other way round?",
            )

    @classmethod
    def load(cls, folder: Path) -> "Labels":
        """Raises DataError, with the path, where the folder holds no labels."""
        try:
            return cls(filter(None, (folder / FILE).read_text(encoding="utf-8").split("\n")))
        except FileNotFoundError:
            raise DataError(f"{folder} must hold {FILE}, but does not") from None
        except UnicodeDecodeError:
            raise DataError(f"{folder / FILE} must be UTF-8, but is damaged") from None
        except DataError as error:
            raise DataError(f"{folder / FILE}: {error.message}", error.hint) from None

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self._ids

    @property
    def hint(self) -> str:
        """The names, or the first of many."""
        return f"one of: {', '.join(self.names[:20])}{', ...' if len(self) > 20 else ''}"

    def id_of(self, name: str, place: str) -> int:
        """Raises DataError, naming the ``place`` where it stands, for a label that is none of these."""
        if name not in self._ids:
            raise DataError(f"{place} must have a label that occurs in training, but has '{name}'", self.hint)
        return self._ids[name]

    def check_same(self, found: "Labels", place: str) -> None:
        """Raises DataError where the labels that were ``found`` in a ``place`` are not these."""
        lacking = [name for name in self.names if name not in found]
        foreign = [name for name in found.names if name not in self]
        parts = [("lacks", lacking), ("has", foreign)]
        said = " and ".join(f"{verb} {', '.join(map(repr, names[:5]))}" for verb, names in parts if names)
        if said:
            raise DataError(f"{place} must have the labels that the model knows, but {said}", self.hint)

    def encode_all(self, names: Sequence[str]) -> list[list[int]]:
        """Rows of one id each, of labels that are among these."""
        return [[self._ids[name]] for name in names]

    def save(self, folder: Path) -> None:
        """Write the names into a folder: beside, then renamed."""
        beside = folder / (FILE + ".part")
        beside.write_text("".join(f"{name}\n" for name in self.names), encoding="utf-8")
        beside.replace(folder / FILE)
