"""Which sentence each row belongs to: folding, unfolding and moving, against loops."""

from itertools import groupby

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt_cli.scoring.rows import Rows, closing_up

held = settings(deadline=None, derandomize=True, max_examples=150)
counts_of_rows = st.one_of(
    st.lists(st.integers(1, 5), min_size=1, max_size=6),
    st.tuples(st.integers(1, 6), st.integers(1, 5)).map(lambda pair: [pair[1]] * pair[0]),
)


def layout(counts: list[int]) -> Rows:
    return Rows.of(torch.arange(len(counts)).repeat_interleave(torch.tensor(counts)))


def slots(rows: Rows) -> list[int]:
    """Which of its sentence's places each row has, as folding puts it there."""
    places = torch.arange(rows.width).expand(rows.sentences, -1)
    return rows.unfold(places).tolist()


@held
@given(counts_of_rows)
def test_of(counts: list[int]) -> None:
    rows = layout(counts)
    assert (rows.sentences, rows.width) == (len(counts), max(counts))
    assert slots(rows) == [slot for count in counts for slot in range(count)]
    assert (rows.place is None) == (len(set(counts)) == 1)


@held
@given(counts_of_rows, st.sampled_from([(), (2,), (3, 2)]))
def test_fold_and_unfold(counts: list[int], shape: tuple[int, ...]) -> None:
    rows = layout(counts)
    values = torch.randn(sum(counts), *shape, generator=torch.Generator().manual_seed(sum(counts)))
    folded = rows.fold(values)
    assert folded.shape == (len(counts), max(counts), *shape)
    given_rows = iter(values)
    for sentence, count in enumerate(counts):
        for slot in range(max(counts)):
            wanted = next(given_rows) if slot < count else torch.zeros(shape)
            assert torch.equal(folded[sentence, slot], wanted)
    assert torch.equal(rows.unfold(folded), values)
    assert torch.equal(rows.unfold(folded.clone().transpose(0, -1).contiguous().transpose(0, -1)), values)


@held
@given(counts_of_rows)
def test_fold_of_truth_values(counts: list[int]) -> None:
    """Masks are folded too; where there is no row there is False."""
    folded = layout(counts).fold(torch.ones(sum(counts), 1, dtype=torch.bool))
    assert folded[..., 0].tolist() == [[slot < count for slot in range(max(counts))] for count in counts]


def check_pick(counts: list[int], chosen: list[int]) -> None:
    before = layout(counts)
    after, sentences = before.pick(torch.tensor(chosen))
    owners = [int(before.sentence[row]) for row in chosen]
    groups = [(owner, len(list(members))) for owner, members in groupby(owners)]
    assert after.sentence.tolist() == [place for place, (_, size) in enumerate(groups) for _ in range(size)]
    assert (after.sentences, after.width) == (len(groups), max(size for _, size in groups))
    assert slots(after) == [slot for _, size in groups for slot in range(size)]
    assert sentences.tolist() == [owner for owner, _ in groups]


@held
@given(st.data(), counts_of_rows)
def test_pick_anything(data: st.DataObject, counts: list[int]) -> None:
    """Sentences leave, repeat and change places."""
    check_pick(counts, data.draw(st.lists(st.integers(0, sum(counts) - 1), min_size=1, max_size=12)))


@held
@given(st.data(), st.lists(st.integers(1, 4), min_size=1, max_size=20), st.booleans())
def test_going_on(data: st.DataObject, counts: list[int], ordered: bool) -> None:
    """What a search does: some of its rows each time, several times; sentences in their order, or in another."""
    rows = layout(counts)
    names = torch.arange(len(counts))  # which sentence each is
    for _ in range(4):
        owners = names[rows.sentence].tolist()
        places = {name: place for place, name in enumerate(names.tolist())}
        chosen = data.draw(st.lists(st.integers(0, len(owners) - 1), min_size=1, max_size=30))
        order = list(dict.fromkeys(owners[row] for row in chosen))
        chosen.sort(key=lambda row: places[owners[row]] if ordered else order.index(owners[row]))
        after, closing = rows.go_on(torch.tensor(chosen))
        before = names.clone()
        names = names if closing is None else names[closing.kept]
        wanted = [owners[row] for row in chosen]
        assert names.tolist() == list(dict.fromkeys(wanted))
        assert names[after.sentence].tolist() == wanted
        assert (after.sentences, after.width) == (len(names), max(wanted.count(owner) for owner in wanted))
        assert slots(after) == [wanted[:place].count(owner) for place, owner in enumerate(wanted)]
        if closing is not None:
            assert closing.moving.tolist() == [at for at, name in enumerate(names) if places[int(name)] != at]
            inside = closing.within(before)
            assert inside.tolist() == names.tolist()
            assert inside.data_ptr() == before.data_ptr()
        rows = after


def test_rows_that_stay_keep_their_layout() -> None:
    rows = layout([2, 3, 1])
    assert rows.go_on(torch.arange(6)) == (rows, None)
    after, closing = rows.go_on(torch.tensor([1, 2, 4, 5, 5]))  # another number of rows, all sentences in their places
    assert closing is None
    assert after.sentence.tolist() == [0, 1, 1, 2, 2]


def test_rows_of_a_sentence_stay_together() -> None:
    rows = layout([2, 1])
    with pytest.raises(ValueError, match="together"):
        rows.go_on(torch.tensor([0, 2, 1]))


@held
@given(st.data(), st.lists(st.integers(1, 4), min_size=1, max_size=20))
def test_closing_up(data: st.DataObject, counts: list[int]) -> None:
    """Rows go on together and in their order, and no more sentences move than have left."""
    sentence = layout(counts).sentence
    left = sorted(data.draw(st.sets(st.integers(0, len(sentence) - 1), min_size=1)))
    owners = sentence[left].tolist()
    order, placed = closing_up(torch.tensor(owners))
    assert sorted(order.tolist()) == list(range(len(owners)))
    new = dict(zip([owners[row] for row in order], placed.tolist(), strict=True))
    assert sorted(new.values()) == list(range(len(new)))
    assert placed.tolist() == sorted(new[owner] for owner in owners)
    for owner in new:
        of_one = [row for row in order.tolist() if owners[row] == owner]
        assert of_one == sorted(of_one)
    moved = [owner for owner, place in new.items() if owner != place]
    assert len(moved) <= max(owners) + 1 - len(new)  # those behind the last need nobody


def test_one_each() -> None:
    rows = Rows.one_each(3, torch.device("cpu"))
    values = torch.arange(3)
    assert (rows.sentence.tolist(), rows.sentences, rows.width, slots(rows)) == ([0, 1, 2], 3, 1, [0, 0, 0])
    assert rows.fold(values).tolist() == [[0], [1], [2]]
    assert rows.unfold(rows.fold(values)).tolist() == [0, 1, 2]
