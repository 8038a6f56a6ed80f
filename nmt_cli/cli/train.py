"""``nmt train``: text files -> a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nmt_cli.cli.options import DEFAULT_TASK, DevOption, LanguagesOption, Sets, SettingsOption, TestOption, processes

if TYPE_CHECKING:
    from nmt_cli.corpus.prepare import Inputs


def train(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="Two aligned files, or one of source<TAB>target; a text (lm); one of label<TAB>text (classify); "
            "or a folder that nmt preprocess wrote.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="MODEL", help="Where the model is written.")] = Path(
        "model"
    ),
    dev: DevOption = None,
    test: TestOption = None,
    languages: LanguagesOption = None,
    task: Annotated[
        str | None,
        typer.Option(
            help="What the model is for: translate, lm or classify; without: what FILE was prepared for, or --from is for, "
            "or translate."
        ),
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="Ready settings; without: chosen by the size of the corpus.")
    ] = None,
    config: Annotated[Path | None, typer.Option(metavar="FILE.toml", help="Settings over those of the preset.")] = None,
    settings: SettingsOption = None,
    minutes: Annotated[
        float | None, typer.Option(help="Plan the training for this time, data and validation included.")
    ] = None,
    updates: Annotated[int | None, typer.Option(help="Plan the training for so many updates.")] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of the weights, the order of the data and dropout; without: 1.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            parser=processes,
            help="Processes that share each batch; auto, or without: one for each core if it pays.",
        ),
    ] = None,
    pretrained: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="MODEL", help="Begin with the weights of this model (fine-tuning); it stays as it is."
        ),
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Begin anew where MODEL holds another training.")] = False,
) -> None:
    """Train a model and measure it on held-out text: a translator by BLEU, a language model by perplexity.

    Needs nothing but the files. The same command again goes on where it was stopped. Ctrl-C saves first.

    nmt train corpus.en corpus.de -o model
    """
    from nmt_cli.corpus.dataset import PreparedCorpus
    from nmt_cli.errors import ConfigError
    from nmt_cli.settings import assignment, merge, read_toml
    from nmt_cli.training.pretrained import Pretrained
    from nmt_cli.training.request import Request
    from nmt_cli.training.trainer import run

    if minutes is not None and updates is not None:
        raise ConfigError("--minutes and --updates must not both be given: each is a plan")
    given = {"minutes": minutes, "updates": updates, "seed": seed, "workers": workers}
    options: dict[str, dict[str, object]] = {"training": {k: value for k, value in given.items() if value is not None}}
    if updates is not None:
        options["training"]["minutes"] = None  # whatever --config says: this plan is the one that was typed
    table = merge(read_toml(config) if config else {}, *map(assignment, settings or []), options)
    begun = None if pretrained is None else Pretrained.open(pretrained)
    if len(files) == 1 and files[0].is_dir():
        if dev or test or languages:
            raise ConfigError(f"{files[0]} is prepared: --dev, --test and --languages belong to nmt preprocess")
        corpus: Path | Inputs = files[0]
        task = PreparedCorpus.open(files[0]).task if task is None else task
    else:
        if task is None:
            task = DEFAULT_TASK if begun is None else begun.directory.manifest.task
            if task != DEFAULT_TASK and len(files) > 1:
                raise ConfigError(
                    f"--from {pretrained} was trained for the task {task}, which takes one file, but {len(files)} are given",
                    "give one, or begin with another model",
                )
        corpus = Sets(files, dev, test, languages).inputs(task)
    raise typer.Exit(run(Request(corpus, output, task, preset, table, restart, begun)))
