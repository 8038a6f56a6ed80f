"""What ``nmt logprob`` is given: a text beside its source, or what ``nmt translate`` and ``nmt generate`` have written.

text    files side by side: the source (of a translation), then one text, or several that stand for the same source
tsv     the source, then a table: number of the line, rank, score, log-probability, translation, flags, and what may follow
jsonl   one file of objects with "translation" (of a language model "text"), with its "tokens" if they are there; or "candidates".
        What a language model has written behind a "prompt" has tokens of its end alone: it is judged whole, without them
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby, repeat
from typing import Any, NoReturn, Protocol

from nmt_cli.console import count
from nmt_cli.corpus.columns import called, check_numbers, check_stdin, side_by_side
from nmt_cli.corpus.reader import open_bytes, strict_lines
from nmt_cli.errors import ConfigError, DataError
from nmt_cli.inference.scorer import Asked
from nmt_cli.registry import Registry
from nmt_cli.text.normalize import normalize

_FIELDS, _TEXT = 6, 4  # of a row of the table, at least, and which of them the text is
_DIGITS = 18  # of the number of a line: int() refuses thousands of them


@dataclass(frozen=True)
class Given:
    """A line, and the texts that stand for it, one or more."""

    number: int  # from 1
    texts: tuple[Asked, ...]
    content: Mapping[str, Any] = field(default_factory=dict)  # the object that it came in


class Input(Protocol):
    """A way to give texts. ``columns`` is 2 where they have a source, else 1."""

    def judged(self, files: Sequence[str], columns: int) -> Sequence[str]:
        """Those of the files that hold what is judged. Raises ConfigError for too few or too many of them."""
        ...

    def read(self, files: Sequence[str], columns: int) -> Iterator[Given]:
        """Line by line. Raises DataError, with file and line, where one does not have the form."""
        ...

    def read_all(self, files: Sequence[str], columns: int) -> Iterator[Given]:
        """The same, where nothing may be left out. Raises DataError likewise for a line of the source without texts."""
        ...


class Text:
    """Lines that stand beside each other."""

    def judged(self, files: Sequence[str], columns: int) -> Sequence[str]:
        """All but the source."""
        if len(files) < columns:
            raise ConfigError(f"--input text must have a {_wanted(columns)}, but is given {count(len(files), 'file')}")
        return files[columns - 1 :]

    def read(self, files: Sequence[str], columns: int) -> Iterator[Given]:
        """Each row of lines."""
        names = [called(name) for name in self.judged(files, columns)]
        for number, row in enumerate(side_by_side(files), 1):
            source = row[0] if columns > 1 else ""
            texts = zip(row[columns - 1 :], names, strict=True)
            yield Given(number, tuple(Asked(text, source, place=f"{name}:{number}") for text, name in texts))

    def read_all(self, files: Sequence[str], columns: int) -> Iterator[Given]:
        """There is a text for every line."""
        return self.read(files, columns)


class Tsv:
    """A table of candidates, in the order of their lines, beside the source."""

    def judged(self, files: Sequence[str], columns: int) -> Sequence[str]:
        """The table."""
        _exactly(files, columns, "tsv", _wanted(columns).replace("text", "table"))
        return files[-1:]

    def read(self, files: Sequence[str], columns: int) -> Iterator[Given]:
        """Each line of the source for which there are candidates."""
        return self._read(files, columns, _let_it_go)

    def read_all(self, files: Sequence[str], columns: int) -> Iterator[Given]:
        """Each line of the source."""

        def refuse(number: int) -> None:
            _refuse(called(files[-1]), f"a row for each line of {called(files[0])}", f"none for line {number:,}")

        return self._read(files, columns, refuse)

    def _read(self, files: Sequence[str], columns: int, without: Callable[[int], None]) -> Iterator[Given]:
        """``without`` is told the number of each line of the source that has no candidates."""
        check_stdin(files)
        table = called(files[-1])
        with ExitStack() as stack:
            sources = enumerate(_lines(stack, files[0]) if columns > 1 else repeat(""), 1)
            number = 0
            for number, rows in groupby(_rows(_lines(stack, files[-1]), table), key=lambda row: row[0]):
                found = list(rows)
                source = self._source(sources, number, without)
                if source is None:
                    _refuse(found[0][1], f"the number of a line of {called(files[0])}", number)
                yield Given(number, tuple(Asked(text, source, place=place) for _, place, text in found))
            if number == 0:
                check_numbers([(files[-1], 0)])
            if columns > 1:
                self._source(sources, 0, without)  # what is left

    @staticmethod
    def _source(sources: Iterator[tuple[int, str]], wanted: int, without: Callable[[int], None]) -> str | None:
        """The line of that number; None where there is none."""
        for number, line in sources:
            if number == wanted:
                return line
            without(number)
        return None


class JsonLines:
    """An object a line."""

    def judged(self, files: Sequence[str], columns: int) -> Sequence[str]:
        """The only file."""
        del columns
        _exactly(files, 1, "jsonl", "file, whose objects hold the source too")
        return files

    def read(self, files: Sequence[str], columns: int) -> Iterator[Given]:
        """Each object."""
        (name,) = files
        number = 0
        with ExitStack() as stack:
            for number, line in enumerate(_lines(stack, name), 1):
                yield _given(number, line, f"{called(name)}:{number}", columns)
        if number == 0:
            check_numbers([(name, 0)])

    def read_all(self, files: Sequence[str], columns: int) -> Iterator[Given]:
        """An object holds both."""
        return self.read(files, columns)


INPUTS: Registry[type[Input]] = Registry(
    "input",
    {
        name: f"nmt_cli.inference.given:{kind}"
        for name, kind in (("text", "Text"), ("tsv", "Tsv"), ("jsonl", "JsonLines"))
    },
)


def _let_it_go(number: int) -> None:
    del number


def _wanted(columns: int) -> str:
    return "source and a text" if columns > 1 else "text"


def _exactly(files: Sequence[str], wanted: int, name: str, what: str) -> None:
    if len(files) != wanted:
        raise ConfigError(f"--input {name} must have a {what}, but is given {count(len(files), 'file')}")


def _lines(stack: ExitStack, name: str) -> Iterator[str]:
    return strict_lines(stack.enter_context(open_bytes(name)), called(name))


def _rows(lines: Iterator[str], name: str) -> Iterator[tuple[int, str, str]]:
    """Number of the line, place in the table and text of each candidate."""
    before = 1
    for place, line in enumerate(lines, 1):
        fields = line.split("\t")
        if len(fields) < _FIELDS or not fields[0].isdecimal() or len(fields[0]) > _DIGITS:
            _refuse(f"{name}:{place}", "line, rank, score, log p, text and flags, with tabs between them", line)
        if int(fields[0]) < before:
            _refuse(f"{name}:{place}", f"the number of a line from {before} on: they ascend", int(fields[0]))
        before = int(fields[0])
        yield before, f"{name}:{place}", fields[_TEXT]


def _given(number: int, line: str, place: str, columns: int) -> Given:
    """From an object."""
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        raise DataError(f"{place} must be a JSON object, but is {line[:60]}") from None
    if not isinstance(content, dict):
        _refuse(place, "a JSON object", line)
    source = _string(content, "text", place) if columns > 1 else ""
    candidates = content.get("candidates", [content])
    if not isinstance(candidates, list) or not candidates or not all(isinstance(each, dict) for each in candidates):
        _refuse(place, 'objects in a list as "candidates"', candidates)
    written = "translation" if columns > 1 else "text"
    texts = [
        Asked(
            _string(each, written, place),
            source,
            _tokens(each, place) if columns > 1 or not _prompted(each) else None,
            place,
        )
        for each in candidates
    ]
    return Given(number, tuple(texts), content)


def _string(content: Mapping[str, Any], name: str, place: str) -> str:
    value = content.get(name)
    if not isinstance(value, str):
        _refuse(place, f'a string "{name}"', value)
    return value


def _prompted(content: Mapping[str, Any]) -> bool:
    """Whether ``nmt generate`` was told how the text begins."""
    prompt = content.get("prompt")
    return isinstance(prompt, str) and normalize(prompt) != ""


def _tokens(content: Mapping[str, Any], place: str) -> tuple[int, ...] | None:
    """The ids; None where there are none."""
    value = content.get("tokens")
    if value is None:
        return None
    if not isinstance(value, list) or not all(type(token) is int for token in value):
        _refuse(place, 'whole numbers in a list as "tokens"', value)
    return tuple(value)


def _refuse(place: str, wanted: str, found: object) -> NoReturn:
    raise DataError(f"{place} must have {wanted}, but has {str(found)[:60]}")
