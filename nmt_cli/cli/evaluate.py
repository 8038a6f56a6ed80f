"""``nmt evaluate``: translate a test set and say how good the model is."""

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model directory.")],
    source: Annotated[Path, typer.Argument(metavar="SRC", help="What is translated.")],
    references: Annotated[list[Path], typer.Argument(metavar="REF...", help="One or more reference translations.")],
    search: Annotated[str, typer.Option(help="How translations are found: beam or greedy.")] = "beam",
    beam: Annotated[int | None, typer.Option(help="Width of the beam; without: as in the model's settings.")] = None,
    length_penalty: Annotated[
        float | None, typer.Option(help="Score = log p / length ** this; without: as in the model's settings.")
    ] = None,
    resamples: Annotated[int, typer.Option(help="Of the bootstrap for the intervals; 0: none.")] = 1000,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the translations here.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object instead of text.")] = False,
) -> None:
    """Translate and score: BLEU, chrF2, TER with signature and interval, loss, health, quality by length.

    Figures go to stdout. The texts are plain, as people write them.
    """
    import json

    from nmt_cli import console
    from nmt_cli.corpus.reader import read_lines
    from nmt_cli.errors import DataError
    from nmt_cli.inference.job import Job, strategy_for
    from nmt_cli.runs.directory import ModelDirectory
    from nmt_cli.runs.files import write_text
    from nmt_cli.training.tasks.translate import Texts
    from nmt_cli.training.tasks.translate import evaluate as run

    directory = ModelDirectory.open(model)
    strategy = strategy_for(directory, Job(model, search=search, beam=beam, length_penalty=length_penalty))
    sources, sides = list(read_lines(source)), [list(read_lines(path)) for path in references]
    for path, side in zip(references, sides, strict=True):
        if len(side) != len(sources):
            raise DataError(f"{path} must have as many lines as {source} ({len(sources)}), but has {len(side)}")
    if not sources:
        raise DataError(f"{source} must have lines, but is empty")
    found = run(directory, Texts(sources, sides), strategy, resamples=resamples)
    if output is not None:
        write_text(output, "".join(line + "\n" for line in found.outputs))
    if json_:
        print(json.dumps(found.to_json(), ensure_ascii=False))
        return
    for score in found.scores:
        print(score)
    print(f"loss {found.nll:.3f} a subword, perplexity {found.perplexity:.2f}")
    print(f"output health: {found.health}")
    for bucket in found.buckets:
        print(f"{bucket!s:>6} words  {bucket.sentences:6,} sentences  BLEU {bucket.bleu:.1f}")
    for advice in found.health.advice:
        console.warn(advice)
