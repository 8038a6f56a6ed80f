"""``nmt shortlist``: what each source token may become, learnt from the pairs of a corpus alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nmt_cli import console
from nmt_cli.corpus.dataset import PreparedCorpus
from nmt_cli.errors import ConfigError, DataError
from nmt_cli.evaluation.lexicon import Lexicon
from nmt_cli.models.shortlist import tensors_of
from nmt_cli.runs import shortlist as shortlists
from nmt_cli.runs.corpora import corpus_for, own_corpus
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.runs.shortlist import FILE
from nmt_cli.text.tokenizer import EOS

_CELLS = 50_000_000
"""Pairs of tokens that the lexicon is learnt from, about: more take gigabytes, and add words too rare to be produced."""
_LEAST = 1e-3
"""Probability of a candidate."""


@dataclass(frozen=True)
class Learning:
    """What the user wants."""

    model: Path
    corpus: Path | None = None  # a prepared one; None: the one that the model was trained on
    candidates: int = 50  # of each source token, at most
    frequent: int = 100  # of the target, which are candidates of every token
    force: bool = False  # replace the shortlist that is there

    def __post_init__(self) -> None:
        """Raises ConfigError for what is out of range."""
        if self.candidates < 1:
            raise ConfigError(f"--candidates must be at least 1, but is {self.candidates}")
        if self.frequent < 0:
            raise ConfigError(f"--frequent must be at least 0, but is {self.frequent}")


def run(learning: Learning) -> None:
    """Learn it, and write it beside the model.

    Raises:
        ConfigError: a shortlist is there already.
        ModelError: no translation model.
        DataError: no corpus, or one of another vocabulary.
    """
    directory = ModelDirectory.open(learning.model).of_task("translate", "a translation model")
    path = directory.path / FILE
    if path.exists() and not learning.force:
        raise ConfigError(f"{path} must not be there yet, but it is", "--force replaces it")
    folder = learning.corpus or own_corpus(directory)
    if folder is None:
        raise DataError(
            f"{directory.path} holds no corpus of its own: one must be given", "--corpus names a prepared folder"
        )
    corpus = corpus_for(directory, folder)
    with console.progress("learning what each subword may become", None):
        lists, always = _candidates(learning, corpus)
        shortlists.write(directory, tensors_of(lists, always))
    seen = [len(each) for each in lists if len(each) > 1]
    console.say(
        f"{path}: {len(seen):,} of {corpus.tokenizer.size:,} units have {np.mean(seen or [0]):.1f} candidates on average, "
        f"beside {len(always)} of all"
    )
    console.say(f"next: nmt evaluate {directory.path} dev.src dev.tgt --shortlist tells what it costs")


def _candidates(learning: Learning, corpus: PreparedCorpus) -> tuple[list[NDArray[np.int64]], NDArray[np.int64]]:
    """Of each id, ascending, itself among them (a name is copied); and those of any."""
    sources, targets = corpus.train["source"], corpus.train["target"]
    step = 1 + int((sources.lengths * targets.lengths).sum()) // _CELLS
    pairs = [(sources.ids(row), targets.ids(row)) for row in range(0, len(corpus.train), step)]
    lexicon, size = Lexicon.learn(pairs), corpus.tokenizer.size
    source, target = lexicon.keys >> 32, lexicon.keys & (2**32 - 1)
    order = np.lexsort((-lexicon.probabilities, source))  # of each source, the most probable first
    order = order[
        (lexicon.probabilities[order] >= _LEAST) & (target[order] >= EOS)
    ]  # what is unknown is never produced
    first = np.searchsorted(source[order], np.arange(size + 1))
    likely = [target[order[first[token] : first[token + 1]][: learning.candidates]] for token in range(size)]
    lists = [np.unique(np.append(found, token)) if token > EOS else found[:0] for token, found in enumerate(likely)]
    counts = np.bincount(np.concatenate([ids for _, ids in pairs]), minlength=size)
    counts[:EOS] = 0
    frequent = np.argsort(-counts, kind="stable")[: min(learning.frequent, np.count_nonzero(counts))]
    return lists, np.unique(np.append(frequent, EOS))
