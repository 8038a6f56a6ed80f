"""Translation: validated by the BLEU of greedy translations of dev, reported by BLEU, chrF2 and TER of a beam search on test."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import torch

from nmt_cli import console
from nmt_cli.corpus import limits
from nmt_cli.corpus.batching import Batch, Sequences, by_length
from nmt_cli.corpus.dataset import Dataset, PreparedCorpus
from nmt_cli.corpus.limits import LengthLimit
from nmt_cli.corpus.sentences import most_sentences
from nmt_cli.errors import ConfigError
from nmt_cli.evaluation import buckets
from nmt_cli.evaluation.buckets import Bucket
from nmt_cli.evaluation.counts import FEWEST_RESAMPLES
from nmt_cli.evaluation.diversity import Variety
from nmt_cli.evaluation.health import Health, health
from nmt_cli.evaluation.metrics import MetricScore, each_score, metrics_for
from nmt_cli.evaluation.significance import PairedScore, paired_bootstrap, paired_table
from nmt_cli.evaluation.texts import check_counts, read, warn_of_direction, warn_of_form
from nmt_cli.inference import workers
from nmt_cli.inference.choice import Choice
from nmt_cli.inference.pieces import Cutter
from nmt_cli.inference.translator import Engine, Line, Translator
from nmt_cli.models.base import Decodable, Model
from nmt_cli.models.encoder_decoder import EncoderDecoder
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.runs.files import check_output
from nmt_cli.runs.files import output as writing
from nmt_cli.search.ancestral import Greedy
from nmt_cli.settings import Settings, TrainingSettings
from nmt_cli.training import alignment_layer
from nmt_cli.training.samples import Sample, to_watch
from nmt_cli.training.stream import Reader, RowReader, epochs_of
from nmt_cli.training.tasks.base import Measuring, Quality, Report, Rule, Validation, refuse_window
from nmt_cli.training.team import Share, Team

_BATCH_TOKENS = 2048


class Translate:
    """Two languages."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(50_000, "transformer-tiny", 40, 0.3),
        Rule(200_000, "transformer-tiny", 25, 0.2),
        Rule(2_000_000, "transformer-small", 15, 0.1),
        Rule(math.inf, "transformer-base", 8, 0.1),
    )
    counted: ClassVar[str] = "target"
    least_batch: ClassVar[int] = 1024
    quality: ClassVar[Quality] = Quality("of 100 points", {"dev_bleu": "BLEU", "dev_chrf2": "chrF2"})

    def __init__(self, corpus: PreparedCorpus) -> None:
        """Raises ConfigError where BLEU of the target language needs a package that is not installed."""
        metrics_for(corpus.languages[1], lowercase=False)  # a missing tokenizer is said now, not after an hour
        self.corpus = corpus

    @staticmethod
    def check(settings: Settings) -> None:
        """Raises ConfigError for words and streams: what is translated is sentences, and no word of them may be unknown."""
        refuse_window(settings, "translate")
        if settings.data.units != "subword":
            raise ConfigError(
                f"data.units must be subword for the task translate, but is {settings.data.units}",
                "words that are not in a list could not be translated",
            )

    @cached_property
    def limit(self) -> LengthLimit:
        """Fitted on train: see ``limits.fit``."""
        return limits.fit(self.corpus.train["source"].lengths + 1, self.corpus.train["target"].lengths + 1)

    @cached_property
    def sentences(self) -> int:
        """Counted in train: see ``most_sentences``."""
        return most_sentences(self.corpus.train["source"])

    def reader(self, settings: TrainingSettings, share: Share) -> Reader:
        """Pairs in batches of similar length."""
        return RowReader(epochs_of(self.corpus, settings), ("target", "source"), Batch.of, settings, share)

    def validate(self, model: Model, settings: Settings, team: Team) -> Validation:
        """BLEU and chrF2 of greedy translations of dev, and its loss; whether they look like translations at all."""
        del settings
        decodable = cast("Decodable[Any]", model)
        dev, language = self.corpus.dev, self.corpus.languages[1]
        own = range(len(dev))[team.share.rows]
        nll, tokens = team.sum(_nll(decodable, *([dev[side].ids(i) for i in own] for side in ("source", "target"))))
        nll /= max(1, tokens)
        sources, references = _texts(dev)
        engine = Engine(decodable, Greedy(weighed=False), self.limit)
        translator = Translator(
            self.corpus.tokenizer,
            lambda batches: map(engine.search, batches),
            Cutter(self.corpus.tokenizer, self.corpus.settings.max_length, self.sentences),
            _BATCH_TOKENS,
            repeats=True,
        )
        outputs = team.lines([translation.text for translation in translator.translate(sources[team.share.rows])])
        bleu, chrf = islice(each_score(outputs, [references], language=language), 2)
        found = health(sources, outputs, references)
        samples = [Sample(outputs[place], sources[place], references[place]) for place in to_watch(sources)]
        figures = {
            "dev_loss": nll, "dev_bleu": bleu.score, "dev_chrf2": chrf.score, "signature": bleu.signature,
            "health": found.to_json(), "samples": list(map(asdict, samples)),
        }  # fmt: skip
        # where two models translate equally well, the one with the lower loss is the better one
        score, said = bleu.score - 1e-6 * nll, f"dev BLEU {bleu.score:.2f}  chrF2 {chrf.score:.2f}  loss {nll:.3f}"
        return Validation(score, f"dev BLEU {bleu.score:.1f}", said, figures, tuple(samples), tuple(found.advice))

    def report(self, directory: ModelDirectory) -> Report:
        """BLEU, chrF2 and TER of a beam search on the held-out test split; and which layer aligns, where there are several."""
        sources, references = _texts(self.corpus.test)
        own = directory.settings.search
        found = evaluate(directory, Texts(sources, [references]), Choice())
        heading = f"test, {console.count(len(sources), 'sentence')}, beam {own.beam}:"
        layer = alignment_layer.find(cast("EncoderDecoder[Any]", directory.model()), self.corpus)
        said = (heading, *(f"  {score}" for score in found.scores), *([] if layer is None else [str(layer)]))
        scores = {"test": [score.to_json() for score in found.scores]}
        number = None if layer is None else layer.number
        return Report(said, scores, tuple(found.health.advice), "nmt translate {model} < input.txt", number)

    @staticmethod
    def evaluate(directory: ModelDirectory, files: Sequence[str], measuring: Measuring) -> Evaluated:
        """Translate and score a source with one or more references; ``files``: the source, then the references."""
        if len(files) < 2:
            raise ConfigError("a translation model must be measured on a source and references, but one file is given")
        source, *names = files
        resamples = 1000 if measuring.resamples is None else measuring.resamples
        against = measuring.against
        if resamples < FEWEST_RESAMPLES and (resamples or against):
            also = "" if against else "0 or "
            raise ConfigError(f"--resamples must be {also}at least {FEWEST_RESAMPLES}, but is {resamples}")
        if measuring.output is not None:
            check_output(measuring.output, map(Path, [*files, *([against] if against else [])]))
        measuring.search.strategy(directory)  # so that what is wrong with it is said before anything is read
        language = directory.manifest.languages[1]
        compared = [against] if against is not None else []
        texts = {name: read(name) for name in [source, *names, *compared]}
        check_counts(texts)
        warn_of_direction(source, names[0], directory.manifest.languages)
        warn_of_form({name: texts[name] for name in [*names, *compared]}, language)
        sides = [texts[name] for name in names]
        found = evaluate(directory, Texts(texts[source], sides), measuring.search, resamples=resamples)
        if measuring.output is not None:
            with writing(measuring.output) as stream:
                stream.writelines(line.encode("utf-8") + b"\n" for line in found.outputs)
        pairs: list[PairedScore] = []
        if against is not None:
            pairs = list(paired_bootstrap(found.outputs, texts[against], sides, language=language, resamples=resamples))
        return Evaluated(found, tuple(pairs), (str(directory.path), against or ""))


