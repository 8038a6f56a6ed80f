"""Health: the signs of a model that has not learned to translate, which a single score does not show.

Outputs that are empty, all alike, copied from the source, caught in a loop, too short or too long. Each share has a
limit, and beyond it a sentence that says what usually causes it. Knows no metric.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from nmt_cli.errors import DataError
from nmt_cli.text.loops import LOOP, most_repeats

EMPTY = 0.01
"""Share of empty outputs from which on there is advice."""
COLLAPSED = 0.1
"""The same for lines that share their output with other sources, above what the references do."""
COPIED = 0.05
"""The same for copied sources."""
REPEATED = 0.02
"""The same for lines with a loop."""
SHORT, LONG = 0.8, 1.25
"""Length ratios outside of which there is advice."""

_QUOTED = 60  # characters of a sentence that is named


@dataclass(frozen=True)
class Health:
    """Shares of lines, 0 to 1, all of them better when low, and the ratio of lengths.

    Attributes:
        lines: N.
        empty: nothing came out although something went in; of the lines whose source is not blank.
        most_common: lines held by the most common output, if at least two different sources led to it.
        most_common_output: that output, or None.
        duplicated: lines whose output is also that of a different source, less the same share of the references (short
            texts rightly have identical translations).
        copied: the output is the source, and the reference is not.
        repeated: a group of 1 to 4 words follows itself three times or more, and more often than in the reference.
        length_ratio: characters of all outputs to those of all references, spaces aside; None if those are blank.
    """

    lines: int
    empty: float
    most_common: float
    most_common_output: str | None
    duplicated: float
    copied: float
    repeated: float
    length_ratio: float | None

    @property
    def advice(self) -> list[str]:
        """One sentence for each share beyond its limit; empty for a healthy output."""
        ratio = 1.0 if self.length_ratio is None else self.length_ratio
        collapsed = self.duplicated >= COLLAPSED
        same = collapsed and self.most_common >= COLLAPSED
        findings = (
            (
                self.empty >= EMPTY,
                self.empty,
                "outputs are empty: blank targets in the training data, or little training",
            ),
            (
                same,
                self.most_common,
                f"outputs are the same sentence: {_quoted(self.most_common_output or '')} "
                "(learning rate too high or data misaligned)",
            ),
            (
                collapsed and not same,
                self.duplicated,
                "outputs are shared by different sources: little training or data misaligned",
            ),
            (self.copied >= COPIED, self.copied, "outputs copy their source: untranslated pairs in the training data"),
            (self.repeated >= REPEATED, self.repeated, "outputs are caught in a loop: little training"),
            (ratio < SHORT, ratio, "the reference length comes out: raise the length penalty or train longer"),
            (ratio > LONG, ratio, "the reference length comes out: loops, or training lines of several sentences"),
        )
        return [f"{100 * share:.0f} % of {text}" for bad, share, text in findings if bad]

    def __str__(self) -> str:
        shares = (("empty", self.empty), ("most common", self.most_common), ("duplicated", self.duplicated),
                  ("copied", self.copied), ("repeated", self.repeated))  # fmt: skip
        ratio = "" if self.length_ratio is None else f", length ratio {self.length_ratio:.2f}"
        return ", ".join(f"{name} {100 * share:.1f} %" for name, share in shares) + ratio

    def to_json(self) -> dict[str, object]:
        """Every field, unrounded, and the advice."""
        return {**asdict(self), "advice": self.advice}


def health(sources: Sequence[str], hypotheses: Sequence[str], references: Sequence[str]) -> Health:
    """Examine an output. Time and memory are linear in the text, however long a line is.

    Args:
        sources: N lines that were translated.
        hypotheses: N lines that came out.
        references: N lines that should have.

    Raises:
        DataError: no lines, or unequal numbers of lines.
    """
    _check(sources, hypotheses, references)
    lines = len(hypotheses)
    asked = [not hypothesis.strip() for source, hypothesis in zip(sources, hypotheses, strict=True) if source.strip()]
    shared = _shared(sources, hypotheses)
    common, held = shared.most_common(1)[0] if shared else (None, 0)
    expected = _shared(sources, references)
    triples = list(zip(sources, hypotheses, references, strict=True))
    written, wanted = _characters(hypotheses), _characters(references)
    return Health(
        lines=lines,
        empty=sum(asked) / max(1, len(asked)),
        most_common=held / lines,
        most_common_output=common,
        duplicated=max(0, shared.total() - expected.total()) / lines,
        copied=sum(_copied(*triple) for triple in triples) / lines,
        repeated=sum(_looped(hypothesis, reference) for _, hypothesis, reference in triples) / lines,
        length_ratio=written / wanted if wanted else None,
    )


def _check(sources: Sequence[str], hypotheses: Sequence[str], references: Sequence[str]) -> None:
    if not len(sources) == len(hypotheses) == len(references):
        raise DataError(
            "sources, hypotheses and references must have equally many lines, "
            f"but have {len(sources):,}, {len(hypotheses):,} and {len(references):,}"
        )
    if not hypotheses:
        raise DataError("an output must have lines to examine, but there are none")


def _shared(sources: Sequence[str], outputs: Sequence[str]) -> Counter[str]:
    """Output -> how many lines hold it; only outputs, not blank, that at least two different sources led to."""
    origins = defaultdict[str, set[str]](set)
    lines = Counter[str]()
    for source, output in zip(map(str.strip, sources), map(str.strip, outputs), strict=True):
        if output:
            origins[output].add(source)
            lines[output] += 1
    return Counter({output: held for output, held in lines.items() if len(origins[output]) > 1})


def _copied(source: str, hypothesis: str, reference: str) -> bool:
    source = source.strip()
    return bool(source) and source == hypothesis.strip() != reference.strip()


def _quoted(sentence: str) -> str:
    """In one line of talk."""
    return f"'{sentence}'" if len(sentence) <= _QUOTED else f"'{sentence[:_QUOTED].rstrip()}…'"


def _looped(hypothesis: str, reference: str) -> bool:
    times = most_repeats(hypothesis)
    return times >= LOOP and times > most_repeats(reference)


def _characters(lines: Iterable[str]) -> int:
    return sum(len("".join(line.split())) for line in lines)
