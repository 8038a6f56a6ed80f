"""What every search finds on a test set, and what it costs: quality, processor time, scored rows.

    python -m tests.benchmarks.searches MODEL SOURCE REFERENCE [NAME...]

NAMEs choose among the searches; greedy is always there, as what the rows of all others are compared with. One process, one thread.
The mean log-probability is that of the whole line, without any normalisation: where it rises with the width of the beam and BLEU
falls, the beam-search curse shows (Koehn & Knowles 2017). ``rows`` are the hypotheses that were scored, all steps together,
relative to greedy search; ``steps`` how many steps that took. Without arguments nothing is measured: what a search is worth only
shows on a model that translates.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nmt_cli.corpus.batching import Sequences
from nmt_cli.corpus.reader import read_lines
from nmt_cli.evaluation.metrics import each_score
from nmt_cli.evaluation.utility import AGGREGATES, UTILITIES
from nmt_cli.inference.choice import Judge
from nmt_cli.inference.together import Startable, Together
from nmt_cli.inference.translator import Engine, Translation, Translator
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.scoring.scores import Scores
from nmt_cli.search.ancestral import Greedy
from nmt_cli.search.base import Search
from nmt_cli.search.beam import BeamSearch
from nmt_cli.search.diverse import DiverseBeamSearch
from nmt_cli.search.head import Head
from nmt_cli.search.mbr import MinimumBayesRisk
from nmt_cli.search.normalization import LengthPower
from nmt_cli.search.sampling import Sampling
from nmt_cli.search.stopping import Patience


@dataclass
class Counting:
    """A scorer that counts what it is asked."""

    within: Startable
    steps: int = 0
    rows: int = 0
    eos: int = field(init=False)

    def __post_init__(self) -> None:
        self.eos = self.within.eos

    def start(self, source: Sequences) -> tuple[Tensor, Any]:
        return self.within.start(source)

    def saying(self, wished: Sequence[Sequence[int]]) -> Counting:
        del wished
        return self

    def step(self, tokens: Tensor, state: Any) -> tuple[Scores, Any]:
        self.steps, self.rows = self.steps + 1, self.rows + len(tokens)
        return self.within.step(tokens, state)

    def advance(self, tokens: Tensor, lengths: Tensor, state: Any) -> tuple[Scores, Any]:
        return self.within.advance(tokens, lengths, state)


def searches(directory: ModelDirectory) -> dict[str, Search]:
    """What is compared; lengths are normalised by their average unless the name says otherwise."""
    chrf_judge, bleu_judge = (Judge(directory.tokenizer, UTILITIES[name]) for name in ("chrf", "bleu"))
    chrf_mean, bleu_mean = (Judge(directory.tokenizer, AGGREGATES[name]) for name in ("chrf", "bleu"))
    draws = Sampling(64, Head(epsilon=0.02))
    return {
        "greedy": Greedy(),
        **{f"beam {width}": BeamSearch(width) for width in (2, 5, 10, 50, 200)},
        "beam 5, K finished": BeamSearch(5, stop=Patience()),
        **{f"beam {width}, no norm": BeamSearch(width, norm=LengthPower(0)) for width in (5, 50, 200)},
        "sample": Sampling(),
        "sample, epsilon 0.02": Sampling(head=Head(epsilon=0.02)),
        "diverse 5": DiverseBeamSearch(BeamSearch(5, 5)),
        "mbr chrf, 64 samples": MinimumBayesRisk(draws, chrf_judge),
        "mbr bleu, 64 samples": MinimumBayesRisk(draws, bleu_judge),
        "mbr chrf, aggregated": MinimumBayesRisk(draws, chrf_mean),
        "mbr bleu, aggregated": MinimumBayesRisk(draws, bleu_mean),
    }


def main(*words: str) -> None:
    """Print the table."""
    if len(words) < 3:
        return
    paths, wanted = [Path(word) for word in words[:3]], words[3:]
    torch.set_num_threads(1)
    directory = ModelDirectory.open(paths[0])
    sources, references = (list(read_lines(path)) for path in paths[1:])
    print(f"{'search':22} {'BLEU':>6} {'chrF2':>6} {'log p':>8} {'CPU s':>7} {'rows':>7} {'steps':>7}")
    first = 0
    for name, search in searches(directory).items():
        if wanted and name not in ("greedy", *wanted):
            continue
        model = Counting(Together().open(directory))
        engine = Engine(model, search, directory.of_task("translate", "a translation model").manifest.limit)  # type: ignore[arg-type]
        translator = Translator.of(directory, search, partial(map, engine.search))
        started = time.process_time()
        found = translator.translate(sources)
        seconds = time.process_time() - started
        first = first or model.rows
        print(
            f"{name:22} {_figures(found, references)} {seconds:7.1f} {model.rows / first:7.2f} {model.steps:7,}",
            flush=True,
        )


def _figures(found: Sequence[Translation], references: Sequence[str]) -> str:
    outputs = [line.text for line in found]
    log_prob = sum(line.candidates[0].log_prob for line in found) / len(found)
    bleu, chrf, *_ = each_score(outputs, [references], resamples=0)
    return f"{bleu.score:6.2f} {chrf.score:6.2f} {log_prob:8.2f}"


if __name__ == "__main__":
    main(*sys.argv[1:])