@dataclass(frozen=True)
class Evaluated:
    """An evaluation, and a comparison with another system if one was asked for."""

    evaluation: Evaluation
    pairs: tuple[PairedScore, ...]
    names: tuple[str, str]  # of the two systems

    def lines(self) -> list[str]:
        """For a person; advice goes to stderr."""
        for advice in self.evaluation.health.advice:
            console.warn(advice)
        return [*self.evaluation.lines(), *(paired_table(self.pairs, *self.names) if self.pairs else [])]

    def to_json(self) -> dict[str, Any]:
        """Everything, unrounded."""
        compared = {"against": [pair.to_json() for pair in self.pairs]} if self.pairs else {}
        return {**self.evaluation.to_json(), **compared}


@dataclass(frozen=True)
class Texts:
    """Sources, and one or more reference translations of each."""

    sources: Sequence[str]
    references: Sequence[Sequence[str]]  # one sequence for each reference


@dataclass(frozen=True)
class Loss:
    """Of reference translations."""

    mean: float | None  # nats a subword, EOS counted; None: there was no line to measure
    left_out: int  # lines that the model cannot take: blank or over-long, on either side

    @property
    def perplexity(self) -> float | None:
        """For each subword."""
        return None if self.mean is None else math.exp(min(self.mean, 700.0))

    @property
    def shown(self) -> str:
        """The perplexity, for a person."""
        return "-" if self.perplexity is None else f"{self.perplexity:.2f}"

    def __str__(self) -> str:
        loss = "-" if self.mean is None else f"{self.mean:.3f}"
        left = f" ({console.count(self.left_out, 'line')} left out, blank or over-long)" if self.left_out else ""
        return f"loss {loss} a subword, perplexity {self.shown}{left}"

    def to_json(self) -> dict[str, Any]:
        """Unrounded."""
        return {"loss": self.mean, "perplexity": self.perplexity, "left_out": self.left_out}


