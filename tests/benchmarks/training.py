"""How fast models learn: our engine, plain PyTorch, Marian, Eole and JoeyNMT, each at the same work, in turns.

    python -m tests.benchmarks.training [--seconds 60] [--rounds 3] [--cache FOLDER] [--preset NAME ...] [--without NAME ...]

A round gives each contestant the whole machine for so many seconds behind its warm-up; figures are medians of the rounds,
ratios those of pairs in one round. Everybody reads the same sentences in the same subwords, about 4,096 target tokens a
batch, with the same sizes, dropout 0.3 and label smoothing 0.1 (the language model as its preset says). All calculate in float32;
ours comes in bfloat16 too where the processor multiplies it, its share of the peak that of float32. Data, dropout, the exchange
of gradients and the update are in it. The toolkits are installed into virtual environments in the cache folder; what cannot be had
is left out, with the reason. It takes about an hour. The peak is that of matrix products in the same processes, in the same minute.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch

from nmt_cli.bench.corpora import Prepared
from nmt_cli.bench.crew import threads_of, usual_workers
from nmt_cli.bench.training import STAGES, Learning, Subject, measure
from nmt_cli.corpus.dataset import PreparedCorpus
from nmt_cli.models import rounding
from nmt_cli.settings import Table, merge
from tests.benchmarks import plain
from tests.benchmarks.contest import Results, Unavailable, contest
from tests.benchmarks.corpora import PHRASEBOOK as PHRASEBOOK  # other measurements take it from here
from tests.benchmarks.corpora import pairs, prepared
from tests.benchmarks.peers.environment import cache
from tests.benchmarks.peers.eole import Eole
from tests.benchmarks.peers.joeynmt import JoeyNMT
from tests.benchmarks.peers.marian import Marian
from tests.benchmarks.peers.peer import Peer, transformer_of
from tests.benchmarks.peers.text import Text

PRESETS = ("transformer-tiny", "transformer-small", "lstm-attention", "lm-lstm")
PEERS: tuple[type[Peer], ...] = (Marian, Eole, JoeyNMT)
_SAME: Table = {"model": {"dropout": 0.3}, "training": {"batch_tokens": 4096, "label_smoothing": 0.1}}
_ROUNDED: Table = {"training": {"precision": "bfloat16"}}
_IDLE = 0.5  # load under which a machine is as good as our own


@dataclass(frozen=True)
class Plan:
    """What was asked for."""

    seconds: float
    rounds: int
    cache: Path
    presets: tuple[str, ...]
    without: tuple[str, ...]

    @classmethod
    def parse(cls, words: Sequence[str]) -> Plan:
        """As typed."""
        names = [peer.name for peer in PEERS]
        parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.training")
        parser.add_argument("--seconds", type=float, default=60.0, help="for each contestant in a round")
        parser.add_argument("--rounds", type=int, default=3)
        parser.add_argument("--cache", type=Path, default=cache(), help="where the toolkits are installed")
        parser.add_argument("--preset", action="append", choices=PRESETS, help="may be repeated; without: all")
        parser.add_argument("--without", action="append", choices=names, default=[], help="may be repeated")
        typed = parser.parse_args(words)
        return cls(
            typed.seconds, typed.rounds, typed.cache.resolve(), tuple(typed.preset or PRESETS), tuple(typed.without)
        )


@dataclass
class Ours:
    """Our engine in so many processes; keeps what it has measured."""

    subject: Subject
    workers: int
    found: list[Learning] = field(default_factory=list)

    @property
    def title(self) -> str:
        """For a row of the table."""
        threads, precision = threads_of(self.workers), self.subject.settings.training.precision
        rounded = "" if precision == "float32" else f", {precision}"
        return f"ours, {self.workers} x {threads} thread{'s' if threads > 1 else ''}{rounded}"

    def speed(self, seconds: float) -> float:
        """Target tokens a second."""
        self.found.append(measure(self.subject, self.workers, seconds))
        return self.found[-1].tokens_per_second


def main(words: Sequence[str] = ()) -> None:
    """Print the tables."""
    plan, (name, inputs) = Plan.parse(words), pairs()
    cores, load = usual_workers(), os.getloadavg()[0]
    print(f"torch {torch.__version__}, {cores} cores, {name}")
    if load > _IDLE:
        print(f"others are at work on this machine (load {load:.1f}): ratios say something, figures do not")
    with tempfile.TemporaryDirectory() as folder:
        corpora = prepared(inputs, Path(folder))
        text = Text.of(PreparedCorpus.open(corpora["translate"]), Path(folder) / "text")
        for preset in plan.presets:
            _measure(plan, preset, corpora, text, cores)


def _measure(plan: Plan, preset: str, corpora: dict[str, Path], text: Text, cores: int) -> None:
    task = "lm" if preset.startswith("lm-") else "translate"
    table = _SAME if task == "translate" else {}
    subject, quicker = (Subject.of(preset, Prepared(corpora[task]), merge(table, more)) for more in ({}, _ROUNDED))
    leaders = [Ours(subject, cores), *([Ours(quicker, cores)] if rounding.pays() else [])]
    ours = [*leaders, *([Ours(subject, 1)] if cores > 1 else [])]
    contestants: dict[str, Callable[[], float]] = {one.title: partial(one.speed, plan.seconds) for one in ours}
    missing: dict[str, str] = {}
    if transformer_of(subject.settings):
        contestants["plain torch.nn.Transformer"] = partial(plain.speed, subject.settings, corpora[task], plan.seconds)
    for peer in [kind(plan.cache, cores) for kind in PEERS if kind.name not in plan.without and task == "translate"]:
        try:
            contestants[peer.title] = partial(peer.speed, subject.settings, text, plan.seconds)
        except Unavailable as error:
            missing[peer.name] = str(error)
    results = contest(contestants, plan.rounds)
    print(f"\n{preset}: target tokens/s, median of {plan.rounds} rounds of {plan.seconds:g} s")
    _table(results, ours, [leader.title for leader in leaders])
    for name, reason in {**missing, **results.missing}.items():
        print(f"  {name} is missing: {reason}")


def _table(results: Results, ours: Sequence[Ours], leaders: Sequence[str]) -> None:
    own = {one.title: one.found for one in ours}
    for name in results.figures:
        line = f"  {name:32} {results.median(name):8,.0f}"
        if name in own:
            line += f"  {_share(own[name])}"
        print(line)
        for leader in [leader for leader in leaders if leader in results.figures and leader != name]:
            middle, least, most = results.ratio(leader, name)
            print(f"    {leader} is {middle:.2f} times as fast [{least:.2f}, {most:.2f}]")
    for name, found in own.items():
        stages = ", ".join(f"{stage} {_middle([100 * one.stages[stage] for one in found]):.0f} %" for stage in STAGES)
        print(
            f"  time of {name}: {stages}; padding {_middle([100 * one.read.padding for one in found]):.0f} % of all places"
        )


def _share(found: Sequence[Learning]) -> str:
    gflops, peak = _middle([one.gflops or 0.0 for one in found]), _middle([one.peak for one in found])
    share = _middle([one.efficiency or 0.0 for one in found])  # each time of the peak in the same minute
    return f"{gflops:6.1f} useful GFLOP/s = {100 * share:.0f} % of {peak:.0f}"


def _middle(values: Sequence[float]) -> float:
    return statistics.median(values)


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
