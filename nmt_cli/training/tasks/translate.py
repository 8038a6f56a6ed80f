"""Translation: validated by the BLEU of greedy translations of dev, reported by BLEU, chrF2 and TER of a beam search on test."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch

from nmt_cli import console
from nmt_cli.corpus.batching import Batch, Sequences, by_length
from nmt_cli.corpus.dataset import ParallelDataset, PreparedCorpus
from nmt_cli.corpus.limits import LengthLimit
from nmt_cli.evaluation import buckets
from nmt_cli.evaluation.buckets import Bucket
from nmt_cli.evaluation.health import Health, health
from nmt_cli.evaluation.metrics import MetricScore, bleu, each_score, metrics_for
from nmt_cli.inference import workers
from nmt_cli.inference.translator import Engine, Translator
from nmt_cli.models.base import Decodable, Loss, Model
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.search import STRATEGIES
from nmt_cli.search.ancestral import Greedy
from nmt_cli.search.base import SearchStrategy
from nmt_cli.search.options import SearchOptions
from nmt_cli.training.tasks.base import Validation

_BATCH_TOKENS = 2048
_NO_TRANSLATION_YET = 5.0
"""dev BLEU under which the health of the output is looked at in every validation."""


class Translate:
    """Two languages."""

    def __init__(self, corpus: PreparedCorpus, limit: LengthLimit) -> None:
        """Raises ConfigError where BLEU of the target language needs a package that is not installed."""
        metrics_for(corpus.languages[1], lowercase=False)  # a missing tokenizer is said now, not after an hour
        self.corpus = corpus
        self.limit = limit

    def validate(self, model: Model) -> Validation:
        """Greedy BLEU and the loss on dev."""
        decodable = cast("Decodable[Any]", model)
        dev, language = self.corpus.dev, self.corpus.languages[1]
        nll = _mean_nll(
            decodable, [dev.source_ids(i) for i in range(len(dev))], [dev.target_ids(i) for i in range(len(dev))]
        )
        sources, references = _texts(dev)
        engine = Engine(decodable, Greedy(), self.limit)
        translator = Translator(
            self.corpus.tokenizer,
            lambda batches: map(engine.search, batches),
            self.corpus.settings.max_length,
            _BATCH_TOKENS,
        )
        outputs = [translation.text for translation in translator.translate(sources)]
        score = bleu(outputs, [references], language=language)
        figures = {"dev_bleu": score.score, "dev_nll": nll, "signature": score.signature, "sample": outputs[:3]}
        poor = score.score < _NO_TRANSLATION_YET
        advice = tuple(health(sources, outputs, references).advice) if poor else ()
        # where two models translate equally well, the one with the lower loss is the better one
        said = f"dev BLEU {score.score:.2f}  dev loss {nll:.3f}"
        return Validation(score.score - 1e-6 * nll, f"dev BLEU {score.score:.1f}", said, figures, advice)

    def report(self, directory: ModelDirectory) -> dict[str, Any]:
        """BLEU, chrF2 and TER of a beam search on the held-out test split."""
        sources, references = _texts(self.corpus.test)
        own = directory.settings.search
        strategy = STRATEGIES["beam"].of(SearchOptions(own.beam, 1, own.length_penalty))
        found = evaluate(directory, Texts(sources, [references]), strategy)
        console.say(f"test, {console.count(len(sources), 'sentence')}, beam {own.beam}:")
        for score in found.scores:
            console.say(f"  {score}")
        for advice in found.health.advice:
            console.warn(advice)
        return {"test": [score.to_json() for score in found.scores]}


@dataclass(frozen=True)
class Texts:
    """Sources, and one or more reference translations of each."""

    sources: Sequence[str]
    references: Sequence[Sequence[str]]  # one sequence for each reference


@dataclass(frozen=True)
class Evaluation:
    """What a model makes of a test set."""

    scores: list[MetricScore]
    nll: float  # of the first reference, mean over its subwords (nats); blank and over-long lines left out
    health: Health
    buckets: list[Bucket]
    outputs: list[str]

    @property
    def perplexity(self) -> float:
        """Of the first reference, for each subword."""
        return math.exp(min(self.nll, 700.0))

    def to_json(self) -> dict[str, Any]:
        """Everything but the outputs."""
        return {
            "scores": [score.to_json() for score in self.scores],
            "loss": self.nll,
            "perplexity": self.perplexity,
            "health": self.health.to_json(),
            "by_length": [bucket.to_json() for bucket in self.buckets],
        }


def evaluate(directory: ModelDirectory, texts: Texts, strategy: SearchStrategy, *, resamples: int = 1000) -> Evaluation:
    """Translate a test set, measure the translations, and the loss of the first reference."""
    language = directory.manifest.languages[1]
    with workers.translator(directory, strategy, lines=len(texts.sources)) as translator:
        stream = console.tracked(translator.stream(texts.sources), "translating", len(texts.sources))
        outputs = [translation.text for translation in stream]
    encode = directory.tokenizer.encode_all
    longest = directory.settings.data.max_length
    pairs = zip(encode(list(texts.sources)), encode(list(texts.references[0])), strict=True)
    kept = [pair for pair in pairs if all(0 < len(side) <= longest for side in pair)]  # others the model cannot take
    nll = _mean_nll(cast("Decodable[Any]", directory.model()), [s for s, _ in kept], [t for _, t in kept])
    return Evaluation(
        list(each_score(outputs, texts.references, language=language, resamples=resamples)),
        nll,
        health(texts.sources, outputs, texts.references[0]),
        buckets.by_length(texts.sources, outputs, texts.references, language=language),
        outputs,
    )


def _mean_nll(model: Decodable[Any], sources: Sequence[Any], targets: Sequence[Any]) -> float:
    """Negative log-likelihood for each target subword, EOS counted, without dropout and label smoothing."""
    model.eval()
    lengths = [np.array([len(row) + 1 for row in side], dtype=np.int64) for side in (targets, sources)]
    total = Loss(torch.zeros(()), torch.zeros(()), 0)
    with torch.inference_mode():
        for places in by_length(np.arange(len(sources)), lengths, _BATCH_TOKENS):
            batch = Batch(Sequences.of(sources[i] for i in places), Sequences.of(targets[i] for i in places))
            loss, _ = model.loss(batch, None, smoothing=0.0)
            total = Loss(total.total + loss.total, total.nll + loss.nll, total.count + loss.count)
    return float(total.nll) / max(1, total.count)


def _texts(dataset: ParallelDataset) -> tuple[list[str], list[str]]:
    return (
        [dataset.source_text(index) for index in range(len(dataset))],
        [dataset.target_text(index) for index in range(len(dataset))],
    )
