"""The ladder: every sequence model of the lecture on the embedded corpus, and what each rung buys. ``make ladder`` runs it.

It does nothing that a reader could not type: each command is printed before it runs. Trainings run side by side, one thread each;
what they say goes to ``ladder/NAME.log``. What is finished is not done again, so that a second ``make ladder`` goes on. Ctrl-C
stops all of them, and each saves what it has.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PHRASEBOOK = Path("data/phrasebook")


@dataclass(frozen=True)
class Rung:
    """One training: the name of the model, and what ``nmt train`` is told behind its corpus."""

    name: str
    corpus: str
    options: tuple[str, ...]

    @property
    def words(self) -> list[str]:
        """The command without ``nmt``."""
        return ["train", f"ladder/{self.corpus}", "-o", f"ladder/{self.name}", "--workers", "1", *self.options]


def settings(*assignments: str) -> tuple[str, ...]:
    """``--set`` for each."""
    return tuple(word for one in assignments for word in ("--set", one))


@dataclass(frozen=True)
class Plan:
    """How much is learnt: the updates of each kind of model."""

    translators: int = 1200
    writers: int = 1000
    classifiers: int = 1000
    more: tuple[str, ...] = ()  # options for all

    def rungs(self) -> list[Rung]:
        """From the simplest to the youngest, translators first: they take longest, so that the cores end together."""
        common = settings("training.batch_tokens=1024", "training.warmup=150", "training.validate_every=300",
                          "model.dropout=0.1")  # fmt: skip
        own = ("--updates", str(self.translators), *common)
        translators = [
            Rung(name, "pairs", ("--preset", name, *own, *settings("model.width=128", *sizes)))
            for name, sizes in TRANSLATORS.items()
        ]
        lm = ("--task", "lm", "--updates", str(self.writers), *common)
        writers = [
            Rung(name, "text", ("--preset", name, *lm, *settings("model.width=128", *sizes)))
            for name, sizes in WRITERS.items()
        ]
        cue = ("--task", "classify", "--updates", str(self.classifiers), *common)
        # Word dropout would erase the one word that says the label.
        classifiers = [
            Rung(name, "cues", ("--preset", preset, *cue, *settings("model.width=64", "model.word_dropout=0", *sizes)))
            for name, (preset, sizes) in CLASSIFIERS.items()
        ]
        rungs = [*translators, *writers, *classifiers]
        return [Rung(rung.name, rung.corpus, (*rung.options, *self.more)) for rung in rungs]


TRANSLATORS: dict[str, tuple[str, ...]] = {
    "rnn": ("model.hidden=256",),
    "rnn-deep": ("model.hidden=136",),
    "birnn": ("model.hidden=264",),
    "gru": ("model.hidden=152",),
    "lstm": ("model.hidden=128",),
    "lstm-bottleneck": ("model.hidden=128",),
    "lstm-attention": ("model.hidden=128",),
    "gru-bahdanau": ("model.hidden=112",),
    "transformer-tiny": (),
    "transformer-ssru": (
        "model.feed_forward=256",
        "model.encoder_layers=4",
        "model.decoder_layers=4",
        "training.learning_rate=0.004",
    ),
}
"""Preset -> what makes it as small as the others: within a tenth, but for the Transformers, which would hardly learn.

Attention is not paid for elsewhere: lstm-attention is lstm-bottleneck and 8 % more parameters. transformer-ssru becomes
transformer-tiny, but for the one thing.
"""

WRITERS: dict[str, tuple[str, ...]] = {
    "lm-rnn": ("model.hidden=256",),
    "lm-lstm": (
        "model.hidden=128",
        "model.layers=1",
        "model.recurrent_dropout=0",
        "model.word_dropout=0",
        "training.learning_rate=0.002",
    ),
    "lm-transformer": ("model.feed_forward=256", "model.layers=2"),
}
"""Preset -> what makes it as small as the first, and learn like it."""

TANH = "model.cell=rnn"  # what forgets; the gates of an LSTM learn to keep one word among fifty
CLASSIFIERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "forward": ("classify-birnn", (TANH, "model.hidden=192", "model.bidirectional=false", "model.pooling=final")),
    "bidirectional": ("classify-birnn", (TANH, "model.hidden=256", "model.pooling=final")),
    "pooled": ("classify-birnn", (TANH, "model.hidden=256", "model.pooling=max")),
    "attention": ("classify-birnn", (TANH, "model.hidden=160", "model.pooling=attention")),
    "transformer": ("classify-transformer", ("model.layers=1",)),
}
"""Name -> preset, and what is changed in it: one thing a rung, and the size that makes parameters about equal."""


class Stopped(Exception):
    """A command did not end well."""


class Children:
    """The commands that run now. Each has a session of its own: Ctrl-C reaches them through here, and once."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._started: list[subprocess.Popen[str]] = []
        self._ending = False

    def start(self, command: Sequence[str], **options: Any) -> subprocess.Popen[str]:
        """One more. Raises Stopped where all are to end."""
        with self._lock:
            if self._ending:
                raise Stopped("interrupted")
            process: subprocess.Popen[str] = subprocess.Popen(command, start_new_session=True, **options)
            self._started.append(process)
            return process

    def interrupt(self) -> None:
        """Ask all to save and end, and let none begin."""
        with self._lock:
            if not self._ending:
                for process in self._started:
                    if process.poll() is None:
                        process.send_signal(signal.SIGINT)
            self._ending = True

    @contextmanager
    def ended(self) -> Iterator[None]:
        """None of them outlives the block; SIGTERM and a terminal that is closed end it as Ctrl-C does."""
        numbers = (signal.SIGTERM, signal.SIGHUP)
        before = [signal.signal(number, signal.default_int_handler) for number in numbers]
        try:
            yield
        finally:
            self.interrupt()
            for process in self._started:
                process.wait()
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)


