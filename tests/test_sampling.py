"""Drawing: noise that depends on its place alone, the head of a distribution, samples that know nothing of each other."""

import math
from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nmt_cli.corpus.batching import Sequences
from nmt_cli.errors import ConfigError
from nmt_cli.scoring.scores import Scores
from nmt_cli.search import noise
from nmt_cli.search.ancestral import Greedy, generate
from nmt_cli.search.base import Hypothesis, Sentences
from nmt_cli.search.head import Head
from nmt_cli.search.sampling import Sampler
from nmt_cli.text.tokenizer import EOS
from tests import oracles
from tests.tiny import alone, random_batch, random_model

COLUMNS = torch.arange(EOS, 4003)
KEYS = {seed: noise.keys(seed, torch.arange(500), 0, 1) for seed in (0, 1, 2**62)}


# Noise.


def test_noise_is_a_function_of_its_place() -> None:
    """The same number in another batch, in another order, over other columns, after other noise."""
    lines, samples = torch.tensor([3, 0, 3, 7]), torch.tensor([0, 1, 1, 0])
    whole = noise.gumbel(noise.keys(5, lines, samples, 9), COLUMNS)
    noise.uniform(KEYS[1], COLUMNS[:10])
    torch.manual_seed(3)
    for row in range(4):
        single = noise.gumbel(noise.keys(5, lines[row : row + 1], samples[row : row + 1], 9), COLUMNS[100:200])
        assert torch.equal(single[0], whole[row, 100:200])
    order = torch.tensor([2, 3, 0, 1])
    assert torch.equal(noise.gumbel(noise.keys(5, lines[order], samples[order], 9), COLUMNS), whole[order])


def test_noise_is_a_function_of_every_part_of_its_place() -> None:
    """Seed, line, sample and step each count, and in this order: no two of many places share a key."""
    keys = {
        int(noise.keys(seed, torch.tensor([line]), torch.tensor([sample]), step))
        for seed in range(6) for line in range(6) for sample in range(6) for step in range(6)
    }  # fmt: skip
    assert len(keys) == 6**4
    large = noise.keys(2**63 - 1, torch.tensor([2**40]), torch.tensor([2**40]), 2**31)
    assert bool((noise.uniform(large, COLUMNS) < 1).all())


def splitmix(state: int) -> int:
    """One output of SplitMix64 as its authors write it, in unsigned 64-bit numbers; ``state`` has been advanced already."""
    state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    state = (state ^ (state >> 27)) * 0x94D049BB133111EB % 2**64
    return state ^ (state >> 31)


def slow_key(seed: int, *places: int) -> int:
    key = seed
    for place in places:
        key = splitmix((splitmix((key + 0x9E3779B97F4A7C15) % 2**64) + place) % 2**64)
    return key


def test_noise_is_splitmix() -> None:
    golden = 0x9E3779B97F4A7C15
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423]  # of the seed 1234567
    assert [splitmix((1234567 + turn * golden) % 2**64) for turn in (1, 2, 3)] == published
    columns = torch.tensor([EOS, 17, 4000])
    for seed, line, step in ((0, 0, 1), (1, 7, 3), (2**62, 2**33, 99)):
        keys = noise.keys(seed, torch.tensor([line]), 5, step)
        assert int(keys) % 2**64 == slow_key(seed, line, 5, step)
        wanted = [
            ((splitmix((slow_key(seed, line, 5, step) + golden * (int(column) + 1)) % 2**64) >> 12) + 0.5) / 2**52
            for column in columns
        ]
        assert noise.uniform(keys, columns)[0].tolist() == wanted
        assert noise.gumbel(keys, columns)[0].tolist() == pytest.approx([-math.log(-math.log(u)) for u in wanted])


@pytest.mark.parametrize("seed", sorted(KEYS))
def test_uniform_noise_is_uniform(seed: int) -> None:
    """Two million numbers: mean, variance, and the largest distance from the distribution function (Kolmogorov & Smirnov)."""
    drawn = noise.uniform(KEYS[seed], COLUMNS)
    count = drawn.numel()
    assert 0 < float(drawn.min()) < float(drawn.max()) < 1
    assert abs(float(drawn.mean()) - 1 / 2) < 4.5 * math.sqrt(1 / 12 / count)
    assert abs(float(drawn.var()) - 1 / 12) < 4.5 * math.sqrt(1 / 180 / count)
    ranked = drawn.flatten().sort().values
    distance = float((ranked - (torch.arange(count, dtype=torch.float64) + 0.5) / count).abs().max())
    assert distance < 2.2 / math.sqrt(count)
    assert bool((ranked.diff() > 0).all())


