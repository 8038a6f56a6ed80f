"""Every law has a mutation that was seen to make it fail: the code is broken on purpose, and the law must notice."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from nmt_cli.corpus.batching import Sequences
from nmt_cli.models import alignment, attention, cells, encoder_decoder, recurrent_encoder, stacks
from nmt_cli.models import cache as caches
from nmt_cli.models.arithmetic import Copies, Weights
from nmt_cli.models.attention import MultiHeadAttention
from nmt_cli.models.attention_decoder import AttentionState, AttentiveDecoder
from nmt_cli.models.bahdanau import BahdanauDecoder
from nmt_cli.models.cache import SlotPasts, Slots
from nmt_cli.models.feeding import FeedingDecoder
from nmt_cli.models.layers import Output
from nmt_cli.models.packing import Packing
from nmt_cli.models.positions import RotaryPositions
from nmt_cli.models.reading import BatchState
from nmt_cli.models.recurrent_decoder import RecurrentState
from nmt_cli.models.recurrent_encoder import RecurrentEncoder
from nmt_cli.models.residual import PostNorm, PreNorm
from nmt_cli.models.solo import SoloState
from nmt_cli.models.solo_cache import SoloSlots
from nmt_cli.models.solo_cells import SoloCells, SoloRecurrence
from nmt_cli.models.ssru_cells import Cells, Resumed
from nmt_cli.models.stacks import Embedding, TransformerDecoder
from nmt_cli.scoring.rows import Closing, Rows
from nmt_cli.scoring.scores import Scores
from nmt_cli.search import ancestral, beam, constrained, exact, noise, stochastic, stopping
from nmt_cli.search.ancestral import Greedy
from nmt_cli.search.base import Sentences, Wish
from nmt_cli.search.beam import BeamSearch
from nmt_cli.search.constrained import ConstrainedBeam
from nmt_cli.search.diverse import DiverseBeamSearch
from nmt_cli.search.ensemble import JointState
from nmt_cli.search.exact import ExactSearch
from nmt_cli.search.head import Head
from nmt_cli.search.mbr import MinimumBayesRisk
from nmt_cli.search.normalization import LengthPower
from nmt_cli.search.processed import ProcessedState
from nmt_cli.search.pruning import Pruning
from nmt_cli.search.sampling import Sampling
from nmt_cli.search.stochastic import StochasticBeam
from nmt_cli.search.stopping import Patience
from tests import laws, oracles
from tests.rules import Rules
from tests.tiny import random_batch, random_model

BOTH = ("recurrent", "transformer")
WIDE = BeamSearch(5, 3)
Patch = pytest.MonkeyPatch


BEAMS = [BeamSearch(4, 3), BeamSearch(3, 3, LengthPower(0.7)), BeamSearch(4, 3, stop=Patience(2.0)), BeamSearch(2, 2)]
PRUNED = BeamSearch(5, 2, pruning=Pruning(0.7))
DIVERSE = [
    DiverseBeamSearch(BeamSearch(6, 4, LengthPower(0.0)), 3, 0.5), DiverseBeamSearch(BeamSearch(4, 3), 2, 1.7),
    DiverseBeamSearch(BeamSearch(6, 6, LengthPower(0.5)), 6, 3.0),
]  # fmt: skip


@cache
def model_of(architecture: str, dtype: torch.dtype = torch.float64) -> Any:
    return random_model(architecture, seed=1, dtype=dtype)


def asked(*limits: int, seed: int) -> tuple[Sequences, Sentences]:
    return random_batch(len(limits), seed=seed).source, Sentences.of(torch.tensor(limits))


LAWS: dict[str, Callable[[str], None]] = {
    "steps_are_teacher_forcing": lambda a: laws.steps_are_teacher_forcing(model_of(a), random_batch(9, seed=1)),
    "packing_changes_nothing": lambda a: laws.packing_changes_nothing(model_of(a), random_batch(7, seed=19)),
    "one_sentence_is_read_like_many": lambda a: laws.one_sentence_is_read_like_many(
        model_of(a), random_batch(1, seed=20).source
    ),
    "prefixes_are_steps": lambda a: laws.prefixes_are_steps(model_of(a), random_batch(7, seed=2)),
    "neighbours_change_nothing": lambda a: laws.neighbours_change_nothing(
        model_of(a), WIDE, random_batch(9, seed=3, longest=12).source
    ),
    "neighbours_change_only_ties": lambda a: laws.neighbours_change_only_ties(
        model_of(a, torch.float32), model_of(a), WIDE, random_batch(12, seed=4, longest=12).source
    ),
    "forced_decoding_agrees": lambda a: laws.forced_decoding_agrees(
        model_of(a), WIDE, random_batch(9, seed=5, longest=12).source
    ),
    "forced_decoding_agrees (greedy)": lambda a: laws.forced_decoding_agrees(
        model_of(a), Greedy(), random_batch(9, seed=5, longest=12).source
    ),
    "retelling_is_teacher_forcing": lambda a: laws.retelling_is_teacher_forcing(
        random_model(a, seed=1), WIDE, random_batch(6, seed=18).source
    ),
    "reorder_commutes": lambda a: laws.reorder_commutes(model_of(a), random_batch(6, seed=6).source),
    "copies_do_not_disturb": lambda a: laws.copies_do_not_disturb(model_of(a), random_batch(5, seed=7).source),
    "beam_of_one_is_greedy": lambda a: laws.beam_of_one_is_greedy(
        model_of(a), random_batch(20, seed=8, longest=12).source
    ),
    "wide_beam_is_brute_force": lambda a: laws.wide_beam_is_brute_force(
        model_of(a), random_batch(3, seed=9).source, 3, LengthPower(1.0)
    ),
    "wide_constrained_beam_is_brute_force": lambda a: laws.wide_constrained_beam_is_brute_force(
        model_of(a),
        random_batch(12, seed=9).source,
        4,
        LengthPower(0.0),
        [Wish(terms=((4 + place % 8,),)) for place in range(12)],
        2,
    ),
    "wide_constrained_beam_is_brute_force (longer words)": lambda a: laws.wide_constrained_beam_is_brute_force(
        model_of(a),
        random_batch(12, seed=9).source,
        4,
        LengthPower(0.0),
        [Wish(terms=((4 + place % 8,),)) for place in range(12)],
        2,
        lambda before, token: token > before,
    ),
    "greedy_is_the_slow_search": lambda a: laws.greedy_is_the_slow_search(model_of(a), *asked(1, 9, 5, seed=11)),
    "beam_is_the_slow_search": lambda a: laws.beam_is_the_slow_search(
        model_of(a), *asked(1, 9, 2, 5, 7, 3, seed=13), *BEAMS
    ),
    "beam_is_the_slow_search (pruned)": lambda a: laws.beam_is_the_slow_search(
        model_of(a), *asked(6, 9, 5, 7, seed=9), PRUNED
    ),
    "beam_is_the_slow_search (within rules)": lambda a: laws.beam_is_the_slow_search(
        model_of(a), *asked(1, 9, 5, 7, seed=9), BeamSearch(4, 3), rules=Rules(1, ("ab",), 1.5, 3)
    ),
    "long_lives_forget_nothing": lambda a: laws.long_lives_forget_nothing(model_of(a), random_batch(4, seed=12).source),
    "exact_is_brute_force": lambda a: laws.exact_is_brute_force(
        model_of(a), random_batch(12, seed=16).source, 3, ExactSearch(BeamSearch(4, 4, LengthPower(0.5)), width=7)
    ),
    "exact_is_brute_force (not normalised)": lambda a: laws.exact_is_brute_force(
        model_of(a), random_batch(24, seed=17).source, 3, ExactSearch(BeamSearch(1, 1, LengthPower(0)), width=2)
    ),
    "certificates_are_true": lambda a: laws.certificates_are_true(
        model_of(a),
        random_batch(24, seed=17).source,
        3,
        *(ExactSearch(BeamSearch(2, 2, LengthPower(0.5)), nodes, width=3) for nodes in (1, 3, 8, 13)),
    ),
    "diverse_beam_is_the_slow_search": lambda a: laws.diverse_beam_is_the_slow_search(
        model_of(a), *asked(6, 1, 4, 2, 7, 9, 8, 5, 7, 9, seed=13), *DIVERSE
    ),
    "stochastic_beam_is_the_slow_search": lambda a: laws.stochastic_beam_is_the_slow_search(
        model_of(a), *asked(4, 1, 3, seed=14), StochasticBeam(4, 3)
    ),
    "stochastic_beam_draws_without_replacement": lambda a: laws.stochastic_beam_draws_without_replacement(
        model_of(a), random_batch(1, seed=15).source, 3, StochasticBeam(2, 2, seed=3)
    ),
    "samples_are_as_frequent_as_probable": lambda a: laws.samples_are_as_frequent_as_probable(
        model_of(a), random_batch(1, seed=15).source, 3, Sampling(seed=3)
    ),
    "mbr_is_the_definition": lambda a: laws.mbr_is_the_definition(
        model_of(a), *asked(6, 1, 4, seed=2), MinimumBayesRisk(Sampling(20, Head(1.5), seed=3), oracles.judge, 4)
    ),
    "terms_are_met": lambda a: laws.terms_are_met(
        model_of(a),
        random_batch(1, seed=1).source,
        Sentences.of(torch.tensor([6]), wishes=[Wish(terms=((6, 7),))]),
        ConstrainedBeam(4, 2),
    ),
    "twice_the_model_is_the_model": lambda a: laws.twice_the_model_is_the_model(
        model_of(a), *asked(6, 1, 4, 5, seed=6), BeamSearch(4, 3), (0.2, 7.0)
    ),
    "bound_costs_nothing": lambda a: laws.bound_costs_nothing(
        model_of(a), random_batch(20, seed=10, longest=10).source, BeamSearch(5, 4)
    ),
}
"""Each law on one model of an architecture, as test_laws has it."""


@dataclass(frozen=True)
class Mutation:
    """Something that is easily got wrong, and the laws that must fail by it."""

    breaks: Callable[[Patch], None]
    laws: tuple[str, ...]
    architectures: tuple[str, ...] = BOTH


def wrap(owner: Any, name: str, made: Callable[[Any], Any]) -> Callable[[Patch], None]:
    """Replace ``owner.name`` by what is made of it."""
    return lambda patch: patch.setattr(owner, name, made(getattr(owner, name)))


def both(*patches: Callable[[Patch], None]) -> Callable[[Patch], None]:
    def apply(patch: Patch) -> None:
        for one in patches:
            one(patch)

    return apply


def recurrent(name: str, made: Callable[[Any], Any]) -> Callable[[Patch], None]:
    """Of the states of recurrent decoders: of those that look at a memory, too."""
    return both(wrap(RecurrentState, name, made), wrap(AttentionState, name, made))


# Masks


def mask_off(dimensions: int) -> Callable[[Any], Any]:
    """Of sources (2 dimensions) or of what each row has consumed (3)."""

    def made(original: Any) -> Any:
        def mutant(mask: Tensor, dtype: torch.dtype) -> Tensor:
            return original(mask if mask.dim() != dimensions else torch.ones_like(mask), dtype)  # type: ignore[no-any-return]

        return mutant

    return made


# Moves


def stays(original: Any) -> Any:
    """Nobody moves where as many rows come as go."""

    def mutant(self: Any, rows: Tensor) -> Any:
        same = len(rows) == len(self.rows.sentence)
        return original(self, torch.arange(len(rows)) if same else rows)

    return mutant


def one_further(original: Any) -> Any:
    """Row ``rows[i] + 1`` where it belongs to the same sentence."""

    def mutant(self: Any, rows: Tensor) -> Any:
        following = (rows + 1).clamp(max=len(self.rows.sentence) - 1)
        inside = self.rows.sentence[following] == self.rows.sentence[rows]
        return original(self, torch.where(inside, following, rows))

    return mutant


def some_stay(*names: str) -> Callable[[Any], Any]:
    """The recurrent states move, except for some of (h, c)."""

    def made(original: Any) -> Any:
        def mutant(self: Any, rows: Tensor) -> Any:
            moved = original(self, rows)
            kept = [
                before[: len(rows)] if name in names and len(rows) == len(before) else after
                for name, before, after in zip(("h", "c"), self.states, moved.states, strict=False)
            ]
            return replace(moved, states=tuple(kept))

        return mutant

    return made


def hidden_stays(original: Any) -> Any:
    """All of a row moves, except for what input feeding reads next."""

    def mutant(self: Any, rows: Tensor) -> Any:
        moved = original(self, rows)
        return replace(moved, hidden=self.hidden[: len(rows)]) if len(rows) == len(self.hidden) else moved

    return mutant


def shared_cache(self: Slots, rows: Tensor, layout: Rows, sentences: Tensor) -> Slots:
    """select without copying."""
    del layout
    visible = self.visible[rows]
    if sentences.tolist() == list(range(self.keys.shape[1])):
        return replace(self, visible=visible)
    return replace(self, visible=visible, keys=self.keys[:, sentences], values=self.values[:, sentences])


def shared_memory(original: Any) -> Any:
    """select copies all but what is remembered of the source."""

    def mutant(self: Any, rows: Tensor) -> Any:
        copy = original(self, rows)
        if rows.tolist() != list(range(self.rows.sentences)):
            return copy
        if isinstance(self, AttentionState):
            return replace(copy, memory=replace(self.memory, own=True))
        return replace(copy, remembered=self.remembered, memory_bias=self.memory_bias)

    return mutant


def order_forgotten(original: Any) -> Any:
    """``Rows.pick`` takes the first sentences, whichever are meant."""

    def mutant(self: Rows, rows: Tensor) -> Any:
        layout, _ = original(self, rows)
        return layout, torch.arange(layout.sentences) % self.sentences

    return mutant


def the_first_stay(original: Any) -> Any:
    """``Rows.go_on`` closes up the first sentences, whichever are left."""

    def mutant(self: Rows, rows: Tensor) -> Any:
        layout, closing = original(self, rows)
        return layout, None if closing is None else Closing.of(torch.arange(len(closing.kept)))

    return mutant


def memory_stays(original: Any) -> Any:
    """The rows move; the memory of the first sentences is kept, whichever leave."""

    def mutant(self: Any, rows: Tensor) -> Any:
        if isinstance(self, AttentionState):
            memory = self.memory.of(torch.arange(self.rows.sentences))  # what closes up is written over
            moved = original(self, rows)
            return replace(moved, memory=memory.of(torch.arange(moved.rows.sentences)))
        held, bias = [[(keys.clone(), values.clone()) for keys, values in layer] for layer in self.remembered], None
        if self.memory_bias is not None:
            bias = self.memory_bias.clone()
        moved = original(self, rows)
        count = moved.rows.sentences
        remembered = [[(keys[:count], values[:count]) for keys, values in layer] for layer in held]
        return replace(moved, remembered=remembered, memory_bias=None if bias is None else bias[:count])

    return mutant


def cache_stays(original: Any) -> Any:
    """All is moved but the keys and values of what was consumed."""

    def mutant(self: Slots, rows: Tensor, layout: Rows, those: Closing | Tensor | None) -> Slots:
        count = layout.sentences
        keys, values = self.keys[:, :count].clone(), self.values[:, :count].clone()
        moved: Slots = original(self, rows, layout, those)
        return replace(moved, keys=keys, values=values)

    return mutant


def written_over(original: Any) -> Any:
    """The slot before the one that is free."""

    def mutant(self: Slots, rows: Rows, count: int) -> Any:
        own, room = original(self, rows, count)
        return (own - 1).clamp(min=0), room

    return mutant


def one_slot_for_all(original: Any) -> Any:
    """All rows write into the same slot of their sentence."""

    def mutant(self: Slots, rows: Rows, count: int) -> Any:
        own, room = original(self, rows, count)
        return own[:1].expand_as(own), room

    return mutant


def past_stays(original: Any) -> Any:
    """Each row goes on from the first one."""
    return lambda past, rows: original(past, np.zeros_like(rows))


def places_stay(original: Any) -> Any:
    """Each row stands where the first one does."""

    def mutant(self: SoloState, rows: Tensor) -> Any:
        moved = original(self, rows)
        return replace(moved, consumed=self.consumed[:1].repeat(len(rows)))

    return mutant


def written_over_alone(original: Any) -> Any:
    """The slot before the one that is free."""

    def mutant(self: SoloSlots, rows: int, length: int) -> Any:
        own, room = original(self, rows, length)
        return (own - 1).clip(min=0), room

    return mutant


def unhidden(original: Any) -> Any:
    """Rows see each other's past."""

    def mutant(self: SoloSlots, *args: Any) -> Any:
        sights, room = original(self, *args)
        return [replace(sight, bias=None) for sight in sights], room

    return mutant


