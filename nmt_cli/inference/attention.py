"""Where a translation model looks in the source while it writes each token of a translation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch

from nmt_cli.corpus.batching import Sequences
from nmt_cli.errors import DataError
from nmt_cli.inference.choice import Choice
from nmt_cli.inference.pieces import Cutter
from nmt_cli.inference.together import Together, without_attention
from nmt_cli.inference.translator import Engine, Piece
from nmt_cli.models.encoder_decoder import EncoderDecoder
from nmt_cli.models.layers import shifted
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.text.normalize import normalize
from nmt_cli.text.tokenizer import EOS, Tokenizer


@dataclass(frozen=True)
class AttentionMap:
    """Weights between the subwords of two lines, EOS the last of each."""

    source: tuple[str, ...]
    target: tuple[str, ...]
    weights: tuple[tuple[float, ...], ...]  # (T, S), each row sums to 1


@dataclass(frozen=True)
class Looker:
    """A translation model that can be asked where it looks."""

    directory: ModelDirectory
    engine: Engine

    @classmethod
    def open(cls, directory: ModelDirectory, layer: int | None = None) -> Looker:
        """``layer``: of a decoder of several, from 1; None: the one that its training has found.

        Raises ModelError where the model does not translate, ConfigError where it has no such layer.
        """
        return cls(directory, Engine.open(directory, Choice().strategy(directory), Together(layer=layer)))

    def fits(self, line: str) -> bool:
        """Whether the model could take it."""
        return 0 < len(self.directory.tokenizer.encode(normalize(line))) <= self.directory.settings.data.max_length

    def pieces(self, line: str) -> int:
        """In how many pieces ``nmt translate`` would read it, each by itself."""
        return len(Cutter.of(self.directory)(line))

    def look(self, source: str, target: str | None = None) -> AttentionMap | None:
        """The map of a line and of its translation: the model's own where no ``target`` is given. None: a model without attention.

        Raises DataError for a blank line, or one that is too long for the model.
        """
        tokenizer = self.directory.tokenizer
        ids = self._encoded("the sentence", source, tokenizer)
        if target is not None:
            written: Sequence[int] = (*self._encoded("--target", target, tokenizer.target), EOS)
        else:
            written = self.engine.search([Piece(tuple(ids), 0)])[0][0].tokens
        model = cast("EncoderDecoder[Any]", self.engine.model)
        tokens = torch.tensor([written])
        with torch.inference_mode():
            weights = model.decoder.alignment(shifted(tokens), model.encoder(Sequences.of([ids])))
        if weights is None:
            return None
        names = tuple(tokenizer.pieces([*ids, EOS])), tuple(tokenizer.pieces(written))
        return AttentionMap(*names, tuple(map(tuple, weights[0].tolist())))

    def _encoded(self, name: str, line: str, tokenizer: Tokenizer) -> list[int]:
        ids, longest = tokenizer.encode(normalize(line)), self.directory.settings.data.max_length
        if not 0 < len(ids) <= longest:
            raise DataError(f"{name} must have 1 to {longest} subwords, but has {len(ids):,}")
        return ids

    def must_look(self, source: str, target: str | None = None) -> AttentionMap:
        """The same. Raises ModelError where the model has no attention."""
        found = self.look(source, target)
        if found is None:
            raise without_attention(self.directory)
        return found
