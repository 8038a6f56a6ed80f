"""The laws of DESIGN.md that concern models and search, as functions: test_laws holds every architecture and strategy to them,
test_mutations breaks the code on purpose and sees them fail."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import torch
from torch import Tensor

from nmt_cli.corpus.batching import Batch, Sequences
from nmt_cli.models.base import Decodable
from nmt_cli.models.layers import shifted
from nmt_cli.scoring.scores import Scores
from nmt_cli.search import noise
from nmt_cli.search.ancestral import Greedy
from nmt_cli.search.base import Hypothesis, Search, Sentences
from nmt_cli.search.beam import BeamSearch
from nmt_cli.search.diverse import DiverseBeamSearch
from nmt_cli.search.exact import ExactSearch
from nmt_cli.search.head import Head
from nmt_cli.search.normalization import LengthPower, Normalization
from nmt_cli.search.retold import Retold
from nmt_cli.search.sampling import Sampling
from nmt_cli.search.stochastic import StochasticBeam
from nmt_cli.search.stopping import Bound, Patience
from nmt_cli.text.tokenizer import EOS
from tests import oracles
from tests.tiny import VOCABULARY, alone

Model = Decodable[Any]


def run(model: Model, strategy: Search, source: Sequences, sentences: Sentences) -> list[list[Hypothesis]]:
    """Encode and search."""
    with torch.no_grad():
        return strategy(model, *model.start(source), sentences)


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


def neighbours_change_nothing(model: Model, strategy: Search, source: Sequences) -> None:
    """Law 2, float64: a sentence alone, or among others, or in another order: the same ids, scores within 1e-9."""
    sentences = sentences_of(source)
    together = run(model, strategy, source, sentences)
    order = torch.randperm(len(source), generator=torch.Generator().manual_seed(5))
    shuffled = run(model, strategy, Sequences(source.tokens[order], source.lengths[order]), sentences.at(order))
    for index in range(len(source)):
        single = run(model, strategy, alone(source, index), sentences.at(torch.tensor([index])))[0]
        for other in (together[index], shuffled[int((order == index).nonzero())]):
            assert [h.tokens for h in other] == [h.tokens for h in single]
            for one, two in zip(other, single, strict=True):
                assert abs(one.score - two.score) < 1e-9
                assert abs(one.log_prob - two.log_prob) < 1e-9


def neighbours_change_only_ties(model: Model, judge: Model, strategy: Search, source: Sequences) -> None:
    """Law 2, float32: ids may differ only where ``judge``, the same model in float64, sees a tie closer than 1e-4."""
    sentences = sentences_of(source)
    for index, together in enumerate(run(model, strategy, source, sentences)):
        own = alone(source, index)
        single = run(model, strategy, own, sentences.at(torch.tensor([index])))[0][0]
        values = [oracles.log_prob(judge, own, found.tokens) for found in (together[0], single)]
        assert abs(together[0].log_prob - values[0]) < 1e-4 * len(together[0].tokens)
        if together[0].tokens != single.tokens:
            ratios = [
                value * found.score / found.log_prob for value, found in zip(values, (together[0], single), strict=True)
            ]
            assert abs(ratios[0] - ratios[1]) < 1e-4


def forced_decoding_agrees(model: Model, strategy: Search, source: Sequences) -> None:
    """Law 3: scoring the ids of a hypothesis gives its log_prob; it is complete and within its limit."""
    sentences = sentences_of(source)
    for index, found in enumerate(run(model, strategy, source, sentences)):
        assert found
        assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)
        assert len({h.tokens for h in found}) == len(found) or type(strategy) is Sampling  # which may draw one twice
        for hypothesis in found:
            assert hypothesis.tokens[-1] == model.eos
            assert model.eos not in hypothesis.tokens[:-1]
            assert len(hypothesis.tokens) <= int(sentences.limits[index])
            assert abs(oracles.log_prob(model, alone(source, index), hypothesis.tokens) - hypothesis.log_prob) < 1e-6


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


def copies_do_not_disturb(model: Model, source: Sequences) -> None:
    """A state and its copies by select, continued differently and by turns, go their own ways; sentences may leave and move.

    After every small number of steps: a cache that happens to grow in the next step is copied anyway and would hide a mistake.
    """
    count = len(source)
    everyone = torch.arange(count)
    orders = [everyone, everyone, everyone.flip(0), torch.arange(0, count, 2), everyone]  # the first: the original
    endings = [(6, 8), (7, 9), (8, 4), (9, 11), (10, 5)]
    for consumed in range(1, 7):
        with torch.no_grad():
            first, state = model.start(source)
            _, state = model.step(first, state)
            for token in range(5, 4 + consumed):
                _, state = model.step(torch.full((count,), token), state)
            states = [state, *(state.select(order) for order in orders[1:])]
            for turn in range(2):
                for place, order in enumerate(orders):
                    scores, states[place] = model.step(torch.full((len(order),), endings[place][turn]), states[place])
                    history = torch.tensor([*range(5, 4 + consumed), *endings[place][: turn + 1]])
                    first, fresh = model.start(Sequences(source.tokens[order], source.lengths[order]))
                    tokens = torch.cat([first[:, None], history.expand(len(order), -1)], 1)
                    wanted, _ = model.advance(tokens, torch.full_like(first, tokens.shape[1]), fresh)
                    torch.testing.assert_close(scores.log_probs(), wanted.log_probs(), rtol=0, atol=1e-9)


def beam_of_one_is_greedy(model: Model, source: Sequences) -> None:
    """Law 4: a beam of one without length normalisation is greedy search."""
    sentences = sentences_of(source)
    beam = run(model, BeamSearch(1, norm=LengthPower(0)), source, sentences)
    greedy = run(model, Greedy(), source, sentences)
    assert [found[0].tokens for found in beam] == [found[0].tokens for found in greedy]


def wide_beam_is_brute_force(model: Model, source: Sequences, limit: int, exponent: float) -> None:
    """Law 4: a beam that holds everything finds the best of everything, for every rank of the n best."""
    width = (VOCABULARY - 3) ** limit
    found = run(
        model,
        BeamSearch(width, n_best=4, norm=LengthPower(exponent)),
        source,
        Sentences.of(torch.full((len(source),), limit)),
    )
    for index, hypotheses in enumerate(found):
        best = oracles.every_output(model, alone(source, index), limit, VOCABULARY, lambda length: length**exponent)[:4]
        assert [h.tokens for h in hypotheses] == [tokens for tokens, _, _ in best]
        for hypothesis, (_, log_prob, score) in zip(hypotheses, best, strict=True):
            assert abs(hypothesis.log_prob - log_prob) < 1e-9
            assert abs(hypothesis.score - score) < 1e-6


def exact_is_brute_force(model: Model, source: Sequences, limit: int, norm: Normalization) -> None:
    """Law 4: exact search finds the n best of everything, each with a certificate."""
    for n_best, width in ((1, 2), (4, 7)):
        search = ExactSearch(BeamSearch(n_best, n_best, norm), width=width)
        found = run(model, search, source, Sentences.of(torch.full((len(source),), limit)))
        for index, hypotheses in enumerate(found):
            best = oracles.every_output(
                model, alone(source, index), limit, VOCABULARY, lambda length: float(norm(length))
            )
            assert [h.tokens for h in hypotheses] == [tokens for tokens, _, _ in best[:n_best]]
            for hypothesis, (_, log_prob, score) in zip(hypotheses, best, strict=False):
                assert abs(hypothesis.log_prob - log_prob) < 1e-9
                assert abs(hypothesis.score - score) < 1e-9
                assert hypothesis.certificate is not None
                assert hypothesis.certificate.proved


def certificates_are_true(model: Model, source: Sequences, limit: int, norm: Normalization) -> None:
    """Law 4 within a budget: nothing scores more than the bound, and what is said to be proved is so."""
    every = [
        oracles.every_output(model, alone(source, index), limit, VOCABULARY, lambda length: float(norm(length)))
        for index in range(len(source))
    ]
    for nodes, n_best in product((1, 3, 8, 13, 34), (1, 2)):
        search = ExactSearch(BeamSearch(n_best, n_best, norm), nodes, width=3)
        found = run(model, search, source, Sentences.of(torch.full((len(source),), limit)))
        for hypotheses, outputs in zip(found, every, strict=True):
            given = {hypothesis.tokens for hypothesis in hypotheses}
            unseen = max(score for tokens, _, score in outputs if tokens not in given)
            for hypothesis in hypotheses:
                certificate = hypothesis.certificate
                assert certificate is not None
                assert certificate.nodes <= nodes
                assert certificate.bound >= max(hypothesis.score, unseen) - 1e-9
                assert certificate.proved == (certificate.bound <= hypothesis.score + 1e-4)


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


def bound_costs_nothing(model: Model, source: Sequences, exponent: float) -> None:
    """Bound stops early by proof: a search that never stops before the limit finds the same."""
    sentences = Sentences.of(source.lengths + 7)
    with torch.no_grad():
        for lift in (0.0, 2.0, 5.0):
            for width, n_best in ((1, 1), (3, 1), (5, 4)):
                early, late = (
                    BeamSearch(width, n_best, LengthPower(exponent), stop)(
                        Ending(model, lift), *model.start(source), sentences
                    )
                    for stop in (Bound(), Patience(1e9))
                )
                assert [[h.tokens for h in found] for found in early] == [[h.tokens for h in found] for found in late]


def beam_is_the_slow_search(model: Model, source: Sequences, limits: Tensor) -> None:
    """The definition of beam search, over widths, exponents, stopping rules and limits that differ inside the batch."""
    following = [oracles.next_of(model, alone(source, index), VOCABULARY) for index in range(len(source))]
    for width, n_best in ((1, 1), (2, 1), (2, 2), (4, 3), (6, 6), (9, 2)):
        for exponent in (0.0, 0.7, 1.0, 2.0):
            for patience in (None, 0.5, 1.0, 2.0):
                stop = Bound() if patience is None else Patience(patience)
                search = BeamSearch(width, n_best, LengthPower(exponent), stop)
                for index, found in enumerate(run(model, search, source, Sentences.of(limits))):
                    wanted = oracles.beam_search(
                        following[index], int(limits[index]), width, n_best, exponent, patience
                    )
                    same(found, wanted)


def same(found: list[Hypothesis], wanted: list[tuple[tuple[int, ...], float, float]]) -> None:
    """What was found is what a slow search found: (tokens, log p, score)."""
    assert [hypothesis.tokens for hypothesis in found] == [tokens for tokens, _, _ in wanted]
    for hypothesis, (_, log_prob, score) in zip(found, wanted, strict=True):
        assert abs(hypothesis.log_prob - log_prob) < 1e-9
        assert abs(hypothesis.score - score) < 1e-5


def diverse_beam_is_the_slow_search(model: Model, source: Sequences, limits: Tensor) -> None:
    """The definition of diverse beam search, over widths, groups, lambda, exponents, stopping rules and limits."""
    following = [oracles.next_of(model, alone(source, index), VOCABULARY) for index in range(len(source))]
    for width, n_best, groups in ((3, 3, 3), (4, 3, 1), (6, 4, 3), (6, 6, 2)):
        for diversity in (0.5, 1.7):
            for exponent, patience in ((0.0, None), (1.0, None), (0.6, 1.0)):
                beam = BeamSearch(
                    width, n_best, LengthPower(exponent), Bound() if patience is None else Patience(patience)
                )
                search = DiverseBeamSearch(beam, groups, diversity)
                for index, found in enumerate(run(model, search, source, Sentences.of(limits))):
                    options = (width, n_best, groups, diversity, exponent, patience)
                    same(found, oracles.diverse_beam_search(following[index], int(limits[index]), *options))


def gumbel_of(seed: int, line: int) -> Callable[[tuple[int, ...]], float]:
    """The noise of each prefix of a line: of its last token, by a key from all before it. The empty one ends in -1."""

    def noise_of(prefix: tuple[int, ...]) -> float:
        *before, last = prefix or (-1,)
        return float(noise.gumbel(noise.keys(seed, torch.tensor([line]), *before), torch.tensor([last])))

    return noise_of


def stochastic_beam_is_the_slow_search(model: Model, source: Sequences, limits: Tensor) -> None:
    """Algorithm 1 of Kool et al. 2019 with its formula as it stands, over widths, temperatures and limits."""
    following = [oracles.next_of(model, alone(source, index), VOCABULARY) for index in range(len(source))]
    lines = torch.arange(len(source)) * 3 + 1
    for width, n_best, temperature in ((1, 1, 1.0), (3, 3, 1.0), (4, 2, 3.0), (12, 12, 1.0), (5, 5, 0.4)):
        search = StochasticBeam(width, n_best, Head(temperature), seed=width)
        for index, found in enumerate(run(model, search, source, replace(Sentences.of(limits), lines=lines))):
            noise_of = gumbel_of(width, int(lines[index]))
            options = (int(limits[index]), width, temperature, noise_of)
            same(found, oracles.stochastic_beam_search(following[index], *options)[:n_best])


def stochastic_beam_draws_without_replacement(model: Model, source: Sequences) -> None:
    """Over many lines with the same sentence: how often each output is among the K is what enumeration says, in every order."""
    lines, limit, width = 4000, 3, 2
    outputs = oracles.every_sample(oracles.next_of(model, source, VOCABULARY), limit)
    places = {tokens: place for place, tokens in enumerate(outputs)}
    probabilities = list(outputs.values())
    wanted = oracles.draws_without_replacement(probabilities, width)
    many = Sequences(source.tokens.expand(lines, -1), source.lengths.expand(lines))
    drawn = run(model, StochasticBeam(width, width, seed=3), many, Sentences.of(torch.full((lines,), limit)))
    orders = Counter(tuple(places[h.tokens] for h in found) for found in drawn)
    members = Counter(place for order in orders.elements() for place in order)
    for place in range(len(outputs)):
        share = sum(probability for order, probability in wanted.items() if place in order)
        assert abs(members[place] - lines * share) < 3 + 4.5 * (lines * share * (1 - share)) ** 0.5
    expected = {order: lines * probability for order, probability in wanted.items() if lines * probability >= 5}
    rest = lines - sum(expected.values())
    statistic = sum((orders[order] - value) ** 2 / value for order, value in expected.items())
    statistic += (lines - sum(orders[order] for order in expected) - rest) ** 2 / max(rest, 5)
    freedom = len(expected)
    assert statistic < freedom + 4 * (2 * freedom) ** 0.5 + 8  # beyond 99.9 % of chi-square


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
            state = state.select(rows) if turn in (10, 20) else state.reorder(rows)
            owners, tokens = owners[rows], torch.randint(4, VOCABULARY, (len(rows),), generator=draw)
            pasts = torch.cat([pasts[rows], tokens[:, None]], 1)
            scores, state = model.step(tokens, state)
            if turn % 3 == 2:
                _, fresh = model.start(Sequences(source.tokens[owners], source.lengths[owners]))
                wanted, _ = model.advance(pasts, torch.full((len(rows),), pasts.shape[1]), fresh)
                torch.testing.assert_close(scores.log_probs(), wanted.log_probs(), rtol=0, atol=1e-9)
