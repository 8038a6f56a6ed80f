"""A model directory: everything that a model needs, in one folder that can be moved to another machine.

config.toml          the settings, resolved: training with them repeats the model
subwords.model       the tokenizer (or words.txt, characters.txt)
labels.txt           the labels of a classifier
model.safetensors    the best weights
manifest.json        languages, length limit, data checksums, versions, command, scores
metrics.jsonl        what was measured while it was trained
training/            the last state, for going on, and the weights that training.keep keeps; may be deleted from a finished model
corpus/              the prepared corpus, if training began from raw text; may be deleted likewise
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from nmt_cli.corpus.staging import named
from nmt_cli.errors import ConfigError, ModelError, NMTError
from nmt_cli.models import ARCHITECTURES
from nmt_cli.models.base import Model
from nmt_cli.runs.files import read_tensors, write_tensors, write_text
from nmt_cli.runs.manifest import FILE as MANIFEST
from nmt_cli.runs.manifest import Manifest
from nmt_cli.settings import Settings, Sizes, differences, read_toml, resolve, shortened, to_toml
from nmt_cli.text.labels import FILE as LABELS
from nmt_cli.text.labels import Labels
from nmt_cli.text.tokenizer import Tokenizer
from nmt_cli.text.units import UNITS

CONFIG, WEIGHTS, METRICS, CORPUS = "config.toml", "model.safetensors", "metrics.jsonl", "corpus"
DEFAULT = Path("model")
"""Where ``nmt train`` writes and ``nmt translate`` looks when nothing else is said."""


@dataclass(frozen=True)
class ModelDirectory:
    """A folder that holds a model, or will."""

    path: Path

    @classmethod
    def open(cls, path: Path) -> ModelDirectory:
        """Raises ModelError, with what to do instead, where there is no model, or files of different ones."""
        if not (path / MANIFEST).is_file():
            what = "is a file" if path.is_file() else "holds none" if path.is_dir() else "there is no such folder"
            makes = _nearby(path) or "nmt train corpus.en corpus.de -o model makes one"
            hint = f"the model comes first, as in nmt translate MODEL FILE; {makes}" if path.is_file() else makes
            raise ModelError(f"{path} must be a model directory, but {what}", hint)
        directory = cls(path)
        if (toolkit := directory.manifest.exported) is not None:
            raise ModelError(
                f"{path} must be a model of nmt itself, but was exported to {toolkit}",
                f"nmt translate {path} --engine {toolkit} runs it",
            )
        if not (path / WEIGHTS).is_file():
            if directory.manifest.finished:
                raise ModelError(
                    f"{path} must hold trained weights, but {WEIGHTS} is missing", "copy the folder again as a whole"
                )
            raise ModelError(
                f"{path} must hold trained weights, but its training has not come to its first validation yet",
                "wait for it; where it was stopped, the same nmt train command goes on",
            )
        task, model = directory.manifest.task, directory.settings.model
        if task != model.task:
            raise ModelError(
                f"{path / MANIFEST} must be for the task {model.task}, as a {model.architecture} is, but is for {task}",
                f"{MANIFEST} and {CONFIG} are of different models: copy the folder again as a whole",
            )
        if (trained := directory.manifest.request.get("model")) is not None:
            now = model.model_dump()
            # What an older version did not ask for is as it always was.
            changed = differences({"model": trained}, {"model": {key: now.get(key) for key in trained}})
            if changed:
                raise ModelError(
                    f"{path / CONFIG} must describe the model that was trained, but differs: {shortened(changed)}",
                    "put back what it said: to these weights it is no choice",
                )
        return directory

    @cached_property
    def manifest(self) -> Manifest:
        """What the model is for. Raises ModelError where it is damaged."""
        with _mended_by_a_copy():
            return Manifest.read(self.path)

    @cached_property
    def settings(self) -> Settings:
        """The resolved settings. Raises ModelError where they cannot be read."""
        with _mended_by_a_copy():
            try:
                return resolve(read_toml(self.path / CONFIG), ARCHITECTURES, origin=str(self.path / CONFIG))
            except ConfigError as error:
                raise ModelError(error.message, error.hint) from None

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Between text and ids."""
        with _mended_by_a_copy():
            return UNITS[self.settings.data.units].load(self.path)

    @cached_property
    def labels(self) -> Labels | None:
        """Of a classifier. Raises DataError where their file is damaged."""
        return Labels.load(self.path) if (self.path / LABELS).exists() else None

    @property
    def sizes(self) -> Sizes:
        """What the model was built from."""
        return Sizes(self.tokenizer.size, len(self.labels or ()), self.tokenizer.unknown)

    def of_task(self, task: str, purpose: str) -> ModelDirectory:
        """Itself. Raises ModelError where the model was trained for another task than the ``purpose`` needs."""
        if self.manifest.task != task:
            raise ModelError(
                f"{self.path} must be {purpose}, but was trained for the task {self.manifest.task}",
                f"nmt train --task {task} trains one",
            )
        return self

    def model(self) -> Model:
        """The best weights, ready to be used. Raises ModelError where they do not fit the settings or the labels."""
        model = build(self.settings, self.sizes)
        with _mended_by_a_copy():
            weights, _ = read_tensors(self.path / WEIGHTS)
        weighed = weights.get("output.bias")  # of a classifier: a number for each label
        if self.labels is not None and weighed is not None and len(weighed) != len(self.labels):
            raise ModelError(
                f"{self.path / LABELS} must hold the {len(weighed)} labels of the model, but holds {len(self.labels)}",
                "copy the folder again as a whole",
            )
        load_weights(model, weights, str(self.path / WEIGHTS))
        return model.eval()

    def write_settings(self, settings: Settings) -> None:
        """Replace ``config.toml``."""
        write_text(self.path / CONFIG, to_toml(settings))

    def write_weights(self, weights: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
        """Replace the best weights."""
        write_tensors(self.path / WEIGHTS, weights, metadata)

    def metrics(self) -> list[dict[str, Any]]:
        """The records of ``metrics.jsonl``; a last line that was cut by a crash is left out."""
        path = self.path / METRICS
        if not path.exists():
            return []
        records = []
        for line in path.read_text(encoding="utf-8").split("\n"):
            try:
                records.append(json.loads(line))
            except ValueError:
                continue
        return records

    def write_metrics(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Replace ``metrics.jsonl``."""
        write_text(self.path / METRICS, "".join(json.dumps(record) + "\n" for record in records))

    def add_metrics(self, record: Mapping[str, Any]) -> None:
        """One record more."""
        path = self.path / METRICS
        with named(path), open(path, "a", encoding="utf-8") as stream:
            stream.write(json.dumps(record) + "\n")


@contextmanager
def _mended_by_a_copy() -> Iterator[None]:
    """Where a file of a model is damaged or gone and nobody knows better."""
    try:
        yield
    except NMTError as error:
        error.hint = error.hint or "copy the folder again as a whole"
        raise


def _nearby(path: Path) -> str | None:
    """The hint for a mistyped name, where a model of nearly that name lies beside it."""
    if path.exists() or not path.parent.is_dir():
        return None
    names = [folder.parent.name for folder in path.parent.glob(f"*/{MANIFEST}")]
    close = get_close_matches(path.name, names, n=1)
    return f"did you mean {path.with_name(close[0])}?" if close else None


def build(settings: Settings, sizes: Sizes) -> Model:
    """A model with fresh weights."""
    model: Model = settings.model.build(sizes)
    return model


def weights_of(model: Model) -> dict[str, Tensor]:
    """The parameters by name; a shared one under its first name only."""
    return dict(model.named_parameters())


def load_weights(model: Model, weights: Mapping[str, Tensor], origin: str) -> None:
    """Put weights into a model. Raises ModelError, naming the first that does not fit."""
    parameters = dict(model.named_parameters())
    for name in {**parameters, **weights}:
        wanted, found = parameters.get(name), weights.get(name)
        if wanted is None or found is None or wanted.shape != found.shape:
            shapes = [None if tensor is None else tuple(tensor.shape) for tensor in (wanted, found)]
            raise ModelError(f"{origin}: {name} must have shape {shapes[0]}, but has {shapes[1]}")
        wanted.data.copy_(found)
