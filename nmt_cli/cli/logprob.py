"""``nmt logprob``: what a model itself thinks of given text."""

from pathlib import Path
from typing import Annotated

import typer


def logprob(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A language model or a translation model.")],
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="A text; for a translation model source and target. With more targets: is the first the most probable?",
        ),
    ],
    input_: Annotated[
        str,
        typer.Option(
            "--input",
            help="text; tsv: SRC and a table as nmt translate --format tsv writes it; jsonl: as nmt translate or nmt "
            "generate write it, and then the tokens count, but for what stands behind a prompt.",
        ),
    ] = "text",
    format_: Annotated[
        str,
        typer.Option(
            "--format",
            help="text: a log-probability a line; tsv: line, rank, log p, tokens, perplexity, text; jsonl: by token.",
        ),
    ] = "text",
    total: Annotated[
        bool,
        typer.Option(
            "--total",
            help="Instead of lines what they add up to: log p, perplexity, contrastive accuracy; with --format jsonl in JSON.",
        ),
    ] = False,
) -> None:
    """The log-probability (natural) of each line, its end counted; of a translation, given its source.

    nmt logprob model test.en test.de --format jsonl
    """
    import json
    import sys

    from nmt_cli import console
    from nmt_cli.errors import ConfigError, ModelError
    from nmt_cli.evaluation.contrast import Summary
    from nmt_cli.inference.given import INPUTS
    from nmt_cli.inference.opinions import FORMATS, opinions
    from nmt_cli.inference.scorer import SCORERS
    from nmt_cli.runs.directory import ModelDirectory
    from nmt_cli.text.tokenizer import UNK

    given, form = INPUTS[input_](), FORMATS[format_]
    if total and format_ == "tsv":
        raise ConfigError("--total must be written in --format text or jsonl, but is asked for in tsv")
    directory = ModelDirectory.open(model)
    task = directory.manifest.task
    if task not in SCORERS:
        raise ModelError(f"{model} must be a language model or a translation model, but is for the task {task}")
    scorer = SCORERS[task].open(directory)
    summary, otherwise, unknown = Summary.of(given.judged(files, scorer.columns)), 0, 0
    written = form.of(directory.tokenizer, scorer.columns)
    found = opinions(scorer, given.read(files, scorer.columns))
    for line, scored in console.tracked(found, "judging", None) if total or not sys.stdout.isatty() else found:
        summary, otherwise = summary.plus(scored), otherwise + sum(one.otherwise for one in scored)
        unknown += sum(one.tokens.count(UNK) for one in scored)
        if not total:
            print(written.write(line, scored))
    if total:
        print(json.dumps(summary.to_json(), ensure_ascii=False) if format_ == "jsonl" else "\n".join(summary.lines()))
    elif len(summary.names) > 1:
        console.say(str(summary.contrast))
    if unknown:
        tokens = console.count(sum(each.tokens for each in summary.totals), "token")
        console.say(
            f"{unknown:,} of {tokens} {'is' if unknown == 1 else 'are'} <unk>: all that the model does not know is one word"
        )
    if otherwise:
        texts = console.count(otherwise, "text")
        console.say(f"{texts} would be cut into other tokens by the tokenizer: the tokens that were given count")
