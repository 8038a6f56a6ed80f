"""What goes in and out of ``nmt translate``: plain text, TSV, JSON lines. One row in, one row out (n rows with n-best).

text    the translation; n-best lists: one candidate a line
tsv     number of the line (from 1), rank (from 1), score, log-probability, translation, flags (of exact search: proved or budget)
jsonl   in: {"text": ...}, perhaps "prefix", and whatever else; out: the same object with "translation", "score", "log_prob",
        "tokens" (ids), "flags" and, for n-best, "candidates", which have the same fields each, and their "diversity"; of exact
        search, "certificate" (proved, nodes, bound); fields that we do not know come out as they went in
pharaoh the links of words, as word aligners write them: 0-0 1-2 2-1 (source-target, from 0), words being what stands between spaces
        in the line as it is read (see text.normalize) and in the translation

What costs a pass more comes only when asked for:

token scores   tsv: a column with the natural log-probability of each token; jsonl: "pieces", the tokens by name, and
               "token_log_probs", which sum to "log_prob"
alignment      tsv: a column as in pharaoh; jsonl: "word_alignment", the same as pairs, "source_pieces", "pieces" and "alignment",
               pairs of places in these two; each piece of a word of the translation is linked once, EOS is not
attention      jsonl: what the links are made from: for each of "pieces" a list of weights, one for each of "source_pieces"
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from typing import Any, ClassVar, Protocol, Self

from nmt_cli.errors import DataError
from nmt_cli.inference.details import Details
from nmt_cli.inference.reading import Reading
from nmt_cli.inference.translator import Candidate, Translation
from nmt_cli.registry import Registry

Figures = Callable[[Sequence[str]], dict[str, Any]]
"""The candidates of a line -> what there is to say of all of them together: this room itself measures nothing."""

OWNED = frozenset(
    (
        *("translation", "score", "log_prob", "tokens", "flags", "certificate", "candidates", "diversity"),
        *("pieces", "token_log_probs", "source_pieces", "alignment", "word_alignment", "attention"),
        *("perplexity", "log_probs"),  # of nmt logprob
        *("reverse_log_prob", "lm_log_prob"),  # of nmt rerank
    )
)
"""Fields of an object that say something of a translation, or of several."""

_DIGITS = 6  # of a weight: as many as single precision knows, so that a matrix can be read
_HALF = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True)
class Row:
    """A line of input: what is to be translated, and what else came with it."""

    text: str
    extra: dict[str, Any] = field(default_factory=dict)
    prefix: str = ""  # how the translation begins


class Format(Protocol):
    """A way to write a line down."""

    weighs: ClassVar[bool]
    """Whether it says how probable a candidate is."""

    @classmethod
    def of(cls, figures: Figures, details: Details) -> Self:
        """``figures`` say how different candidates are. Raises ConfigError for ``details`` that there is no room for."""
        ...

    @property
    def details(self) -> Details:
        """What it writes of each candidate."""
        ...

    def read(self, lines: Iterable[str], name: str) -> Iterator[Row]:
        """Rows from the lines of the file ``name``. Raises DataError where a line does not have the form."""
        ...

    def write(self, number: int, row: Row, translation: Translation, n_best: int) -> str:
        """The output for line ``number`` (from 1), without the last line end."""
        ...


@dataclass(frozen=True)
class Plain:
    """Lines in: what the formats but JSON lines share."""

    weighs: ClassVar[bool] = False

    details: Details

    def read(self, lines: Iterable[str], name: str) -> Iterator[Row]:
        """Every line is a row."""
        del name
        return (Row(line) for line in lines)


class Text(Plain):
    """Lines."""

    @classmethod
    def of(cls, figures: Figures, details: Details) -> Self:
        """There is room for nothing else."""
        del figures
        return cls(details.within((), "text"))

    def write(self, number: int, row: Row, translation: Translation, n_best: int) -> str:
        """Always n lines, so that line numbers can be counted on: empty where there are fewer candidates."""
        del number, row
        return _lines((candidate.text for candidate in translation.candidates), n_best)


class Pharaoh(Plain):
    """The links of words, in place of the words."""

    @classmethod
    def of(cls, figures: Figures, details: Details) -> Self:
        """The alignment alone, whether or not it is asked for by name."""
        del figures
        return cls(replace(details.within(("alignment",), "pharaoh"), alignment=True))

    def write(self, number: int, row: Row, translation: Translation, n_best: int) -> str:
        """Always n lines, as of text, so that the two stand beside each other."""
        del number, row
        return _lines((_reading(candidate).pharaoh for candidate in translation.candidates), n_best)


class Tsv(Plain):
    """Lines in, a table out."""

    weighs: ClassVar[bool] = True

    @classmethod
    def of(cls, figures: Figures, details: Details) -> Self:
        """There is room for a column more."""
        del figures
        return cls(details.within(("token_scores", "alignment"), "tsv"))

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
                    ",".join((*candidate.flags, *_proof(candidate))),
                    *self._more(candidate),
                )
            )
            for rank, candidate in enumerate(translation.candidates[:n_best], 1)
        )

    def _more(self, candidate: Candidate) -> Iterator[str]:
        """The columns that were asked for, always in this order."""
        if self.details.token_scores:
            yield " ".join(f"{log_prob:.6f}" for log_prob in _reading(candidate).log_probs)
        if self.details.alignment:
            yield _reading(candidate).pharaoh


@dataclass(frozen=True)
class JsonLines:
    """An object a line."""

    weighs: ClassVar[bool] = True

    figures: Figures
    details: Details

    @classmethod
    def of(cls, figures: Figures, details: Details) -> Self:
        """Figures are said of each list of candidates; there is room for everything."""
        return cls(figures, details)

    def read(self, lines: Iterable[str], name: str) -> Iterator[Row]:
        """Objects with a field ``text``."""
        for number, line in enumerate(lines, 1):
            if not line.strip():
                yield Row("", {"text": ""}, "")
                continue
            try:
                content = json.loads(line)
            except (ValueError, RecursionError):
                raise DataError(
                    f"{name}:{number} must be a JSON object, but is {line[:60]}",
                    'jsonl reads and writes lines such as {"text": "Good morning."}; tsv reads plain lines',
                ) from None
            if not isinstance(content, dict) or not isinstance(content.get("text"), str):
                raise DataError(f'{name}:{number} must be a JSON object with a string "text", but is {line[:60]}')
            prefix = content.get("prefix", "")
            if not isinstance(prefix, str):
                raise DataError(f'{name}:{number} must have a string as "prefix", but has {str(prefix)[:60]}')
            yield Row(content["text"], content, prefix)

    def write(self, number: int, row: Row, translation: Translation, n_best: int) -> str:
        """The object that came in, with what was found in place of what it said of an older translation."""
        del number
        best = translation.candidates[0]
        found = self._fields(best)
        if self.details.looks:
            found["source_pieces"] = _reading(best).source_pieces
        if n_best > 1:
            found["candidates"] = [self._fields(candidate) for candidate in translation.candidates[:n_best]]
            found["diversity"] = self.figures([candidate.text for candidate in translation.candidates[:n_best]])
        return json_line({**foreign(row.extra), **found})

    def _fields(self, candidate: Candidate) -> dict[str, Any]:
        """What there is to say of a candidate."""
        found: dict[str, Any] = {
            "translation": candidate.text,
            "score": candidate.score,
            "log_prob": candidate.log_prob,
            "tokens": list(candidate.tokens),
            "flags": list(candidate.flags),
            **_certified(candidate),
        }
        details, reading = self.details, _reading(candidate)
        if details != Details():
            found["pieces"] = reading.pieces
        if details.token_scores:
            found["token_log_probs"] = reading.log_probs
        if details.alignment:
            found |= {"alignment": reading.links, "word_alignment": reading.word_links}
        if details.attention:
            found["attention"] = [[round(weight, _DIGITS) for weight in row] for row in reading.attention]
        return found


def _lines(texts: Iterable[str], n_best: int) -> str:
    """So many lines, blank where there are fewer texts."""
    found = list(islice(texts, n_best))
    return "\n".join(found + [""] * (n_best - len(found)))


def _reading(candidate: Candidate) -> Reading:
    """Of a blank line it is that of nothing."""
    return candidate.reading or Reading(())


def _proof(candidate: Candidate) -> list[str]:
    """The flag of a candidate that comes with a certificate."""
    return [] if candidate.certificate is None else [candidate.certificate.flag]


def _certified(candidate: Candidate) -> dict[str, Any]:
    """The field of a candidate that comes with a certificate."""
    return {} if candidate.certificate is None else {"certificate": asdict(candidate.certificate)}


def foreign(content: Mapping[str, Any]) -> dict[str, Any]:
    """What came in, without what was said of an older translation: beside another one it would be wrong."""
    return {name: value for name, value in content.items() if name not in OWNED}


def json_line(content: dict[str, Any]) -> str:
    """In readable characters; escaped where a foreign field holds half a character, which UTF-8 cannot write."""
    written = json.dumps(content, ensure_ascii=False)
    return json.dumps(content) if _HALF.search(written) else written


FORMATS: Registry[type[Format]] = Registry(
    "--format",
    {
        name: f"nmt_cli.inference.formats:{kind}"
        for name, kind in (("text", "Text"), ("tsv", "Tsv"), ("jsonl", "JsonLines"), ("pharaoh", "Pharaoh"))
    },
)