def looks_ahead(original: Any) -> Any:
    """All tokens that are read at once see what the last one sees."""

    def mutant(self: SoloSlots, real: Any, turn: Any) -> Any:
        sights, room = original(self, real, turn)
        if sights[0].bias is None:
            return sights, room
        last = sights[0].bias.reshape(*real.shape, -1)[:, -1:].repeat(real.shape[1], 1)
        return [replace(sight, bias=last.reshape(real.size, -1)) for sight in sights], room

    return mutant


def remembers_all(original: Any) -> Any:
    """Tokens that are not real are remembered."""

    def mutant(self: SoloSlots, *args: Any) -> Any:
        sights, room = original(self, *args)
        room.visible[np.arange(len(room.visible))[:, None], sights[0].written] = True
        return sights, room

    return mutant


def reads_all(original: Any) -> Any:
    """Rows end behind their last token, real or not."""

    def mutant(self: SoloRecurrence, *gates: Any) -> Any:
        return original(replace(self, real=np.ones_like(self.real)), *gates)

    return mutant


def cells_stay(original: Any) -> Any:
    """Rows move, what their SSRU layers remember does not."""

    def mutant(self: Cells, rows: Tensor, *layout: Any) -> Cells:
        moved: Cells = original(self, rows, *layout)
        return self if len(rows) == len(self.cells) else moved

    return mutant


