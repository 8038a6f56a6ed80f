"""``nmt export``: a model in another toolkit's format, proved before it is there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from nmt_cli import console
from nmt_cli.corpus.staging import check_place, staged
from nmt_cli.errors import ConfigError, ModelError, nearest
from nmt_cli.interchange.proof import Proof, Trial
from nmt_cli.registry import Registry
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.runs.manifest import command_line

EXACT = "float32"
QUANTIZATIONS = (EXACT, "int8")

Writer = Callable[[ModelDirectory, Path, str], None]
"""A model, the folder that exists and that its weights are written into, and one of the ``QUANTIZATIONS``."""


@dataclass(frozen=True)
class Toolkit:
    """What models can be exported to."""

    write: Writer
    prove: Callable[[ModelDirectory, Path, Trial], Proof]  # a model, and the folder of what was written
    check: Callable[[], None]  # raises ConfigError where what writes and proves is not installed
    can: str  # what it can run, as a message says it


TOOLKITS: Registry[Toolkit] = Registry("--to", {"ctranslate2": "nmt_cli.interchange.ctranslate2:CTRANSLATE2"})


@dataclass(frozen=True)
class Export:
    """What the user wants."""

    model: Path
    to: str
    output: Path | None  # None: beside the model, by its name and the toolkit's
    quantization: str = EXACT
    dev: tuple[Path, ...] = ()  # files of text that it is proved on; none: the dev split of the model's own corpus

    @property
    def place(self) -> Path:
        """Where it is written. ``to`` has to be a known name."""
        model = self.model if self.model.name not in ("", "..") else self.model.resolve()
        return self.output or model.with_name(f"{model.name}-{self.to}")


def run(export: Export) -> None:
    """Write the model and prove that it says what ours says; where it does not, nothing is left.

    Raises:
        ConfigError: a toolkit or a precision that does not exist, a place that is taken, or a package that is missing.
        ModelError: a model that is none, that the toolkit cannot run, or that comes out as another one.
        DataError: text to prove it on that cannot be used.
    """
    toolkit = TOOLKITS[export.to]
    if export.quantization not in QUANTIZATIONS:
        known = nearest(export.quantization, list(QUANTIZATIONS))
        raise ConfigError(f"--quantization must be float32 or int8, but is '{export.quantization}'", known)
    directory = ModelDirectory.open(export.model).of_task("translate", "a translation model")
    _check_kind(directory, export.to, toolkit)
    _check_output(export.place)
    toolkit.check()
    with staged(export.place) as new, TemporaryDirectory() as workspace:
        trial = Trial.of(directory, export.dev, Path(workspace))
        exact = new if export.quantization == EXACT else _made(Path(workspace) / EXACT)
        _write(directory, exact, export.to, EXACT)
        proof = toolkit.prove(directory, exact, trial)
        proof.check()
        console.say(f"proved on {trial.origin}: {proof}")
        if exact is not new:
            _write(directory, new, export.to, export.quantization)
            console.say(f"{export.quantization}: {toolkit.prove(directory, new, trial).likeness}")
    console.say(f"next: nmt translate {export.place} --engine {export.to} < input.txt")


def _check_kind(directory: ModelDirectory, to: str, toolkit: Toolkit) -> None:
    """Raises ModelError for an architecture that the toolkit does not know."""
    settings = directory.settings.model
    if to in settings.exports:
        return
    told = settings.model_dump(include={"architecture", "autoregression"})
    found = ", ".join(f"{name} = {value}" for name, value in told.items())
    raise ModelError(
        f"{directory.path} must be what {to} can run ({toolkit.can}), but is {found}",
        "nmt train says at its start what a model can be exported to",
    )


def _check_output(output: Path) -> None:
    """Raises ConfigError where something is there already."""
    check_place(output)
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise ConfigError(f"{output} must be a new folder, but there is something", "-o names another one")


def _write(directory: ModelDirectory, folder: Path, to: str, quantization: str) -> None:
    """Into a folder that exists: weights, and what is needed beside them to translate text."""
    TOOLKITS[to].write(directory, folder, quantization)
    directory.tokenizer.save(folder)
    ModelDirectory(folder).write_settings(directory.settings)
    replace(directory.manifest, exported=to, scores={}, said=(), command=command_line()).write(folder)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
