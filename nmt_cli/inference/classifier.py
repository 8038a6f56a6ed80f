"""Lines in, labels out, in order, one for one; what a line is called does not depend on its neighbours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from nmt_cli.corpus.batching import Sequences, by_length
from nmt_cli.models.classifier import Classifier
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.text.labels import Labels
from nmt_cli.text.tokenizer import Tokenizer

_BATCH_TOKENS = 4096


@dataclass(frozen=True)
class Classified:
    """What a model thinks of a line; a blank one has no label."""

    names: tuple[str, ...]
    log_probs: NDArray[np.float64]  # (labels,)
    blank: bool = False

    @property
    def label(self) -> str:
        """The most probable one; empty for a blank line."""
        return "" if self.blank else self.names[int(self.log_probs.argmax())]

    @property
    def probability(self) -> float:
        """Of that label."""
        return 0.0 if self.blank else float(np.exp(self.log_probs.max()))

    @property
    def probabilities(self) -> dict[str, float]:
        """Of all labels, the most probable first; none for a blank line."""
        order = () if self.blank else np.argsort(-self.log_probs, kind="stable").tolist()
        return {self.names[place]: float(np.exp(self.log_probs[place])) for place in order}


@dataclass(frozen=True)
class LineClassifier:
    """Made from a model directory."""

    tokenizer: Tokenizer
    labels: Labels
    model: Classifier
    window: int = 4096  # lines sorted by length together

    @classmethod
    def open(cls, directory: ModelDirectory) -> LineClassifier:
        """Raises ModelError where the model classifies nothing."""
        directory.of_task("classify", "a classifier")
        return cls(directory.tokenizer, Labels.load(directory.path), cast("Classifier", directory.model()))

    def immediate(self) -> LineClassifier:
        """The same, but each line is answered before the next is read."""
        return replace(self, window=1)

    def stream(self, lines: Iterable[str]) -> Iterator[Classified]:
        """The lines in order, a window at a time: memory does not grow with the input."""
        remaining = iter(lines)
        while window := list(islice(remaining, self.window)):
            yield from self._window(window)

    def _window(self, lines: Sequence[str]) -> list[Classified]:
        rows = self.tokenizer.encode_all(lines)
        none = Classified(self.labels.names, np.zeros(len(self.labels)), blank=True)
        found = iter(label_log_probs(self.model, [row for row in rows if row]))
        return [Classified(self.labels.names, next(found)) if row else none for row in rows]


def label_log_probs(model: Classifier, rows: Sequence[Sequence[int] | NDArray[np.integer]]) -> NDArray[np.float64]:
    """(n, labels) of n texts in ids, without EOS; those of similar length go through the model together."""
    found = np.empty((len(rows), model.output.out_features))
    lengths = np.array([len(row) + 1 for row in rows], dtype=np.int64)
    for places in by_length(np.arange(len(rows)), [lengths], _BATCH_TOKENS):
        with torch.inference_mode():
            found[places] = model.log_probs(Sequences.of(rows[place] for place in places)).double().numpy()
    return found
