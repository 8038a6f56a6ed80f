"""A trained model that a training begins with instead of fresh weights: fine-tuning.

What the model is stays as it is: architecture, sizes, vocabulary, labels, task. How it was taught is the default for how it is
taught now, except for the plan, which depends on the new corpus, and the learning rate.

Its peak is a quarter of the old one. The higher it is, the more is learnt of the new text and the more is forgotten of the old.
400 updates on 3,000 everyday sentences, of a ``transformer-tiny`` that knew captions (32.8 BLEU on these, 2 on the sentences):

    peak, of the old one         1/16     1/4       1
    new text, dev: loss          3.45    3.07    3.11
    new text, dev: BLEU           5.9     9.7    13.3
    old text, test: BLEU         28.9    17.1     9.3

A model that was fine-tuned itself keeps its rate: a quarter each time would soon learn nothing. Adam's moments begin anew and need
a warm-up, but a plan is often short: a tenth of it, if that is less than the old one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from nmt_cli import console
from nmt_cli.corpus.dataset import PreparedCorpus
from nmt_cli.corpus.files import FILES
from nmt_cli.corpus.limits import LengthLimit
from nmt_cli.corpus.prepare import Inputs, unknown
from nmt_cli.errors import ConfigError, DataError
from nmt_cli.models import ARCHITECTURES
from nmt_cli.runs.directory import WEIGHTS, ModelDirectory, weights_of
from nmt_cli.runs.origin import Origin
from nmt_cli.runs.vocabulary import Vocabulary
from nmt_cli.settings import Settings, Table, differences, merge, resolve
from nmt_cli.training.learner import Learner

_PLAN = (
    "seed", "batch_tokens", "accumulate", "workers", "precision", "updates", "minutes", "patience", "validate_every", "keep",
)  # fmt: skip
"""Settings of [training] that are not taken over: they suit a corpus, or a machine."""
_VOCABULARY = ("units", "vocabulary", "character_coverage")
_RATE = 1 / 4
_WARMUP = 1 / 10


@dataclass(frozen=True)
class Pretrained:
    """The model of ``nmt train --from``."""

    directory: ModelDirectory

    @classmethod
    def open(cls, path: Path) -> Pretrained:
        """Raises ModelError where there is no model."""
        return cls(ModelDirectory.open(path))

    def __str__(self) -> str:
        return str(self.directory.path)

    @cached_property
    def origin(self) -> Origin:
        """What the manifest of the new model says of it."""
        return Origin.of(self.directory.path / WEIGHTS)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """Of all text that is trained on."""
        return Vocabulary(self.directory.settings.data.units, self.directory.tokenizer)

    @property
    def data(self) -> Table:
        """How text is prepared unless something else is asked for."""
        return {"data": self.directory.settings.data.model_dump()}

    @property
    def recipe(self) -> Table:
        """The model, and how it is taught and searched unless something else is asked for."""
        settings = self.directory.settings
        taught = settings.training.model_dump(exclude={*_PLAN, "learning_rate", "warmup"})
        return {"model": settings.model.model_dump(), "training": taught, "search": settings.search.model_dump()}

    def rates(self, updates: int) -> Table:
        """Peak and warm-up of so many updates: see the head of this file."""
        old = self.directory.settings.training
        peak = old.learning_rate * (1 if self.directory.manifest.origin else _RATE)
        return {"training": {"learning_rate": peak, "warmup": max(1, min(old.warmup, int(_WARMUP * updates)))}}

    def check(self, task: str, preset: str | None, given: Table) -> None:
        """Raises ConfigError for another task, and for settings with which its weights would not be its weights."""
        manifest, architecture = self.directory.manifest, self.directory.settings.model.architecture
        if task != manifest.task:
            raise ConfigError(
                f"--from {self} is a model for the task {manifest.task}, not {task}",
                f"--task {manifest.task}, or another model",
            )
        if preset is not None:
            raise ConfigError(
                f"--preset {preset} must not be given with --from: {self} is a {architecture} and keeps its sizes",
                "leave it out; --set training.KEY=VALUE changes how it is trained",
            )
        changes = self._changes(given)
        if changes:
            raise ConfigError(
                f"--from {self} stays what it is, but is to change: {'; '.join(changes)}",
                "of [model] only dropouts may change; without --from a new model is trained",
            )

    def _changes(self, given: Table) -> list[str]:
        """What would be another model, or another vocabulary."""
        old = self.directory.settings
        architecture = given.get("model", {}).get("architecture", old.model.architecture)
        if architecture != old.model.architecture:  # which has other settings
            return [f"model.architecture: {old.model.architecture} -> {architecture}"]
        asked = resolve(merge(self.data, self.recipe, given), ARCHITECTURES, origin="settings")
        return differences(_fixed(old), _fixed(asked))

    def inputs(self, inputs: Inputs) -> Inputs:
        """With the languages of the model where nothing else tells them. Raises DataError: see ``check_languages``."""
        languages = inputs.resolved_languages()
        if languages == unknown(inputs.train):
            return replace(inputs, languages=self.directory.manifest.languages)
        self.check_languages(languages, inputs.train.name)
        return inputs

    def check_languages(self, languages: tuple[str, ...], name: str) -> None:
        """Other ones are said: a related language may profit from what was learnt (Zoph et al. 2016).

        Raises DataError where source and target are the other way round.
        """
        own, columns = self.directory.manifest.languages, FILES[self.directory.manifest.task].columns
        unsaid = set(columns) & {*own, *languages}  # languages that nothing tells are called by their columns
        if languages == own or unsaid:
            return
        said, found = "-".join(own), "-".join(languages)
        if languages == own[::-1]:
            raise DataError(f"{name} must be {said}, as {self} is, but is {found}", "give source before target")
        console.warn(f"{self} is {said} and goes on with {found}; its vocabulary stays as it is")

    def check_corpus(self, corpus: PreparedCorpus) -> None:
        """Raises DataError for a prepared corpus with other units, labels or languages."""
        if not self.reads(corpus):
            raise DataError(
                f"{corpus.folder} must have the vocabulary of {self}, but has another",
                f"nmt preprocess --tokenizer {self} prepares a corpus for it",
            )
        if self.directory.labels is not None and corpus.labels is not None:
            self.directory.labels.check_same(corpus.labels, str(corpus.folder))
        self.check_languages(corpus.languages, str(corpus.folder))
        own, longest = self.directory.settings.data.max_length, corpus.settings.max_length
        if longest < own:
            console.warn(
                f"{corpus.folder} was prepared with --max-length {longest}, {self} with {own}: "
                f"lines of more than {longest} {corpus.settings.units}s will be too long for the new model"
            )

    def reads(self, corpus: PreparedCorpus) -> bool:
        """Whether the corpus has its vocabulary."""
        return self.vocabulary.is_that_of(Vocabulary(corpus.settings.units, corpus.tokenizer))

    def limit(self, fitted: LengthLimit | None) -> LengthLimit | None:
        """Of the new model: whatever could be written before can be written still."""
        old = self.directory.manifest.limit
        return fitted if fitted is None or old is None else fitted.covering(old)

    def sentences(self, counted: int | None) -> int | None:
        """Of a source of the new model: whatever could be translated in one piece before can be still."""
        old = self.directory.manifest.sentences
        return counted if counted is None or old is None else max(counted, old)

    def teach(self, learner: Learner) -> None:
        """Give its weights to a model that is to learn. Raises ModelError where they do not fit."""
        learner.begin_with(weights_of(self.directory.model()), str(self.directory.path / WEIGHTS))


def _fixed(settings: Settings) -> dict[str, Mapping[str, Any]]:
    """What must stay."""
    return {"model": settings.model.fixed, "data": {key: getattr(settings.data, key) for key in _VOCABULARY}}
