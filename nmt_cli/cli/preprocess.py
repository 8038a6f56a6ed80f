"""``nmt preprocess``: text files -> a prepared corpus."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nmt_cli.cli.options import DevOption, LanguagesOption, TestOption, inputs_of

if TYPE_CHECKING:
    from nmt_cli.corpus.report import Report


def preprocess(
    files: Annotated[
        list[Path], typer.Argument(metavar="SRC [TGT]", help="Two aligned files, or one of source<TAB>target.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where to write the prepared corpus.")],
    dev: DevOption = None,
    test: TestOption = None,
    languages: LanguagesOption = None,
    vocabulary: Annotated[int | None, typer.Option(help="Subwords at most; without: chosen from the data.")] = None,
    max_length: Annotated[int | None, typer.Option(help="Subwords of the longest sentence kept; without: 256.")] = None,
    max_ratio: Annotated[
        float | None, typer.Option(help="Drop pairs of which one side is so many times longer; without: 9.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the prepared corpus DIR if it exists.")] = False,
) -> None:
    """Check, filter and split a parallel corpus, learn its subwords, and write it as ids.

    Files may be .gz, .xz or .zst. A report says what was dropped and why.

    nmt preprocess corpus.en corpus.de -o prepared
    """
    from nmt_cli.corpus.prepare import check_output, prepare
    from nmt_cli.settings import DataSettings, check

    given = {"vocabulary": vocabulary, "max_length": max_length, "max_ratio": max_ratio}
    settings = check(
        DataSettings, "data", {name: value for name, value in given.items() if value is not None}, "command line"
    )
    check_output(output, force)
    _say(prepare(inputs_of(files, dev, test, languages), output, settings), output)


def _say(report: Report, output: Path) -> None:
    """The report, and what to type next."""
    from nmt_cli import console
    from nmt_cli.corpus.prepare import UNKNOWN

    console.show(console.table(["", "pairs"], report.rows()))
    console.say(report.summary())
    if report.languages == UNKNOWN:
        console.warn("the names of the files do not tell the languages: --languages en-de would")
    console.say(f"next: nmt train {output} -o model")
