"""Drawing segmentations: subwords a second, beside SentencePiece's own sampling, and what padding it costs.

    python -m tests.benchmarks.bpe_dropout [SOURCE TARGET]

"text": BPE-dropout alone, lines in random order. "rows": as a training reads them, the text from the disk, the generator set to
each row, its length asked for before. The first epoch begins with nothing to look up. SentencePiece drops a merge for good, so
that the same p leaves more pieces; its figure holds for its own.

Padding: tokens with padding of the target (and of the source) to a real one, in batches that are sorted by the lengths of the
corpus, or by those that were drawn for the epoch.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nmt_cli.corpus.batching import epoch
from nmt_cli.corpus.dataset import PreparedCorpus
from nmt_cli.corpus.pairs import PairFiles
from nmt_cli.corpus.prepare import Inputs, prepare
from nmt_cli.corpus.sampled import SampledDataset
from nmt_cli.settings import DataSettings
from nmt_cli.text.bpe_dropout import BPEDropout
from nmt_cli.text.subword import SubwordTokenizer

PHRASEBOOK = Path(__file__).resolve().parents[2] / "data" / "phrasebook"
PROBABILITIES = (0.0, 0.1, 0.3, 0.6)
EPOCHS, BUDGET = 3, 4096

Lengths = NDArray[np.int64]


def main(source: Path = PHRASEBOOK / "train.en", target: Path = PHRASEBOOK / "train.de") -> None:
    """Print the tables."""
    with tempfile.TemporaryDirectory() as folder:
        prepare(Inputs(PairFiles((source, target))), Path(folder) / "corpus", DataSettings())
        corpus = PreparedCorpus.open(Path(folder) / "corpus")
        assert isinstance(corpus.tokenizer, SubwordTokenizer)
        _speeds(corpus, corpus.tokenizer)
        _padding(corpus, corpus.tokenizer)


def _speeds(corpus: PreparedCorpus, tokenizer: SubwordTokenizer) -> None:
    texts = [*corpus.train["source"].all_texts(), *corpus.train["target"].all_texts()]
    np.random.default_rng(0).shuffle(texts)
    print(f"{tokenizer.size} subwords, {len(texts):,} lines; subwords/s of processor time in one process")
    print(
        f"{'p':>4} {'per line':>9} {'first epoch':>12} {'text':>10} {'rows':>10}    {'SentencePiece':>14} {'per line':>9}"
    )
    for p in PROBABILITIES:
        dropout, draw = BPEDropout(tokenizer, p), np.random.default_rng(0)
        first = _speed(lambda: sum(len(dropout.encode(text, draw)) for text in texts))  # noqa: B023
        later = [_speed(lambda: sum(len(dropout.encode(text, draw)) for text in texts)) for _ in range(EPOCHS)]  # noqa: B023
        rows = [_speed(lambda: _rows(SampledDataset(corpus.train, dropout, 1, number))) for number in range(EPOCHS)]  # noqa: B023
        theirs = [_speed(lambda: _sentencepiece(tokenizer, texts, p)) for _ in range(EPOCHS)]  # noqa: B023
        print(
            f"{p:4} {later[0][1] / len(texts):9.1f} {first[0]:12,.0f} {max(later)[0]:10,.0f} {max(rows)[0]:10,.0f}"
            f"    {max(theirs)[0]:14,.0f} {theirs[0][1] / len(texts):9.1f}",
            flush=True,
        )


def _speed(work: Callable[[], int]) -> tuple[float, int]:
    """Subwords a second, and how many there were."""
    started = time.process_time()
    found = work()
    return found / (time.process_time() - started), found


def _rows(dataset: SampledDataset) -> int:
    """First the lengths, by which batches are cut, and then each row."""
    order, sides = np.random.default_rng(0).permutation(len(dataset)).tolist(), (dataset["source"], dataset["target"])
    least = sum(int(side.lengths.sum()) for side in sides)
    return max(least, sum(len(side.ids(index)) for side in sides for index in order))


def _sentencepiece(tokenizer: SubwordTokenizer, texts: Sequence[str], p: float) -> int:
    processor = tokenizer._processor
    return sum(len(processor.encode(text, enable_sampling=True, alpha=p, nbest_size=-1)) for text in texts)


def _padding(corpus: PreparedCorpus, tokenizer: SubwordTokenizer) -> None:
    print(f"\nbatches of {BUDGET} target tokens: sorted by the lengths of the corpus, and by those of the epoch")
    print(f"{'p':>4} {'padded/real':>18} {'largest batch':>14}    {'padded/real':>18} {'largest batch':>14}")
    given = [corpus.train[side].lengths + 1 for side in ("target", "source")]
    for p in PROBABILITIES:
        dataset = SampledDataset(corpus.train, BPEDropout(tokenizer, p), 1, 0)
        drawn = [dataset[side].lengths + 1 for side in ("target", "source")]
        print(f"{p:4} {_padded(given, drawn)}    {_padded(drawn, drawn)}", flush=True)


def _padded(keys: Sequence[Lengths], lengths: Sequence[Lengths]) -> str:
    batches = epoch(keys, budget=BUDGET, seed=1, number=0)
    padded = [[len(places) * int(side[places].max()) for places in batches] for side in lengths]
    target, source = (sum(sizes) / int(side.sum()) for sizes, side in zip(padded, lengths, strict=True))
    return f"{f'{target:.2f} ({source:.2f})':>18} {max(padded[0]):14,}"


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
