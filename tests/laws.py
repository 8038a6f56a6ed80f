"""The laws of DESIGN.md that concern models and search, as functions: test_laws holds every architecture and strategy to them,
test_mutations breaks the code on purpose and sees them fail."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from nmt_cli.corpus.batching import Batch, Sequences
from nmt_cli.models.base import Decodable
from nmt_cli.models.encoder_decoder import Decoder
from nmt_cli.models.layers import shifted
from nmt_cli.scoring.scores import Scores
from nmt_cli.search import noise
from nmt_cli.search.ancestral import Greedy
from nmt_cli.search.base import Hypothesis, Search, Sentences, Wish
from nmt_cli.search.beam import BeamSearch
from nmt_cli.search.constrained import ConstrainedBeam, Joining, apart
from nmt_cli.search.diverse import DiverseBeamSearch
from nmt_cli.search.exact import ExactSearch
from nmt_cli.search.mbr import MinimumBayesRisk
from nmt_cli.search.normalization import LengthPower, Normalization
from nmt_cli.search.retold import Retold
from nmt_cli.search.sampling import Sampling
from nmt_cli.search.stochastic import StochasticBeam
from nmt_cli.search.stopping import Bound, Patience
from nmt_cli.text.tokenizer import EOS
from tests import oracles
from tests.rules import FREE, Rules, holds
from tests.tiny import VOCABULARY, alone
from tests.together import Together, begins, mean

T = TypeVar("T")
S = TypeVar("S", bound=Search)
Slow = Callable[[oracles.Next, int, int, S], list[oracles.Found]]
"""What follows, the limit, the line, the search -> what it should find."""
Model = Decodable[Any]


def run(model: Model, strategy: Search, source: Sequences, sentences: Sentences) -> list[list[Hypothesis]]:
    """Encode and search."""
    with torch.no_grad():
        return strategy(model, *model.start(source), sentences)


def vocabulary_of(model: Model) -> int:
    """The ids that it knows are those below."""
    with torch.no_grad():
        scores, _ = model.step(*model.start(Sequences.of([[]])))
    return int(scores.columns[-1]) + 1


def sentences_of(source: Sequences) -> Sentences:
    """A limit that depends on the sentence alone."""
    return Sentences.of(source.lengths + 2, source.lengths)


def inputs_of(model: Model, batch: Batch) -> Tensor:
    """(B, T) what is read while the targets are predicted: the model's own first token, then the targets before each."""
    first, _ = model.start(batch.source)
    return torch.cat([first[:, None], batch.target.tokens[:, :-1]], 1)


def steps_are_teacher_forcing(model: Model, batch: Batch) -> None:
    """Law 1: T steps give what teacher forcing gives."""
    with torch.no_grad():
        inputs = inputs_of(model, batch)
        wanted = model.log_probs(batch)
        _, state = model.start(batch.source)
        for t in range(inputs.shape[1]):
            scores, state = model.step(inputs[:, t], state)
            real = batch.target.mask[:, t]
            torch.testing.assert_close(
                scores.of(batch.target.tokens[:, t])[real], wanted[:, t][real], rtol=0, atol=1e-9
            )


def packing_changes_nothing(model: Model, batch: Batch) -> None:
    """Law 1 for a model that was packed, beside the one that was not: what is read of a source, and every step."""
    packed = deepcopy(model)
    packed.pack()
    with torch.no_grad():
        torch.testing.assert_close(packed.log_probs(batch), model.log_probs(batch), rtol=0, atol=1e-9)
    steps_are_teacher_forcing(packed, batch)
    prefixes_are_steps(packed, batch)


