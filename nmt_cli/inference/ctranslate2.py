"""CTranslate2 in the place of our own engine: it runs what ``nmt export --to ctranslate2`` has written.

The text goes the same ways. The search is its own, and differs in this:

    end of a sentence   when so many times the beam have ended: ``--patience``, 1 where nothing is said; there is no proof
    at the limit        it cuts; here the last token becomes EOS, as in our own search, and the translation is scored anew
    what is forbidden   makes what is left more probable while it searches (``--no-repeat``, ``--min-length``); what it finds is
                        scored anew, so that log-probabilities are the model's own
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from importlib import import_module
from math import fsum
from pathlib import Path
from typing import Any, NamedTuple, Self, cast

import torch

from nmt_cli.corpus.limits import LengthLimit
from nmt_cli.errors import ConfigError, DataError, ModelError
from nmt_cli.inference.choice import Choice
from nmt_cli.inference.pieces import Cutter
from nmt_cli.inference.translator import Piece, Searched, Translator
from nmt_cli.inference.workers import how_many
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.runs.exported import most_positions, open_exported
from nmt_cli.runs.processes import available_cores
from nmt_cli.search.base import Hypothesis, Retelling
from nmt_cli.text.tokenizer import EOS

TOOLKIT = "ctranslate2"

_SEARCHES = ("beam", "greedy")
_KNOWN = ("search", "beam", "n_best", "length_penalty", "patience", "no_repeat", "min_length", "max_length")
_TYPED = {"weights": "weight", "alignment": "alignment (or --format pharaoh)"}
"""Fields that are called otherwise on the command line."""


def package() -> Any:
    """The module. Raises ConfigError where it is not installed."""
    try:
        return import_module(TOOLKIT)  # late: an extra
    except ModuleNotFoundError:
        raise ConfigError(
            f"the engine {TOOLKIT} must be installed, but is not", f"pip install 'nmt-cli[{TOOLKIT}]'"
        ) from None


@dataclass(frozen=True)
class Request:
    """What is asked of every sentence; without anything it is greedy search. Lengths are in subwords, EOS not counted."""

    beam: int = 1
    n_best: int = 1
    length_penalty: float = 0.0
    patience: float = 1.0
    no_repeat: int = 0
    shortest: int = 0
    longest: int | None = None
    token_scores: bool = False

    @classmethod
    def of(cls, choice: Choice, directory: ModelDirectory) -> Self:
        """Raises ConfigError for what CTranslate2 cannot do, and whatever our own search would refuse."""
        _refuse_unknown(choice)
        within, options = choice.strategy(directory), choice.options(directory)
        patience = 1.0 if options.patience is None else options.patience
        lengths = within.shortest - 1, None if within.longest is None else within.longest - 1
        scores, no_repeat = choice.details.token_scores, choice.restrictions.no_repeat or 0
        if choice.name == "greedy":
            return cls(1, 1, 0.0, 1.0, no_repeat, *lengths, scores)
        if options.n_best > (most := _most(options.beam, patience)):
            raise ConfigError(f"--n-best must be at most --beam times --patience ({most}), but is {options.n_best}")
        return cls(options.beam, options.n_best, options.length_penalty, patience, no_repeat, *lengths, scores)

    @property
    def kept(self) -> int:
        """How many hypotheses are looked at: those that are cut may change places when they are scored anew."""
        return min(self.beam, _most(self.beam, self.patience))

    @property
    def bends(self) -> bool:
        """Whether what it forbids makes what is left more probable."""
        return self.no_repeat > 0 or self.shortest > 0


def _most(beam: int, patience: float) -> int:
    """Hypotheses that end a sentence."""
    return max(1, round(beam * patience))


def _refuse_unknown(choice: Choice) -> None:
    """Raises ConfigError for whatever was asked for that CTranslate2 has not, or has otherwise."""
    if choice.name not in _SEARCHES:
        raise ConfigError(
            f"--search must be beam or greedy for --engine {TOOLKIT}, but is '{choice.name}'",
            "without --engine, of the model before it was exported, any search can be had",
        )
    shown = [each.name for each in fields(choice.details) if getattr(choice.details, each.name)]
    for name in (*choice.asked, *shown):
        if name not in (*_KNOWN, "token_scores"):
            known = ", ".join(f"--{each.replace('_', '-')}" for each in _KNOWN)
            typed = _TYPED.get(name, name).replace("_", "-")
            raise ConfigError(f"--{typed} means nothing to --engine {TOOLKIT}", f"it knows {known} and --token-scores")


class Found(NamedTuple):
    """What was found for a piece: ids, EOS last, and its normalised score, None where it has to be scored anew."""

    tokens: tuple[int, ...]
    score: float | None


@dataclass(frozen=True)
class Loaded:
    """An exported model that is ready: ids in, hypotheses out. Knows no text."""

    engine: Any  # ctranslate2.Translator
    names: tuple[str, ...]  # of all ids: CTranslate2 reads and writes these
    ids: Mapping[str, int]
    limit: LengthLimit
    positions: int  # that there are
    unknown: bool  # whether there are words without an id, which are never written

    @classmethod
    def open(cls, directory: ModelDirectory, *, workers: int) -> Self:
        """So many batches at once; what is left of the cores shares the work on each. Raises ModelError where it is damaged."""
        threads, before = max(1, available_cores() // workers), torch.get_num_threads()
        try:
            engine = package().Translator(
                str(directory.path), device="cpu", inter_threads=workers, intra_threads=threads
            )
        except (RuntimeError, ValueError) as error:
            raise ModelError(
                f"{directory.path} must be a whole model of CTranslate2, but: {error}",
                "copy the folder again as a whole",
            ) from None
        finally:  # it tells OpenMP its number of threads on the thread that loads, and torch listens to the same OpenMP
            torch.set_num_threads(before)
        names = tuple(directory.tokenizer.pieces(range(directory.tokenizer.size)))
        ids = {name: place for place, name in enumerate(names)}
        limit = cast("LengthLimit", directory.manifest.limit)
        return cls(engine, names, ids, limit, most_positions(directory), directory.tokenizer.unknown)

    def run(self, request: Request, batches: list[list[Piece]]) -> Iterator[Searched]:
        """The hypotheses of each batch. All are given to the engine at once, which has threads of its own."""
        for batch, waiting in [(batch, self._ask(request, batch)) for batch in batches]:
            yield self._hypotheses(request, batch, [self._found(request, *each) for each in waiting])

    def log_probs(self, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[list[float]]:
        """Forced decoding: of each token of each target (ids without EOS), EOS last."""
        sources, targets = ([self._named(pair[side]) for pair in pairs] for side in (0, 1))
        scored = self.engine.score_batch(sources, targets, max_input_length=0)
        return [list(map(float, each.log_probs)) for each in scored]

    def _ask(self, request: Request, batch: list[Piece]) -> list[tuple[Piece, int, Any]]:
        """Each piece with its limit, EOS counted, and what will become of it.

        Those with the same limit are searched together: what a line becomes does not depend on its neighbours.
        """
        groups: dict[int, list[int]] = {}
        for place, piece in enumerate(batch):
            groups.setdefault(self._limit(request, piece), []).append(place)
        waiting: list[tuple[Piece, int, Any]] = [(piece, 0, None) for piece in batch]
        for limit, places in groups.items():
            answers = self.engine.translate_batch(
                [self._named(batch[place].ids) for place in places],
                target_prefix=[self._named(batch[place].wish.prefix) for place in places],
                asynchronous=True, max_input_length=0, return_scores=True, return_end_token=True,
                beam_size=request.beam, num_hypotheses=request.kept, patience=request.patience,
                length_penalty=request.length_penalty, no_repeat_ngram_size=request.no_repeat,
                max_decoding_length=limit, min_decoding_length=request.shortest, disable_unk=self.unknown,
            )  # fmt: skip
            for place, answer in zip(places, answers, strict=True):
                waiting[place] = batch[place], limit, answer
        return waiting

    def _limit(self, request: Request, piece: Piece) -> int:
        """As in our own search: a prefix has room for itself and EOS, and so has the shortest.

        Raises DataError for a prefix that has no positions, ConfigError for a shortest that has none.
        """
        usual = self.limit(len(piece.ids) + 1)
        limit = usual if request.longest is None else min(usual, request.longest + 1)
        beginning = len(piece.wish.prefix) + 1
        if beginning > self.positions:
            raise DataError(f"a prefix must have less than {self.positions} subwords, but has {beginning - 1}")
        if request.shortest >= self.positions:
            raise ConfigError(f"--min-length must be below {self.positions}, but is {request.shortest}")
        return max(limit, beginning, request.shortest + 1)

    def _found(self, request: Request, piece: Piece, limit: int, answer: Any) -> list[Found]:
        """Those of a piece; of several that are cut to the same one."""
        result = answer.result()
        again = request.bends or request.token_scores or self.unknown or bool(piece.wish.prefix)
        found: dict[tuple[int, ...], float | None] = {}
        for names, score in zip(result.hypotheses, result.scores, strict=True):
            tokens = tuple(self.ids[name] for name in names)
            whole = tokens[-1:] == (EOS,)
            ended = tokens if whole else (*tokens[: limit - 1], EOS)
            found.setdefault(ended, None if again or not whole else score)
        return [Found(*each) for each in found.items()]

    def _hypotheses(self, request: Request, batch: list[Piece], found: list[list[Found]]) -> Searched:
        """Best first."""
        unscored = [
            (piece.ids, each.tokens) for piece, several in zip(batch, found, strict=True) for each in several
            if each.score is None
        ]  # fmt: skip
        told = iter(self.log_probs([(source, tokens[:-1]) for source, tokens in unscored]) if unscored else [])
        searched = []
        for several in found:
            made = [
                _hypothesis(request, each, next(told)) if each.score is None else _as_it_is(request, each, each.score)
                for each in several
            ]
            searched.append(sorted(made, key=lambda hypothesis: -hypothesis.score)[: request.n_best])
        return searched

    def _named(self, ids: Sequence[int]) -> list[str]:
        return [self.names[index] for index in ids]


def _norm(request: Request, tokens: Sequence[int]) -> float:
    return float(len(tokens) ** request.length_penalty)


def _as_it_is(request: Request, found: Found, score: float) -> Hypothesis:
    return Hypothesis(found.tokens, score * _norm(request, found.tokens), score)


def _hypothesis(request: Request, found: Found, log_probs: list[float]) -> Hypothesis:
    """Scored anew; nobody asks where it looked."""
    log_prob = fsum(log_probs)
    retelling = Retelling(tuple(log_probs), ((),) * len(log_probs)) if request.token_scores else None
    return Hypothesis(found.tokens, log_prob, log_prob / _norm(request, found.tokens), retelling=retelling)


@dataclass(frozen=True)
class CTranslate2:
    """An exported model and a request: see Runner in ``engines``."""

    directory: ModelDirectory
    request: Request

    @classmethod
    def open(cls, path: Path, choice: Choice) -> Self:
        """Raises ConfigError too where the package is not installed."""
        directory = open_exported(path, TOOLKIT)
        package()
        return cls(directory, Request.of(choice, directory))

    @contextmanager
    def translator(self, lines: int, wanted: int | None) -> Iterator[Translator]:
        """Its workers are threads."""
        loaded = Loaded.open(self.directory, workers=how_many(lines, wanted))
        yield Translator(
            self.directory.tokenizer,
            lambda batches: loaded.run(self.request, batches),
            Cutter.of(self.directory),
            self.directory.settings.search.batch_tokens,
            repeats=True,
        )