@dataclass
class Ladder:
    """A corpus to climb on. Paths are as a reader would type them, seen from ``home``."""

    plan: Plan = field(default_factory=Plan)
    home: Path = ROOT
    children: Children = field(default_factory=Children)

    def run(self) -> int:
        """Prepare, train, compare. Returns the exit code: 0, 1 where a command failed, 130 after Ctrl-C."""
        began = time.monotonic()
        (self.home / "ladder").mkdir(exist_ok=True)
        try:
            with self.children.ended():
                self._climb(self.plan.rungs())
        except Stopped as stopped:
            say(f"stopped: {stopped}")
            return 1
        except KeyboardInterrupt:
            say("\nstopped; make ladder goes on from there")
            return 130
        say(f"\nladder/report.html after {(time.monotonic() - began) / 60:.1f} minutes: open it in a browser.")
        return 0

    def _climb(self, rungs: Sequence[Rung]) -> None:
        self._prepare()
        say(f"\n{len(rungs)} models, {cores()} at a time; Ctrl-C stops, and make ladder goes on from there.")
        pool = ThreadPoolExecutor(cores())
        try:
            for done in as_completed([pool.submit(self._train, rung) for rung in rungs]):
                done.result()
        except BaseException:
            self.children.interrupt()
            raise
        finally:
            pool.shutdown(cancel_futures=True)
        self._compare(rungs)

    def _prepare(self) -> None:
        sides = {
            name: [str(PHRASEBOOK / f"{name}.{side}") for side in ("en", "de")] for name in ("train", "dev", "test")
        }
        self._once("pairs", *sides["train"], "--dev", *sides["dev"], "--test", *sides["test"])
        texts = [sides[name][0] for name in ("train", "dev", "test")]
        self._once("text", texts[0], "--task", "lm", "--dev", texts[1], "--test", texts[2])
        self._draw_cues()
        cues = [f"ladder/cue/{name}.tsv" for name in ("train", "dev", "test")]
        words = ("--task", "classify", "--units", "word", "--dev", cues[1], "--test", cues[2])
        self._once("cues", cues[0], *words)

    def _train(self, rung: Rung) -> None:
        started = time.monotonic()
        self._nmt(rung.name, *rung.words, alone=True)
        said = (self.home / "ladder" / f"{rung.name}.log").read_text(encoding="utf-8")
        figure = re.findall(r"BLEU [\d.]+|perplexity [\d.]+ a word|accuracy [\d.]+", said)
        say(f"{rung.name:18} {figure[-1] if figure else '':26} {(time.monotonic() - started) / 60:5.1f} min")

    def _compare(self, rungs: Sequence[Rung]) -> None:
        sets = [word for name in ("test", "test_long") for side, option in (("en", "--source"), ("de", "--reference"))
                for word in (option, str(PHRASEBOOK / f"{name}.{side}"))]  # fmt: skip
        models = [f"ladder/{rung.name}" for rung in rungs]
        texts = ["--text", str(PHRASEBOOK / "test.en"), "--labelled", "ladder/cue/test.tsv"]
        cue = ["--positions", "ladder/cue/test.position"]
        say("\nThe comparison takes a few minutes.")
        say("\n" + self._nmt("compare", "compare", *models, *sets, *texts, *cue, "-o", "ladder/report"))

    def _once(self, folder: str, *words: str) -> None:
        if not (self.home / "ladder" / folder / "corpus.json").exists():
            self._nmt(folder, "preprocess", *words, "-o", f"ladder/{folder}")

    def _draw_cues(self) -> None:
        words = ["data/cue/generate.py", "--output", "ladder/cue"]
        if not (self.home / "ladder/cue/test.position").exists():  # the last that is written
            say(f"$ python {shlex.join(words)}")
            self._run("cue", words, dict(os.environ))

    def _nmt(self, name: str, *words: str, alone: bool = False) -> str:
        """Run the command; its stdout. What it says besides stands in ``ladder/NAME.log``.

        ``alone``: on one thread; several trainings side by side would wait for each other at every operation.
        """
        say(f"$ nmt {shlex.join(words)}")
        environment = {**os.environ, "COLUMNS": str(shutil.get_terminal_size().columns)}
        threads = {"OMP_NUM_THREADS": "1"} if alone else {}
        return self._run(name, ["-m", "nmt_cli", *words], {**environment, **threads})

    def _run(self, name: str, words: Sequence[str], environment: dict[str, str]) -> str:
        log = self.home / "ladder" / f"{name}.log"
        with open(log, "w", encoding="utf-8") as stream:
            process = self.children.start(
                [sys.executable, *words], cwd=self.home, stdout=subprocess.PIPE, stderr=stream, env=environment,
                encoding="utf-8",
            )  # fmt: skip
        out, _ = process.communicate()
        if process.returncode:
            raise Stopped(f"{name} ended with exit code {process.returncode}: {log.read_text(encoding='utf-8')[-300:]}")
        return str(out)


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def say(message: str) -> None:
    """A line for the reader, at once."""
    print(message, flush=True)


if __name__ == "__main__":
    sys.exit(Ladder().run())