def one_sentence_is_read_like_many(model: Model, source: Sequences, tolerance: float = 1e-9) -> None:
    """Law 1 for a packed model that decodes one sentence by itself, beside the one that was not packed: rows move, multiply and
    die, copies go on beside what they were made of, and rows consume nothing, one token, or several at once. Each layer in turn
    tells where it looked."""
    packed, plain, draw = deepcopy(model), deepcopy(model), torch.Generator().manual_seed(5)
    packed.pack()
    readers = (packed, plain)
    with torch.no_grad():
        firsts, states = zip(*(reader.start(source) for reader in readers), strict=True)
        tokens, lengths = firsts[0][:, None], torch.ones_like(firsts[0])
        left: Any = ()
        for turn in range(30):
            for decoder in (cast("Decoder[Any]", reader.decoder) for reader in readers):
                decoder.aligning = turn % max(1, decoder.looking)
            pairs = [reader.advance(tokens, lengths, state) for reader, state in zip(readers, states, strict=True)]
            (found, wanted), states = zip(*pairs, strict=True)
            read = lengths > 0
            torch.testing.assert_close(found.log_probs()[read], wanted.log_probs()[read], rtol=0, atol=tolerance)
            if wanted.attention is not None:
                torch.testing.assert_close(found.attention[read], wanted.attention[read], rtol=0, atol=tolerance)
            for reader, state, count in left:  # what a copy was made of goes on, and nobody may notice
                reader.step(torch.full((count,), 5), state)
            rows = torch.randint(len(lengths), (int(torch.randint(1, 7, (), generator=draw)),), generator=draw)
            copied = turn % 9 == 8
            left = [(*pair, len(lengths)) for pair in zip(readers, states, strict=True)] if copied else ()
            longest, states = (
                1 + 2 * (turn % 4 == 3),
                tuple(state.select(rows) if copied else state.reorder(rows) for state in states),
            )
            tokens = torch.randint(4, VOCABULARY, (len(rows), longest), generator=draw)
            lengths = torch.randint(1 - turn % 4 // 3, longest + 1, (len(rows),), generator=draw)


def prefixes_are_steps(model: Model, batch: Batch) -> None:
    """Law 1: a prefix consumed at once equals its steps, rows of different lengths side by side, and again behind a reordering."""
    lengths = batch.target.lengths
    with torch.no_grad():
        inputs = inputs_of(model, batch)
        _, state = model.start(batch.source)
        scores, state = model.advance(inputs, lengths, state)
        several = torch.arange(len(batch.source)).repeat_interleave(1 + torch.arange(len(batch.source)) % 3)
        state = state.reorder(several)
        again, _ = model.advance(inputs[several], lengths[several], state)
        for index in range(len(batch.source)):
            _, single = model.start(alone(batch.source, index))
            row = inputs[index : index + 1, : int(lengths[index])]
            for turn in (scores.log_probs()[index], again.log_probs()[torch.nonzero(several == index)[0, 0]]):
                for token in row.unbind(1):
                    found, single = model.step(token, single)
                torch.testing.assert_close(found.log_probs()[0], turn, rtol=0, atol=1e-9)


def neighbours_change_nothing(
    model: Model, strategy: Search, source: Sequences, sentences: Sentences | None = None
) -> None:
    """Law 2, float64: a sentence alone, or among others, or in another order: the same ids, scores within 1e-9."""
    sentences = sentences or sentences_of(source)
    together = run(model, strategy, source, sentences)
    order = torch.randperm(len(source), generator=torch.Generator().manual_seed(5))
    shuffled = run(model, strategy, Sequences(source.tokens[order], source.lengths[order]), sentences.at(order))
    for index in range(len(source)):
        single = run(model, strategy, alone(source, index), sentences.at(torch.tensor([index])))[0]
        for other in (together[index], shuffled[int((order == index).nonzero())]):
            same(other, [(h.tokens, h.log_prob, h.score) for h in single], within=1e-9)


def neighbours_change_only_ties(model: Model, judge: Model, strategy: Search, source: Sequences) -> None:
    """Law 2, float32: ids may differ only where ``judge``, the same model in float64, sees a tie closer than 1e-4.

    Log-probabilities may be twice as far off: weights scaled up until nothing is flat carry errors further than trained ones.
    """
    sentences = sentences_of(source)
    for index, together in enumerate(run(model, strategy, source, sentences)):
        own = alone(source, index)
        single = run(model, strategy, own, sentences.at(torch.tensor([index])))[0][0]
        values = [oracles.log_prob(judge, own, found.tokens) for found in (together[0], single)]
        assert abs(together[0].log_prob - values[0]) < 2e-4 * len(together[0].tokens)
        if together[0].tokens != single.tokens:
            ratios = [
                value * found.score / found.log_prob for value, found in zip(values, (together[0], single), strict=True)
            ]
            assert abs(ratios[0] - ratios[1]) < 1e-4


def forced_decoding_agrees(
    model: Model, strategy: Search, source: Sequences, sentences: Sentences | None = None, rules: Rules = FREE
) -> None:
    """Law 3: scoring the ids of a hypothesis gives its log_prob; it is complete, within its limit, and begins as was wished for.

    Within rules it holds nothing that is forbidden, and what is allowed keeps its log-probability.
    """
    sentences, vocabulary = sentences or sentences_of(source), vocabulary_of(model)
    for index, found in enumerate(run(model, rules.around(strategy), source, sentences)):
        assert found
        assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)
        assert len({h.tokens for h in found}) == len(found) or type(strategy) is Sampling  # which may draw one twice
        wish = sentences.wishes[index]
        limit = rules.limit(int(sentences.limits[index]), wish)
        for hypothesis in found:
            tokens = hypothesis.tokens
            assert tokens[-1] == model.eos
            assert model.eos not in tokens[:-1]
            assert len(tokens) <= limit
            assert tokens[: len(wish.prefix)] == wish.prefix
            each = oracles.token_log_probs(model, alone(source, index), tokens)
            assert abs(rules.log_prob(tokens, each, vocabulary, limit, wish.prefix) - hypothesis.log_prob) < 1e-6


