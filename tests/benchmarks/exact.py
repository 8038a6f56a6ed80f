"""How many sentences exact search can prove within its budget, with and without length normalisation.

    python -m tests.benchmarks.exact MODEL SOURCE

For each normalisation: the share of the lines whose certificate says proved, the prefixes that were scored for a proof, the
lines on which a beam of 5 had missed the optimum, those whose optimum is the empty translation, and sentences a
second of processor time in this one process. Without arguments a model is trained as ``make demo`` does it, which takes minutes.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from nmt_cli.corpus.reader import read_lines
from nmt_cli.inference.translator import Translator
from nmt_cli.search.beam import BeamSearch
from nmt_cli.search.exact import ExactSearch
from nmt_cli.search.normalization import GoogleNorm, LengthPower, Normalization
from tests.benchmarks.corpora import PHRASEBOOK
from tests.demo import TRAINING

NORMS: dict[str, Normalization] = {
    "none": LengthPower(0),
    "google 0.6": GoogleNorm(0.6),
    "power 0.5": LengthPower(0.5),
    "average": LengthPower(1.0),
}


def main(model: Path | None = None, source: Path | None = None) -> None:
    """Print the table."""
    if model is not None and source is not None:
        _measure(model, source)
        return
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "model"
        pairs = {
            name: [str(PHRASEBOOK / f"{name}.{side}") for side in ("en", "de")] for name in ("train", "dev", "test")
        }
        words = [*pairs["train"], "-o", str(made), "--dev", *pairs["dev"], "--test", *pairs["test"], *TRAINING]
        subprocess.run([sys.executable, "-m", "nmt_cli", "train", *words], check=True)
        _measure(made, PHRASEBOOK / "test.en")


def _measure(model: Path, source: Path) -> None:
    lines = list(read_lines(source))
    print(f"{len(lines)} lines, at most {ExactSearch.nodes:,} prefixes a sentence")
    print(f"{'norm':11} {'proved':>8} {'median':>8} {'90 %':>8} {'beam missed':>12} {'empty':>6} {'sentences/s':>12}")
    for name, norm in NORMS.items():
        beam = BeamSearch(norm=norm)
        started = time.process_time()
        found = [line.candidates[0] for line in Translator.open(model, ExactSearch(beam)).translate(lines)]
        seconds = time.process_time() - started
        first = [line.candidates[0] for line in Translator.open(model, beam).translate(lines)]
        certificates = [candidate.certificate for candidate in found if candidate.certificate is not None]
        proved = sum(certificate.proved for certificate in certificates)
        nodes = sorted(certificate.nodes for certificate in certificates)
        missed = sum(before.score < after.score - 1e-4 for before, after in zip(first, found, strict=True))
        empty = sum(not candidate.text for candidate in found)
        print(
            f"{name:11} {100 * proved / len(lines):6.1f} % {statistics.median(nodes):8,.0f} {nodes[len(nodes) * 9 // 10]:8,}"
            f" {missed:12} {empty:6} {len(lines) / seconds:12.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
