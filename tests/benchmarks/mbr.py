"""Minimum Bayes risk without its sampling: how many lines a second are judged, each with 100 distinct candidates, by one thread.

    python -m tests.benchmarks.mbr [LINES]

Candidates are made of long lines of the embedded corpus (170 characters) by dropping, doubling and replacing words. The baseline is
the definition: sacreBLEU's ``sentence_score`` for each of the 10,000 pairs. Seconds are those of the processor, so that whoever
else is at work on the machine counts little.
"""

import random
import sys
import time
from collections.abc import Callable, Sequence

from sacrebleu.metrics.base import Metric
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from nmt_cli.evaluation.consensus import AnyPair
from nmt_cli.evaluation.utility import AGGREGATES, UTILITIES, Utility
from tests.benchmarks.corpora import PHRASEBOOK

CANDIDATES, LINES, ROUNDS, CHANGED = 100, 20, 3, 0.2
METRICS: dict[str, Metric] = {"chrf": CHRF(), "bleu": BLEU(effective_order=True)}


def main(lines: int = LINES) -> None:
    """Print the table."""
    draw = random.Random(1)
    texts = (PHRASEBOOK / "test_long.de").read_text(encoding="utf-8").split("\n")[:lines]
    words = [word for text in texts for word in text.split()]
    sets = [_candidates(text, words, draw) for text in texts]
    length = sum(len(text) for candidates in sets for text in candidates) / (len(sets) * CANDIDATES)
    print(f"{len(sets)} lines, {CANDIDATES} distinct candidates of {length:.0f} characters each")
    for name in UTILITIES:
        base = _seconds(AnyPair(_pair(METRICS[name])), sets[:1])
        print(f"{name}  sacreBLEU, all pairs  {1 / base:8.3f} lines/s")
        for kind, utility in (("ours, all pairs", UTILITIES[name]), ("ours, aggregate", AGGREGATES[name])):
            utility(sets[0], [1] * CANDIDATES)
            each = min(_seconds(utility, sets) for _ in range(ROUNDS))
            print(f"{name}  {kind:20}  {1 / each:8.1f} lines/s, {base / each:.0f} times as many")


def _candidates(text: str, words: Sequence[str], draw: random.Random) -> list[str]:
    """Distinct ones."""
    found: dict[str, None] = {}
    while len(found) < CANDIDATES:
        changed = [
            draw.choice(("", f"{word} {word}", draw.choice(words), draw.choice(words)))
            if draw.random() < CHANGED
            else word
            for word in text.split()
        ]
        found[" ".join(filter(None, changed))] = None
    return list(found)


def _pair(metric: Metric) -> Callable[[str, str], float]:
    return lambda text, other: float(metric.sentence_score(text, [other]).score)


def _seconds(utility: Utility, sets: Sequence[Sequence[str]]) -> float:
    """For a line, of the processor."""
    started = time.thread_time()
    for candidates in sets:
        utility(candidates, [1] * len(candidates))
    return (time.thread_time() - started) / len(sets)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
