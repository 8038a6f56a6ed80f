"""Decoder states over long, beam-like lives: whatever moves, leaves and is written over, each row scores by its own past."""

from typing import Any

import pytest
import torch
from torch import Tensor

from nmt_cli.corpus.batching import Batch, Sequences
from nmt_cli.models.cache import Slots
from nmt_cli.models.lanes import LANES, filled
from nmt_cli.scoring.rows import closing_up
from tests.tiny import TINY, VOCABULARY, random_batch, random_model


@pytest.fixture(params=sorted(TINY))
def model(request: pytest.FixtureRequest) -> Any:
    """Packed: its steps are held against teacher forcing by its modules."""
    made = random_model(request.param, seed=2)
    made.pack()
    return made


@pytest.fixture(autouse=True)
def memory_holds_no_numbers_until_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    new_empty = Tensor.new_empty

    def nothing(like: Tensor, *shape: Any, **options: Any) -> Tensor:
        made = new_empty(like, *shape, **options)
        return made.fill_(torch.nan) if made.is_floating_point() else made

    monkeypatch.setattr(Tensor, "new_empty", nothing)


class Life:
    """A state, and beside it what each row has consumed: (sentence, tokens)."""

    def __init__(self, model: Any, source: Sequences, seed: int) -> None:
        self.model, self.source = model, source
        self.draw = torch.Generator().manual_seed(seed)
        first, self.state = model.start(source)
        self.past: list[tuple[int, list[int]]] = [(index, []) for index in range(len(source))]
        self.feed(first[:, None], torch.ones_like(first))

    def feed(self, tokens: Tensor, lengths: Tensor) -> None:
        """Consume, and compare with teacher forcing over each row's whole past."""
        scores, self.state = self.model.advance(tokens, lengths, self.state)
        self.past = [
            (sentence, [*past, *row[:length]])
            for (sentence, past), row, length in zip(self.past, tokens.tolist(), lengths.tolist(), strict=True)
        ]
        own = torch.tensor([sentence for sentence, _ in self.past])
        targets = Sequences.of([past[1:] for _, past in self.past])  # behind the model's own first token; one EOS more
        hidden, _ = self.model._hidden(Batch(Sequences(self.source.tokens[own], self.source.lengths[own]), targets))
        wanted = torch.log_softmax(self.model.output(hidden[targets.lengths.cumsum(0) - 1]), 1)
        torch.testing.assert_close(scores.log_probs(), wanted, rtol=0, atol=1e-9)
        assert renumbered(self.state.rows.sentence.tolist()) == renumbered([sentence for sentence, _ in self.past])

    def step(self, longest: int = 1) -> None:
        """Consume up to ``longest`` random tokens of each row."""
        rows = len(self.past)
        tokens = torch.randint(3, VOCABULARY, (rows, longest), generator=self.draw)
        self.feed(tokens, torch.randint(1, longest + 1, (rows,), generator=self.draw))

    def beam(self, width: int) -> None:
        """Each sentence goes on with one to ``width`` of its rows, in any order, some several times."""
        chosen: list[int] = []
        for sentence in dict.fromkeys(sentence for sentence, _ in self.past):
            own = torch.tensor([row for row, (owner, _) in enumerate(self.past) if owner == sentence])
            size = int(torch.randint(1, width + 1, (), generator=self.draw))
            chosen += own[torch.randint(len(own), (size,), generator=self.draw)].tolist()
        self.go_on(chosen)

    def go_on(self, chosen: list[int]) -> None:
        """With these rows alone."""
        self.state = self.state.reorder(torch.tensor(chosen))
        self.past = [self.past[row] for row in chosen]

    def select(self, chosen: list[int]) -> None:
        """A copy of these rows; the state that is left behind goes on as well, by a step of its own."""
        left = self.state
        self.state = left.select(torch.tensor(chosen))
        self.model.step(torch.full((len(self.past),), 5), left)
        self.past = [self.past[row] for row in chosen]

    def rows_of(self, sentences: set[int]) -> list[int]:
        return [row for row, (owner, _) in enumerate(self.past) if owner in sentences]


def renumbered(sentences: list[int]) -> list[int]:
    """Sentences in the order in which they stand, from 0."""
    names = {sentence: place for place, sentence in enumerate(dict.fromkeys(sentences))}
    return [names[sentence] for sentence in sentences]


def has_slots(state: Any) -> bool:
    """Whether it remembers by a cache."""
    return isinstance(getattr(state, "past", None), Slots)


def needed(state: Any) -> int:
    """Slots of the sentence that remembers most, and those that its rows will take in a step."""
    seen = state.rows.fold(state.past.visible).any(1).sum(1)
    return int(seen.max()) + state.rows.width  # type: ignore[no-any-return]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("width", [2, 6])
@torch.no_grad()
def test_forty_steps_of_a_beam(model: Any, width: int, seed: int) -> None:
    """Rows move, multiply and die at every step; sentences leave in the middle, from a copy or not."""
    life = Life(model, random_batch(4, seed=seed).source, seed)
    most = 0
    for turn in range(40):
        life.beam(width)
        if has_slots(life.state):
            most = max(most, needed(life.state))
        life.step()
        if turn == 11:
            life.select(life.rows_of({0, 2, 3}))
        if turn == 25:
            life.go_on(life.rows_of({0, 3}))
    if has_slots(life.state):
        assert life.state.past.used <= most