def cells_of_the_first(original: Any) -> Any:
    """Whichever rows are selected, the cells are those of the first."""
    return lambda self, rows, *layout: original(self, torch.arange(len(rows)) % len(self.cells), *layout)


def runs_over_padding(original: Any) -> Any:
    """An SSRU ends behind all tokens that were handed over."""

    def mutant(self: Resumed, forget: Tensor, candidates: Tensor) -> Any:
        return original(replace(self, lengths=torch.full_like(self.lengths, forget.shape[1])), forget, candidates)

    return mutant


def runs_from_zero(original: Any) -> Any:
    """An SSRU forgets where it stood."""
    return lambda self, *read: original(replace(self, start=0 * self.start), *read)


def no_room_beforehand(original: Any) -> Any:
    """A cache begins with no slot that it could use. That alone is no mistake."""

    def harmless(*args: Any) -> Slots:
        slots: Slots = original(*args)
        return replace(slots, keys=slots.keys[..., :0, :], values=slots.values[..., :0, :])

    return harmless


def no_room(original: Any) -> Any:
    """Growing loses what was written last."""

    def mutant(self: Slots, slots: int) -> Slots:
        grown: Slots = original(self, slots)
        if self.used and grown.keys.shape != self.keys.shape:
            grown.keys[..., self.used - 1, :] = 0
        return grown

    return mutant


def permuted(original: Any) -> Any:
    """The rows of each sentence the other way round."""

    def mutant(self: Rows, values: Tensor) -> Tensor:
        turned = values if self.width == 1 or self.place is not None else values.flip(1)
        return original(self, turned)  # type: ignore[no-any-return]

    return mutant


# Positions, inputs, lengths


def positions_late(original: Any) -> Any:
    """By one, where they are counted from what was consumed."""

    def mutant(self: Any, tokens: Tensor, positions: Tensor) -> Tensor:
        return original(self, tokens, positions + (positions.dim() - 1))  # type: ignore[no-any-return]

    return mutant


def positions_of_slots(original: Any) -> Any:
    """The slots of all rows are counted, not those of each row."""

    def mutant(self: Any, tokens: Tensor, lengths: Tensor, state: Any) -> Any:
        embed = self.embedding.forward

        def wrong(ids: Tensor, positions: Tensor) -> Tensor:
            return embed(ids, torch.full_like(positions, state.past.used) + torch.arange(ids.shape[1]))  # type: ignore[no-any-return]

        self.embedding.forward = wrong
        try:
            return original(self, tokens, lengths, state)
        finally:
            del self.embedding.forward

    return mutant


