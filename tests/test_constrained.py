"""Terms that have to appear, at their edges. That they do, in the best output that holds them, are laws: see tests/laws.py."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nmt_cli.corpus.batching import Sequences
from nmt_cli.scoring.scores import Scores
from nmt_cli.search.base import Hypothesis, Sentences, Wish
from nmt_cli.search.beam import BeamSearch
from nmt_cli.search.constrained import Constrained, ConstrainedBeam, Progress
from nmt_cli.search.normalization import LengthPower
from nmt_cli.search.processed import Processed, ProcessedState
from nmt_cli.search.processors import BannedWords, Ending, NoRepeat, Processor
from nmt_cli.search.restricted import Restricted
from nmt_cli.text.edges import Joins
from nmt_cli.text.tokenizer import EOS
from tests import laws
from tests.rules import Ids, holds
from tests.test_beam import Places, Table
from tests.test_processors import NO_PREFIX
from tests.tiny import VOCABULARY, random_batch, random_model


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


@given(
    st.lists(st.lists(st.integers(4, 6), min_size=1, max_size=3), min_size=1, max_size=3),
    st.lists(st.integers(4, 6), max_size=9),
    st.frozensets(st.tuples(st.integers(4, 6), st.integers(4, 6))),
)
def test_progress_is_its_definition(
    terms: list[list[int]], tokens: list[int], joining: frozenset[tuple[int, int]]
) -> None:
    given_terms = tuple(dict.fromkeys(map(tuple, terms)))
    progress = Progress(given_terms)

    def joins(before: int, token: int) -> bool:
        return (before, token) in joining

    for place, token in enumerate(tokens, 1):
        progress = progress.after(token, place > 1 and joins(tokens[place - 2], token))
        standing = {index for index, term in enumerate(given_terms) if holds(tuple(tokens[:place]), (term,), joins)}
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
    banned = Processed(model, (BannedWords((Ending(b"", False, torch.tensor([7])),), [b""] * VOCABULARY),), NO_PREFIX)
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


class Bigrams(Table):
    """A scorer that thinks of the last token alone: one row of logits for each."""

    def advance(self, tokens: Tensor, lengths: Tensor, state: Places) -> tuple[Scores, Places]:
        last = tokens.gather(1, lengths[:, None] - 1)[:, 0]
        return Scores(self.logits[last], torch.arange(EOS, EOS + self.logits.shape[1])), state


@pytest.mark.parametrize("processors", [(), (NoRepeat(1),)])
@pytest.mark.parametrize("limit", [6, 12])
def test_a_term_is_a_word_even_where_only_longer_words_are_likely(
    processors: tuple[Processor, ...], limit: int
) -> None:
    """Behind the term 4 the model is sure of 5 to 9, which make it longer. It must be a word before there is no room for more."""
    logits = torch.linspace(0, 1, 20, dtype=torch.float64).repeat(EOS + 20, 1)
    logits[4, 2:7] = 50.0
    logits[:, 1] = -9.0
    beam = ConstrainedBeam(5, 1, LengthPower(0), Joins.of([b" a"] * 5 + [b"b"] * 5 + [b" c"] * 13))
    sentences = Sentences.of(torch.tensor([limit]), wishes=[Wish(terms=((4,),))])
    model = Bigrams(logits)
    first, state = torch.tensor([1]), Places(torch.tensor([0]))
    ((best, *_),) = Restricted(Constrained(BeamSearch(5), beam), processors)(model, first, state, sentences)
    assert holds(best.tokens, ((4,),), beam.joins)
    assert len(best.tokens) < limit
