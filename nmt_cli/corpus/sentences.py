"""How many sentences stand in a line of a corpus."""

from __future__ import annotations

import numpy as np

from nmt_cli.corpus.dataset import Column
from nmt_cli.text.sentences import split_sentences

_SAMPLE = 10_000  # lines; more do not move the number
_SHARE = 0.01


def most_sentences(lines: Column) -> int:
    """The most sentences of a line, but for one line in a hundred; at least 1.

    Of a large corpus some lines count, always the same; by lot, since a corpus may repeat itself in a rhythm.
    """
    count = len(lines.lengths)
    places = range(count) if count <= _SAMPLE else np.random.default_rng(0).integers(count, size=_SAMPLE).tolist()
    counts = [len(split_sentences(lines.text(place))) for place in places]
    return max(1, int(np.quantile(counts, 1 - _SHARE, method="inverted_cdf")))
