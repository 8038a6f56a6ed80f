"""The command ``nmt score``: how good is this text?"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nmt_cli.console import tracked
from nmt_cli.corpus.reader import STDIN
from nmt_cli.errors import ConfigError

if TYPE_CHECKING:
    from nmt_cli.evaluation.metrics import MetricScore
    from nmt_cli.evaluation.significance import PairedScore

_EXAMPLE = "nmt score ref.de < output.de"
_TAG = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]+)*")  # de, zh-CN, ja_JP
_PACKING = re.compile(r"(\.txt)?(\.gz|\.xz|\.zst)?$")


def score(
    references: Annotated[
        list[str],
        typer.Argument(metavar="REF", help="Reference translations, one sentence a line; .gz, .xz and .zst too."),
    ],
    hypothesis: Annotated[
        str,
        typer.Option(
            "--hypothesis",
            "-i",
            metavar="FILE",
            help="The text to score, line by line as REF.",
            show_default="standard input",
        ),
    ] = STDIN,
    against: Annotated[
        str | None, typer.Option(metavar="FILE", help="The output of another system: is the difference chance?")
    ] = None,
    language: Annotated[
        str | None,
        typer.Option(
            metavar="CODE", help="Of the text, such as de or zh-CN, for the tokenizer.", show_default="suffix of REF"
        ),
    ] = None,
    lowercase: Annotated[bool, typer.Option("--lowercase", help="Fold case for BLEU and chrF2, as TER does.")] = False,
    resamples: Annotated[
        int, typer.Option(metavar="N", min=0, help="Bootstrap resamples for the 95 % interval; 0 for none.")
    ] = 1000,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a metric, unrounded.")] = False,
) -> None:
    """BLEU, chrF2 and TER of any text, with signature and 95 % interval.

    nmt score ref.de < output.de

    nmt score ref.A.de ref.B.de -i output.de --against baseline.de
    """
    from nmt_cli.corpus.columns import called
    from nmt_cli.evaluation.metrics import each_score
    from nmt_cli.evaluation.significance import paired_bootstrap, paired_table
    from nmt_cli.evaluation.texts import check_counts, read, warn_of_form

    _check_options(language, against, resamples)
    systems = [hypothesis] if against is None else [hypothesis, against]
    _check_streams([*references, *systems])
    language = language or _language_of(references[0])
    texts = {name: read(name) for name in [*references, *systems]}
    check_counts(texts)
    warn_of_form(texts, language)
    golds = [texts[name] for name in references]
    if against is None:
        scores = each_score(texts[hypothesis], golds, language=language, lowercase=lowercase, resamples=resamples)
        for result in scores:  # printed as they come: TER takes its time
            print(_json(result) if as_json else result, flush=True)
        return
    compared = paired_bootstrap(
        texts[hypothesis], texts[against], golds, language=language, lowercase=lowercase, resamples=resamples
    )
    pairs = list(tracked(compared, "comparing", total=3))
    print(
        "\n".join(
            [_json(pair) for pair in pairs] if as_json else paired_table(pairs, called(hypothesis), called(against))
        )
    )


def _json(result: MetricScore | PairedScore) -> str:
    return json.dumps(result.to_json(), ensure_ascii=False)


def _check_options(language: str | None, against: str | None, resamples: int) -> None:
    if language is not None and not _TAG.fullmatch(language):
        raise ConfigError(f"--language must be a code such as de or zh-CN, but is {language!r}")
    if against is not None and resamples == 0:
        raise ConfigError("--resamples must be at least 100 with --against, but is 0", "leave --resamples out")


def _check_streams(names: Sequence[str]) -> None:
    """Refuse to read standard input twice, or from a person who does not know that the command waits for text."""
    if names.count(STDIN) > 1:
        raise ConfigError("standard input can be read once only, but is asked for twice", _EXAMPLE)
    if STDIN in names and _at_terminal():
        raise ConfigError(
            "the text to score must come from a file or a pipe, but standard input is a terminal", _EXAMPLE
        )


def _at_terminal() -> bool:
    return sys.stdin.isatty()


def _language_of(reference: str) -> str | None:
    """``de`` of ``test.de``, ``test.de.gz`` and ``test.de.txt``; None where the suffix is no language code."""
    suffix = Path(_PACKING.sub("", reference)).suffix.removeprefix(".")
    return suffix if _TAG.fullmatch(suffix) else None