@torch.no_grad()
def test_one_survivor_takes_everything(model: Any) -> None:
    """The worst for a cache: all rows but one die at every step, and the one multiplies. What the others wrote is written over."""
    life = Life(model, random_batch(2, seed=3).source, 3)
    begun = needed(life.state) if has_slots(life.state) else 0
    for turn in range(20):
        sizes = [life.rows_of({sentence}) for sentence in (0, 1)]
        life.go_on([own[turn % len(own)] for own in sizes for _ in range(5)])
        life.step()
    if has_slots(life.state):
        assert (
            life.state.past.used == begun + 18 + 5
        )  # one was needed for the first turn, and the last remembers 18 more


@torch.no_grad()
def test_sentences_leave_one_by_one(model: Any) -> None:
    """The last takes the place of whoever leaves, or all move up, or they change places."""
    count = 20
    life = Life(model, random_batch(count, seed=9).source, 9)
    for turn, leaver in enumerate(torch.randperm(count, generator=life.draw).tolist()[1:]):
        life.beam(2)
        left = life.rows_of(set(range(count)) - {leaver})
        if turn % 3 == 0:
            order, _ = closing_up(life.state.rows.sentence[torch.tensor(left)])
            left = [left[row] for row in order.tolist()]
        if turn % 3 == 1:
            left = left[::-1]
        life.go_on(left)
        assert life.state.rows.sentences == count - turn - 1
        life.step()


@torch.no_grad()
def test_sentences_change_places_and_repeat(model: Any) -> None:
    life = Life(model, random_batch(4, seed=4).source, 4)
    for turn in range(12):
        life.beam(3)
        life.step()
        if turn % 4 == 3:
            life.select(life.rows_of({3}) + life.rows_of({1}) + life.rows_of({0}))
            life.step()
        if turn == 5:  # a sentence twice, with others between
            twice = life.rows_of({0}) + life.rows_of({3})
            copy = Life(model, life.source, 5)
            copy.state, copy.past = life.state.select(torch.tensor(twice)), [life.past[row] for row in twice]
            copy.step()


@torch.no_grad()
def test_prefixes_of_any_length_between_the_steps(model: Any) -> None:
    life = Life(model, random_batch(3, seed=5).source, 5)
    for longest in (3, 1, 5, 2, 1, 4, 3):
        life.beam(4)
        life.step(longest)
    life.select(life.rows_of({0, 2}))
    life.beam(4)
    life.step(6)


@torch.no_grad()
def test_room_grows_by_doubling_and_holds_what_was_written() -> None:
    model = random_model("transformer", seed=3)
    life = Life(model, random_batch(2, seed=7).source, 7)
    rooms = []
    for _ in range(33):
        kept = life.state.past.keys[..., : life.state.past.used, :].clone()
        life.step()
        slots = life.state.past
        assert torch.equal(slots.keys[..., : kept.shape[-2], :], kept)
        assert slots.keys.shape == slots.values.shape
        assert slots.keys.shape[-2] >= slots.used
        rooms.append(slots.keys.shape[-2])
    assert len(set(rooms)) <= 6
    more = slots.with_room(100)
    assert (more.used, slots.with_room(slots.used).used) == (100, slots.used)
    assert more.keys.shape[-2] >= 100
    assert not more.visible[:, slots.used :].any()


@torch.no_grad()
def test_rows_that_consume_nothing_stay_as_they_were(model: Any) -> None:
    """Beside rows that do, of their own sentence and of others; one token at once, or several."""
    life = Life(model, random_batch(3, seed=8).source, 8)
    life.beam(3)
    life.step()
    for longest in (1, 4):
        rows = len(life.past)
        tokens = torch.randint(3, VOCABULARY, (rows, longest), generator=life.draw)
        lengths = torch.randint(1, longest + 1, (rows,), generator=life.draw) * (torch.arange(rows) % 3 != 1)
        _, life.state = model.advance(tokens, lengths, life.state)
        life.past = [
            (sentence, [*past, *row[:n]])
            for (sentence, past), row, n in zip(life.past, tokens.tolist(), lengths.tolist(), strict=True)
        ]
        life.step()


@pytest.mark.parametrize("packs", [False, True])
def test_few_keys_are_filled_up_and_nobody_sees_it(packs: bool) -> None:
    """What is looked at holds a vector of the processor; where a model looks is told of the source alone."""
    model, source = random_model("transformer", seed=2), random_batch(3, seed=3).source
    if packs:
        model.pack()
    with torch.no_grad():
        first, state = model.start(source)
        assert state.remembered[0][0][0].shape[2] == filled(source.tokens.shape[1]) == LANES
        scores, state = model.step(first, state)
        _, state = model.step(torch.full((6,), 7), state.reorder(torch.arange(3).repeat_interleave(2)))
    assert state.past.used == LANES
    assert scores.attention.shape == source.mask.shape
    torch.testing.assert_close(scores.attention.sum(1), torch.ones(3, dtype=torch.float64))
    assert not bool(scores.attention[~source.mask].any())


def test_as_many_keys_as_there_are_or_a_vector_of_them() -> None:
    wanted = {0: 0, 1: LANES, LANES - 1: LANES, LANES: LANES, LANES + 1: LANES + 1, 100: 100}
    assert {keys: filled(keys) for keys in wanted} == wanted
