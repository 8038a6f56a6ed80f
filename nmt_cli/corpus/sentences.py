"""How many sentences stand in a line of a corpus."""

from __future__ import annotations

import math

import numpy as np

from nmt_cli.corpus.dataset import Column
from nmt_cli.text.sentences import split_sentences

_SAMPLE = 10_000  # lines; more do not move the number
_SHARE = 0.01


def most_sentences(lines: Column) -> int:
    """The most sentences of a line, but for one line in a hundred; at least 1. Of a large corpus every so manieth line counts."""
    step = math.ceil(len(lines.lengths) / _SAMPLE)
    counts = [len(split_sentences(lines.text(index))) for index in range(0, len(lines.lengths), step)]
    return max(1, int(np.quantile(counts, 1 - _SHARE, method="lower")))