@dataclass(frozen=True)
class Evaluation:
    """What a model makes of a test set."""

    scores: list[MetricScore]
    loss: Loss  # of the first reference
    health: Health
    buckets: list[Bucket]
    outputs: list[str]
    variety: Variety | None = None  # of several results a line

    def lines(self) -> list[str]:
        """For a person."""
        return [
            *map(str, self.scores),
            str(self.loss),
            f"output health: {self.health}",
            *([] if self.variety is None else self.variety.lines()),
            *(f"{each!s:>6} words  {each.sentences:6,} sentences  BLEU {each.bleu:.1f}" for each in self.buckets),
        ]

    def to_json(self) -> dict[str, Any]:
        """Everything but the outputs."""
        return {
            "scores": [score.to_json() for score in self.scores],
            **self.loss.to_json(),
            "health": self.health.to_json(),
            "by_length": [bucket.to_json() for bucket in self.buckets],
            **({} if self.variety is None else {"diversity": self.variety.to_json()}),
        }


def evaluate(directory: ModelDirectory, texts: Texts, choice: Choice, *, resamples: int = 1000) -> Evaluation:
    """Translate a test set, measure the translations, and the loss of the first reference; of lists, how varied they are."""
    language = directory.manifest.languages[1]
    strategy, glossary, lines = choice.strategy(directory), choice.terms(), map(Line, texts.sources)
    with workers.translator(directory, strategy, lines=len(texts.sources), together=choice.together) as translator:
        stream = console.tracked(translator.knowing(glossary).stream(lines), "translating", len(texts.sources))
        lists = [[candidate.text for candidate in translation.candidates[: choice.n_best]] for translation in stream]
    outputs = [results[0] for results in lists]
    return Evaluation(
        list(each_score(outputs, texts.references, language=language, resamples=resamples)),
        mean_loss(directory, texts.sources, texts.references[0]),
        health(texts.sources, outputs, texts.references[0]),
        buckets.by_length(texts.sources, outputs, texts.references, language=language),
        outputs,
        Variety.of(lists, texts.references) if choice.n_best > 1 else None,
    )


def mean_loss(directory: ModelDirectory, sources: Sequence[str], targets: Sequence[str]) -> Loss:
    """Of the targets, given their sources; lines that the model cannot take are left out."""
    tokenizer, longest = directory.tokenizer, directory.settings.data.max_length
    pairs = zip(tokenizer.encode_all(list(sources)), tokenizer.target.encode_all(list(targets)), strict=True)
    kept = [pair for pair in pairs if all(0 < len(side) <= longest for side in pair)]
    total, count = _nll(cast("Decodable[Any]", directory.model()), [s for s, _ in kept], [t for _, t in kept])
    return Loss(total / count if count else None, len(sources) - len(kept))


def _nll(model: Decodable[Any], sources: Sequence[Any], targets: Sequence[Any]) -> tuple[float, int]:
    """Negative log-likelihood of the targets, without dropout and label smoothing, and how many subwords they have, EOS counted."""
    model.eval()
    lengths = [np.array([len(row) + 1 for row in side], dtype=np.int64) for side in (targets, sources)]
    total, count = 0.0, 0
    with torch.inference_mode():
        for places in by_length(np.arange(len(sources)), lengths, _BATCH_TOKENS):
            batch = Batch(Sequences.of(sources[i] for i in places), Sequences.of(targets[i] for i in places))
            loss, _ = model.loss(batch, None, smoothing=0.0)
            total, count = total + loss.nll.item(), count + loss.count
    return total, count


def _texts(dataset: Dataset) -> tuple[list[str], list[str]]:
    return dataset["source"].all_texts(), dataset["target"].all_texts()
