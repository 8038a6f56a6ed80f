"""How fast models translate: our engine and CTranslate2 with the same weights, beam and lengths, in turns.

    python -m tests.benchmarks.translation [MODEL ...] [--kind NAME ...] [--source FILE --reference FILE] [--rounds 3]

Greedy and beam 5; all lines at once, and one line at a time in a running process. Both end the search of a sentence when five
hypotheses have ended (``--patience 1``), as CTranslate2 does by itself; ours by itself goes on until nothing better can come.
"quicker" is ours with what is approximate: ``--prune``, ``--int8`` where the processor multiplies bytes, and for beams
``--shortlist`` where the model has a shortlist (those trained here get one). CTranslate2 comes in float32 and in int8, each
with as many workers as there are cores and with one whose operators share the cores, with MKL and without (CT2_USE_MKL): the best
of these four is what we are held against, in the same rounds. Nobody is asked for log-probabilities. Useful work is counted as
``nmt_cli/bench/work.py`` says; the peak is that of matrix products in as many processes, in the same minute. Without a model one of
each kind is trained for ten minutes on Multi30k, where it lies beside the repository, or on the phrasebook, and is kept in the
cache folder.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from nmt_cli.bench.peak import measured_peak
from nmt_cli.bench.work import work_of
from nmt_cli.corpus.reader import read_lines
from nmt_cli.evaluation.metrics import bleu
from nmt_cli.interchange.export import QUANTIZATIONS, Export
from nmt_cli.interchange.export import run as export
from nmt_cli.models import rounding
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.runs.processes import available_cores
from tests.benchmarks.contest import Results, Unavailable, contest
from tests.benchmarks.corpora import pairs
from tests.benchmarks.engines import Answer, Request, ask
from tests.benchmarks.peers.environment import cache

KINDS: Mapping[str, tuple[str, ...]] = {
    "transformer-small": ("transformer-small",),
    "deep-shallow": ("transformer-small", "model.encoder_layers=6", "model.decoder_layers=1"),
    "transformer-ssru": ("transformer-ssru",),
    "lstm-attention": ("lstm-attention",),
}
"""Name -> preset and settings."""
BEAMS = {"greedy": 1, "beam 5": 5}
_OURS, _QUICKER = "ours", "ours, quicker"
_BARE = "import torch"
_MINUTES = 10.0


@dataclass(frozen=True)
class Plan:
    """What was asked for."""

    models: tuple[Path, ...]
    source: Path
    reference: Path
    rounds: int
    single: int  # lines that are translated one at a time

    @classmethod
    def parse(cls, words: Sequence[str]) -> Plan:
        """As typed."""
        test = pairs()[1].given()["test"].paths
        parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.translation")
        parser.add_argument("models", nargs="*", type=Path)
        parser.add_argument(
            "--kind", action="append", choices=KINDS, help="may be repeated; without models and kinds: all"
        )
        parser.add_argument("--source", type=Path, default=test[0])
        parser.add_argument("--reference", type=Path, default=test[1])
        parser.add_argument("--rounds", type=int, default=3)
        parser.add_argument("--single", type=int, default=100)
        typed = parser.parse_args(words)
        kinds = typed.kind or ([] if typed.models else KINDS)
        models = (*typed.models, *(_trained(name) for name in kinds))
        return cls(models, typed.source, typed.reference, typed.rounds, typed.single)


@dataclass
class Contestant:
    """An engine with its settings; keeps what it has answered."""

    request: Request
    environment: dict[str, str]
    answers: list[Answer] = field(default_factory=list)

    def __call__(self) -> float:
        """Lines a second."""
        self.answers.append(ask(self.request, self.environment))
        return len(self.request.lines) / self.answers[-1].seconds


def main(words: Sequence[str] = ()) -> None:
    """Print the tables."""
    plan = Plan.parse(words)
    for model in plan.models:
        _measure(model, plan)


def _trained(name: str) -> Path:
    """A model of this kind. It is trained once."""
    precision = "bfloat16" if rounding.pays() else "float32"
    model, (preset, *settings) = cache() / "models" / f"{name}-{precision}", KINDS[name]
    settings.append(f"training.precision={precision}")
    train, dev = (pairs()[1].given()[split].paths for split in ("train", "dev"))
    words = ["train", *train, "-o", model, "--dev", *dev, "--preset", preset, "--minutes", _MINUTES]
    subprocess.run(
        [sys.executable, "-m", "nmt_cli", *map(str, words), *(f"--set={setting}" for setting in settings)], check=True
    )
    subprocess.run([sys.executable, "-m", "nmt_cli", "shortlist", str(model), "--force"], check=True)
    return model


def _measure(model: Path, plan: Plan) -> None:
    directory, cores = ModelDirectory.open(model), available_cores()
    lines, references = (tuple(read_lines(path)) for path in (plan.source, plan.reference))
    peak = measured_peak(cores)
    print(f"\n{model.name}: {len(lines):,} lines, {cores} cores, GEMM peak {peak:.0f} GFLOP/s", flush=True)
    heads = f"{'lines/s':>8} {'tokens/s':>9} {'ours is':>20} {'quicker is':>20} {'BLEU':>6} {'same':>7} {'memory':>8}"
    print(f"{'':40} {heads}")
    with tempfile.TemporaryDirectory() as folder:
        exported = _exported(directory, Path(folder))
        for name, beam in BEAMS.items():
            contestants = _contestants(model, exported, Request("", beam, cores, False, lines, False))
            _table(f"{name}, all at once", contestants, contest(contestants, plan.rounds), directory, references, peak)
        for name, beam in BEAMS.items():
            contestants = _contestants(model, exported, Request("", beam, cores, False, lines[: plan.single], True))
            found = contest(contestants, plan.rounds)
            _table(f"{name}, one at a time", contestants, found, directory, references[: plan.single], peak)
    _first_line(model, lines[0], plan.rounds)


def _exported(directory: ModelDirectory, folder: Path) -> dict[str, Path]:
    """Precision -> the model of CTranslate2, where it can run it."""
    if "ctranslate2" not in directory.settings.model.exports:
        return {}
    for precision in QUANTIZATIONS:
        export(Export(directory.path, "ctranslate2", folder / precision, precision))
    return {precision: folder / precision for precision in QUANTIZATIONS}


def _contestants(model: Path, exported: Mapping[str, Path], asked: Request) -> dict[str, Contestant]:
    """Ours, and each way in which CTranslate2 can be run on these cores. One line at a time is for one process of ours."""

    own = replace(asked, model=str(model), workers=1 if asked.single else asked.workers)
    found = {_OURS: Contestant(own, {}), _QUICKER: Contestant(replace(own, quicker=True), {})}
    for precision, path in exported.items():
        for processes in sorted({1, asked.workers}):
            for mkl in "01":
                theirs = replace(asked, model=str(path), workers=processes, exported=True)
                name = f"CTranslate2 {precision}, {processes} workers, MKL {mkl}"
                found[name] = Contestant(theirs, {"CT2_USE_MKL": mkl})
    return found


def _table(
    title: str,
    contestants: Mapping[str, Contestant],
    found: Results,
    directory: ModelDirectory,
    references: Sequence[str],
    peak: float,
) -> None:
    """A row for each of ours, and one for the best of each precision of CTranslate2."""
    print(title)
    ours = contestants[_OURS].answers[-1].texts
    for kind in (_OURS, _QUICKER, *QUANTIZATIONS):
        kin = [name for name in found.figures if name == kind or f" {kind}," in name]
        if not kin:
            continue
        best = max(kin, key=found.median)
        answer, rate = contestants[best].answers[-1], found.median(best)
        tokens = sum(len(directory.tokenizer.target.encode(text)) + 1 for text in answer.texts)
        ratios = [_ratio(found, own, best) if best != own else "" for own in (_OURS, _QUICKER)]
        same = sum(map(str.__eq__, answer.texts, ours)) / len(ours)
        print(
            f"  {best:38} {rate:8.1f} {rate * tokens / len(answer.texts):9,.0f} {ratios[0]:>20} {ratios[1]:>20} "
            f"{bleu(answer.texts, [list(references)]).score:6.2f} {100 * same:5.1f} % {answer.mebibytes:5.0f} MB"
        )
    work = _useful(contestants[_OURS], directory) * found.median(_OURS) / len(ours)
    if work:
        print(f"  {'ours':38} {work:8.1f} GFLOP/s, {100 * work / peak:.0f} % of the peak")
    for name, reason in found.missing.items():
        print(f"  {name} is missing: {reason}")
    sys.stdout.flush()


def _ratio(found: Results, own: str, other: str) -> str:
    return "{:.2f} ({:.2f} to {:.2f})".format(*found.ratio(own, other))


def _useful(ours: Contestant, directory: ModelDirectory) -> float:
    """GFLOP that had to be done for all lines; 0 where it is not known for an architecture."""
    costs, encode = work_of(directory.settings.model, directory.sizes), directory.tokenizer.encode
    if costs is None:
        return 0.0
    decoded = map(len, map(directory.tokenizer.target.encode, ours.answers[-1].texts))
    read = (len(encode(line)) + 1 for line in ours.request.lines)
    return sum(
        costs.decoding(length, written + 1, ours.request.beam) for length, written in zip(read, decoded, strict=True)
    )


def _first_line(model: Path, line: str, rounds: int) -> None:
    """From the command to its first line, over what importing torch takes."""
    commands: dict[str, list[str]] = {
        _BARE: ["-c", _BARE],
        "nmt translate": ["-m", "nmt_cli", "translate", str(model)],
    }
    found = contest({name: partial(_seconds, words, line) for name, words in commands.items()}, rounds)
    bare, whole = (statistics.median(found.figures[name]) for name in commands)
    print(f"the first line comes after {whole:.2f} s, {whole - bare:.2f} s above {_BARE}", flush=True)


def _seconds(words: Sequence[str], line: str) -> float:
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *words], input=f"{line}\n", encoding="utf-8", capture_output=True, check=False
    )
    if done.returncode:
        raise Unavailable(done.stderr)
    return time.perf_counter() - started


if __name__ == "__main__":
    main(sys.argv[1:])
