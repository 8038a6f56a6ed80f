"""``nmt preprocess``: text files -> a prepared corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nmt_cli.cli.options import (
    DEFAULT_TASK,
    DevOption,
    FilesArgument,
    LanguagesOption,
    Sets,
    TestOption,
    UnitsOption,
)


def preprocess(
    files: FilesArgument,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where to write the prepared corpus.")],
    dev: DevOption = None,
    test: TestOption = None,
    languages: LanguagesOption = None,
    task: Annotated[str, typer.Option(help="What the corpus is for: translate, lm or classify.")] = DEFAULT_TASK,
    units: UnitsOption = None,
    vocabulary: Annotated[int | None, typer.Option(help="Units at most; without: chosen from the data.")] = None,
    tokenizer: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Take the units of this model, or prepared corpus, instead of learning new ones."
        ),
    ] = None,
    max_length: Annotated[int | None, typer.Option(help="Units of the longest sentence kept; without: 256.")] = None,
    max_ratio: Annotated[
        float | None, typer.Option(help="Drop pairs of which one side is so many times longer; without: 9.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the prepared corpus DIR if it exists.")] = False,
) -> None:
    """Check, filter and split a corpus, learn its vocabulary, and write it as ids.

    Files may be .gz, .xz or .zst. A report says what was dropped and why.

    nmt preprocess corpus.en corpus.de -o prepared
    """
    from nmt_cli import console
    from nmt_cli.corpus.prepare import check_output, prepare, unknown
    from nmt_cli.errors import ConfigError
    from nmt_cli.runs.vocabulary import Vocabulary
    from nmt_cli.settings import DataSettings, check

    if tokenizer is not None and (units is not None or vocabulary is not None):
        raise ConfigError("--tokenizer says the units: --units and --vocabulary must not be given with it")
    taken = None if tokenizer is None else Vocabulary.open(tokenizer)
    units = units if taken is None else taken.units
    given = {"units": units, "vocabulary": vocabulary, "max_length": max_length, "max_ratio": max_ratio}
    settings = check(
        DataSettings, "data", {name: value for name, value in given.items() if value is not None}, "command line"
    )
    check_output(output, force)
    inputs = Sets(files, dev, test, languages).inputs(task)
    report = prepare(inputs, output, settings, tokenizer=None if taken is None else taken.tokenizer)
    console.show(console.table(["", f"{report.noun}s"], report.rows()))
    console.say(report.summary())
    if report.languages == unknown(inputs.train) and task == DEFAULT_TASK:
        console.warn("the names of the files do not tell the languages: --languages en-de would")
    console.say(f"next: nmt train {output} -o model")
