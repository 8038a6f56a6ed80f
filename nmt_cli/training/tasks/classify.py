"""Classification: validated and reported by accuracy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from nmt_cli import console
from nmt_cli.corpus.batching import LabelledBatch
from nmt_cli.corpus.columns import called
from nmt_cli.corpus.dataset import Dataset, PreparedCorpus
from nmt_cli.corpus.files import LABEL
from nmt_cli.corpus.labelled import labelled
from nmt_cli.errors import DataError
from nmt_cli.evaluation.confusion import Confusion
from nmt_cli.evaluation.texts import read
from nmt_cli.inference.classifier import LineClassifier, label_log_probs
from nmt_cli.models.base import Model
from nmt_cli.models.classifier import Classifier
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.settings import Settings, TrainingSettings
from nmt_cli.training.samples import Sample, to_watch
from nmt_cli.training.stream import Reader, RowReader, epochs_of
from nmt_cli.training.tasks.base import (
    Measuring,
    Quality,
    Report,
    Rule,
    Validation,
    one_file,
    refuse_r_drop,
    refuse_window,
)
from nmt_cli.training.team import Share, Team


class Classify:
    """Texts with a label each."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(20_000, "classify-birnn", 20),
        Rule(math.inf, "classify-birnn", 8),
    )
    counted: ClassVar[str] = "text"
    least_batch: ClassVar[int] = 512
    quality: ClassVar[Quality] = Quality("%", {"dev_accuracy": "accuracy", "dev_macro_f1": "macro F1"}, factor=100)
    limit: ClassVar[None] = None
    sentences: ClassVar[None] = None

    def __init__(self, corpus: PreparedCorpus) -> None:
        self.corpus = corpus

    @staticmethod
    def check(settings: Settings) -> None:
        """Raises ConfigError for a stream."""
        refuse_window(settings, "classify")
        refuse_r_drop(settings, "classify")

    def reader(self, settings: TrainingSettings, share: Share) -> Reader:
        """Texts in batches of similar length."""
        return RowReader(epochs_of(self.corpus, settings), ("text",), LabelledBatch.of, settings, share)

    def validate(self, model: Model, settings: Settings, team: Team) -> Validation:
        """Accuracy on dev; where two models are as accurate, the one with the lower loss is the better one."""
        del settings, team
        true = _true(self.corpus.dev)
        log_probs = _log_probs(model, self.corpus.dev)
        nll = -float(log_probs[np.arange(len(true)), true].mean())
        found = self._confusion(true, log_probs)
        accuracy = 100 * found.accuracy
        texts, names = self.corpus.dev["text"].all_texts(), found.names
        said = log_probs.argmax(1)
        samples = [Sample(names[said[place]], texts[place], names[true[place]]) for place in to_watch(texts)]
        figures = {
            "dev_loss": nll, "dev_accuracy": found.accuracy, "dev_macro_f1": found.macro_f1,
            "samples": list(map(asdict, samples)),
        }  # fmt: skip
        headline, line = f"dev accuracy {accuracy:.1f}", f"dev accuracy {accuracy:.2f}  loss {nll:.3f}"
        return Validation(accuracy - 1e-6 * nll, headline, line, figures, tuple(samples), tuple(found.advice))

    def report(self, directory: ModelDirectory) -> Report:
        """Accuracy on test."""
        found = self._confusion(_true(self.corpus.test), _log_probs(directory.model(), self.corpus.test))
        said = (f"test, {found.texts:,} texts:", *(f"  {line}" if line else "" for line in found.lines()))
        return Report(said, {"test": found.to_json()}, tuple(found.advice), next="nmt classify {model} < lines.txt")

    @staticmethod
    def evaluate(directory: ModelDirectory, files: Sequence[str], measuring: Measuring) -> Confusion:
        """Accuracy on ``label<TAB>text`` lines; blank ones are left out."""
        measuring.refuse("classify", "resamples", "against", "output")
        file = one_file(files, "labelled text")
        name, classifier = called(file), LineClassifier.open(directory)
        texts, true = [], []
        for number, (text, label) in enumerate(labelled(read(file), name), 1):
            if text:
                texts.append(text)
                true.append(classifier.labels.id_of(label, f"{name}:{number}"))
        if not texts:
            raise DataError(f"{name} must have labelled texts, but all its lines are blank")
        said = [int(each.log_probs.argmax()) for each in classifier.stream(texts)]
        found = Confusion.of(classifier.labels.names, true, said)
        for advice in found.advice:
            console.warn(advice)
        return found

    def _confusion(self, true: NDArray[np.int64], log_probs: NDArray[np.float64]) -> Confusion:
        names = () if self.corpus.labels is None else self.corpus.labels.names
        return Confusion.of(names, true.tolist(), log_probs.argmax(1).tolist())


def _true(split: Dataset) -> NDArray[np.int64]:
    """(n,) the labels of a split."""
    return np.array([split[LABEL].ids(index)[0] for index in range(len(split))], dtype=np.int64)


def _log_probs(model: Model, split: Dataset) -> NDArray[np.float64]:
    """(n, labels) of all texts of a split."""
    text = split["text"]
    return label_log_probs(cast("Classifier", model.eval()), [text.ids(index) for index in range(len(text))])
