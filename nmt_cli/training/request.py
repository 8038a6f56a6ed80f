"""What the user wants trained, and what it comes to: a place for the model, a corpus, settings, a manifest. Trains nothing.

Whatever is refused is refused before any work is done and before anything of an earlier training is touched.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from nmt_cli import console
from nmt_cli.corpus.dataset import PreparedCorpus, is_prepared
from nmt_cli.corpus.files import FILES
from nmt_cli.corpus.prepare import Inputs, check_output, input_checksums, prepare
from nmt_cli.errors import ConfigError, DataError, ModelError
from nmt_cli.models import ARCHITECTURES
from nmt_cli.runs.checkpoint import FOLDER, LAST, NEXT, PREVIOUS
from nmt_cli.runs.directory import CORPUS, WEIGHTS, build
from nmt_cli.runs.kept import Kept
from nmt_cli.runs.manifest import FILE as MANIFEST
from nmt_cli.runs.manifest import Manifest, command_line
from nmt_cli.runs.origin import Origin
from nmt_cli.runs.shortlist import FILE as SHORTLIST
from nmt_cli.settings import DataSettings, Settings, Table, check, differences, merge, resolve, shortened
from nmt_cli.text.labels import FILE as LABELS
from nmt_cli.text.units import UNITS
from nmt_cli.training import autopilot
from nmt_cli.training.presets import preset
from nmt_cli.training.pretrained import Pretrained
from nmt_cli.training.tasks import TASKS

_ASIDE, _GONE = f".{CORPUS}.before", f".{CORPUS}.gone"
_ANEW = "--restart trains it anew; -o names another model"


@dataclass(frozen=True)
class Request:
    """What the user wants trained."""

    corpus: Inputs | Path  # raw files, or a folder that nmt preprocess wrote
    output: Path
    task: str = "translate"  # of which the files are
    preset: str | None = None
    table: Table = field(default_factory=dict)  # settings that were given, by file or option
    restart: bool = False
    pretrained: Pretrained | None = None  # whose weights it begins with


def check_settings(request: Request) -> None:
    """Refuse mistyped settings before a long preparation; which preset the corpus will get is not known yet."""
    if request.pretrained is not None:
        request.pretrained.check(request.task, request.preset, request.table)
        bases = [request.pretrained.recipe]
    elif request.preset:
        bases = [preset(request.preset)]
    elif "architecture" in request.table.get("model", {}):
        bases = [{}]
    else:
        bases = [preset(name) for name in autopilot.presets_of(TASKS[request.task])]
    errors = []
    for base in bases:
        try:
            _check_task(request, resolve(merge(base, request.table), ARCHITECTURES, origin="settings"))
        except ConfigError as error:
            errors.append(error)
    if len(errors) == len(bases):
        raise errors[0]


def _check_task(request: Request, settings: Settings) -> None:
    """Raises ConfigError for an architecture that is for another task, or settings that mean nothing to this one."""
    name = settings.model.architecture
    if settings.model.task != request.task:
        fitting = [other for other in ARCHITECTURES if ARCHITECTURES[other].task == request.task]
        what = f"preset {request.preset}" if request.preset else f"model.architecture {name}"
        raise ConfigError(
            f"{what} is for the task {settings.model.task}, not {request.task}",
            f"--task {settings.model.task}, or an architecture of: {', '.join(fitting)}",
        )
    TASKS[request.task].check(settings)


def check_beginning(request: Request) -> None:
    """What is to go on must have been begun from the weights that are asked for, and be known.

    Raises:
        ConfigError: it was begun from others.
        ModelError: weights that nobody knows: they would be lost.
    """
    pretrained = request.pretrained
    if pretrained is not None and pretrained.directory.path.resolve() == request.output.resolve():
        raise ConfigError(f"--from {pretrained} must be another model than the new one", "-o names another folder")
    if request.restart:
        return
    if not (request.output / MANIFEST).exists():
        if (request.output / WEIGHTS).exists():
            raise ModelError(
                f"{request.output} must hold a {MANIFEST} to be trained, but holds {WEIGHTS} without one", _ANEW
            )
        return
    old, new = Manifest.read(request.output).origin, _origin(request)
    if old != new:
        said = [each or "fresh weights" for each in (old, new)]
        raise ConfigError(f"{request.output} was begun from {said[0]}, not from {said[1]}", _ANEW)


def check_model(settings: Settings, corpus: PreparedCorpus) -> None:
    """Raises ConfigError for a model that cannot be made, before another one is removed for it."""
    try:
        build(settings, corpus.sizes)
    except (RuntimeError, MemoryError) as error:  # PyTorch raises the first where memory is short
        said = str(error).strip().split("\n")[0][:120]
        raise ConfigError(
            f"a model of these settings must fit into the memory of this machine, but: {said}",
            "a smaller model.width, fewer layers or a smaller vocabulary",
        ) from None


def clear(folder: Path) -> None:
    """Remove what an earlier training left, and nothing else; the manifest first: a folder without one is never gone on from."""
    for name in (MANIFEST, WEIGHTS, SHORTLIST, LABELS, *(UNITS[name].file for name in UNITS)):
        (folder / name).unlink(missing_ok=True)
    for state in (LAST, PREVIOUS, NEXT):
        (folder / FOLDER / state).unlink(missing_ok=True)
    for kept in Kept(folder).files().values():
        kept.unlink()


@contextmanager
def corpus_kept(request: Request) -> Iterator[None]:
    """Within it another corpus takes the place of the one that a training has read; if what is asked for is refused, the old one is
    back. So it is where the process was killed within it, as soon as somebody asks for a training again."""
    corpus, aside, gone = (request.output / name for name in (CORPUS, _ASIDE, _GONE))

    def put_back() -> None:
        if aside.exists():
            shutil.rmtree(corpus, ignore_errors=True)
            aside.rename(corpus)

    shutil.rmtree(gone, ignore_errors=True)
    put_back()
    if request.restart and not isinstance(request.corpus, Path) and corpus.exists():
        corpus.rename(aside)
    try:
        yield
    except BaseException:
        put_back()
        raise
    if aside.exists():
        aside.rename(gone)  # at once: half a corpus must not come back
        shutil.rmtree(gone, ignore_errors=True)


def corpus_of(request: Request) -> PreparedCorpus:
    """Open the prepared corpus; from raw text, prepare it inside the model directory unless that was done before."""
    pretrained = request.pretrained
    if isinstance(request.corpus, Path):
        corpus = PreparedCorpus.open(request.corpus)
        if corpus.columns != FILES[request.task].columns:
            raise DataError(
                f"{request.corpus} must be prepared for the task {request.task}, but holds {' and '.join(corpus.columns)}",
                f"nmt preprocess --task {request.task} prepares it, or --task names another",
            )
        if pretrained is not None:
            pretrained.check_corpus(corpus)
        return corpus
    folder = request.output / CORPUS
    inputs = request.corpus if pretrained is None else pretrained.inputs(request.corpus)
    wanted = _data_settings(request)
    if is_prepared(folder) and not request.restart:
        corpus = PreparedCorpus.open(folder)
        changes = ["it is for another task"]
        if corpus.columns == FILES[request.task].columns:
            changes = _data_changes(corpus, inputs, wanted)
            if pretrained is not None and not pretrained.reads(corpus):
                changes.append(f"its vocabulary is not that of {pretrained}")
        if not changes:
            return corpus
        if (request.output / MANIFEST).exists():
            raise DataError(f"{request.output} was begun with other data: {'; '.join(changes)}", _ANEW)
    elif (request.output / MANIFEST).exists() and not request.restart:
        changes = _other_texts(Manifest.read(request.output).inputs, inputs)
        if changes:  # said before anything is put in the place of what the training has read
            raise DataError(f"{request.output} was begun with other data: {'; '.join(changes)}", _ANEW)
    check_output(folder, True)
    missing = not folder.exists()
    if pretrained is None:
        report = prepare(inputs, folder, wanted)
    else:
        tokenizer, labels = pretrained.vocabulary.tokenizer, pretrained.directory.labels
        report = prepare(inputs, folder, wanted, tokenizer=tokenizer, labels=labels)
    corpus = PreparedCorpus.open(folder)
    begun = (request.output / MANIFEST).exists() and not request.restart
    if begun and missing and corpus.checksum != Manifest.read(request.output).corpus:
        shutil.rmtree(folder)  # it would stand in the way of the right one
        raise DataError(f"{request.output} was begun with another corpus", _ANEW)
    console.show(console.table(["", f"{report.noun}s"], report.rows()))
    console.say(report.summary())
    return corpus


def _data_changes(corpus: PreparedCorpus, inputs: Inputs, wanted: DataSettings) -> list[str]:
    """What differs between a corpus prepared earlier and what is asked for now."""
    changes = _other_texts(corpus.inputs, inputs)
    languages = inputs.resolved_languages()
    if languages != corpus.languages:
        changes.append(f"languages: {'-'.join(corpus.languages)} -> {'-'.join(languages)}")
    if wanted.vocabulary in (None, corpus.asked):  # the text may have given fewer ids than were asked for
        wanted = wanted.model_copy(update={"vocabulary": corpus.settings.vocabulary})
    return changes + differences({"data": corpus.settings.model_dump()}, {"data": wanted.model_dump()})


def _other_texts(before: Mapping[str, str], inputs: Inputs) -> list[str]:
    """What differs between files that were read, by their checksums, and those that are given now."""
    now = input_checksums(inputs)
    paths = {f"{name}.{i}": path for name, pairs in inputs.given().items() for i, path in enumerate(pairs.paths, 1)}
    changes = [f"{paths[key]} is not the same text" for key in now if key in before and now[key] != before[key]]
    changes += [f"{paths[key]} was not given" for key in now if key not in before]
    gone = sorted({key.partition(".")[0] for key in before if key not in now})
    return changes + [f"--{name} was given" if name != "train" else "two files were given" for name in gone]


def _data_settings(request: Request) -> DataSettings:
    base = _base(request, request.preset) if request.pretrained is None else request.pretrained.data
    table = merge(base, request.table)
    return check(DataSettings, "data", table.get("data", {}), "settings")


def settings_of(request: Request, corpus: PreparedCorpus) -> Settings:
    """What is given, over the preset or what a model hands on, over what the size of the corpus suggests."""
    chosen, pretrained = request.preset or suggested_preset(request, corpus), request.pretrained
    given = merge(_base(request, chosen), request.table)
    data = {"data": corpus.settings.model_dump(exclude_none=True)}
    if isinstance(request.corpus, Path):
        _refuse_other_data(given.get("data", {}), data["data"], request.corpus)
    own = autopilot.settings_for(TASKS[request.task], corpus, given)
    if not request.restart and (request.output / MANIFEST).exists():
        own["training"]["workers"] = Manifest.read(request.output).request["training"]["workers"]
    if pretrained is not None:
        own = merge(own, pretrained.rates(given["training"].get("updates", own["training"]["updates"])))
    return resolve(merge(own, given, data), ARCHITECTURES, origin="settings")


def _base(request: Request, chosen: str | None) -> Table:
    """What stands under the settings that are given: what a model hands on, or a preset."""
    if request.pretrained is not None:
        return request.pretrained.recipe
    return preset(chosen) if chosen else {}


def suggested_preset(request: Request, corpus: PreparedCorpus) -> str | None:
    """The preset that the size of the corpus suggests; None where the user has named one, an architecture or a model."""
    named = request.preset or request.pretrained or "architecture" in request.table.get("model", {})
    return None if named else autopilot.preset_for(TASKS[request.task], corpus)


def _refuse_other_data(given: Table, prepared: Table, folder: Path) -> None:
    for key, value in given.items():
        if prepared.get(key) != value:
            raise ConfigError(
                f"{folder} was prepared with data.{key} = {prepared.get(key)}, but {value} is asked for",
                "nmt preprocess takes settings of [data]; leave them out here",
            )


def manifest_of(request: Request, corpus: PreparedCorpus, settings: Settings) -> Manifest:
    """The manifest of the training that is to go on, or a new one. Raises ConfigError or DataError where they differ."""
    asked = {name: getattr(settings, name).model_dump() for name in Settings.model_fields}
    if not (request.output / MANIFEST).exists():
        return Manifest(
            task=request.task,
            languages=corpus.languages,
            limit=None,
            corpus=corpus.checksum,
            inputs=corpus.inputs,
            request=asked,
            command=command_line(),
            seed=settings.training.seed,
            origin=_origin(request),
        )
    manifest = Manifest.read(request.output)
    if manifest.corpus != corpus.checksum:
        raise DataError(f"{request.output} was begun with another corpus", _ANEW)
    if manifest.task != request.task:
        raise ConfigError(f"{request.output} was begun for the task {manifest.task}, not {request.task}", _ANEW)
    free = {name: asked["training"][name] for name in ("workers", "keep")}  # what is learnt does not depend on them
    changed = differences({**manifest.request, "training": {**manifest.request["training"], **free}}, asked)
    if changed:
        raise ConfigError(f"{request.output} was begun with other settings: {shortened(changed)}", _ANEW)
    return manifest


def _origin(request: Request) -> Origin | None:
    return None if request.pretrained is None else request.pretrained.origin
