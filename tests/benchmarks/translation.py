"""Translation throughput of a model directory, with the share of the machine's peak that does useful work.

    python -m tests.benchmarks.translation MODEL SOURCE [REFERENCE]

The baseline is the GEMM peak of the same number of threads, measured in the same run: useful work is counted as
``nmt_cli/bench/work.py`` says. Without arguments a ``transformer-small`` is trained for a
few updates on the embedded corpus, which says something about the machine and nothing about translations.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

from nmt_cli.bench.peak import measured_peak
from nmt_cli.bench.work import work_of
from nmt_cli.corpus.pairs import PairFiles
from nmt_cli.corpus.prepare import Inputs
from nmt_cli.corpus.reader import read_lines
from nmt_cli.evaluation.metrics import bleu
from nmt_cli.inference import workers
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.search import STRATEGIES
from nmt_cli.search.options import SearchOptions
from nmt_cli.training.presets import preset
from nmt_cli.training.request import Request
from nmt_cli.training.trainer import run
from tests.benchmarks.corpora import PHRASEBOOK

ROUNDS = 3


def main(model: Path | None = None, source: Path | None = None, reference: Path | None = None) -> None:
    """Print the table."""
    if model is not None and source is not None:
        _measure(model, source, reference)
        return
    with tempfile.TemporaryDirectory() as folder:
        files = PairFiles((PHRASEBOOK / "train.en", PHRASEBOOK / "train.de"))
        table = {**preset("transformer-small"), "training": {"updates": 300, "warmup": 100, "validate_every": 300}}
        run(Request(Inputs(files), Path(folder) / "model", preset="transformer-small", table=table))
        _measure(Path(folder) / "model", PHRASEBOOK / "test.en", PHRASEBOOK / "test.de")


def _measure(model: Path, text: Path, reference: Path | None) -> None:
    directory, lines = ModelDirectory.open(model), list(read_lines(text))
    cores = workers.available_cores()
    peak = measured_peak(cores)
    costs = work_of(directory.settings.model, directory.sizes)
    print(f"{len(lines)} lines, {cores} processes of one thread, GEMM peak {peak:.0f} GFLOP/s")
    for name, options in (("greedy", SearchOptions()), ("beam", SearchOptions(beam=5))):
        strategy = STRATEGIES[name].of(options)
        seconds, outputs, work = [], [], 0.0
        with workers.translator(directory, strategy, lines=len(lines), wanted=cores) as translator:
            for round_ in range(ROUNDS + 1):
                started = time.perf_counter()
                translations = translator.translate(lines)
                if round_:  # the first starts the workers
                    seconds.append(time.perf_counter() - started)
        outputs = [translation.text for translation in translations]
        width = options.beam if name == "beam" else 1
        for line, translation in zip(lines, translations, strict=True):
            length = len(directory.tokenizer.encode(line)) + 1
            if costs is not None:
                work += costs.decoding(length, len(translation.candidates[0].tokens), width)
        middle = statistics.median(seconds)
        score = "" if reference is None else f"  BLEU {bleu(outputs, [list(read_lines(reference))]).score:.2f}"
        share = f"  {work / middle:5.1f} GFLOP/s = {100 * work / middle / peak:.0f} % of the peak" if work else ""
        print(f"{name:7} {len(lines) / middle:7.1f} sentences/s{share}{score}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