def turned_by_rows(original: Any) -> Any:
    """Queries and keys are turned further from one row to the next."""

    def mutant(self: Any, positions: Tensor) -> Any:
        further = torch.arange(len(positions))[:, None]
        return original(self, positions if positions.dim() == 1 else positions + further)

    return mutant


def all_as_far_as_the_furthest(original: Any) -> Any:
    """What rows have consumed is counted for all of them together."""

    def mutant(self: Any, rows: Tensor) -> Any:
        moved = original(self, rows)
        return replace(moved, consumed=moved.consumed.max().expand_as(moved.consumed))

    return mutant


def lengths_ignored(original: Any) -> Any:
    """Each row consumes all P tokens."""

    def mutant(self: Any, tokens: Tensor, lengths: Tensor, state: Any) -> Any:
        return original(self, tokens, torch.full_like(lengths, tokens.shape[1]), state)

    return mutant


def without_mask(original: Any) -> Any:
    """The LSTM runs on over padding."""

    def mutant(self: Any, inputs: Tensor, mask: Tensor, state: Any) -> Any:
        return original(self, inputs, torch.ones_like(mask), state)

    return mutant


def over_padding(original: Any) -> Any:
    """A loop over time runs on over padding."""
    return lambda self, tokens, mask, state: original(self, tokens, torch.ones_like(mask), state)


def fed_nothing(original: Any) -> Any:
    """Input feeding begins anew at each call."""
    return lambda self, tokens, mask, state: original(self, tokens, mask, replace(state, hidden=0 * state.hidden))


def looks_from_zero(original: Any) -> Any:
    """Attention is asked from a state of zeros at the beginning of each call."""

    def mutant(self: Any, tokens: Tensor, mask: Tensor, state: Any) -> Any:
        attend = self.attend.forward
        self.attend.forward = lambda query, memory: attend(0 * query, memory)
        try:
            return original(self, tokens, mask, state)
        finally:
            del self.attend.forward

    def only_in_steps(self: Any, tokens: Tensor, mask: Tensor, state: Any) -> Any:
        return (mutant if tokens.shape[1] == 1 else original)(self, tokens, mask, state)

    return only_in_steps


def from_above(original: Any) -> Any:
    """The keys of the next layer, or of the lowest behind the highest."""

    def mutant(self: Any, hidden: Tensor, state: Any) -> Any:
        remembered = state.remembered[1:] + state.remembered[:1]
        return original(self, hidden, replace(state, remembered=remembered))

    return mutant


def looks_from_nowhere(original: Any) -> Any:
    """The query is lost."""
    return lambda self, hidden, state: original(self, hidden, replace(state, query=0 * state.query))


def turned_whole(values: Tensor, lengths: Tensor) -> Tensor:
    """Reversed by the padded length: the backward direction reads padding first."""
    del lengths
    return values.flip(1)


def longest_of_the_batch(original: Any) -> Any:
    """Something of a sentence depends on the longest of its batch."""

    def mutant(self: Any, source: Any) -> Any:
        memory = original(self, source)
        return replace(memory, outputs=memory.outputs * (1 + 1e-3 * source.tokens.shape[1]))

    return mutant


# Search


def limits(change: int) -> Callable[[Any], Any]:
    def made(original: Any) -> Any:
        def mutant(self: Any, scorer: Any, tokens: Tensor, state: Any, sentences: Sentences) -> Any:
            limits = (sentences.limits + change).clamp(min=1)
            return original(self, scorer, tokens, state, replace(sentences, limits=limits))

        return mutant

    return made


def raw_pool(original: Any) -> Any:
    """The finished pool keeps log-probabilities that are not normalised: one length comes as int."""

    def mutant(self: LengthPower, lengths: Tensor | int) -> Tensor:
        return torch.ones(()) if isinstance(lengths, int) else original(self, lengths)

    return mutant


def norm_shifted(original: Any) -> Any:
    """BOS counted with the length."""
    return lambda self, lengths: original(self, lengths + 1)


def parent_lost(original: Any) -> Any:
    """Each extension has the log-probability of its last token alone."""

    def mutant(self: Any, pools: Any, *rest: Any) -> Any:
        alone = pools.log_probs.masked_fill(pools.alive, 0.0)
        return original(self, replace(pools, log_probs=alone), *rest)

    return mutant


def parents(change: Callable[[Tensor], Tensor]) -> Callable[[Any], Any]:
    """The states follow other hypotheses than their tokens."""

    def made(original: Any) -> Any:
        def mutant(self: Any, *arguments: Any) -> Any:
            extended, rows = original(self, *arguments)
            return extended, change(rows)

        return mutant

    return made


def not_forced(must: Tensor, log_probs: Tensor, extensions: Tensor, of: Any, eos: int) -> Any:
    """At the limit nothing happens."""
    del must, of, eos
    return log_probs, extensions


def forced_for_nothing(original: Any) -> Any:
    """The forced EOS costs nothing."""

    def mutant(must: Tensor, log_probs: Tensor, extensions: Tensor, of: Any, eos: int) -> Any:
        return original(must, log_probs, extensions, lambda tokens: 0 * of(tokens), eos)

    return mutant


def bound_too_low(self: Any, pools: Any) -> Any:
    """The reach of a live hypothesis by its own length, not by its limit."""
    reach = pools.log_probs / self.norm(pools.tokens.shape[2])
    hopeless = self.stop.hopeless(stopping.Progress(pools.finished, pools.ended, reach), self.n_best)
    return replace(pools, log_probs=pools.log_probs.masked_fill(hopeless, -torch.inf))


def bound_of_the_best(self: Any, progress: Any, n_best: int) -> Tensor:
    """Over when nothing can become the best, though more are asked for."""
    del self, n_best
    found: Tensor = progress.reach <= progress.finished[:, :1]
    return found


def unheard(original: Any) -> Any:
    """No group hears what those before it chose."""
    return lambda self, *arguments: original(self, *arguments[:-1])


def held_against(original: Any) -> Any:
    """What a token was lowered by stays with the hypothesis."""

    def mutant(
        self: Any, pools: Any, length: int, log_probs: Tensor, extensions: Tensor, eos: int, lowered: Any = 0.0
    ) -> Any:
        return original(self, pools, length, log_probs - lowered, extensions, eos)

    return mutant


def ends_unheard(original: Any) -> Any:
    """Of what a group chooses, its EOS does not count."""

    def mutant(self: Any, pools: Any, *arguments: Any) -> Any:
        *rest, lowered = arguments
        offered, eos = rest[2], rest[3]
        return original(self, pools, *rest, lowered * (offered != eos))

    return mutant


