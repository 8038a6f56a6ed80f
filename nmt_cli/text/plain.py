"""Words or characters as they stand: what has no id of its own is UNK. For language models and classifiers.

Published perplexities are of whole words, and compare only over one vocabulary. Subwords have no unknown words, and are the better
choice where text is to be produced.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar, Self

from nmt_cli.errors import DataError
from nmt_cli.settings import DataSettings
from nmt_cli.text.normalize import normalize
from nmt_cli.text.tokenizer import EOS, UNK
from nmt_cli.text.vocabulary import Words

SPECIALS = ("<pad>", "<s>", "<unk>", "</s>")
_LEAST, _MOST = 2, 65_000
"""Without a size: all units that occur twice, at most so many."""


class PlainTokenizer(ABC):
    """A list of units; the id of a unit is its place."""

    file: ClassVar[str]
    joint: ClassVar[str]
    """What stands between two units of a line."""
    unknown: ClassVar[bool] = True

    def __init__(self, units: Sequence[str]) -> None:
        """``units``: without the special ones."""
        self.units = (*SPECIALS, *units)
        self._ids = {unit: index for index, unit in enumerate(self.units) if index > EOS}

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raises DataError where the folder holds no list of units or a damaged one."""
        path = folder / cls.file
        try:
            lines = path.read_text(encoding="utf-8").split("\n")
        except FileNotFoundError:
            raise DataError(f"{folder} must hold {cls.file}, but does not") from None
        except UnicodeDecodeError:
            raise DataError(f"{path} must be UTF-8, but is damaged") from None
        units = lines[len(SPECIALS) : -1]
        if tuple(lines[: len(SPECIALS)]) != SPECIALS or len(set(units)) != len(units):
            raise DataError(f"{path} must begin with {' '.join(SPECIALS)} and hold each unit once, but is damaged")
        return cls(units)

    @classmethod
    def learn(cls, words: Words, settings: DataSettings, *, sampled: int) -> Self:
        """The most frequent units of a text; where two are as frequent, the first by code point.

        Raises:
            DataError: there is no unit to learn.
        """
        counts = cls.count(words)
        least = 1 if settings.vocabulary or sampled > 1 else _LEAST
        ranked = sorted((unit for unit, count in counts.items() if count >= least), key=lambda u: (-counts[u], u))
        most = settings.vocabulary - len(SPECIALS) if settings.vocabulary else _MOST
        if not ranked:
            raise DataError(
                "a vocabulary must be learnt from text, but there is none that occurs twice",
                "with data.vocabulary, the most units there may be, what occurs once is learnt too",
            )
        return cls(ranked[:most])

    @classmethod
    @abstractmethod
    def count(cls, words: Words) -> Counter[str]:
        """How often each unit occurs in counted words. ``<unk>`` in a text is what it says, not a unit."""

    @abstractmethod
    def split(self, text: str) -> Iterable[str]:
        """The units of a normalised line."""

    @property
    def size(self) -> int:
        """How many ids there are: V, the special ones counted."""
        return len(self.units)

    @property
    def target(self) -> Self:
        """Itself: one list is for both sides."""
        return self

    def encode(self, text: str) -> list[int]:
        """The ids of a line, without BOS and EOS; UNK for what is not in the list."""
        return [self._ids.get(unit, UNK) for unit in self.split(normalize(text))]

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """``encode`` of many lines."""
        return [self.encode(text) for text in texts]

    def decode(self, ids: Sequence[int]) -> str:
        """The line that ids stand for; special ids but UNK are skipped."""
        return normalize(self.joint.join(self.units[index] for index in ids if index > EOS or index == UNK))

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """The name of each id."""
        return [self.units[index] for index in ids]

    def surfaces(self, ids: Sequence[int]) -> list[str]:
        """What each id adds to the line: a unit, and what stands between two."""
        return [self.units[index] + self.joint if index > EOS or index == UNK else "" for index in ids]

    def spellings(self, ids: Sequence[int]) -> list[bytes]:
        """The same in UTF-8: no unit is a part of a character."""
        return [surface.encode("utf-8") for surface in self.surfaces(ids)]

    def save(self, folder: Path) -> None:
        """Write the list into a folder: beside, then renamed."""
        beside = folder / (self.file + ".part")
        beside.write_text("".join(f"{unit}\n" for unit in self.units), encoding="utf-8")
        beside.replace(folder / self.file)


class WordTokenizer(PlainTokenizer):
    """A word is what stands between spaces."""

    file = "words.txt"
    joint = " "

    @classmethod
    def count(cls, words: Words) -> Counter[str]:
        """The words themselves."""
        return Counter({word: count for word, count in words.items() if word not in SPECIALS})

    def split(self, text: str) -> Iterable[str]:
        """At spaces."""
        return text.split()


class CharacterTokenizer(PlainTokenizer):
    """A character is a code point; the space is one."""

    file = "characters.txt"
    joint = ""

    @classmethod
    def count(cls, words: Words) -> Counter[str]:
        """The characters of all words, and about a space for each word."""
        counts: Counter[str] = Counter({" ": words.total()})
        for word, count in words.items():
            for character in word:
                counts[character] += count
        return counts

    def split(self, text: str) -> Iterable[str]:
        """One by one."""
        return text
