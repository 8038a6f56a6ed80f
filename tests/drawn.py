"""What Hypothesis draws: models of any settings, batches, searches with any options, and what a user forbids or wishes for."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeVar, get_args, get_origin

import torch
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from pydantic import ValidationError

from nmt_cli.corpus.batching import Sequences
from nmt_cli.models import ARCHITECTURES
from nmt_cli.search.ancestral import Greedy
from nmt_cli.search.base import Search, Sentences, Wish
from nmt_cli.search.beam import BeamSearch
from nmt_cli.search.constrained import ConstrainedBeam, Joining, apart
from nmt_cli.search.coverage import CoveragePenalty
from nmt_cli.search.diverse import DiverseBeamSearch
from nmt_cli.search.exact import ExactSearch
from nmt_cli.search.head import Head
from nmt_cli.search.mbr import MinimumBayesRisk
from nmt_cli.search.normalization import GoogleNorm, LengthPower
from nmt_cli.search.pruning import Pruning
from nmt_cli.search.sampling import Sampling
from nmt_cli.search.stochastic import StochasticBeam
from nmt_cli.search.stopping import Bound, Patience
from nmt_cli.settings import ModelSettings
from nmt_cli.text.edges import Joins
from nmt_cli.text.tokenizer import EOS
from tests.oracles import judge
from tests.random_tree import Tree
from tests.rules import SPELLINGS, Ids, Rules
from tests.tiny import VOCABULARY, random_weights

T = TypeVar("T")

# Models.

DECODABLE = tuple(name for name in ARCHITECTURES if ARCHITECTURES[name].task in ("translate", "lm"))
SIZES: dict[str, tuple[int | None, ...]] = {
    "width": (8, 16),
    "hidden": (None, 8, 12),
    "heads": (1, 2, 4),
    "feed_forward": (8, 24),
    "max_positions": (4, 512),
    "layers": (1, 2, 3),
    "encoder_layers": (1, 2, 3),
    "decoder_layers": (1, 2, 3),
}
"""What a setting that counts may be in a tiny model; one that is missing here fails the tests."""


@dataclass(frozen=True)
class Recipe:
    """A model by what it is made of: an example that fails is short to read."""

    settings: ModelSettings
    seed: int

    @cached_property
    def model(self) -> Any:
        """In double precision."""
        return random_weights(self.settings, seed=self.seed)

    def __repr__(self) -> str:
        return f"Recipe({self.settings!r}, seed={self.seed})"


def _values(name: str, annotation: Any) -> SearchStrategy[Any]:
    """What one setting may be."""
    if get_origin(annotation) is Literal:
        return st.sampled_from(get_args(annotation))
    return st.booleans() if annotation is bool else st.sampled_from(SIZES[name])


def _valid(table: dict[str, Any]) -> bool:
    try:
        ARCHITECTURES[table["architecture"]].model_validate(table)
    except ValidationError:
        return False
    return True


def settings_of(architecture: str) -> SearchStrategy[ModelSettings]:
    """Any settings of an architecture that go together, tiny; dropout rests while a model is asked."""
    config = ARCHITECTURES[architecture]
    fields = {name: field.annotation for name, field in config.model_fields.items() if field.annotation is not float}
    tables = st.fixed_dictionaries({name: _values(name, annotation) for name, annotation in fields.items()})
    return tables.filter(_valid).map(config.model_validate)


RECIPES = st.builds(Recipe, st.sampled_from(DECODABLE).flatmap(settings_of), st.integers(0, 99))
TREES = st.builds(Tree, st.integers(0, 999), st.integers(1, 5), st.sampled_from((0.4, 1.0, 2.0, 4.0)))


# What is asked.


def perhaps(values: SearchStrategy[T]) -> SearchStrategy[T | None]:
    """None more often than not."""
    return st.none() | values


def texts(most: int, least: int = 0, longest: int = 6, vocabulary: int = VOCABULARY) -> SearchStrategy[list[Ids]]:
    """Up to so many rows of tokens."""
    tokens = st.lists(st.integers(EOS + 1, vocabulary - 1), max_size=longest) if vocabulary > EOS + 1 else st.just([])
    return st.lists(tokens.map(tuple), min_size=least, max_size=most)


def sources(most: int) -> SearchStrategy[Sequences]:
    """Up to so many sentences; some are empty, but for their EOS."""
    return texts(most, 1).map(Sequences.of)


@st.composite
def disjoint(draw: DrawFn) -> tuple[Ids, ...]:
    """Two terms at most that share no token, so that they do not overlap."""
    tokens = draw(st.lists(st.integers(EOS + 1, EOS + 4), max_size=3, unique=True))
    cut = draw(st.integers(0, len(tokens)))
    return tuple(tuple(term) for term in (tokens[:cut], tokens[cut:]) if term)


@st.composite
def asked(
    draw: DrawFn, *, most: int = 3, limit: int = 6, vocabulary: int = VOCABULARY, terms: bool = False
) -> tuple[Sequences, Sentences]:
    """A batch, and what search is told of it. Terms may overlap, and one may be part of another."""
    source = draw(sources(most))
    count = len(source)
    limits, lines = (
        draw(st.lists(st.integers(*span), min_size=count, max_size=count)) for span in ((1, limit), (0, 2**42))
    )
    prefixes = draw(texts(count, count, 3, vocabulary))
    wished = [draw(texts(2, 0, 3, vocabulary)) if terms else [] for _ in prefixes]
    wishes = [Wish(prefix, tuple(filter(None, own))) for prefix, own in zip(prefixes, wished, strict=True)]
    return source, Sentences(torch.tensor(limits), torch.tensor(lines), source.lengths, tuple(wishes))


@st.composite
def asked_of_trees(draw: DrawFn, *, limit: int = 6, terms: bool = False) -> tuple[Tree, Sequences, Sentences]:
    """A tree, and what may be asked of it: what is wished for has branches."""
    tree = draw(TREES)
    return tree, *draw(asked(limit=limit, vocabulary=EOS + tree.branches, terms=terms))


# Searches.

EXPONENTS = st.sampled_from((0.0, 0.6, 1.0, 2.5)) | st.floats(0, 3)
NORMS = st.builds(LengthPower, EXPONENTS) | st.builds(GoogleNorm, EXPONENTS)
STOPS = st.just(Bound()) | st.builds(Patience, st.floats(0.1, 3) | st.just(1e9))
PRUNINGS = st.builds(Pruning, st.sampled_from((math.inf, 0.01)) | st.floats(0.01, 5))
SEEDS = st.integers(0, 2**63 - 1)
SHARES = st.floats(0.01, 1)
HEADS = st.builds(
    Head,
    st.sampled_from((0.5, 1.0, 2.0)),
    perhaps(st.integers(1, 6)),
    perhaps(SHARES),
    perhaps(SHARES),
    perhaps(st.floats(0.001, 0.3)),
)


def beams(
    widest: int = 6, stops: SearchStrategy[Any] = STOPS, prunings: SearchStrategy[Pruning] = PRUNINGS
) -> SearchStrategy[BeamSearch]:
    """Any beam search."""
    return st.integers(1, widest).flatmap(
        lambda width: st.builds(
            BeamSearch, st.just(width), st.integers(1, width), NORMS, stops, st.just(CoveragePenalty()), prunings
        )
    )


@st.composite
def diverse(draw: DrawFn) -> DiverseBeamSearch:
    """Any diverse beam search."""
    groups, part = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    beam = BeamSearch(groups * part, draw(st.integers(1, groups * part)), draw(NORMS), draw(STOPS))
    return DiverseBeamSearch(beam, groups, draw(st.sampled_from((0.0, 0.5, 1.7)) | st.floats(0, 6)))


@st.composite
def stochastic(draw: DrawFn, widest: int = 6) -> StochasticBeam:
    """Any stochastic beam search."""
    width = draw(st.integers(1, widest))
    return StochasticBeam(width, draw(st.integers(1, width)), draw(HEADS), draw(SEEDS))


@st.composite
def exact(draw: DrawFn, nodes: SearchStrategy[int]) -> ExactSearch:
    """Any exact search with one of these budgets."""
    first = draw(beams(3, st.just(Bound()), st.just(Pruning())))
    return ExactSearch(first, draw(nodes), width=draw(st.integers(1, 9)))


@st.composite
def mbr(draw: DrawFn) -> MinimumBayesRisk:
    """Minimum Bayes risk over samples, or over what a beam finds."""
    samples = st.builds(Sampling, st.integers(1, 12), HEADS, SEEDS)
    candidates = draw(samples | st.builds(BeamSearch, *(2 * [st.just(5)]), NORMS))
    return MinimumBayesRisk(candidates, judge, draw(st.integers(1, candidates.rows)))


SEARCHES: dict[str, SearchStrategy[Search]] = {
    "greedy": st.just(Greedy()),
    "sample": st.builds(Sampling, st.integers(1, 4), HEADS, SEEDS),
    "beam": beams(),
    "diverse": diverse(),
    "stochastic": stochastic(),
    "exact": exact(st.integers(1, 60)),
    "mbr": mbr(),
}
JOINS: SearchStrategy[Joining] = st.sampled_from([apart, Joins.of(SPELLINGS)])
CONSTRAINED = st.integers(1, 6).flatmap(
    lambda width: st.builds(ConstrainedBeam, st.just(width), st.integers(1, width), NORMS, JOINS)
)


@st.composite
def rules(draw: DrawFn, *, forbidding: bool = True) -> Rules:
    """What a user forbids; if nothing is ``forbidding`` there are only limits and penalties, so that every output remains."""
    shortest = draw(st.integers(1, 4))
    longest = draw(perhaps(st.integers(shortest, 8)))
    penalty = draw(st.just(1.0) | st.floats(1, 4))
    if not forbidding:
        return Rules(penalty=penalty, shortest=shortest, longest=longest)
    banned = st.lists(st.sampled_from(("ab", "b", "ab c", "abc")), max_size=2, unique=True).map(tuple)
    return Rules(draw(perhaps(st.integers(1, 3))), draw(banned), penalty, shortest, longest)
