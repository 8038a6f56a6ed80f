"""What goes in and out of ``nmt translate``: plain text, TSV, JSON lines. One row in, one row out (n rows with n-best).

text    the translation; n-best lists: one candidate a line
tsv     number of the line (from 1), rank (from 1), score, log-probability, translation, flags (of exact search: proved or budget)
jsonl   in: {"text": ...}, perhaps "prefix", and whatever else; out: the same object with "translation", "score", "log_prob",
        "tokens" (ids), "flags" and, for n-best, "candidates" and their "diversity"; of exact search, "certificate" (proved, nodes,
        bound); fields that we do not know come out as they went in
        we do not know come out as they went in
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, Self

from nmt_cli.errors import DataError
from nmt_cli.inference.translator import Candidate, Translation
from nmt_cli.registry import Registry

Figures = Callable[[Sequence[str]], dict[str, Any]]
"""The candidates of a line -> what there is to say of all of them together: this room itself measures nothing."""

_HALF = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True)
class Row:
    """A line of input: what is to be translated, and what else came with it."""

    text: str
    extra: dict[str, Any] = field(default_factory=dict)
    prefix: str = ""  # how the translation begins


class Format(Protocol):
    """A way to write a line down."""

    @classmethod
    def of(cls, figures: Figures) -> Self:
        """``figures`` say how different candidates are."""
        ...

    def read(self, lines: Iterable[str], name: str) -> Iterator[Row]:
        """Rows from the lines of the file ``name``. Raises DataError where a line does not have the form."""
        ...

    def write(self, number: int, row: Row, translation: Translation, n_best: int) -> str:
        """The output for line ``number`` (from 1), without the last line end."""
        ...


def _plain(lines: Iterable[str]) -> Iterator[Row]:
    return (Row(line) for line in lines)


class Text:
    """Lines."""

    @classmethod
    def of(cls, figures: Figures) -> Self:
        """There is no room for them."""
        del figures
        return cls()

    def read(self, lines: Iterable[str], name: str) -> Iterator[Row]:
        """Every line is a row."""
        del name
        return _plain(lines)

    def write(self, number: int, row: Row, translation: Translation, n_best: int) -> str:
        """Always n lines, so that line numbers can be counted on: empty where there are fewer candidates."""
        del number, row
        texts = [candidate.text for candidate in translation.candidates[:n_best]]
        return "\n".join(texts + [""] * (n_best - len(texts)))


class Tsv:
    """Lines in, a table out."""

    @classmethod
    def of(cls, figures: Figures) -> Self:
        """There is no room for them."""
        del figures
        return cls()

    def read(self, lines: Iterable[str], name: str) -> Iterator[Row]:
        """Every line is a row."""
        del name
        return _plain(lines)

    def write(self, number: int, row: Row, translation: Translation, n_best: int) -> str:
        """One line for each candidate."""
        del row
        return "\n".join(
            "\t".join(
                (
                    str(number),
                    str(rank),
                    f"{candidate.score:.6f}",
                    f"{candidate.log_prob:.6f}",
                    candidate.text.replace("\t", " "),
                    ",".join((*translation.flags, *_proof(candidate))),
                )
            )
            for rank, candidate in enumerate(translation.candidates[:n_best], 1)
        )


@dataclass(frozen=True)
class JsonLines:
    """An object a line."""

    figures: Figures

    @classmethod
    def of(cls, figures: Figures) -> Self:
        """They are said of each list of candidates."""
        return cls(figures)

    def read(self, lines: Iterable[str], name: str) -> Iterator[Row]:
        """Objects with a field ``text``."""
        for number, line in enumerate(lines, 1):
            try:
                content = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise DataError(f"{name}:{number} must be a JSON object, but is not JSON: {error}") from None
            if not isinstance(content, dict) or not isinstance(content.get("text"), str):
                raise DataError(f'{name}:{number} must be a JSON object with a string "text", but is {line[:60]}')
            prefix = content.get("prefix", "")
            if not isinstance(prefix, str):
                raise DataError(f'{name}:{number} must have a string as "prefix", but has {str(prefix)[:60]}')
            yield Row(content["text"], content, prefix)

    def write(self, number: int, row: Row, translation: Translation, n_best: int) -> str:
        """The object that came in, with what was found."""
        del number
        best = translation.candidates[0]
        found: dict[str, Any] = {
            "translation": best.text,
            "score": best.score,
            "log_prob": best.log_prob,
            "tokens": list(best.tokens),
            "flags": list(translation.flags),
            **_certified(best),
        }
        if n_best > 1:
            found["candidates"] = [
                {
                    "translation": candidate.text,
                    "score": candidate.score,
                    "log_prob": candidate.log_prob,
                    "tokens": list(candidate.tokens),
                    **_certified(candidate),
                }
                for candidate in translation.candidates[:n_best]
            ]
            found["diversity"] = self.figures([candidate.text for candidate in translation.candidates[:n_best]])
        return json_line({**row.extra, **found})


def _proof(candidate: Candidate) -> list[str]:
    """The flag of a candidate that comes with a certificate."""
    return [] if candidate.certificate is None else [candidate.certificate.flag]


def _certified(candidate: Candidate) -> dict[str, Any]:
    """The field of a candidate that comes with a certificate."""
    return {} if candidate.certificate is None else {"certificate": asdict(candidate.certificate)}


def json_line(content: dict[str, Any]) -> str:
    """In readable characters; escaped where a foreign field holds half a character, which UTF-8 cannot write."""
    written = json.dumps(content, ensure_ascii=False)
    return json.dumps(content) if _HALF.search(written) else written


FORMATS: Registry[type[Format]] = Registry(
    "format",
    {
        name: f"nmt_cli.inference.formats:{kind}"
        for name, kind in (("text", "Text"), ("tsv", "Tsv"), ("jsonl", "JsonLines"))
    },
)
