"""The demonstration: train a small model on the phrasebook, translate before the reader's eyes, score. ``make demo`` runs it.

It does nothing that a reader could not type: each command is printed before it runs.
"""

import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import FrameType

TRAINING = [
    "--updates",
    "2000",
    "--set",
    "training.batch_tokens=1024",
    "--set",
    "training.warmup=200",
    "--set",
    "model.dropout=0.1",
]
"""What ``nmt train`` is told beside the files: small batches and little dropout, because 8 epochs have to do."""
EXPECTED = 90.0
"""BLEU on the held-out test; the demonstration fails below it."""

ROOT = Path(__file__).resolve().parents[1]


class Stopped(Exception):
    """A command did not end well, and has said why."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Demo:
    """A corpus to show, and how. Paths are as a reader would type them, seen from ``home``."""

    training: Sequence[str]
    corpus: Path = Path("data/phrasebook")  # holds train, dev, test and test_long, each .en and .de
    model: Path = Path("demo/model")
    home: Path = ROOT
    expected: float = EXPECTED

    def run(self) -> int:
        """From text to a score. Returns the exit code: 0, or that of the command that failed."""
        began = time.monotonic()
        try:
            self._train()
            self._translate("test", 6, "Lines it has never seen:")
            self._translate("test_long", 2, "Long ones:")
            bleu = self._evaluate()
        except Stopped as stopped:
            _say(
                f"\nstopped with exit code {stopped.code}; make demo goes on from here, rm -r {self.model} starts anew"
            )
            return stopped.code
        _say(f"\nBLEU {bleu:.1f} after {(time.monotonic() - began) / 60:.1f} minutes.")
        if bleu < self.expected:
            _say(f"At least {self.expected:g} was expected.")
            return 1
        self._say_next()
        return 0

    def _train(self) -> None:
        pairs = sum(1 for _ in _lines(self.home / self._side("train", "en")))
        _say(f"Training on {pairs:,} pairs of {self.corpus}. Ctrl-C saves; make demo goes on from there.")
        (self.home / self.model).parent.mkdir(parents=True, exist_ok=True)
        sets = [option for name in ("dev", "test") for option in (f"--{name}", *self._pair(name))]
        self._nmt("train", *self._pair("train"), "-o", str(self.model), *sets, *self.training)

    def _translate(self, name: str, count: int, heading: str) -> None:
        """Show the first lines of a set: source, translation, reference."""
        _say(f"\n{heading}")
        sources, references = (list(islice(_lines(self.home / side), count)) for side in self._pair(name))
        shown = f"head -n {count} {self._side(name, 'en')} | "
        text = self._nmt("translate", str(self.model), shown=shown, given="".join(line + "\n" for line in sources))
        for source, translation, reference in zip(sources, text.split("\n"), references, strict=False):
            _say(f"\n  source       {source}\n  translation  {translation}\n  reference    {reference}")

    def _evaluate(self) -> float:
        """Show the scores of the held-out test; its BLEU."""
        _say("\nThe whole held-out test:")
        text = self._nmt("evaluate", str(self.model), *self._pair("test"), given="")
        _say("\n" + text.rstrip("\n"))
        found = re.search(r"^BLEU ([0-9.]+)", text, re.MULTILINE)
        if found is None:
            raise Stopped(1)
        return float(found[1])

    def _say_next(self) -> None:
        _say(f"""
What to type next:
  {_NMT} translate {self.model}
      your own English, line by line; it knows some 700 words of everyday life, and Ctrl-D ends
  {_NMT} evaluate {self.model} {" ".join(self._pair("test_deeper"))}
      sentences nested deeper than any that it has learnt from
  {_NMT} train corpus.en corpus.de -o model
      your own two files""")

    def _nmt(self, *arguments: str, shown: str = "", given: str | None = None) -> str:
        """Print a command and run it. With text ``given`` on stdin, stdout comes back instead of being shown."""
        _say(f"\n$ {shown}{_NMT} {shlex.join(arguments)}")
        command = [sys.executable, "-m", "nmt_cli", *arguments]
        with _child_is_interrupted():
            done = subprocess.run(
                command, cwd=self.home, input=given, stdout=None if given is None else subprocess.PIPE,
                encoding="utf-8", check=False,
            )  # fmt: skip
        if done.returncode:
            raise Stopped(done.returncode)
        return done.stdout or ""

    def _side(self, name: str, language: str) -> str:
        return str(self.corpus / f"{name}.{language}")

    def _pair(self, name: str) -> tuple[str, str]:
        return self._side(name, "en"), self._side(name, "de")


def _command() -> str:
    """``nmt`` as it can be typed in the root of the repository, whatever the PATH."""
    beside = Path(sys.executable).with_name("nmt")
    return str(beside.relative_to(ROOT)) if beside.is_relative_to(ROOT) else "nmt"


_NMT = _command()


@contextmanager
def _child_is_interrupted() -> Iterator[None]:
    """Inside the block Ctrl-C is left to the child, which saves and ends; a handler, unlike SIG_IGN, is not inherited."""

    def leave_it(number: int, frame: FrameType | None) -> None:
        del number, frame

    before = signal.signal(signal.SIGINT, leave_it)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _lines(path: Path) -> Iterator[str]:
    with open(path, encoding="utf-8", newline="\n") as stream:
        for line in stream:
            yield line.rstrip("\n")


def _say(message: str) -> None:
    print(message, flush=True)


if __name__ == "__main__":
    sys.exit(Demo(TRAINING).run())