def terms_are_met(
    model: Model, source: Sequences, sentences: Sentences, strategy: ConstrainedBeam, rules: Rules = FREE
) -> None:
    """A constrained beam finds outputs that hold all terms, or none; where they have room, perhaps with a token between them, and
    nothing is forbidden, it does."""
    for index, found in enumerate(run(model, rules.around(strategy), source, sentences)):
        wish = sentences.wishes[index]
        assert all(holds(hypothesis.tokens, wish.terms, strategy.joins) for hypothesis in found)
        needed = len(wish.prefix) + sum(len(term) + (strategy.joins is not apart) for term in wish.terms) + 1
        room = needed <= rules.limit(int(sentences.limits[index]), wish)
        assert found or not room or rules.no_repeat or rules.banned


def retelling_is_teacher_forcing(model: Any, strategy: Search, source: Sequences) -> None:
    """Law 3, token by token: what is retold of a hypothesis is what the model says that reads all of it at once, and from each of
    its layers it looks to the same places. The search finds what it finds."""
    sentences = sentences_of(source)
    found = run(model, strategy, source, sentences)
    for layer in range(max(1, model.decoder.looking)):
        model.decoder.aligning = layer
        retold = run(model, Retold(strategy, attending=model.decoder.looking > 0), source, sentences)
        assert [[replace(h, retelling=None) for h in hypotheses] for hypotheses in retold] == found
        for index, hypotheses in enumerate(retold):
            own = alone(source, index)
            for hypothesis in hypotheses:
                assert hypothesis.retelling is not None
                log_probs, looks = whole(model, own, hypothesis.tokens)
                said = torch.tensor(hypothesis.retelling.log_probs, dtype=torch.float64)
                torch.testing.assert_close(said, log_probs, rtol=0, atol=1e-9)
                assert abs(float(said.sum()) - hypothesis.log_prob) < 1e-6
                seen = torch.tensor(hypothesis.retelling.attention, dtype=torch.float64)
                torch.testing.assert_close(seen, looks, rtol=0, atol=1e-9)