@pytest.mark.parametrize("part", range(4))
def test_neighbours_are_not_alike(part: int) -> None:
    """Neighbouring seeds, lines, samples, steps and columns: no correlation of the numbers, nor of their last places."""
    places: list[Any] = [5, torch.arange(200), torch.zeros(200, dtype=torch.long), 7]
    one = noise.uniform(noise.keys(*places), COLUMNS)
    places[part] = places[part] + 1
    other = noise.uniform(noise.keys(*places), COLUMNS)
    bound = 4.5 / math.sqrt(one.numel())
    for scale in (1, 2**20):
        pairs = [(one, other), (one[:, 1:], one[:, :-1]), (one[1:], one[:-1])]
        for left, right in pairs if part != 1 else pairs[1:]:
            both = torch.stack([(left * scale % 1).flatten(), (right * scale % 1).flatten()])
            assert abs(float(torch.corrcoef(both)[0, 1])) < bound * 1.01


def test_every_bit_is_even() -> None:
    bits = (noise.uniform(KEYS[1], COLUMNS) * 2.0**52).long()
    for place in range(52):
        share = float((bits >> place & 1).double().mean())
        assert abs(share - 0.5) < 4.5 * 0.5 / math.sqrt(bits.numel()), place


def test_the_argmax_of_noise_is_a_draw_from_the_softmax() -> None:
    logits = torch.tensor([3.0, 2.0, 1.5, 0.0, -1.0, -2.0], dtype=torch.float64)
    columns, count = torch.arange(EOS, EOS + 6), 200_000
    drawn = (logits + noise.gumbel(noise.keys(4, torch.arange(count), 0, 1), columns)).argmax(1)
    wanted = torch.softmax(logits, 0) * count
    found = torch.bincount(drawn, minlength=6)
    chi_square = float(((found - wanted) ** 2 / wanted).sum())
    assert chi_square < 20.5  # 99.9 % of five degrees of freedom
    assert float(noise.gumbel(KEYS[0], COLUMNS).mean()) == pytest.approx(0.5772, abs=0.005)


# The head of a distribution, against one row and one token at a time.


@given(
    st.lists(st.integers(-8000, 8000).map(lambda value: value / 1000), min_size=1, max_size=12, unique=True),
    st.sampled_from([0.3, 1.0, 2.5]),
    st.sampled_from([None, 1, 2, 5, 100]),
    *(st.sampled_from([None, *shares]) for shares in ((0.05, 0.5, 0.9, 1.0), (0.01, 0.2, 1.0), (0.001, 0.1, 1.0))),
)
def test_the_head_is_the_slow_one(
    logits: list[float], temperature: float, k: int | None, p: float | None, least: float | None, epsilon: float | None
) -> None:
    found = Head(temperature, k, p, least, epsilon)(torch.tensor([logits], dtype=torch.float64))[0].tolist()
    allowed = {place: value for place, value in enumerate(found) if value > -math.inf}
    slow = [
        oracles.head(dict(enumerate(logits)), Head(temperature, k, *shares))
        for shares in product(near(p), near(least), near(epsilon))
    ]
    wanted = next(each for each in slow if each.keys() == allowed.keys())
    ahead = [allowed[place] - wanted[place] for place in allowed]  # up to a constant of the row
    assert ahead == pytest.approx([ahead[0]] * len(ahead), abs=1e-9)


def near(share: float | None) -> list[float | None]:
    """Where a sum of probabilities meets its bound to the last bit, either is right."""
    return [None] if share is None else [share, share - 1e-9, min(1.0, share + 1e-9)]


