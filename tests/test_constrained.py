"""Terms that have to appear do appear, and what is found is the best that holds them."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nmt_cli.corpus.batching import Sequences
from nmt_cli.search.base import Hypothesis, Sentences, Wish
from nmt_cli.search.beam import BeamSearch
from nmt_cli.search.constrained import Constrained, ConstrainedBeam, Progress
from nmt_cli.search.normalization import LengthPower
from nmt_cli.search.processed import Processed, ProcessedState
from nmt_cli.search.processors import BannedWords
from nmt_cli.search.restricted import Restricted
from nmt_cli.text.tokenizer import EOS
from tests import laws, oracles
from tests.test_processors import NO_PREFIX
from tests.tiny import TINY, VOCABULARY, alone, random_batch, random_model

Ids = tuple[int, ...]
TERMS: list[tuple[Ids, ...]] = [((5,),), ((6, 7),), ((8,), (4, 9)), ((5, 6), (6, 5)), ((10, 10),), ((4, 4, 5),)]


def holds(tokens: Ids, terms: tuple[Ids, ...]) -> bool:
    return all(any(tokens[place : place + len(term)] == term for place in range(len(tokens))) for term in terms)


def found(
    model: Any,
    search: ConstrainedBeam | Constrained,
    source: Sequences,
    limits: list[int],
    terms: list[tuple[Ids, ...]],
) -> list[list[Hypothesis]]:
    with torch.no_grad():
        wishes = [Wish(terms=own) for own in terms]
        first, state = model.start(source)
        return search(model, first, state, Sentences.of(torch.tensor(limits), wishes=wishes))


@pytest.mark.parametrize("name", sorted(TINY))
def test_the_terms_are_there(name: str) -> None:
    """And a search without terms leaves them out: the test could fail."""
    model, source = random_model(name, seed=1), random_batch(len(TERMS), seed=1).source
    limits = [2, 6, 9, 7, 11, 8]
    free = laws.run(model, BeamSearch(5), source, Sentences.of(torch.tensor(limits)))
    assert not all(holds(group[0].tokens, terms) for group, terms in zip(free, TERMS, strict=True))
    for search in (ConstrainedBeam(1), ConstrainedBeam(5, 3), ConstrainedBeam(6, 2, LengthPower(0))):
        for index, group in enumerate(found(model, search, source, limits, TERMS)):
            assert 1 <= len(group) <= search.n_best
            assert [h.score for h in group] == sorted((h.score for h in group), reverse=True)
            assert len({h.tokens for h in group}) == len(group)
            for hypothesis in group:
                assert holds(hypothesis.tokens, TERMS[index])
                assert hypothesis.tokens[-1] == EOS
                assert EOS not in hypothesis.tokens[:-1]
                assert len(hypothesis.tokens) <= limits[index]
                wanted = oracles.log_prob(model, alone(source, index), hypothesis.tokens)
                assert hypothesis.log_prob == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("exponent", [0.0, 1.0])
@pytest.mark.parametrize("name", ["transformer", "recurrent"])
def test_a_wide_beam_is_the_best_that_holds_them(name: str, exponent: float) -> None:
    model, source = random_model(name, seed=2), random_batch(4, seed=2).source
    terms: list[tuple[Ids, ...]] = [((5,),), ((6, 7),), ((8,), (4,)), ((9, 9),)]
    limits = [4] * 4
    search = ConstrainedBeam((VOCABULARY - 3) ** 4, 3, LengthPower(exponent))
    for index, group in enumerate(found(model, search, source, limits, terms)):
        every = oracles.every_output(model, alone(source, index), 4, VOCABULARY, lambda length: length**exponent)
        wanted = [item for item in every if holds(item[0], terms[index])][:3]
        assert [h.tokens for h in group] == [tokens for tokens, _, _ in wanted]
        assert [h.score for h in group] == pytest.approx([score for _, _, score in wanted], abs=1e-9)


def test_neighbours_change_nothing() -> None:
    model, source = random_model("transformer", seed=3), random_batch(len(TERMS), seed=3, longest=9).source
    limits = [6, 4, 6, 3, 9, 5]
    together = found(model, ConstrainedBeam(5, 2), source, limits, TERMS)
    for index, group in enumerate(together):
        (single,) = found(model, ConstrainedBeam(5, 2), alone(source, index), limits[index : index + 1], [TERMS[index]])
        assert [h.tokens for h in single] == [h.tokens for h in group]


@given(
    st.lists(st.lists(st.integers(4, 6), min_size=1, max_size=3), min_size=1, max_size=3),
    st.lists(st.integers(4, 6), max_size=9),
)
def test_progress_is_its_definition(terms: list[list[int]], tokens: list[int]) -> None:
    given_terms = tuple(dict.fromkeys(map(tuple, terms)))
    progress = Progress(given_terms)
    for place, token in enumerate(tokens, 1):
        progress = progress.after(token)
        standing = {index for index, term in enumerate(given_terms) if holds(tuple(tokens[:place]), (term,))}
        assert progress.met == standing
        assert (progress.left == 0) == (len(standing) == len(given_terms))
        assert progress.left >= 0
        for index, term in enumerate(given_terms):
            if index not in standing:
                ends = {held for held in range(1, len(term)) if tuple(tokens[:place])[-held:] == term[:held]}
                assert ends == {held for begun, held in progress.begun if begun == index}


def test_sentences_without_terms_are_searched_as_ever() -> None:
    model, source = random_model("recurrent", seed=4), random_batch(4, seed=4).source
    limits = [6, 4, 6, 5]
    terms: list[tuple[Ids, ...]] = [(), ((6, 7),), (), ((9,),)]
    mixed = found(model, Constrained(BeamSearch(4, 2), ConstrainedBeam(4, 2)), source, limits, terms)
    free = laws.run(model, BeamSearch(4, 2), source, Sentences.of(torch.tensor(limits)))
    bound = found(model, ConstrainedBeam(4, 2), source, limits, [own or ((5,),) for own in terms])
    for place, wanted in enumerate((free[0], bound[1], free[2], bound[3])):
        assert [h.tokens for h in mixed[place]] == [h.tokens for h in wanted]


def test_terms_that_are_forbidden_give_a_translation_without_them() -> None:
    model, source = random_model("transformer", seed=5), random_batch(2, seed=5).source
    banned = Processed(model, (BannedWords((("", torch.tensor([7])),), [""] * VOCABULARY),), NO_PREFIX)
    sentences = Sentences.of(torch.tensor([5, 5]), wishes=[Wish(terms=((7,),)), Wish(terms=((8,),))])
    with torch.no_grad():
        first, state = model.start(source)
        groups = Constrained(BeamSearch(3), ConstrainedBeam(3))(
            banned, first, ProcessedState.start(state, 2), sentences
        )
    assert 7 not in groups[0][0].tokens
    assert 8 in groups[1][0].tokens


def test_terms_have_room_but_not_beyond_the_longest() -> None:
    model, source = random_model("recurrent", seed=6), random_batch(3, seed=6).source
    wishes = [Wish(terms=((6, 7, 8),)), Wish(), Wish(terms=((5,),))]
    sentences = Sentences.of(torch.tensor([1, 1, 1]), wishes=wishes)
    search = Constrained(BeamSearch(3), ConstrainedBeam(3))
    found_within = {
        longest: laws.run(model, Restricted(search, longest=longest), source, sentences) for longest in (None, 3)
    }
    assert [group[0].tokens for group in found_within[None]] == [(6, 7, 8, EOS), (EOS,), (5, EOS)]
    assert [len(group[0].tokens) <= 3 for group in found_within[3]] == [True] * 3
    assert found_within[3][2][0].tokens == (5, EOS)
    assert not holds(found_within[3][0][0].tokens, wishes[0].terms), "no room: a translation without them"
