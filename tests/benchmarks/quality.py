"""How good trained models are, as sacreBLEU counts and as the papers on Multi30k do.

    python -m tests.benchmarks.quality SOURCE REFERENCE MODEL[+MODEL...]...

Of each model, or of several that translate together (``--ensemble``): the minutes of training, BLEU of beam search cased (13a), and
BLEU of the same lines lower-cased and cut into words by Moses, which is what METEOR's and Multi30k's papers report. Of several
rows, which are trainings with different seeds, the mean with its 95 % interval (Student's t). Choose on dev: a test set is for the
last look.
"""

import json
import math
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import sacrebleu

from nmt_cli.corpus.reader import read_lines
from nmt_cli.inference import workers
from nmt_cli.inference.together import Together
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.search.beam import BeamSearch
from tests.benchmarks.peers.environment import cache, python_with

_T = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365}
"""Student's t for a 95 % interval, by the number of values."""
_CUT = """
import json, sys
from sacremoses import MosesPunctNormalizer, MosesTokenizer

language, texts = json.load(sys.stdin)
normalizer, tokenizer = MosesPunctNormalizer(language), MosesTokenizer(language)
cut = lambda line: tokenizer.tokenize(normalizer.normalize(line).lower(), escape=False, return_str=True)
json.dump([[cut(line) for line in lines] for lines in texts], sys.stdout)
"""


def main(source: Path, reference: Path, systems: Sequence[Sequence[Path]]) -> None:
    """Print the table. Each of the ``systems`` is a model, or several."""
    golds = list(read_lines(reference))
    print(f"{'model':24} {'minutes':>8} {'BLEU, cased 13a':>16} {'lower-cased, Moses':>19}")
    found = []
    for first, *others in systems:
        directory = ModelDirectory.open(first)
        texts = _translated(directory, others, list(read_lines(source)))
        cased = sacrebleu.corpus_bleu(texts, [golds]).score
        cut, references = _cut(directory.manifest.languages[1], texts, golds)
        papers = sacrebleu.corpus_bleu(cut, [references], tokenize="none", force=True).score
        minutes = sum(_minutes(ModelDirectory.open(path)) for path in (first, *others))
        name = "+".join(path.name for path in (first, *others))
        print(f"{name:24} {minutes:8.1f} {cased:16.2f} {papers:19.2f}", flush=True)
        found.append((cased, papers))
    if len(found) > 1:
        print(f"{'mean':24} {'':8} " + " ".join(f"{_mean(values):>17}" for values in zip(*found, strict=True)))


def _minutes(directory: ModelDirectory) -> float:
    """Of training."""
    return max((float(record.get("seconds", 0)) for record in directory.metrics()), default=0.0) / 60


def _translated(directory: ModelDirectory, others: Sequence[Path], lines: list[str]) -> list[str]:
    search, together = BeamSearch(directory.settings.search.beam), Together(ensemble=tuple(others))
    with workers.translator(directory, search, lines=len(lines), together=together) as translator:
        return [translation.text for translation in translator.translate(lines)]


def _cut(language: str, *texts: Sequence[str]) -> list[list[str]]:
    """Each text in the words of Moses, lower-cased."""
    python = python_with(cache() / "sacremoses", ["sacremoses"], torch=False)
    done = subprocess.run(
        [str(python), "-c", _CUT],
        input=json.dumps([language, texts]),
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    cut: list[list[str]] = json.loads(done.stdout)
    return cut


def _mean(values: Sequence[float]) -> str:
    """With its interval."""
    mean, reach = statistics.mean(values), _T[min(len(values), 8)] * statistics.stdev(values) / math.sqrt(len(values))
    return f"{mean:.1f} [{mean - reach:.1f}, {mean + reach:.1f}]"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), [[Path(name) for name in word.split("+")] for word in sys.argv[3:]])