def test_rows_of_a_head_do_not_touch() -> None:
    logits = torch.randn(7, 50, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    head = Head(0.8, 20, 0.9, 0.02)
    together = head(logits)
    for row in range(7):
        assert torch.equal(head(logits[row : row + 1])[0], together[row])


def test_equal_tokens_and_extreme_temperatures() -> None:
    """Ties do not widen the k most probable; no temperature makes a number that is none."""
    tied = Head(top_k=2)(torch.zeros(1, 9))
    assert int((tied > -math.inf).sum()) == 2
    assert int((Head(top_p=0.2)(torch.zeros(1, 10)) > -math.inf).sum()) in (2, 3)
    for temperature in (1e-300, 1e-30, 1e30):
        found = Head(temperature)(torch.tensor([[5.0, 4.0, 1e4]]))
        assert not bool(found.isnan().any())
        assert float(found[0, 2]) == float(found.max())


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"temperature": 0.0}, "the temperature must be above 0, but is 0.0"),
        ({"temperature": -1.0}, "the temperature must be above 0, but is -1.0"),
        ({"temperature": math.nan}, "the temperature must be above 0, but is nan"),
        ({"temperature": math.inf}, "the temperature must be above 0, but is inf"),
        ({"top_k": 0}, "top-k must be at least 1, but is 0"),
        ({"top_p": 0.0}, "top-p must be above 0 and at most 1, but is 0.0"),
        ({"top_p": 1.5}, "top-p must be above 0 and at most 1, but is 1.5"),
        ({"min_p": math.nan}, "min-p must be above 0 and at most 1, but is nan"),
    ],
)
def test_what_is_out_of_range(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Head(**values)
    assert caught.value.message == said


# Samples.


def sample(model: Any, source: Sequences, sampler: Sampler) -> list[Hypothesis]:
    with torch.no_grad():
        first, state = model.start(source)
        return generate(model, first, state, source.lengths + 6, sampler)


@pytest.fixture(scope="module")
def model() -> Any:
    return random_model("recurrent", seed=4)


def test_a_sample_depends_on_its_own_place_alone(model: Any) -> None:
    """Alone, among others, in another order: the same ids, and their log-probability under the model as it is."""
    source = random_batch(12, seed=2).source
    lines, samples = torch.arange(12) // 3 * 5, torch.arange(12) % 3
    head = Head(3.0, top_k=8, top_p=0.99)
    together = sample(model, source, Sampler(head, 3, lines, samples))
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    shuffled = sample(
        model, Sequences(source.tokens[order], source.lengths[order]), Sampler(head, 3, lines[order], samples[order])
    )
    for place in range(12):
        own = Sampler(head, 3, lines[place : place + 1], samples[place : place + 1])
        single = sample(model, alone(source, place), own)[0]
        for other in (together[place], shuffled[int((order == place).nonzero())]):
            assert other.tokens == single.tokens
            assert other.log_prob == pytest.approx(single.log_prob, abs=1e-9)
        assert single.tokens[-1] == EOS
        assert EOS not in single.tokens[:-1]
        assert single.log_prob == pytest.approx(oracles.log_prob(model, alone(source, place), single.tokens), abs=1e-9)
    assert len({hypothesis.tokens for hypothesis in together}) > 6


def test_seeds_lines_and_samples_differ(model: Any) -> None:
    source = Sequences(*(part.expand(30, *part.shape[1:]) for part in (torch.tensor([[7, EOS]]), torch.tensor([2]))))
    kinds = {
        "lines": Sampler(Head(5.0), 1, torch.arange(30), torch.zeros(30, dtype=torch.long)),
        "samples": Sampler(Head(5.0), 1, torch.zeros(30, dtype=torch.long), torch.arange(30)),
        "seeds": Sampler(Head(5.0), 2, torch.arange(30), torch.zeros(30, dtype=torch.long)),
    }
    found = {name: [h.tokens for h in sample(model, source, sampler)] for name, sampler in kinds.items()}
    assert all(len(set(texts)) > 10 for texts in found.values())
    assert found["lines"] != found["samples"] != found["seeds"] != found["lines"]
    assert found["lines"][0] == found["samples"][0]  # the first sample of the first line is both


def test_a_cold_head_is_greedy(model: Any) -> None:
    source = random_batch(9, seed=3).source
    with torch.no_grad():
        first, state = model.start(source)
        greedy = Greedy()(model, first, state, Sentences.of(source.lengths + 6))
    zero = torch.zeros(9, dtype=torch.long)
    for head in (Head(1e-6), Head(top_k=1), Head(2.0, top_p=1e-9), Head(min_p=1.0)):
        assert sample(model, source, Sampler(head, 1, torch.arange(9), zero)) == [found for (found,) in greedy]


def test_a_banned_column_is_never_drawn_but_keeps_its_probability() -> None:
    """Scores whose normaliser counts more than their columns: what is drawn is scored by the model as it is."""
    whole = torch.tensor([[5.0, 1.0, 0.0, 0.0]], dtype=torch.float64)
    scores = Scores(whole[:, 1:], torch.arange(EOS, EOS + 3), normaliser=lambda: whole.logsumexp(1, keepdim=True))
    sampler = Sampler(Head(), 1, torch.arange(1), torch.zeros(1, dtype=torch.long))
    drawn, log_prob = sampler(scores, torch.tensor([0]), 1)
    assert int(drawn) >= EOS
    assert float(log_prob) == pytest.approx(float(torch.log_softmax(whole, 1)[0, int(drawn) - EOS + 1]))
    assert float(scores.log_probs().exp().sum()) == pytest.approx(1 - float(torch.softmax(whole, 1)[0, 0]))