def silent_when_over(original: Any) -> Any:
    """A group that is over is heard no more by those that are not."""
    return lambda self, groups: [group for one in groups for group in original(self, [one])]


def second_best(scores: Any, *_: Any) -> tuple[Tensor, Tensor]:
    log_probs, ids = scores.best(2)
    return ids[:, 1], log_probs[:, 1]


def places_for_ids(original: Any) -> Any:
    """Places in the logits are taken for ids."""

    def mutant(self: Scores, k: int) -> tuple[Tensor, Tensor]:
        values, tokens = original(self, k)
        return values, torch.searchsorted(self.columns, tokens)

    return mutant


class _Everywhere:
    """torch, in which every place is among the first."""

    def __getattr__(self, name: str) -> Any:
        return (lambda count: torch.zeros(count)) if name == "arange" else getattr(torch, name)


def eos_anywhere(original: Any) -> Any:
    """Not only among the first K."""

    def mutant(*arguments: Any) -> Any:
        with Patch.context() as patch:
            patch.setattr(beam, "torch", _Everywhere())
            return original(*arguments)

    return mutant


KEYS = noise.keys


def one_key(seed: int | Tensor, *places: Tensor | int) -> Tensor:
    """Children go on with the key of their parent."""
    return seed.clone() if torch.is_tensor(seed) else KEYS(seed, *places)


def ends_cost(original: Any) -> Any:
    """At the limit, what EOS costs is taken from the G of its parent."""

    def mutant(self: Any, pools: Any, length: int, scores: Any, eos: int) -> Any:
        children = original(self, pools, length, scores, eos)
        cost = children.log_probs[:, :, :1] - pools.log_probs[:, :, None]
        forced = (pools.alive & (pools.limits == length)[:, None])[:, :, None]
        return replace(children, perturbed=torch.where(forced, children.perturbed + cost, children.perturbed))

    return mutant


def pruned_by_its_own_length(self: Any) -> float:
    """As though every prefix ended at once."""
    return float(self.floor * self.norm(1))


def pruned_by_the_best(self: Any) -> float:
    """Nothing that cannot become the best is looked at, though more are asked for."""
    return float(self.hypotheses[0].score * self.norm(self.limit))


def empty_forgotten(original: Any) -> Any:
    """EOS alone is no hypothesis."""
    return lambda self, prefixes, *rest: self if prefixes.shape[1] == 1 else original(self, prefixes, *rest)


def found_twice(original: Any) -> Any:
    """What the beam search has found is not known."""

    def mutant(self: Any, *arguments: Any) -> Any:
        unknown = [replace(hypothesis, tokens=()) for hypothesis in self.hypotheses]
        joined = original(replace(self, hypotheses=tuple(unknown)), *arguments)
        tokens = {id(hypothesis): before.tokens for hypothesis, before in zip(unknown, self.hypotheses, strict=True)}
        known = [replace(h, tokens=tokens.get(id(h), h.tokens)) for h in joined.hypotheses]
        return replace(joined, hypotheses=tuple(known))

    return mutant


def not_above_the_limit(original: Any) -> Any:
    """One token more than is allowed."""
    return lambda self, scorer, root, limit, known: original(self, scorer, root, limit + 1, known)


def children_of_the_first(original: Any) -> Any:
    """All go on from the state of the first prefix."""
    return lambda self, *, alone: original(replace(self, parents=0 * self.parents), alone=alone)


def parents_free(original: Any) -> Any:
    """A child costs no more than its last token."""
    return lambda log_probs, *rest: original(0 * log_probs, *rest)


def unseen_counted(change: int) -> Callable[[Any], Any]:
    """How many children are kept beyond those that can be scored."""

    def made(original: Any) -> Any:
        return lambda *arguments: original(*arguments[:-1], arguments[-1] + change)

    return made


def impatient(self: Any, progress: Any, n_best: int) -> Tensor:
    """The first end is enough."""
    del self, n_best
    found: Tensor = (progress.ended >= 1)[:, None] | torch.isneginf(progress.reach)
    return found


