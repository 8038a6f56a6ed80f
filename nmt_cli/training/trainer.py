"""A whole training: request, corpus, settings, a session, the report."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from nmt_cli import console
from nmt_cli.corpus.dataset import PreparedCorpus
from nmt_cli.corpus.files import FILES
from nmt_cli.models import rounding
from nmt_cli.runs import processor
from nmt_cli.runs.checkpoint import Checkpoint
from nmt_cli.runs.directory import CORPUS, WEIGHTS, ModelDirectory
from nmt_cli.runs.lock import locked
from nmt_cli.runs.manifest import FILE as MANIFEST
from nmt_cli.runs.manifest import Manifest
from nmt_cli.runs.processes import allowed
from nmt_cli.runs.room import check_room
from nmt_cli.settings import Settings
from nmt_cli.training.interruption import noticed
from nmt_cli.training.learner import Learner
from nmt_cli.training.pretrained import Pretrained
from nmt_cli.training.request import (
    Request,
    check_beginning,
    check_model,
    check_settings,
    clear,
    corpus_kept,
    corpus_of,
    manifest_of,
    settings_of,
    suggested_preset,
)
from nmt_cli.training.session import Session
from nmt_cli.training.tasks import TASKS
from nmt_cli.training.tasks.base import Task
from nmt_cli.training.team import Order, Share, Word, appointed
from nmt_cli.training.workers import assembled, follow


def run(request: Request) -> int:
    """Train until the plan is fulfilled or a signal comes. Returns the exit code.

    Raises:
        ConfigError: settings that do not exist or differ from those with which this model was begun; too many processes.
        DataError: a corpus that is refused, or is not the one with which this model was begun.
    """
    directory, place = ModelDirectory(request.output), appointed()
    if place is not None and place.rank > 0:
        follow(directory, request.corpus if isinstance(request.corpus, Path) else request.output / CORPUS, place)
        return 0
    processor.tune()
    check_settings(request)
    check_room(request.output)
    check_beginning(request)
    started = time.monotonic()
    with locked(request.output):
        with corpus_kept(request):
            corpus = corpus_of(request)
            settings = settings_of(request, corpus)
            if place is not None:  # the launcher has chosen
                training = settings.training.model_copy(update={"workers": place.size})
                settings = settings.model_copy(update={"training": training})
            task = TASKS[request.task](corpus)
            task.check(settings)  # again: the preset is known only now
            task.reader(settings.training, Share())  # which refuses a corpus that cannot be read
            if place is None:
                allowed(settings.training.workers)
            if request.restart or not (request.output / MANIFEST).exists():
                check_model(settings, corpus)
                clear(request.output)  # before the old corpus goes: without a manifest nobody asks for it any more
        limit = task.limit if request.pretrained is None else request.pretrained.limit(task.limit)
        sentences = task.sentences if request.pretrained is None else request.pretrained.sentences(task.sentences)
        manifest = replace(manifest_of(request, corpus, settings), limit=limit, sentences=sentences)
        if manifest.finished:
            console.say(f"{request.output} is a finished model: nothing is left to do (--restart trains it anew)")
            for line in manifest.said:
                console.say(line)
            if place is not None:  # the others wait for a word
                with assembled(directory, corpus, place.size) as team:
                    team.tell(Word(Order.STOP))
            return 0
        with noticed() as interruption:
            checkpoint = Checkpoint.read(request.output)
            if checkpoint is None:
                _begin(request, manifest, corpus, settings)
            else:
                _renew(request, settings)
            with assembled(directory, corpus, settings.training.workers) as team:
                learner = Learner.of(settings, corpus, task, team)
                if checkpoint is None:
                    if request.pretrained is not None:
                        request.pretrained.teach(learner)
                    _introduce(learner, corpus, settings, request.pretrained)
                else:
                    corpus.save_vocabulary(directory.path)  # if somebody has removed it
                    learner.restore(checkpoint)
                if settings.training.precision == "bfloat16" and not rounding.pays():
                    console.warn(
                        "this processor is not known to multiply bfloat16: a new model with training.precision=float32 may take"
                        " a fraction of the time"
                    )
                session = Session.begin(directory, settings, task, learner, checkpoint, time.monotonic() - started)
                session.run(interruption)
            if interruption.signal:
                console.say(f"saved at update {session.progress.update}: the same command goes on from here")
                return interruption.exit_code
            if request.pretrained is not None and session.progress.best_update == 0:
                console.warn(f"nothing that was learnt is better on dev: the weights are those of {request.pretrained}")
        return _finish(directory, manifest, task)


def _begin(request: Request, manifest: Manifest, corpus: PreparedCorpus, settings: Settings) -> None:
    """Everything that stands in a model directory before the first update."""
    suggested = suggested_preset(request, corpus)
    if suggested:
        rows = console.count(len(corpus.train), FILES[request.task].noun)
        console.say(f"preset {suggested}, chosen for {rows} (--preset names another)")
    directory = ModelDirectory(request.output)
    if (directory.path / WEIGHTS).exists():
        console.warn(f"{directory.path} holds weights of this training, but no state to go on from: it begins anew")
    directory.path.mkdir(parents=True, exist_ok=True)
    corpus.save_vocabulary(directory.path)  # first: by it the folder is known as ours
    directory.write_settings(settings)
    directory.write_metrics([])
    manifest.write(directory.path)


def _renew(request: Request, settings: Settings) -> None:
    """Of the settings of a training that goes on, those that may have changed."""
    before = ModelDirectory(request.output)
    training = {"workers": settings.training.workers, "keep": settings.training.keep}
    section = before.settings.training.model_copy(update=training)
    before.write_settings(before.settings.model_copy(update={"training": section}))


def _introduce(learner: Learner, corpus: PreparedCorpus, settings: Settings, pretrained: Pretrained | None) -> None:
    parameters = sum(parameter.numel() for parameter in learner.model.parameters())
    processes = learner.team.share.size
    console.say(
        f"{settings.model.architecture}, {parameters:,} parameters, {corpus.tokenizer.size:,} {settings.data.units}s"
        f"{f', {processes} processes' if processes > 1 else ''}{f', from {pretrained}' if pretrained else ''}"
    )
    others = settings.model.exports
    console.say(
        f"can be exported to {' and '.join(others)} (nmt export)" if others else "cannot be exported to other toolkits"
    )


def _finish(directory: ModelDirectory, manifest: Manifest, task: Task) -> int:
    report = task.report(directory)
    for line in report.said:
        console.say(line)
    for advice in report.advice:
        console.warn(advice)
    finished = replace(
        manifest, finished=True, scores=report.scores, said=report.said, alignment_layer=report.alignment_layer
    )
    finished.write(directory.path)
    console.say(f"next: {report.next.format(model=directory.path)}")
    return 0
