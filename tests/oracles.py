"""The slow, obvious version of each clever thing. The fast one must equal it."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal, localcontext
from functools import cache
from itertools import product
from typing import Any, TypeVar

import torch
from torch import Tensor

from nmt_cli.corpus.batching import Batch, Sequences
from nmt_cli.models.base import Decodable
from nmt_cli.search.beam import BeamSearch
from nmt_cli.search.diverse import DiverseBeamSearch
from nmt_cli.search.head import Head
from nmt_cli.search.normalization import GoogleNorm, LengthPower, Normalization
from nmt_cli.search.stochastic import StochasticBeam
from nmt_cli.search.stopping import Bound, Patience
from nmt_cli.text.tokenizer import EOS

T = TypeVar("T")

Next = Callable[[tuple[int, ...]], dict[int, float]]
"""What a model thinks comes next: from the tokens so far to the log-probability of each token."""

Found = tuple[tuple[int, ...], float, float]
"""A hypothesis: its tokens, log p, and its score."""


def attention(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    """One query (D,), keys and values (S, D), mask (S,): softmax over the real keys, one at a time."""
    scores = [
        float(query @ key) / len(query) ** 0.5 if real else -torch.inf for key, real in zip(keys, mask, strict=True)
    ]
    weights = torch.softmax(torch.tensor(scores, dtype=query.dtype), 0)
    return torch.stack([weight * value for weight, value in zip(weights, values, strict=True)]).sum(0)


Weights = tuple[Tensor, Tensor, Tensor]
"""Of a recurrent cell with G blocks: w (G D, D'), u (G D, D), b (G D,)."""


def rnn_step(x: Tensor, state: tuple[Tensor, ...], weights: Weights) -> tuple[Tensor, ...]:
    """The cell of Elman 1990 for one row: x (D',), h (D,)."""
    (h,), (w, u, b) = state, weights
    return (torch.tanh(w @ x + u @ h + b),)


def gru_step(x: Tensor, state: tuple[Tensor, ...], weights: Weights) -> tuple[Tensor, ...]:
    """The cell of Cho et al. 2014, eq. 5 to 8. Blocks r, z, candidate."""
    (h,), (w_r, w_z, w), (u_r, u_z, u), (b_r, b_z, b) = state, *(part.chunk(3) for part in weights)
    r = torch.sigmoid(w_r @ x + u_r @ h + b_r)
    z = torch.sigmoid(w_z @ x + u_z @ h + b_z)
    return (z * h + (1 - z) * torch.tanh(w @ x + u @ (r * h) + b),)


def lstm_step(x: Tensor, state: tuple[Tensor, ...], weights: Weights) -> tuple[Tensor, ...]:
    """The cell as the textbook writes it: h and c. Blocks i, f, g, o."""
    (h, c), (w, u, b) = state, weights
    i, f, g, o = (w @ x + u @ h + b).chunk(4)
    new_c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(new_c), new_c


Step = Callable[[Tensor, tuple[Tensor, ...], Weights], tuple[Tensor, ...]]


def unrolled(
    step: Step, x: Tensor, state: tuple[Tensor, ...], weights: Weights
) -> tuple[list[Tensor], tuple[Tensor, ...]]:
    """A cell over one row (T, D') without padding: the output of each step, and the last states."""
    outputs = []
    for each in x:
        state = step(each, state, weights)
        outputs.append(state[0])
    return outputs, state


def ssru_step(x: Tensor, c: Tensor, w_f: Tensor, b_f: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    """The cell of Kim et al. 2019, all of it (D,) and (D, D): the output and the new c."""
    f = torch.sigmoid(w_f @ x + b_f)
    new_c = f * c + (1 - f) * (w @ x)
    return torch.clamp(new_c, min=0), new_c


def turned(vector: Tensor, position: int) -> Tensor:
    """A query or a key (d,) at its position, pair by pair: the matrix of Su et al. 2021, eq. 15."""
    found = torch.zeros_like(vector)
    for i in range(len(vector) // 2):
        angle = torch.tensor(position / 10_000 ** (2 * i / len(vector)), dtype=torch.float64)
        x, y = vector[2 * i], vector[2 * i + 1]
        found[2 * i] = x * torch.cos(angle) - y * torch.sin(angle)
        found[2 * i + 1] = x * torch.sin(angle) + y * torch.cos(angle)
    return found


def rms_norm(x: Tensor, gain: Tensor) -> Tensor:
    """One vector (D,) by its root mean square (Zhang & Sennrich 2019)."""
    return gain * x / ((x * x).mean() + 1e-6) ** 0.5


def swiglu(x: Tensor, w: Tensor, v: Tensor, w_2: Tensor) -> Tensor:
    """One vector (D,) through a gated feed-forward layer (Shazeer 2020, eq. 6)."""
    gate = w @ x
    return w_2 @ (gate * torch.sigmoid(gate) * (v @ x))


def token_log_probs(model: Decodable[Any], source: Sequences, tokens: tuple[int, ...]) -> list[float]:
    """Forced decoding of one sentence by teacher forcing."""
    target = Sequences(torch.tensor([tokens]), torch.tensor([len(tokens)]))
    with torch.no_grad():
        found: list[float] = model.log_probs(Batch(source, target))[0].double().tolist()
    return found


def log_prob(model: Decodable[Any], source: Sequences, tokens: tuple[int, ...]) -> float:
    """Of the whole sentence."""
    return sum(token_log_probs(model, source, tokens))


def every_output(
    model: Decodable[Any],
    source: Sequences,
    limit: int,
    vocabulary: int,
    norm: Callable[[int], float],
    weighed: Callable[[tuple[int, ...], list[float]], float] = lambda _, log_probs: sum(log_probs),
) -> list[Found]:
    """Brute force: every possible complete output of one sentence up to ``limit``, best score first.

    At the limit EOS is forced, at its own probability, as in every search. ``weighed``: log p, of those of the tokens.
    """
    prefixes: list[tuple[int, ...]] = [()]
    complete: list[tuple[int, ...]] = []
    for _ in range(limit):
        complete += [(*prefix, EOS) for prefix in prefixes]
        prefixes = [(*prefix, token) for prefix in prefixes for token in range(EOS + 1, vocabulary)]
    rows = Sequences.of([tokens[:-1] for tokens in complete])
    sources = Sequences(source.tokens.expand(len(complete), -1), source.lengths.expand(len(complete)))
    with torch.no_grad():
        each = model.log_probs(Batch(sources, rows)).tolist()
    totals = [weighed(tokens, values[: len(tokens)]) for tokens, values in zip(complete, each, strict=True)]
    scored = [(tokens, total, total / norm(len(tokens))) for tokens, total in zip(complete, totals, strict=True)]
    return sorted((item for item in scored if item[1] > -math.inf), key=lambda item: -item[2])


def cross_entropy(logits: Tensor, targets: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
    """Label-smoothed cross entropy and negative log-likelihood, summed, from whole logits (M, V')."""
    log_probs = torch.log_softmax(logits, 1)
    wanted = torch.full_like(log_probs, smoothing / logits.shape[1])
    wanted[torch.arange(len(targets)), targets] += 1 - smoothing
    return -(wanted * log_probs).sum(), -log_probs[torch.arange(len(targets)), targets].sum()


def agreement(logits: tuple[Tensor, Tensor], targets: Tensor, smoothing: float, weight: float) -> tuple[Tensor, Tensor]:
    """R-Drop, half of equation 4 of Liang et al. 2021: from the whole logits (M, V') of two passes."""
    p, q = (torch.log_softmax(part, 1) for part in logits)
    (total_p, nll_p), (total_q, nll_q) = (cross_entropy(part, targets, smoothing) for part in logits)
    apart = (p.exp() * (p - q)).sum() + (q.exp() * (q - p)).sum()
    return (total_p + total_q) / 2 + weight / 4 * apart, (nll_p + nll_q) / 2


def expected_utilities(utility: Callable[[T, T], float], candidates: Sequence[T], counts: Sequence[int]) -> list[float]:
    """The mean utility of each candidate against all that were drawn, equal ones repeated (Eikema & Aziz 2020, eq. 3)."""
    drawn = [candidate for candidate, count in zip(candidates, counts, strict=True) for _ in range(count)]
    return [sum(utility(candidate, other) for other in drawn) / len(drawn) for candidate in candidates]


def common(ids: tuple[int, ...], other: tuple[int, ...]) -> float:
    """A utility of ids: the share of tokens that two hypotheses have in common."""
    return 2 * sum((Counter(ids) & Counter(other)).values()) / (len(ids) + len(other))


def judge(hypotheses: Sequence[tuple[int, ...]], counts: Sequence[int]) -> list[float]:
    """For minimum Bayes risk: what each is worth by what it has in common with all."""
    return expected_utilities(common, hypotheses, counts)


def next_of(model: Decodable[Any], source: Sequences, vocabulary: int) -> Next:
    """By teacher forcing of one sentence, over the whole prefix with each token behind it, every time."""
    tokens = range(EOS, vocabulary)
    sources = Sequences(source.tokens.expand(len(tokens), -1), source.lengths.expand(len(tokens)))

    def following(prefix: tuple[int, ...]) -> dict[int, float]:
        batch = Batch(sources, Sequences.of([(*prefix, token) for token in tokens], end=()))
        with torch.no_grad():
            return dict(zip(tokens, model.log_probs(batch)[:, -1].tolist(), strict=True))

    return cache(following)


def greedy(following: Next, limit: int) -> tuple[tuple[int, ...], float]:
    """The most probable token, one after the other; EOS at the limit."""
    tokens: tuple[int, ...] = ()
    total = 0.0
    while EOS not in tokens:
        choices = following(tokens)
        token = EOS if len(tokens) + 1 == limit else max(choices, key=lambda token: choices[token])
        tokens, total = (*tokens, token), total + choices[token]
    return tokens, total


def norm_of(norm: Normalization, length: int) -> float:
    """The norm of a length, by the formulas of Murray & Chiang 2018 and Wu et al. 2016."""
    if isinstance(norm, GoogleNorm):
        return float(((5 + length) / 6) ** norm.alpha)
    assert isinstance(norm, LengthPower)
    return float(length**norm.exponent)


def patience_of(search: BeamSearch) -> float:
    """How many may end, in widths of the beam, before a search stops; without end where it stops by the bound."""
    return search.stop.factor if isinstance(search.stop, Patience) else math.inf


def enough(live: list[float], finished: list[float], n_best: int, limit_norm: float, search: BeamSearch) -> bool:
    """Whether the bound is reached: scores of the ``finished``, best first, log-probabilities of what is ``live``."""
    by_bound = isinstance(search.stop, Bound) and len(finished) >= n_best
    return not live or (by_bound and finished[n_best - 1] >= max(live) / limit_norm)


def beam_search(
    following: Next, limit: int, search: BeamSearch, penalty: Callable[[tuple[int, ...]], float] = lambda _: 0.0
) -> list[Found]:
    """The n best of one sentence.

    The bound is only asked of the best live hypothesis: none leaves before the others.
    """
    width, n_best = search.width, search.n_best
    live: list[tuple[tuple[int, ...], float]] = [((), 0.0)]
    finished: list[Found] = []
    ended = 0
    for length in range(1, limit + 1):
        extensions = [
            ((*prefix, token), total + log_prob)
            for prefix, total in live
            for token, log_prob in following(prefix).items()
            if length < limit or token == EOS
        ]
        extensions.sort(key=lambda extension: -extension[1])
        extensions = extensions[: 2 * width]
        for rank, (tokens, total) in enumerate(extensions):
            if tokens[-1] == EOS and rank < width:
                finished.append((tokens, total, total / norm_of(search.norm, length) + penalty(tokens)))
                ended += 1
        finished = sorted(finished, key=lambda item: -item[2])[:width]
        live = [extension for extension in extensions if extension[0][-1] != EOS][:width]
        known, going = [score for _, _, score in finished], [total for _, total in live]
        if enough(going, known, n_best, norm_of(search.norm, limit), search) or ended >= patience_of(search) * width:
            break
        live = [(tokens, total) for tokens, total in live if total >= max(going) - search.pruning.margin]
    return finished[:n_best]


def diverse_beam_search(following: Next, limit: int, search: DiverseBeamSearch) -> list[Found]:
    """The n best different ones of one sentence: groups that are beam searches, each of which hears those before.

    A group that is over goes on as long as a later one, which hears it, is not.
    """
    beam, groups = search.beam, search.count
    part, wanted = beam.width // groups, min(beam.n_best, beam.width // groups)
    live: list[list[tuple[tuple[int, ...], float]]] = [[((), 0.0)] for _ in range(groups)]
    finished: list[list[Found]] = [[] for _ in range(groups)]
    ended, over = [0] * groups, [False] * groups
    for length in range(1, limit + 1):
        said: list[int] = []
        for group in range(groups):
            if all(over[group:]):
                continue
            extensions = [
                ((*prefix, token), total + log_prob, total + log_prob - search.diversity * said.count(token))
                for prefix, total in live[group]
                for token, log_prob in following(prefix).items()
                if length < limit or token == EOS
            ]
            extensions = sorted(extensions, key=lambda extension: -extension[2])[: 2 * part]
            ending = [(tokens, total) for tokens, total, _ in extensions[:part] if tokens[-1] == EOS]
            live[group] = [(tokens, total) for tokens, total, _ in extensions if tokens[-1] != EOS][:part]
            said += [tokens[-1] for tokens, _ in ending + live[group]]
            finished[group] += [(tokens, total, total / norm_of(beam.norm, length)) for tokens, total in ending]
            finished[group] = sorted(finished[group], key=lambda item: -item[2])[:part]
            ended[group] += len(ending)
        for group in range(groups):
            known, going = [score for _, _, score in finished[group]], [total for _, total in live[group]]
            bounded = enough(going, known, wanted, norm_of(beam.norm, limit), beam)
            over[group] = bounded or ended[group] >= patience_of(beam) * part
        if all(over):
            break
    ranked = sorted((item for group in finished for item in group[:wanted]), key=lambda item: -item[2])
    different = {tokens: (tokens, total, score) for tokens, total, score in reversed(ranked)}
    return sorted(different.values(), key=lambda item: -item[2])[: beam.n_best]


def head(choices: dict[int, float], options: Head) -> dict[int, float]:
    """What may be drawn, with its log-probability among all that may: the rules as they are written, token by token."""
    mass = log_sum(value / options.temperature for value in choices.values())
    cooled = {token: value / options.temperature - mass for token, value in choices.items()}
    order = sorted(cooled, key=lambda token: -cooled[token])
    highest, better, allowed = math.exp(cooled[order[0]]), 0.0, []
    for rank, token in enumerate(order):
        probability = math.exp(cooled[token])
        refused = (
            (options.top_k is not None and rank >= options.top_k)
            or (options.top_p is not None and better >= options.top_p)
            or (options.min_p is not None and probability < options.min_p * highest)
            or (options.epsilon is not None and probability < options.epsilon)
        )
        allowed += [token] if rank == 0 or not refused else []
        better += probability
    mass = log_sum(cooled[token] for token in allowed)
    return {token: cooled[token] - mass for token in allowed}


def log_sum(logs: Iterable[float]) -> float:
    """The logarithm of a sum, of the logarithms."""
    values = list(logs)
    return max(values) + math.log(math.fsum(math.exp(value - max(values)) for value in values))


def truncated(maximum: float, noisy: dict[int, float]) -> dict[int, float]:
    """Gumbel variables under the condition that their maximum is another, as algorithm 1 of Kool et al. 2019 has it.

    In decimals, so many that nothing is lost: the formula is not stable.
    """
    with localcontext(prec=80):
        least, highest = (-Decimal(maximum)).exp(), (-Decimal(max(noisy.values()))).exp()
        return {token: float(-(least - highest + (-Decimal(value)).exp()).ln()) for token, value in noisy.items()}


def stochastic_beam_search(
    following: Next, limit: int, search: StochasticBeam, noise: Callable[[tuple[int, ...]], float]
) -> list[Found]:
    """The first drawn of all samples without replacement, for one sentence, scored by G; ``noise``: of each prefix."""
    beam: list[tuple[tuple[int, ...], float, float, float]] = [
        ((), 0.0, 0.0, noise(()))
    ]  # the third: log p under what is drawn from
    while not all(EOS in tokens for tokens, _, _, _ in beam):
        offered = []
        for tokens, total, drawn, perturbed in beam:
            if EOS in tokens:
                offered.append((tokens, total, drawn, perturbed))
                continue
            choices = following(tokens)
            if len(tokens) + 1 == limit:
                offered.append(((*tokens, EOS), total + choices[EOS], drawn, perturbed))
                continue
            some = {token: drawn + value for token, value in head(choices, search.head).items()}
            children = truncated(perturbed, {token: value + noise((*tokens, token)) for token, value in some.items()})
            offered += [((*tokens, token), total + choices[token], some[token], children[token]) for token in some]
        beam = sorted(offered, key=lambda item: -item[3])[: search.width]
    return [(tokens, total, perturbed) for tokens, total, _, perturbed in beam[: search.n_best]]


def every_sample(following: Next, limit: int) -> dict[tuple[int, ...], float]:
    """Every complete output and its probability to be drawn; at the limit EOS takes all that is left."""
    prefixes: dict[tuple[int, ...], float] = {(): 1.0}
    complete: dict[tuple[int, ...], float] = {}
    for length in range(1, limit + 1):
        grown: dict[tuple[int, ...], float] = {}
        for prefix, probability in prefixes.items():
            choices = {EOS: 0.0} if length == limit else following(prefix)
            for token, log_prob in choices.items():
                grown[(*prefix, token)] = probability * math.exp(log_prob)
        complete.update({tokens: value for tokens, value in grown.items() if tokens[-1] == EOS})
        prefixes = {tokens: value for tokens, value in grown.items() if tokens[-1] != EOS}
    return complete


def draws_without_replacement(probabilities: Sequence[float], count: int) -> dict[tuple[int, ...], float]:
    """The probability of every order in which ``count`` different places may be drawn, one after the other."""
    orders: dict[tuple[int, ...], float] = {(): 1.0}
    for _ in range(count):
        orders = {
            (*order, place): so_far * probability / (1 - sum(probabilities[before] for before in order))
            for order, so_far in orders.items()
            for place, probability in enumerate(probabilities)
            if place not in order
        }
    return orders


def bpe_dropout(word: str, ranks: Mapping[str, int], p: float) -> dict[tuple[str, ...], float]:
    """Algorithm 1 of Provilkov et al. 2020: every segmentation and its probability. At each step any of the possible merges may be
    dropped, and of those that are left the one of the lowest rank is done, the leftmost of several."""
    complete: dict[tuple[str, ...], float] = {}
    begun = {tuple(word): 1.0}
    while begun:
        pieces, so_far = begun.popitem()
        merges = {
            place: made for place in range(len(pieces) - 1) if (made := "".join(pieces[place : place + 2])) in ranks
        }
        for kept in product((True, False), repeat=len(merges)):
            probability = so_far * math.prod(1 - p if each else p for each in kept)
            left = [place for place, each in zip(merges, kept, strict=True) if each]
            if not left:
                complete[pieces] = complete.get(pieces, 0.0) + probability
                continue
            place = min(left, key=lambda place: (ranks[merges[place]], place))
            merged = (*pieces[:place], merges[place], *pieces[place + 2 :])
            begun[merged] = begun.get(merged, 0.0) + probability
    return complete


def model_one(pairs: Sequence[tuple[list[int], list[int]]], rounds: int) -> dict[tuple[int, int], float]:
    """t(target | source) by the loops of Brown et al. 1993, section 4.1; the empty word is 0."""
    t = {(s, w): 1.0 for source, target in pairs for s in [0, *source] for w in target}
    for _ in range(rounds):
        counts: dict[tuple[int, int], float] = defaultdict(float)
        totals: dict[int, float] = defaultdict(float)
        for source, target in pairs:
            for w in target:
                norm = sum(t[s, w] for s in [0, *source])
                for s in [0, *source]:
                    counts[s, w] += t[s, w] / norm
                    totals[s] += t[s, w] / norm
        t = {(s, w): count / totals[s] for (s, w), count in counts.items()}
    return t
