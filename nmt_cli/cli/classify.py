"""``nmt classify``: lines in, labels out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from nmt_cli.cli.options import asks_for_json


def classify(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The directory of a classifier.")],
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE", help="Lines of text; without, or -: stdin.")
    ] = None,
    format_: Annotated[
        str, typer.Option("--format", help="text: label<TAB>probability; jsonl: with those of all labels.")
    ] = "text",
) -> None:
    """Label lines: one line in, one line out, in order; blank for blank.

    nmt classify model < lines.txt
    """
    import json
    import sys
    from itertools import chain, tee

    from nmt_cli.console import say, warn
    from nmt_cli.corpus.reader import STDIN, lenient_lines, open_bytes
    from nmt_cli.inference.classifier import LineClassifier
    from nmt_cli.runs.directory import ModelDirectory

    in_json = asks_for_json(format_)
    classifier = LineClassifier.open(ModelDirectory.open(model))
    names = [str(path) for path in files or ()] or [STDIN]
    if STDIN in names and sys.stdin.isatty():
        say("type a line and press Enter; Ctrl-D ends")
        classifier = classifier.immediate()

    def lines(name: str) -> Iterator[str]:
        with open_bytes(name) as stream:
            yield from lenient_lines(stream, "stdin" if name == STDIN else name, warn)

    texts, shown = tee(chain.from_iterable(map(lines, names)))
    for text, found in zip(shown, classifier.stream(texts), strict=False):
        if in_json:
            content = {"text": text, "label": found.label, "probabilities": found.probabilities}
            print(json.dumps(content, ensure_ascii=False), flush=True)
        else:
            print("" if found.blank else f"{found.label}\t{found.probability:.4f}", flush=True)
