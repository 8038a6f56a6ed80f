"""Which models translate together: one alone, an ensemble, a language model beside them; and how the first does it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from torch import Tensor

from nmt_cli.corpus.batching import Sequences
from nmt_cli.errors import ConfigError, ModelError
from nmt_cli.models.encoder_decoder import EncoderDecoder
from nmt_cli.models.language_model import LanguageModel
from nmt_cli.models.packing import EIGHT_BITS, EXACT
from nmt_cli.models.shortlist import Shortlisted
from nmt_cli.runs import shortlist
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.runs.languages import check_reader
from nmt_cli.scoring.scores import Scores
from nmt_cli.search.ensemble import Joint, JointState, MeanProbability, ShallowFusion
from nmt_cli.text.tokenizer import EOS

Begin = Callable[[Sequences], tuple[Tensor, Any]]
"""Sources -> the first tokens (B,) and the state that a search begins with."""

_LM_WEIGHT = 0.2
_TRANSLATES = ("translate", "a translation model")


class Startable(Protocol):
    """A scorer that knows how to begin: a model, or several."""

    @property
    def eos(self) -> int:
        """See Scorer."""
        ...

    def start(self, source: Sequences) -> tuple[Tensor, Any]:
        """See Decodable."""
        ...

    def saying(self, wished: Sequence[Sequence[int]]) -> Startable:
        """See Decodable."""
        ...

    def step(self, tokens: Tensor, state: Any) -> tuple[Scores, Any]:
        """See Scorer."""
        ...

    def advance(self, tokens: Tensor, lengths: Tensor, state: Any) -> tuple[Scores, Any]:
        """See Scorer."""
        ...


@dataclass(frozen=True)
class Several:
    """Models that are combined, and how each of them begins."""

    joint: Joint
    begin: tuple[Begin, ...]

    @property
    def eos(self) -> int:
        """Of all of them."""
        return self.joint.eos

    def start(self, source: Sequences) -> tuple[Tensor, JointState]:
        """Each model begins by itself."""
        return self.joint.start([begin(source) for begin in self.begin])

    def saying(self, wished: Sequence[Sequence[int]]) -> Several:
        """Itself: its models can say everything."""
        del wished
        return self

    def step(self, tokens: Tensor, state: JointState) -> tuple[Scores, JointState]:
        """See Scorer."""
        return self.joint.step(tokens, state)

    def advance(self, tokens: Tensor, lengths: Tensor, state: JointState) -> tuple[Scores, JointState]:
        """See Scorer."""
        return self.joint.advance(tokens, lengths, state)


@dataclass(frozen=True)
class Together:
    """The models beside the first one, as typed."""

    ensemble: tuple[Path, ...] = ()
    weights: tuple[float, ...] = ()  # of the first and of each other; none: equal ones
    lm: Path | None = None
    lm_weight: float | None = None  # None: 0.2
    layer: int | None = (
        None  # of the first one's decoder, from 1: its attention counts; None: as its training has found
    )
    shortlist: bool = False  # the first one, alone, scores the candidates of its shortlist and nothing else
    int8: bool = False  # their large weights are read in eight bits

    def __post_init__(self) -> None:
        """Raises ConfigError for weights out of range, or of nothing, and for a shortlist that others do not know."""
        if self.shortlist and (self.ensemble or self.lm is not None):
            raise ConfigError("--shortlist must be used with one model, but others translate with it")
        if self.lm_weight is not None and self.lm is None:
            raise ConfigError("--lm-weight means nothing without --lm", "--lm MODEL names a language model")
        if self.weights and not self.ensemble:
            raise ConfigError("--weight means nothing without --ensemble", "--ensemble MODEL names another model")
        self._fusion()
        MeanProbability(self.weights)

    def open(self, directory: ModelDirectory) -> Startable:
        """All of them.

        Raises:
            ConfigError: weights that are too many, too few or out of range, a layer that is, or a shortlist that is not there.
            ModelError: a model that is none, or is for something else, or has another vocabulary.
        """
        first = _model(directory.of_task(*_TRANSLATES))
        aligned(first, directory, self.layer)
        packing = EIGHT_BITS if self.int8 else EXACT
        if self.shortlist:
            first.encoder.pack(packing)
            first.decoder.pack(packing)
            return Shortlisted(first, shortlist.read(directory), packing)
        first.pack(packing)
        scorer: Startable = first
        if self.ensemble:
            members = [first, *(_model(_fitting(path, directory, *_TRANSLATES)) for path in self.ensemble)]
            for member in members[1:]:
                member.pack(packing)
            weights = self.weights or (1.0,) * len(members)
            if len(weights) != len(members):
                raise ConfigError(
                    f"--weight must be given once for each of {len(members)} models, but is given {len(weights)} times"
                )
            joint = Joint(tuple(members), MeanProbability(weights))
            scorer = Several(joint, tuple(member.start for member in members))
        if self.lm is not None:
            language = _fitting(self.lm, directory, "lm", "a language model")
            check_reader(language, directory)
            writer = cast("LanguageModel[Any]", language.model())
            writer.pack(packing)
            joint = Joint((scorer, writer), self._fusion())
            scorer = Several(joint, (scorer.start, lambda source: writer.start(_beginnings(len(source)))))
        return scorer

    def _fusion(self) -> ShallowFusion:
        return ShallowFusion(_LM_WEIGHT if self.lm_weight is None else self.lm_weight)


def aligned(model: EncoderDecoder[Any], directory: ModelDirectory, layer: int | None) -> None:
    """Let a model look from a layer of its decoder, from 1; None: from the one that its training has found, if it has.

    Raises ConfigError where there is no such layer, ModelError where none looks at the source.
    """
    chosen, layers = directory.manifest.alignment_layer if layer is None else layer, model.decoder.looking
    if chosen is None:
        return
    if layers == 0:
        raise without_attention(directory)
    if not 1 <= chosen <= layers:
        what = f"the layer that {directory.path} looks from" if layer is None else f"--layer of {directory.path}"
        raise ConfigError(f"{what} must lie between 1 and {layers}, but is {chosen}")
    model.decoder.aligning = chosen - 1


def without_attention(directory: ModelDirectory) -> ModelError:
    """What is said where attention is asked for."""
    return ModelError(
        f"{directory.path} must have attention to show, but its decoder has none",
        "nmt train ... --preset lstm-attention trains one that has",
    )


def _model(directory: ModelDirectory) -> EncoderDecoder[Any]:
    return cast("EncoderDecoder[Any]", directory.model())


def _fitting(path: Path, directory: ModelDirectory, task: str, purpose: str) -> ModelDirectory:
    """A model of a task (see ``of_task``) with the same vocabulary: the same tokens have the same ids."""
    other = ModelDirectory.open(path).of_task(task, purpose)
    pieces: Sequence[Sequence[str]] = [each.tokenizer.pieces(range(each.tokenizer.size)) for each in (directory, other)]
    if pieces[0] != pieces[1]:
        raise ModelError(
            f"{path} must have the vocabulary of {directory.path}, but has another",
            f"nmt preprocess --tokenizer {directory.path} prepares a corpus for it",
        )
    return other


def _beginnings(count: int) -> Sequences:
    """A language model begins a line behind the end of the one before."""
    return Sequences.of([[EOS]] * count, end=())
