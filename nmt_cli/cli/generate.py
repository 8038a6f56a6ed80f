"""``nmt generate``: a language model goes on writing."""

from pathlib import Path
from typing import Annotated

import typer

from nmt_cli.cli.options import asks_for_json


def generate(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The directory of a language model.")],
    prompt: Annotated[
        list[str] | None, typer.Option("--prompt", help="How the text begins; may be repeated; without: from nothing.")
    ] = None,
    number: Annotated[int, typer.Option("-n", help="So many texts for each prompt.")] = 1,
    temperature: Annotated[
        float, typer.Option(help="Below 1 what is probable becomes more so, above 1 less; 0: always the most probable.")
    ] = 1.0,
    top_k: Annotated[int | None, typer.Option(help="Draw from the k most probable tokens.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Draw from the fewest tokens that have this probability.")] = None,
    min_p: Annotated[
        float | None, typer.Option(help="Draw from tokens that have this part of the best one's probability.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Another one, other texts; the same one, the same.")] = 1,
    max_length: Annotated[int, typer.Option(help="Tokens that are added at most.")] = 100,
    format_: Annotated[str, typer.Option("--format", help="text, or jsonl with the log-probability.")] = "text",
) -> None:
    """Write text: one line for each, the prompt first.

    nmt generate lm --prompt "Once upon" -n 3 --temperature 0.8 --top-p 0.9
    """
    from dataclasses import asdict

    from nmt_cli import console
    from nmt_cli.inference.formats import json_line
    from nmt_cli.inference.generator import Generator, Wish
    from nmt_cli.runs.directory import ModelDirectory
    from nmt_cli.search.head import Head

    in_json = asks_for_json(format_)
    head = Head(temperature or 1.0, top_k, top_p, min_p)
    if temperature == 0:
        head = Head(top_k=1)
    wish = Wish(tuple(prompt or ("",)), number, max_length, head, seed)
    generator = Generator.open(ModelDirectory.open(model))
    if unknown := generator.unknown(wish.prompts):
        words = console.count(len(unknown), "word of the prompt is", "words of the prompt are")
        console.warn(f"{words} unknown to the model: {', '.join(unknown)}")
    if head.top_k == 1 and number > 1:
        console.say(f"nothing is left to chance: the {number:,} texts of a prompt are one and the same")
    for written in generator.write(wish):
        print(json_line(asdict(written)) if in_json else written.text, flush=True)
