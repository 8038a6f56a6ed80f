"""A shortlist: of the vocabulary, only what may translate the source is scored (Jean et al. 2015, section 3.3; so does Marian).

The output layer and all that is done with its scores are half of a small model's decoding, and nearly every column of them is a
word that cannot come. This is an approximation: what is no candidate is never produced, and the others share its probability.
All columns that any sentence of a batch needs are multiplied at once, but each sentence hears of its own alone: what becomes of it
does not depend on what stands beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Generic, Self, TypeVar

import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch.nn import functional

from nmt_cli.corpus.batching import Sequences
from nmt_cli.models.encoder_decoder import EncoderDecoder
from nmt_cli.models.layers import Output
from nmt_cli.models.packing import EXACT, Packing
from nmt_cli.models.products import Product
from nmt_cli.scoring.rows import Closing, Rows
from nmt_cli.scoring.scorer import State
from nmt_cli.scoring.scores import Scores
from nmt_cli.text.tokenizer import EOS

S = TypeVar("S", bound=State)


@dataclass(frozen=True)
class Shortlist:
    """For each source token the target tokens that it may become."""

    places: Tensor  # (V + 1,) long: the candidates of token i are targets[places[i] : places[i + 1]]
    targets: Tensor  # (m,) ids
    always: Tensor  # (F,) ids that are candidates of any source, EOS among them

    def of(self, source: Sequences, wished: Sequence[Sequence[int]] = ()) -> Tensor:
        """(B, V) bool: the candidates of each sentence. What is ``wished`` (B, any) for is one."""
        sentence, _ = torch.nonzero(source.mask, as_tuple=True)
        tokens, size = source.tokens[source.mask], len(self.places) - 1
        counts = self.places[tokens + 1] - self.places[tokens]
        ends = counts.cumsum(0)
        inside = torch.arange(int(ends[-1]), device=tokens.device) - (ends - counts).repeat_interleave(counts)
        found = self.targets[self.places[tokens].repeat_interleave(counts) + inside]
        chosen = torch.zeros(len(source), size, dtype=torch.bool, device=tokens.device)
        chosen[sentence.repeat_interleave(counts), found] = True
        chosen[:, self.always] = True
        for place, own in enumerate(wished):
            chosen[place, [token for token in own if token >= EOS]] = (
                True  # a term may hold UNK, which nothing can produce
            )
        return chosen


@dataclass(frozen=True)
class Candidates:
    """The output layer of a batch."""

    ids: Tensor  # (C,) the candidates of any sentence, ascending
    read: Product  # (N, D) -> their logits (N, C)
    others: Tensor | None  # (B, C) -inf for what is a candidate of its neighbours alone, else 0; None of one sentence

    @classmethod
    def of(cls, chosen: Tensor, output: Output, packing: Packing) -> Candidates:
        """From what is ``chosen`` (B, V) of an output layer, of which a copy is packed, unless that is for one sentence alone."""
        ids = torch.nonzero(chosen.any(0))[:, 0]
        # index_select copies whole rows, where indexing goes from number to number
        weight, bias = output.embedding.detach().index_select(0, ids), output.bias.detach()[ids]
        if len(chosen) == 1:
            return cls(ids, lambda hidden: functional.linear(hidden, weight, bias), None)
        others = bias.new_zeros(len(chosen), len(ids)).masked_fill_(~chosen[:, ids], -torch.inf)
        return cls(ids, packing.output(weight, bias), others)

    def at(self, sentences: Tensor) -> Candidates:
        """A copy, of these sentences."""
        return replace(self, others=None if self.others is None else self.others.index_select(0, sentences))

    def closing(self, closing: Closing) -> Candidates:
        """When sentences close up."""
        return replace(self, others=None if self.others is None else closing.within(self.others))

    def logits(self, hidden: Tensor, rows: Rows) -> Tensor:
        """(N, C) from hidden states (N, D)."""
        found = self.read(hidden)
        return found if self.others is None else found.add_(self.others.index_select(0, rows.sentence))


@dataclass(frozen=True)
class ShortlistedState(Generic[S]):
    """A model's own state, and the candidates of its sentences."""

    within: S
    rows: Rows
    candidates: Candidates

    def reorder(self, rows: Tensor) -> Self:
        """See State."""
        layout, closing = self.rows.go_on(rows)
        candidates = self.candidates if closing is None else self.candidates.closing(closing)
        return replace(self, within=self.within.reorder(rows), rows=layout, candidates=candidates)

    def select(self, rows: Tensor) -> Self:
        """See State."""
        layout, sentences = self.rows.pick(rows)
        return replace(self, within=self.within.select(rows), rows=layout, candidates=self.candidates.at(sentences))


@dataclass(frozen=True)
class Shortlisted(Generic[S]):
    """A translation model that scores the candidates alone: a scorer that knows how to begin."""

    model: EncoderDecoder[S]
    shortlist: Shortlist
    packing: Packing = EXACT
    wished: Sequence[Sequence[int]] = ()  # of each sentence that it begins with, or of none: candidates too

    @property
    def eos(self) -> int:
        """The model's."""
        return self.model.eos

    def saying(self, wished: Sequence[Sequence[int]]) -> Self:
        """See Decodable: what is wished for is a candidate, whatever the source."""
        return replace(self, wished=wished)

    def start(self, source: Sequences) -> tuple[Tensor, ShortlistedState[S]]:
        """See Decodable."""
        first, within = self.model.start(source)
        candidates = Candidates.of(self.shortlist.of(source, self.wished), self.model.output, self.packing)
        return first, ShortlistedState(within, Rows.one_each(len(source), first.device), candidates)

    def step(self, tokens: Tensor, state: ShortlistedState[S]) -> tuple[Scores, ShortlistedState[S]]:
        """See Scorer."""
        return self.advance(tokens[:, None], torch.ones_like(tokens), state)

    def advance(
        self, tokens: Tensor, lengths: Tensor, state: ShortlistedState[S]
    ) -> tuple[Scores, ShortlistedState[S]]:
        """See Scorer."""
        hidden, within = self.model.decoder.advance(tokens, lengths, state.within)
        candidates = state.candidates
        logits = candidates.logits(hidden, state.rows)
        scores = Scores(logits, candidates.ids, lambda: self.model.decoder.attention(hidden, within))
        return scores, replace(state, within=within)


def checked(tensors: dict[str, Tensor], vocabulary: int, eos: int) -> Shortlist | None:
    """From what a file holds; None where it cannot be the shortlist of a vocabulary of that size (V)."""
    if set(tensors) != {"places", "targets", "always"}:
        return None
    if any(each.dim() != 1 or each.dtype != torch.long for each in tensors.values()):
        return None
    places, targets, always = tensors["places"], tensors["targets"], tensors["always"]
    rises = len(places) == vocabulary + 1 and bool((places[1:] >= places[:-1]).all())
    if not rises or int(places[0]) != 0 or int(places[-1]) != len(targets):
        return None
    ids = torch.cat([targets, always])
    if not bool((always == eos).any()) or int(ids.min()) < eos or int(ids.max()) >= vocabulary:
        return None
    return Shortlist(places, targets, always)


def tensors_of(lists: Sequence[ArrayLike], always: ArrayLike) -> dict[str, Tensor]:
    """What a file holds, from the candidates of each id and those of any source."""
    targets = [torch.as_tensor(each, dtype=torch.long) for each in lists]
    return {
        "places": torch.tensor([0, *map(len, targets)]).cumsum(0),
        "targets": torch.cat(targets),
        "always": torch.as_tensor(always, dtype=torch.long),
    }
