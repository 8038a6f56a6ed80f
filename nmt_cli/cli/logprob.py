"""``nmt logprob``: what a model itself thinks of given text."""

from pathlib import Path
from typing import Annotated

import typer


def logprob(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A language model or a translation model.")],
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="A text; for a translation model source and target.")
    ],
    format_: Annotated[
        str,
        typer.Option(
            "--format",
            help="text: a log-probability a line; tsv: line, log p, tokens, perplexity, text; jsonl: by token.",
        ),
    ] = "text",
) -> None:
    """The log-probability (natural) of each line, its end counted; of a translation, given its source.

    nmt logprob lm text.en --format jsonl
    """
    import json

    from nmt_cli.console import count
    from nmt_cli.errors import ConfigError, ModelError, nearest
    from nmt_cli.evaluation.texts import side_by_side
    from nmt_cli.inference.scorer import SCORERS
    from nmt_cli.runs.directory import ModelDirectory
    from nmt_cli.text.normalize import normalize

    forms = ["text", "tsv", "jsonl"]
    if format_ not in forms:
        raise ConfigError(f"--format must be text, tsv or jsonl, but is '{format_}'", nearest(format_, forms))
    directory = ModelDirectory.open(model)
    task = directory.manifest.task
    if task not in SCORERS:
        raise ModelError(f"{model} must be a language model or a translation model, but is for the task {task}")
    scorer = SCORERS[task].open(directory)
    if len(files) != scorer.columns:
        raise ConfigError(
            f"a model of the task {task} must be given {count(scorer.columns, 'file')}, but is given {len(files)}"
        )
    for number, found in enumerate(scorer.score(side_by_side(files)), 1):
        if format_ == "text":
            print(f"{found.log_prob:.6f}")
        elif format_ == "tsv":
            text = normalize(found.text)  # without tabs
            print(number, f"{found.log_prob:.6f}", len(found.tokens), f"{found.perplexity:.4f}", text, sep="\t")
        else:
            pieces = zip(directory.tokenizer.pieces(found.tokens), found.log_probs, strict=True)
            tokens = [{"token": piece, "log_prob": log_prob} for piece, log_prob in pieces]
            content = {"text": found.text, "log_prob": found.log_prob, "perplexity": found.perplexity, "tokens": tokens}
            print(json.dumps(content, ensure_ascii=False))
