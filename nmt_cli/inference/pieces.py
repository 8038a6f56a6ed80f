"""A line in ids, in as many pieces as a model needs: it knows no source that is unlike those it was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.text.normalize import normalize
from nmt_cli.text.sentences import groups_of, pieces_within
from nmt_cli.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class Cutter:
    """Cuts lines."""

    tokenizer: Tokenizer
    longest: int  # subwords of a source, EOS not counted
    sentences: int | None = None  # of a source, None: any number

    @classmethod
    def of(cls, directory: ModelDirectory) -> Cutter:
        """As the model was trained."""
        return cls(directory.tokenizer, directory.settings.data.max_length, directory.manifest.sentences)

    def __call__(self, line: str) -> list[list[int]]:
        """No piece if the line is blank, one if it is like those of training; else several, each of at most so many sentences, and
        ids. A model that has learnt from single sentences would translate the first of several and leave the rest."""
        text = normalize(line)
        parts = [text] if self.sentences is None else groups_of(text, self.sentences)
        return [ids for part in parts for ids in self._within(part)]

    def _within(self, text: str) -> list[list[int]]:
        """Pieces that are not too long."""
        encode = self.tokenizer.encode
        ids = encode(text)
        if len(ids) <= self.longest:
            return [ids] if ids else []
        return [encode(part) for part in pieces_within(text, lambda part: len(encode(part)) <= self.longest)]


def first_words(line: str, parts: Sequence[str]) -> list[int]:
    """In which word of the normalised line, from 0, each of its parts begins: a word may be cut into several."""
    text, place, found = normalize(line), 0, []
    for part in parts:
        place += text[place : place + 1] == " "
        found.append(text.count(" ", 0, place))
        place += len(part)
    return found