def whole(model: Any, source: Sequences, tokens: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """By teacher forcing of one sentence: (T,) log-probabilities, (T, S) attention; S = 0 where there is none."""
    target = Sequences.of([tokens], end=())
    with torch.no_grad():
        log_probs = model.log_probs(Batch(source, target))[0]
        if model.decoder.looking == 0:
            return log_probs, log_probs.new_zeros(len(tokens), 0)
        return log_probs, model.decoder.alignment(shifted(target.tokens), model.encoder(source))[0]


def reorder_commutes(model: Model, source: Sequences) -> None:
    """Law 4: reorder then step equals step then reorder; sentences may have different numbers of rows."""
    draw = torch.Generator().manual_seed(11)
    count = len(source)
    spread = torch.arange(count).repeat_interleave(1 + torch.arange(count) % 4)
    own = torch.cat([torch.nonzero(spread == s)[:, 0][torch.randint((n := int((spread == s).sum())), (n,), generator=draw)]
                     for s in range(count)])  # fmt: skip
    with torch.no_grad():
        first, state = model.start(source)
        _, state = model.step(first, state)
        state = state.reorder(spread)
        _, state = model.step(torch.randint(4, VOCABULARY, (len(spread),), generator=draw), state)
        following = torch.randint(4, VOCABULARY, (len(spread),), generator=draw)
        after, _ = model.step(following[own], state.select(torch.arange(len(spread))).reorder(own))
        before, _ = model.step(following, state)
        torch.testing.assert_close(after.log_probs(), before.log_probs()[own], rtol=0, atol=1e-9)
        if before.attention is not None and after.attention is not None:
            torch.testing.assert_close(after.attention, before.attention[own], rtol=0, atol=1e-9)


def copies_do_not_disturb(model: Model, source: Sequences, steps: Iterable[int] = range(1, 7)) -> None:
    """A state and its copies by select, continued differently and by turns, go their own ways; sentences may leave and move.

    After several small numbers of steps: a cache that happens to grow in the next step is copied anyway and would hide a mistake.
    """
    count = len(source)
    everyone = torch.arange(count)
    taken = [everyone, everyone, everyone.flip(0), torch.arange(0, count, 2), everyone]  # the first: the original
    # before the second turn the first sentence of the original leaves, and those of a copy change places, in their memory
    moves = {0: torch.tensor([count - 1, *range(1, count - 1)]), 1: everyone.flip(0)}
    endings = [(6, 8), (7, 9), (8, 4), (9, 11), (10, 5)]
    for consumed in steps:
        with torch.no_grad():
            first, state = model.start(source)
            _, state = model.step(first, state)
            for token in range(5, 4 + consumed):
                _, state = model.step(torch.full((count,), token), state)
            orders = list(taken)
            states = [state, *(state.select(order) for order in orders[1:])]
            for turn in range(2):
                for place, rows in moves.items() if turn else ():
                    states[place], orders[place] = states[place].reorder(rows), orders[place][rows]
                for place, order in enumerate(orders):
                    scores, states[place] = model.step(torch.full((len(order),), endings[place][turn]), states[place])
                    history = torch.tensor([*range(5, 4 + consumed), *endings[place][: turn + 1]])
                    first, fresh = model.start(Sequences(source.tokens[order], source.lengths[order]))
                    tokens = torch.cat([first[:, None], history.expand(len(order), -1)], 1)
                    wanted, _ = model.advance(tokens, torch.full_like(first, tokens.shape[1]), fresh)
                    shared = torch.isin(scores.columns, wanted.columns)  # fewer sentences may have fewer candidates
                    found = scores.log_probs()[:, shared]
                    torch.testing.assert_close(found, wanted.log_probs(), rtol=0, atol=1e-9)


def beam_of_one_is_greedy(model: Model, source: Sequences) -> None:
    """Law 4: a beam of one without length normalisation is greedy search, and so is greedy search without softmax."""
    sentences = sentences_of(source)
    beam = run(model, BeamSearch(1, norm=LengthPower(0)), source, sentences)
    greedy = run(model, Greedy(), source, sentences)
    assert [found[0].tokens for found in beam] == [found[0].tokens for found in greedy]
    _are_the_same_unweighed(run(model, Greedy(weighed=False), source, sentences), greedy)


def _are_the_same_unweighed(unweighed: Sequence[Sequence[Hypothesis]], greedy: Sequence[Sequence[Hypothesis]]) -> None:
    """The same tokens, of which nobody knows how probable they are."""
    assert [[hypothesis.tokens for hypothesis in found] for found in unweighed] == [
        [hypothesis.tokens for hypothesis in found] for found in greedy
    ]
    assert all(math.isnan(found[0].log_prob) and math.isnan(found[0].score) for found in unweighed)


def wide_beam_is_brute_force(
    model: Model, source: Sequences, limit: int, norm: Normalization, rules: Rules = FREE, n_best: int = 4
) -> None:
    """Law 4: a beam that holds everything finds the best of everything that is allowed, for every rank of the n best."""
    width = max(n_best, (vocabulary_of(model) - EOS) ** rules.limit(limit, Wish()))
    search = rules.around(BeamSearch(width, n_best, norm))
    found = run(model, search, source, Sentences.of(torch.full((len(source),), limit)))
    for index, hypotheses in enumerate(found):
        same(hypotheses, every_output(model, source, index, limit, norm, rules)[:n_best])


def wide_constrained_beam_is_brute_force(
    model: Model,
    source: Sequences,
    limit: int,
    norm: Normalization,
    wishes: Sequence[Wish],
    n_best: int = 4,
    joins: Joining = apart,
) -> None:
    """A constrained beam that holds everything finds the best of everything that holds the terms, none of which overlap."""
    width = max(n_best, (vocabulary_of(model) - EOS) ** limit)
    limits = torch.full((len(source),), limit)
    found = run(model, ConstrainedBeam(width, n_best, norm, joins), source, Sentences.of(limits, wishes=wishes))
    for index, hypotheses in enumerate(found):
        every = every_output(model, source, index, limit, norm)
        same(hypotheses, [item for item in every if holds(item[0], wishes[index].terms, joins)][:n_best])


def exact_is_brute_force(
    model: Model, source: Sequences, limit: int, *searches: ExactSearch, rules: Rules = FREE
) -> None:
    """Law 4: exact search finds the n best of everything, each with a certificate."""
    for search in searches:
        found = run(model, rules.around(search), source, Sentences.of(torch.full((len(source),), limit)))
        for index, hypotheses in enumerate(found):
            best = every_output(model, source, index, limit, search.first.norm, rules)
            same(hypotheses, best[: search.first.n_best])
            assert all(hypothesis.certificate and hypothesis.certificate.proved for hypothesis in hypotheses)


def certificates_are_true(
    model: Model, source: Sequences, limit: int, *searches: ExactSearch, rules: Rules = FREE
) -> None:
    """Law 4 within a budget: nothing scores more than the bound, and what is said to be proved is so."""
    for search in searches:
        found = run(model, rules.around(search), source, Sentences.of(torch.full((len(source),), limit)))
        for index, hypotheses in enumerate(found):
            given = {hypothesis.tokens for hypothesis in hypotheses}
            outputs = every_output(model, source, index, limit, search.first.norm, rules)
            unseen = max((score for tokens, _, score in outputs if tokens not in given), default=-torch.inf)
            for hypothesis in hypotheses:
                certificate = hypothesis.certificate
                assert certificate is not None
                assert certificate.nodes <= search.nodes
                assert certificate.bound >= max(hypothesis.score, unseen) - 1e-9
                assert certificate.proved == (certificate.bound <= hypothesis.score + 1e-4)


def every_output(
    model: Model, source: Sequences, index: int, limit: int, norm: Normalization, rules: Rules = FREE
) -> list[oracles.Found]:
    """Brute force for one sentence of a batch, within rules: best first."""
    vocabulary, limit = vocabulary_of(model), rules.limit(limit, Wish())

    def weighed(tokens: tuple[int, ...], log_probs: list[float]) -> float:
        return rules.log_prob(tokens, log_probs, vocabulary, limit)

    return oracles.every_output(
        model, alone(source, index), limit, vocabulary, lambda length: oracles.norm_of(norm, length), weighed
    )


@dataclass
class Ending:
    """A scorer that adds to what its model thinks of EOS: random models would seldom end before their limit."""

    model: Model
    lift: float
    eos: int = EOS

    def step(self, tokens: Tensor, state: Any) -> tuple[Scores, Any]:
        return self.advance(tokens[:, None], torch.ones_like(tokens), state)

    def advance(self, tokens: Tensor, lengths: Tensor, state: Any) -> tuple[Scores, Any]:
        scores, state = self.model.advance(tokens, lengths, state)
        return Scores(scores.logits + self.lift * (scores.columns == self.eos), scores.columns), state


def bound_costs_nothing(model: Model, source: Sequences, *searches: BeamSearch) -> None:
    """Bound stops early by proof: a search that never stops before the limit finds the same."""
    sentences = Sentences.of(source.lengths + 7)
    with torch.no_grad():
        for lift, search in product((0.0, 2.0, 5.0), searches):
            early, late = (
                replace(search, stop=stop)(Ending(model, lift), *model.start(source), sentences)
                for stop in (Bound(), Patience(1e9))
            )
            assert [[h.tokens for h in found] for found in early] == [[h.tokens for h in found] for found in late]


def same(found: list[Hypothesis], wanted: list[oracles.Found], within: float = 1e-9) -> None:
    """What was found is what was wanted: (tokens, log p, score)."""
    assert [hypothesis.tokens for hypothesis in found] == [tokens for tokens, _, _ in wanted]
    for hypothesis, (_, log_prob, score) in zip(found, wanted, strict=True):
        assert abs(hypothesis.log_prob - log_prob) < within
        assert abs(hypothesis.score - score) < within


def _are_the_slow_ones(
    model: Model, source: Sequences, sentences: Sentences, searches: Iterable[S], rules: Rules, slow: Slow[S]
) -> None:
    """Each search finds, within the rules, what the slow one does: of each sentence alone, by teacher forcing."""
    asked = [oracles.next_of(model, alone(source, index), vocabulary_of(model)) for index in range(len(source))]
    for search in searches:
        found = run(model, rules.around(search), source, sentences)
        for index, (following, wish) in enumerate(zip(asked, sentences.wishes, strict=True)):
            limit = rules.limit(int(sentences.limits[index]), wish)
            same(
                found[index],
                slow(rules.over(following, limit, wish.prefix), limit, int(sentences.lines[index]), search),
            )


def greedy_is_the_slow_search(model: Model, source: Sequences, sentences: Sentences, rules: Rules = FREE) -> None:
    """The most probable token, one after the other."""

    def slow(following: oracles.Next, limit: int, line: int, search: Greedy) -> list[oracles.Found]:
        del line, search
        tokens, log_prob = oracles.greedy(following, limit)
        return [(tokens, log_prob, log_prob)]

    _are_the_slow_ones(model, source, sentences, [Greedy()], rules, slow)
    weighed, unweighed = (
        run(model, rules.around(search), source, sentences) for search in (Greedy(), Greedy(weighed=False))
    )
    _are_the_same_unweighed(unweighed, weighed)


def beam_is_the_slow_search(
    model: Model, source: Sequences, sentences: Sentences, *searches: BeamSearch, rules: Rules = FREE
) -> None:
    """The definition of beam search; the limits may differ inside the batch."""
    _are_the_slow_ones(
        model, source, sentences, searches, rules,
        lambda following, limit, _, search: oracles.beam_search(following, limit, search),
    )  # fmt: skip


def diverse_beam_is_the_slow_search(
    model: Model, source: Sequences, sentences: Sentences, *searches: DiverseBeamSearch, rules: Rules = FREE
) -> None:
    """The definition of diverse beam search."""
    _are_the_slow_ones(
        model, source, sentences, searches, rules,
        lambda following, limit, _, search: oracles.diverse_beam_search(following, limit, search),
    )  # fmt: skip


def stochastic_beam_is_the_slow_search(
    model: Model, source: Sequences, sentences: Sentences, *searches: StochasticBeam, rules: Rules = FREE
) -> None:
    """Algorithm 1 of Kool et al. 2019 with its formula as it stands."""
    _are_the_slow_ones(
        model, source, sentences, searches, rules,
        lambda following, limit, line, search: oracles.stochastic_beam_search(
            following, limit, search, gumbel_of(search.seed, line)
        ),
    )  # fmt: skip


def gumbel_of(seed: int, line: int) -> Callable[[tuple[int, ...]], float]:
    """The noise of each prefix of a line: of its last token, by a key from all before it. The empty one ends in -1."""

    def noise_of(prefix: tuple[int, ...]) -> float:
        *before, last = prefix or (-1,)
        return float(noise.gumbel(noise.keys(seed, torch.tensor([line]), *before), torch.tensor([last])))

    return noise_of


def samples_are_as_frequent_as_probable(
    model: Model, source: Sequences, limit: int, search: Sampling, rules: Rules = FREE, lines: int = 1500
) -> None:
    """Over many lines with the same sentence: each output is drawn as often as the head of the model makes it probable."""
    ruled = rules.limit(limit, Wish())
    following = rules.over(oracles.next_of(model, source, vocabulary_of(model)), ruled)
    wanted = oracles.every_sample(lambda said: oracles.head(following(said), search.head), ruled)
    drawn = run(model, rules.around(search), repeated(source, lines), Sentences.of(torch.full((lines,), limit)))
    as_expected(Counter(hypothesis.tokens for found in drawn for hypothesis in found), wanted)


def stochastic_beam_draws_without_replacement(
    model: Model, source: Sequences, limit: int, search: StochasticBeam, lines: int = 1500
) -> None:
    """Over many lines with the same sentence: the first K come in each order as often as enumeration says."""
    following = oracles.next_of(model, source, vocabulary_of(model))
    outputs = oracles.every_sample(lambda said: oracles.head(following(said), search.head), limit)
    places = {tokens: place for place, tokens in enumerate(outputs)}
    wanted = oracles.draws_without_replacement(list(outputs.values()), min(search.n_best, len(outputs)))
    drawn = run(model, search, repeated(source, lines), Sentences.of(torch.full((lines,), limit)))
    as_expected(Counter(tuple(places[hypothesis.tokens] for hypothesis in found) for found in drawn), wanted)


def repeated(source: Sequences, lines: int) -> Sequences:
    """One sentence, so many times."""
    return Sequences(source.tokens.expand(lines, -1), source.lengths.expand(lines))


def as_expected(found: Mapping[T, int], probabilities: Mapping[T, float]) -> None:
    """Nothing that is impossible; all the rest by the chi-square of Pearson, what is rare taken together."""
    assert found.keys() <= probabilities.keys()
    total = sum(found.values())
    expected = {each: total * probability for each, probability in probabilities.items() if total * probability >= 5}
    rest = total - sum(expected.values())
    statistic = sum((found.get(each, 0) - value) ** 2 / value for each, value in expected.items())
    statistic += (total - sum(found.get(each, 0) for each in expected) - rest) ** 2 / max(rest, 5)
    freedom = len(expected)
    assert statistic < freedom + 4 * (2 * freedom) ** 0.5 + 8  # beyond 99.9 %


def mbr_is_the_definition(
    model: Model, source: Sequences, sentences: Sentences, search: MinimumBayesRisk, rules: Rules = FREE
) -> None:
    """The mean utility against all candidates, as often as they were found (O(n^2)); the best first, each once."""
    pools = run(model, rules.around(search.candidates), source, sentences)
    for pool, chosen in zip(pools, run(model, rules.around(search), source, sentences), strict=True):
        ids = [hypothesis.tokens for hypothesis in pool]
        means = {each: oracles.judge([each, *ids], [0] + [1] * len(ids))[0] for each in ids}
        log_probs = {hypothesis.tokens: hypothesis.log_prob for hypothesis in pool}
        assert len({hypothesis.tokens for hypothesis in chosen}) == len(chosen) == min(search.n_best, len(means))
        ranked = sorted(means.values(), reverse=True)[: len(chosen)]
        same(chosen, [(h.tokens, log_probs[h.tokens], value) for h, value in zip(chosen, ranked, strict=True)])
        assert all(abs(hypothesis.score - means[hypothesis.tokens]) < 1e-9 for hypothesis in chosen)


def twice_the_model_is_the_model(
    model: Model, source: Sequences, sentences: Sentences, strategy: Search, weights: tuple[float, float]
) -> None:
    """An ensemble of a model and itself, whatever their weights."""
    own = begins(model, source)
    both = run(Together([model, model], mean(*weights)), strategy, own, sentences)
    for found, wanted in zip(both, run(model, strategy, own, sentences), strict=True):
        same(found, [(h.tokens, h.log_prob, h.score) for h in wanted])


def long_lives_forget_nothing(model: Model, source: Sequences) -> None:
    """Law 4 over many steps: rows move, multiply and die as in a beam, sentences leave; each row keeps its own past."""
    draw = torch.Generator().manual_seed(12)
    with torch.no_grad():
        first, state = model.start(source)
        owners, pasts = torch.arange(len(source)), first[:, None]
        _, state = model.step(first, state)
        for turn in range(30):
            left = sorted(set(owners.tolist()))
            chosen = []
            for sentence in left[1:] if turn in (10, 20) else left:
                own = torch.nonzero(owners == sentence)[:, 0]
                size = int(torch.randint(1, 7, (), generator=draw))
                chosen.append(own[torch.randint(len(own), (size,), generator=draw)])
            rows = torch.cat(chosen)
            state = state.select(rows) if turn == 10 else state.reorder(rows)
            owners, tokens = owners[rows], torch.randint(4, VOCABULARY, (len(rows),), generator=draw)
            pasts = torch.cat([pasts[rows], tokens[:, None]], 1)
            scores, state = model.step(tokens, state)
            if turn % 3 == 2:
                _, fresh = model.start(Sequences(source.tokens[owners], source.lengths[owners]))
                wanted, _ = model.advance(pasts, torch.full((len(rows),), pasts.shape[1]), fresh)
                torch.testing.assert_close(scores.log_probs(), wanted.log_probs(), rtol=0, atol=1e-9)
