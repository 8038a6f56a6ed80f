"""``nmt evaluate``: translate a test set and say how good the model is."""

from pathlib import Path
from typing import Annotated

import typer

from nmt_cli.cli.options import BeamOption, LengthPenaltyOption, SearchOption


def evaluate(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model directory.")],
    source: Annotated[Path, typer.Argument(metavar="SRC", help="What is translated.")],
    references: Annotated[list[Path], typer.Argument(metavar="REF", help="One or more reference translations.")],
    search: SearchOption = "beam",
    beam: BeamOption = None,
    length_penalty: LengthPenaltyOption = None,
    resamples: Annotated[
        int, typer.Option(metavar="N", min=0, help="Bootstrap resamples for the 95 % intervals; 0 for none.")
    ] = 1000,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the translations here.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(metavar="FILE", help="The output of another system: is the difference chance?")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object instead of text.")] = False,
) -> None:
    """Translate and score: BLEU, chrF2, TER with signature and interval, loss, health, quality by length.

    Figures go to stdout. The texts are plain, as people write them.

    nmt evaluate model test.en test.de
    """
    import json

    from nmt_cli import console
    from nmt_cli.cli.score import paired_table
    from nmt_cli.cli.texts import check_counts, read, warn_of_form
    from nmt_cli.errors import ConfigError
    from nmt_cli.evaluation.counts import FEWEST_RESAMPLES
    from nmt_cli.evaluation.significance import paired_bootstrap
    from nmt_cli.inference.job import Job, strategy_for
    from nmt_cli.runs.directory import ModelDirectory
    from nmt_cli.runs.files import check_output
    from nmt_cli.runs.files import output as writing
    from nmt_cli.training.tasks.translate import Texts
    from nmt_cli.training.tasks.translate import evaluate as run

    directory = ModelDirectory.open(model)
    if output is not None:
        check_output(output)
    if resamples < FEWEST_RESAMPLES and (resamples or against):
        also = "" if against else "0 or "
        raise ConfigError(f"--resamples must be {also}at least {FEWEST_RESAMPLES}, but is {resamples}")
    strategy = strategy_for(directory, Job(model, search=search, beam=beam, length_penalty=length_penalty))
    language = directory.manifest.languages[1]
    names = [str(path) for path in references]
    texts = {name: read(name) for name in [str(source), *names, *filter(None, [against])]}
    check_counts(texts)
    warn_of_form({name: texts[name] for name in [*names, *filter(None, [against])]}, language)
    sides = [texts[name] for name in names]
    found = run(directory, Texts(texts[str(source)], sides), strategy, resamples=resamples)
    if output is not None:
        with writing(output) as stream:
            stream.writelines(line.encode("utf-8") + b"\n" for line in found.outputs)
    pairs = []
    if against is not None:
        pairs = list(paired_bootstrap(found.outputs, texts[against], sides, language=language, resamples=resamples))
    if json_:
        compared = {"against": [pair.to_json() for pair in pairs]} if pairs else {}
        print(json.dumps({**found.to_json(), **compared}, ensure_ascii=False))
        return
    for score in found.scores:
        print(score)
    print(f"loss {found.nll:.3f} a subword, perplexity {found.perplexity:.2f}")
    print(f"output health: {found.health}")
    for bucket in found.buckets:
        print(f"{bucket!s:>6} words  {bucket.sentences:6,} sentences  BLEU {bucket.bleu:.1f}")
    for line in paired_table(pairs, str(model), against or "") if pairs else []:
        print(line)
    for advice in found.health.advice:
        console.warn(advice)