def too_few_candidates(original: Any) -> Any:
    """Half of what the beam asks for."""
    return lambda self, k: original(self, max(1, k // 2))


def too_loud(original: Any) -> Any:
    """Twice the noise."""
    return lambda rows, columns: 2 * original(rows, columns)


def written_stays(original: Any) -> Any:
    """Rows move, what was written in them does not."""

    def mutant(self: Any, rows: Tensor) -> Any:
        return self.written if len(rows) == len(self.written.lengths) else original(self, rows)

    return mutant


def one_member_moves(original: Any) -> Any:
    """The others stay."""

    def mutant(self: Any, rows: Tensor) -> Any:
        moved = original(self, rows)
        return replace(
            moved, states=(moved.states[0], *(state.reorder(rows.sort().values) for state in self.states[1:]))
        )

    return mutant


def values_first(original: Any) -> Any:
    """Keys are taken for values, and values for keys."""

    def mutant(*args: Any) -> Any:
        remember = original(*args)
        return lambda outputs: remember(outputs)[::-1]

    return mutant


def last_first(original: Any) -> Any:
    """The last of several layers comes first."""
    return lambda copies, *layers: original(copies, *layers[::-1])


def unbiased(original: Any) -> Any:
    """The products alone."""

    def mutant(output: Any, packing: Packing) -> None:
        bare = replace(packing, output=lambda weight, bias: packing.output(weight, torch.zeros_like(bias)))
        original(output, bare)

    return mutant


def straight_on(original: Any) -> Any:
    """What a sub-layer gives is not added to what it has read."""

    def mutant(*args: Any) -> Any:
        around = original(*args)
        return lambda x, *context: around(x, *context) - x

    return mutant


def unmerged(original: Any) -> Any:
    """Every candidate is judged as if it was found once."""

    def mutant(self: Any, found: Any) -> Any:
        return original(self, list({hypothesis.tokens: hypothesis for hypothesis in found}.values()))

    return mutant


def hopeless_below_the_best(original: Any) -> Any:
    """Who cannot be the best need not go on, though more are wanted."""

    def mutant(self: Any, pool: Any, finished: Any, limit: int) -> Any:
        return original(replace(self, n_best=1), pool, finished, limit)

    return mutant


T, R = ("transformer",), ("recurrent",)
SSRU, ROTARY = ("transformer-ssru",), ("transformer-rotary",)
BOTTLENECK, BAHDANAU, FEEDING = ("rnn-bottleneck",), ("gru-bahdanau",), ("lstm-feeding",)
BATCHED = ("neighbours_change_nothing", "neighbours_change_only_ties")
REREAD = ("retelling_is_teacher_forcing",)
RETOLD = ("forced_decoding_agrees",)
ALONE = ("one_sentence_is_read_like_many",)

MUTATIONS = {
    "source mask off": Mutation(
        both(wrap(attention, "bias_of", mask_off(2)), wrap(alignment, "bias_of", mask_off(2))), BATCHED
    ),
    "rows see each other's slots": Mutation(
        wrap(caches, "bias_of", mask_off(3)), ("reorder_commutes", "prefixes_are_steps", *RETOLD), T
    ),
    "teacher forcing sees the future": Mutation(
        wrap(caches, "causal_bias", lambda original: lambda *a: torch.zeros_like(original(*a))),
        ("steps_are_teacher_forcing", *RETOLD, "wide_beam_is_brute_force"),
        T,
    ),
    "targets are not shifted": Mutation(
        wrap(encoder_decoder, "shifted", lambda _: lambda targets: targets),
        ("steps_are_teacher_forcing", *RETOLD, "forced_decoding_agrees (greedy)", "wide_beam_is_brute_force"),
    ),
    "padding read by the backward direction": Mutation(wrap(cells, "reverse", lambda _: turned_whole), BATCHED, R),
    "the LSTM runs over padding": Mutation(
        wrap(cells.LSTM, "forward", without_mask), (*BATCHED, "prefixes_are_steps"), R
    ),
    "the memory depends on the longest": Mutation(
        both(
            wrap(stacks.TransformerEncoder, "forward", longest_of_the_batch),
            wrap(RecurrentEncoder, "forward", longest_of_the_batch),
        ),
        BATCHED,
    ),
    "reorder does nothing": Mutation(
        both(wrap(BatchState, "reorder", stays), recurrent("reorder", stays)),
        ("reorder_commutes", "long_lives_forget_nothing", *RETOLD),
    ),
    "reorder is off by a row": Mutation(
        both(wrap(BatchState, "reorder", one_further), recurrent("reorder", one_further)),
        ("reorder_commutes", *RETOLD),
    ),
    "h stays behind": Mutation(recurrent("reorder", some_stay("h")), ("reorder_commutes", *RETOLD), R),
    "c stays behind": Mutation(recurrent("reorder", some_stay("c")), ("reorder_commutes", *RETOLD), R),
    "reorder does nothing to the other recurrent models": Mutation(
        recurrent("reorder", stays),
        ("reorder_commutes", "long_lives_forget_nothing", *RETOLD),
        (*BOTTLENECK, *BAHDANAU, *FEEDING),
    ),
    "the state of a GRU stays behind": Mutation(
        recurrent("reorder", some_stay("h")), ("reorder_commutes", *RETOLD), BAHDANAU
    ),
    "what input feeding reads stays behind": Mutation(
        wrap(AttentionState, "reorder", hidden_stays), ("reorder_commutes", *RETOLD), FEEDING
    ),
    "input feeding forgets what it reads": Mutation(
        wrap(FeedingDecoder, "passage", fed_nothing),
        ("steps_are_teacher_forcing", *RETOLD, "wide_beam_is_brute_force"),
        FEEDING,
    ),
    "attention forgets from where it looks": Mutation(
        wrap(BahdanauDecoder, "passage", looks_from_zero),
        ("steps_are_teacher_forcing", *RETOLD, "wide_beam_is_brute_force"),
        BAHDANAU,
    ),
    "loops run over padding": Mutation(
        both(wrap(FeedingDecoder, "passage", over_padding), wrap(BahdanauDecoder, "passage", over_padding)),
        ("prefixes_are_steps",),
        (*BAHDANAU, *FEEDING),
    ),
    "the other attentions look at padding": Mutation(
        wrap(alignment, "bias_of", mask_off(2)), BATCHED, (*BAHDANAU, *FEEDING)
    ),
    "sentences leave, the memory that loops look at does not": Mutation(
        wrap(AttentionState, "select", memory_stays), ("copies_do_not_disturb",), (*BAHDANAU, *FEEDING)
    ),
    "a tanh RNN runs over padding": Mutation(
        wrap(cells.Cell, "forward", without_mask), (*BATCHED, "prefixes_are_steps"), BOTTLENECK
    ),
    "the source is turned with its padding": Mutation(
        wrap(recurrent_encoder, "reverse", lambda _: turned_whole), BATCHED, BOTTLENECK
    ),
    "copies share a cache": Mutation(
        lambda patch: patch.setattr(Slots, "select", shared_cache), ("copies_do_not_disturb",), T
    ),
    "copies share their memory": Mutation(
        both(wrap(BatchState, "select", shared_memory), wrap(AttentionState, "select", shared_memory)),
        ("copies_do_not_disturb",),
        (*T, *R),
    ),
    "sentences change places, their memory does not": Mutation(
        wrap(Rows, "pick", order_forgotten), ("copies_do_not_disturb",)
    ),
    "sentences leave, their memory does not": Mutation(
        both(
            *(wrap(kind, name, memory_stays) for kind in (BatchState, AttentionState) for name in ("select", "reorder"))
        ),
        (
            "copies_do_not_disturb",
            "long_lives_forget_nothing",
            "forced_decoding_agrees (greedy)",
            *BATCHED,
            *RETOLD,
            *REREAD,
        ),
    ),
    "sentences leave, their cache does not": Mutation(
        both(wrap(Slots, "select", cache_stays), wrap(Slots, "reorder", cache_stays)),
        ("copies_do_not_disturb", *BATCHED, *RETOLD),
        T,
    ),
    "a slot that is seen is written over": Mutation(
        wrap(Slots, "_claimed", written_over),
        ("steps_are_teacher_forcing", "reorder_commutes", "long_lives_forget_nothing", *RETOLD),
        T,
    ),
    "rows share a slot": Mutation(
        wrap(Slots, "_claimed", one_slot_for_all), ("reorder_commutes", "long_lives_forget_nothing", *RETOLD), T
    ),
    "sentences leave, and the first stay": Mutation(
        wrap(Rows, "go_on", the_first_stay),
        ("long_lives_forget_nothing", "forced_decoding_agrees (greedy)", *BATCHED, *RETOLD, *REREAD),
    ),
    "growing loses a slot": Mutation(
        both(wrap(SlotPasts, "begin", no_room_beforehand), wrap(Slots, "with_room", no_room)),
        ("steps_are_teacher_forcing", "prefixes_are_steps", "copies_do_not_disturb", *RETOLD),
        T,
    ),
    "the cells of an SSRU stay behind": Mutation(
        wrap(Cells, "reorder", cells_stay), ("reorder_commutes", *RETOLD), SSRU
    ),
    "the cells of an SSRU are not selected": Mutation(
        wrap(Cells, "select", cells_of_the_first),
        ("copies_do_not_disturb", "long_lives_forget_nothing"),
        SSRU,
    ),
    "an SSRU runs over padding": Mutation(wrap(Resumed, "__call__", runs_over_padding), ("prefixes_are_steps",), SSRU),
    "an SSRU forgets where it stood": Mutation(
        wrap(Resumed, "__call__", runs_from_zero),
        ("steps_are_teacher_forcing", *RETOLD, "wide_beam_is_brute_force"),
        SSRU,
    ),
    "rotary positions go on from row to row": Mutation(
        wrap(RotaryPositions, "turn", turned_by_rows), ("prefixes_are_steps", "reorder_commutes", *RETOLD), ROTARY
    ),
    "all rows stand where the furthest stands": Mutation(
        wrap(BatchState, "reorder", all_as_far_as_the_furthest),
        ("prefixes_are_steps",),
        ("transformer", "transformer-post", *ROTARY, *SSRU),
    ),
    "packed keys and values of the memory change places": Mutation(
        wrap(MultiHeadAttention, "packed_memory", values_first),
        ("packing_changes_nothing",),
        ("transformer", "transformer-post", *ROTARY, *SSRU),
    ),
    "weights are packed in another order": Mutation(
        wrap(Copies, "of", last_first), (*ALONE, "packing_changes_nothing"), (*T, *ROTARY)
    ),
    "the biases are not packed": Mutation(
        lambda patch: patch.setattr(Weights, "bias", None), (*ALONE, "packing_changes_nothing"), T
    ),
    "a sentence alone: rows move, their past does not": Mutation(
        both(wrap(SoloSlots, "reorder", past_stays), wrap(SoloCells, "reorder", past_stays)), ALONE, (*T, *SSRU)
    ),
    "a sentence alone: rows move, their places do not": Mutation(
        wrap(SoloState, "reorder", places_stay), ALONE, (*T, *ROTARY)
    ),
    "a sentence alone: copies share a cache": Mutation(
        wrap(SoloSlots, "select", lambda _: SoloSlots.reorder), ALONE, T
    ),
    "a sentence alone: a slot that is seen is written over": Mutation(
        wrap(SoloSlots, "_claimed", written_over_alone), ALONE, T
    ),
    "a sentence alone: tokens see what comes behind them": Mutation(wrap(SoloSlots, "consume", looks_ahead), ALONE, T),
    "a sentence alone: what is not read is remembered": Mutation(wrap(SoloSlots, "consume", remembers_all), ALONE, T),
    "a sentence alone: each layer tells where the first looked": Mutation(
        wrap(SoloState, "glance", lambda original: lambda self, _: original(self, 0)), ALONE, T
    ),
    "a sentence alone: rows see each other": Mutation(wrap(SoloSlots, "consume", unhidden), ALONE, T),
    "a sentence alone: an SSRU reads what is not there": Mutation(
        wrap(SoloRecurrence, "__call__", reads_all), ALONE, SSRU
    ),
    "the output layer is packed without its bias": Mutation(
        wrap(Output, "pack", unbiased), (*ALONE, "packing_changes_nothing")
    ),
    "the way round is not packed": Mutation(
        both(wrap(PreNorm, "packed", straight_on), wrap(PostNorm, "packed", straight_on)),
        ("packing_changes_nothing",),
        ("transformer", "transformer-post", "transformer-lm"),
    ),
    "nobody is pruned": Mutation(
        wrap(Pruning, "__call__", lambda _: lambda _, log_probs: torch.zeros_like(log_probs, dtype=torch.bool)),
        ("beam_is_the_slow_search (pruned)",),
    ),
    "who is pruned is measured by the last": Mutation(
        wrap(Pruning, "__call__", lambda original: lambda self, log_probs: original(self, log_probs.flip(1)).flip(1)),
        ("beam_is_the_slow_search (pruned)",),
    ),
    "unfold is permuted": Mutation(wrap(Rows, "unfold", permuted), RETOLD),
    "fold is permuted": Mutation(
        wrap(
            Rows, "fold", lambda original: lambda self, values: permuted(lambda _, v: v)(self, original(self, values))
        ),
        RETOLD,
    ),
    "positions are off by one": Mutation(
        wrap(Embedding, "forward", positions_late),
        ("steps_are_teacher_forcing", *RETOLD, "wide_beam_is_brute_force"),
        T,
    ),
    "positions count all rows": Mutation(
        wrap(TransformerDecoder, "advance", positions_of_slots), ("prefixes_are_steps", *RETOLD), T
    ),
    "lengths of prefixes are ignored": Mutation(
        both(wrap(TransformerDecoder, "advance", lengths_ignored), wrap(AttentiveDecoder, "advance", lengths_ignored)),
        ("prefixes_are_steps",),
    ),
    "the keys are those of another layer": Mutation(wrap(TransformerDecoder, "attention", from_above), REREAD, T),
    "attention is asked from nowhere": Mutation(
        wrap(AttentiveDecoder, "attention", looks_from_nowhere), REREAD, (*R, *BAHDANAU, *FEEDING)
    ),
    "the limit is passed by one": Mutation(
        both(wrap(BeamSearch, "__call__", limits(1)), wrap(Greedy, "__call__", limits(1))),
        (*RETOLD, "forced_decoding_agrees (greedy)", "wide_beam_is_brute_force"),
    ),
    "the limit comes too early": Mutation(
        wrap(BeamSearch, "__call__", limits(-1)), ("wide_beam_is_brute_force", "beam_of_one_is_greedy")
    ),
    "greedy's limit comes too early": Mutation(wrap(Greedy, "__call__", limits(-1)), ("beam_of_one_is_greedy",)),
    "EOS is not forced": Mutation(wrap(beam, "force_end", lambda _: not_forced), (*RETOLD, "wide_beam_is_brute_force")),
    "the forced EOS is free": Mutation(
        wrap(beam, "force_end", forced_for_nothing), (*RETOLD, "wide_beam_is_brute_force")
    ),
    "the finished pool is not normalised": Mutation(
        wrap(LengthPower, "__call__", raw_pool), ("wide_beam_is_brute_force",)
    ),
    "the norm counts BOS": Mutation(wrap(LengthPower, "__call__", norm_shifted), ("wide_beam_is_brute_force",)),
    "the parent's log-probability is lost": Mutation(
        wrap(BeamSearch, "extend", parent_lost), (*RETOLD, "wide_beam_is_brute_force")
    ),
    "states follow the wrong parents": Mutation(wrap(BeamSearch, "extend", parents(lambda r: r.roll(1, 1))), RETOLD),
    "the bound is by the present length": Mutation(
        lambda patch: patch.setattr(BeamSearch, "prune", bound_too_low), ("bound_costs_nothing",)
    ),
    "the bound forgets the n best": Mutation(
        lambda patch: patch.setattr(stopping.Bound, "hopeless", bound_of_the_best),
        ("bound_costs_nothing",),
    ),
    "greedy takes the second best": Mutation(
        wrap(ancestral, "most_probable", lambda _: second_best), ("beam_of_one_is_greedy", "greedy_is_the_slow_search")
    ),
    "greedy without softmax takes the second best": Mutation(
        wrap(ancestral, "highest", lambda _: second_best), ("beam_of_one_is_greedy", "greedy_is_the_slow_search")
    ),
    "places are taken for ids": Mutation(
        wrap(Scores, "best", places_for_ids), (*RETOLD, "wide_beam_is_brute_force", "greedy_is_the_slow_search")
    ),
    "too few candidates": Mutation(wrap(Scores, "best", too_few_candidates), ("beam_is_the_slow_search",)),
    "EOS counts anywhere among the candidates": Mutation(
        wrap(BeamSearch, "extend", eos_anywhere), ("beam_is_the_slow_search",)
    ),
    "groups do not hear each other": Mutation(
        wrap(BeamSearch, "extend", unheard), ("diverse_beam_is_the_slow_search",)
    ),
    "a penalty is held against a hypothesis for ever": Mutation(
        wrap(BeamSearch, "extend", held_against), ("diverse_beam_is_the_slow_search",)
    ),
    "nobody hears that a group has ended": Mutation(
        wrap(BeamSearch, "extend", ends_unheard), ("diverse_beam_is_the_slow_search",)
    ),
    "a group that is over is silent": Mutation(
        wrap(DiverseBeamSearch, "_prune", silent_when_over), ("diverse_beam_is_the_slow_search",), R
    ),
    "children have noise of their own": Mutation(
        lambda patch: patch.setattr(stochastic, "conditioned", lambda noisy, maximum: noisy + 0 * maximum),
        ("stochastic_beam_is_the_slow_search", "stochastic_beam_draws_without_replacement"),
    ),
    "the noise forgets the path": Mutation(
        lambda patch: patch.setattr(noise, "keys", one_key), ("stochastic_beam_draws_without_replacement",)
    ),
    "the forced EOS of a sample costs": Mutation(
        wrap(stochastic.StochasticBeam, "_children", ends_cost), ("stochastic_beam_is_the_slow_search",)
    ),
    "exact search prunes by the length so far": Mutation(
        lambda patch: patch.setattr(exact._Best, "needed", property(pruned_by_its_own_length)),
        ("exact_is_brute_force",),
    ),
    "exact search prunes by the best": Mutation(
        lambda patch: patch.setattr(exact._Best, "needed", property(pruned_by_the_best)), ("exact_is_brute_force",)
    ),
    "exact search forgets the empty translation": Mutation(
        wrap(exact._Best, "joined_by", empty_forgotten), ("exact_is_brute_force (not normalised)",)
    ),
    "exact search finds a hypothesis twice": Mutation(
        wrap(exact._Best, "joined_by", found_twice), ("exact_is_brute_force",)
    ),
    "exact search goes one further": Mutation(
        wrap(ExactSearch, "_search", not_above_the_limit), ("exact_is_brute_force",)
    ),
    "exact search goes on from the first prefix": Mutation(
        wrap(exact._Group, "enter", children_of_the_first), ("exact_is_brute_force",)
    ),
    "exact search forgets what a prefix cost": Mutation(
        wrap(exact, "_going_on", parents_free), ("exact_is_brute_force",)
    ),
    "the bound forgets what waits": Mutation(
        lambda patch: patch.setattr(exact._Best, "reach", lambda *_: -torch.inf), ("certificates_are_true",)
    ),
    "the bound is that of the length so far": Mutation(
        lambda patch: patch.setattr(exact._Best, "reach", lambda *known: known[1]), ("certificates_are_true",)
    ),
    "the bound is that of the worst that waits": Mutation(
        lambda patch: patch.setattr(exact._Group, "highest", property(lambda self: float(self.log_probs.min()))),
        ("certificates_are_true",),
    ),
    "the bound forgets what there was no budget for": Mutation(
        wrap(exact._Group, "of", unseen_counted(-1)), ("certificates_are_true",)
    ),
    "noise is too loud": Mutation(
        wrap(noise, "gumbel", too_loud),
        ("samples_are_as_frequent_as_probable", "stochastic_beam_draws_without_replacement"),
    ),
    "rows move, what was written in them does not": Mutation(
        wrap(ProcessedState, "_at", written_stays), ("beam_is_the_slow_search (within rules)",)
    ),
    "one member of an ensemble moves": Mutation(
        wrap(JointState, "reorder", one_member_moves), ("twice_the_model_is_the_model",)
    ),
    "what is drawn twice counts once": Mutation(
        wrap(MinimumBayesRisk, "_ranked", unmerged), ("mbr_is_the_definition",)
    ),
    "terms may be missing at the end": Mutation(
        lambda patch: patch.setattr(constrained.Progress, "left", 0),
        ("terms_are_met", "wide_constrained_beam_is_brute_force"),
    ),
    "a longer word holds a term": Mutation(
        wrap(constrained.Progress, "after", lambda after: lambda self, token, _: after(self, token)),
        ("wide_constrained_beam_is_brute_force (longer words)",),
    ),
    "a constrained beam wants the best alone": Mutation(
        wrap(ConstrainedBeam, "_hopeful", hopeless_below_the_best), ("wide_constrained_beam_is_brute_force",)
    ),
    "patience ends at the first end": Mutation(
        lambda patch: patch.setattr(stopping.Patience, "hopeless", impatient), ("beam_is_the_slow_search",)
    ),
}


@pytest.mark.parametrize("law", sorted(LAWS))
@pytest.mark.parametrize("architecture", BOTH)
def test_the_laws_hold_where_nothing_is_broken(law: str, architecture: str) -> None:
    LAWS[law](architecture)


@pytest.mark.parametrize(
    ("name", "law", "architecture"),
    [
        pytest.param(name, law, architecture, id=f"{name}-{law}-{architecture}")
        for name, mutation in MUTATIONS.items()
        for law in mutation.laws
        for architecture in mutation.architectures
    ],
)
def test_the_law_notices(name: str, law: str, architecture: str, monkeypatch: Patch) -> None:
    model_of(architecture)
    model_of(architecture, torch.float32)
    MUTATIONS[name].breaks(monkeypatch)
    with pytest.raises(AssertionError):
        LAWS[law](architecture)


def test_every_law_is_broken_by_something() -> None:
    written = {name for name, function in inspect.getmembers(laws, inspect.isfunction) if is_a_law(function)}
    assert {law.partition(" ")[0] for law in LAWS} == written
    assert {law for mutation in MUTATIONS.values() for law in mutation.laws} == set(LAWS)
    for architecture in BOTH:
        noticed = {
            law for mutation in MUTATIONS.values() if architecture in mutation.architectures for law in mutation.laws
        }
        assert noticed == set(LAWS), architecture


def is_a_law(function: Callable[..., Any]) -> bool:
    """What is held against a model and says nothing is one."""
    signature = inspect.signature(function)
    public = function.__module__ == laws.__name__ and not function.__name__.startswith("_")
    return public and next(iter(signature.parameters)) == "model" and signature.return_annotation is None
