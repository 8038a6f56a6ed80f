"""Translation throughput of a model directory, with the share of the machine's peak that does useful work.

    python -m tests.benchmarks.translation MODEL SOURCE [REFERENCE]

The baseline is the GEMM peak of the same number of threads, measured in the same run: useful work is that of PERFORMANCE.md's
formula, ``2 S N_src + (K (T - 1) + 1) 2 (N_tgt + N_out)`` a sentence. Without arguments a ``transformer-small`` is trained for a
few updates on the embedded corpus, which says something about the machine and nothing about translations.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch

from nmt_cli.corpus.pairs import PairFiles
from nmt_cli.corpus.prepare import Inputs
from nmt_cli.corpus.reader import read_lines
from nmt_cli.evaluation.metrics import bleu
from nmt_cli.inference import workers
from nmt_cli.models.transformer import TransformerConfig
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.search import STRATEGIES
from nmt_cli.search.options import SearchOptions
from nmt_cli.settings import ModelSettings
from nmt_cli.training.presets import preset
from nmt_cli.training.request import Request
from nmt_cli.training.trainer import run
from tests.benchmarks.machine import gemm_peak
from tests.benchmarks.training import PHRASEBOOK

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
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    cores = workers.available_cores()
    peak = gemm_peak() * cores
    torch.set_num_threads(threads)
    print(f"{len(lines)} lines, {cores} processes of one thread, GEMM peak about {peak:.0f} GFLOP/s")
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
            work += _useful(
                directory.settings.model, directory.tokenizer.size, length, len(translation.candidates[0].tokens), width
            )
        middle = statistics.median(seconds)
        score = "" if reference is None else f"  BLEU {bleu(outputs, [list(read_lines(reference))]).score:.2f}"
        share = f"  {work / middle:5.1f} GFLOP/s = {100 * work / middle / peak:.0f} % of the peak" if work else ""
        print(f"{name:7} {len(lines) / middle:7.1f} sentences/s{share}{score}")


def _useful(settings: ModelSettings, vocabulary: int, source: int, target: int, beam: int) -> float:
    """GFLOP of one sentence; 0 where the model is no Transformer."""
    if not isinstance(settings, TransformerConfig):
        return 0.0
    d, deep, shallow = settings.width, settings.encoder_layers, settings.decoder_layers
    transform = (3 if settings.activation == "swiglu" else 2) * d * settings.feed_forward
    look_back = (2 if settings.autoregression == "ssru" else 4) * d * d
    encoder = deep * (4 * d * d + transform) + 2 * shallow * d * d
    decoder = shallow * (look_back + 2 * d * d + transform)
    return (2 * source * encoder + (beam * (target - 1) + 1) * 2 * (decoder + d * vocabulary)) / 1e9


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
