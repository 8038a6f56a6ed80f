"""``nmt export``: a model for another toolkit."""

from pathlib import Path
from typing import Annotated

import typer


def export(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A translation model.")],
    to: Annotated[str, typer.Option("--to", metavar="TOOLKIT", help="ctranslate2.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="A new folder; without: MODEL-TOOLKIT.")
    ] = None,
    quantization: Annotated[
        str, typer.Option(help="float32, or int8: smaller and faster, and no longer the same to the last digit.")
    ] = "float32",
    dev: Annotated[
        list[Path] | None,
        typer.Option(
            "--dev", metavar="FILE...", help="Prove it on these files; without: on dev of training, or random subwords."
        ),
    ] = None,
) -> None:
    """Write a model in the format of another toolkit. DIR holds all that is needed to translate text.

    Before it is there it has proved that it is the same model: on 50 lines each token has our log-probability, within 0.001,
    and greedy search finds our translations, ties left aside. Of int8, chrF2 between its translations and those of float32 is
    told.

    CTranslate2 runs every transformer whose decoder attends to what it has written (no ssru). Its beam search is ours but
    for this: a sentence ends when as many as the beam have ended (--patience), where ours goes on until nothing can win any more.

    nmt export model --to ctranslate2 -o exported
    """
    from nmt_cli.interchange.export import Export, run

    run(Export(model, to, output, quantization, tuple(dev or ())))
