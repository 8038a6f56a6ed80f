"""Language models: one probability by every way to it, streams, unknown words."""

from typing import Any

import pytest
import torch
from torch import Tensor

from nmt_cli.corpus.batching import Batch, Sequences, TextBatch
from nmt_cli.inference.line_scorer import LineScorer
from nmt_cli.inference.scorer import Asked
from nmt_cli.models import ARCHITECTURES
from nmt_cli.search.ancestral import generate, most_probable
from nmt_cli.settings import Sizes
from nmt_cli.text.plain import SPECIALS, WordTokenizer
from nmt_cli.text.tokenizer import EOS, UNK
from nmt_cli.training.stream import StreamReader
from nmt_cli.training.tasks.lm import measure
from tests.test_stream import Text
from tests.tiny import TINY, VOCABULARY, config, random_batch, random_model

WRITERS = sorted(name for name in TINY if config(name).task == "lm")
CARRYING = [name for name in WRITERS if config(name).architecture != "transformer-lm"]
"""What they remember goes over the edge of a window."""

LINES = [[5, 9, 4], [7], [11, 4, 4, 8, 6], [10, 5], [6, 6, 9, 4, 5, 8, 7]]


def built(name: str, *, unknown: bool, seed: int = 3) -> Any:
    """Random weights in double precision, steep enough to tell places apart."""
    torch.manual_seed(seed)
    model: Any = config(name).build(Sizes(VOCABULARY, unknown=unknown)).to(torch.float64).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2).add_(0.2 * torch.randn_like(parameter))
    return model


@pytest.fixture(params=WRITERS)
def name(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


def doubles(values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def by_steps(model: Any, before: list[int], line: list[int]) -> list[float]:
    """The log-probability of each token of a line and of its end, behind ``before``, one step after the other."""
    with torch.no_grad():
        tokens, state = model.start(Sequences.of([before], end=()))
        found = []
        for token in [*line, EOS]:
            scores, state = model.step(tokens, state)
            tokens = torch.tensor([token])
            found.append(float(scores.of(tokens)))
    return found


def test_every_registered_language_model_is_here() -> None:
    assert {config(name).architecture for name in WRITERS} == {
        name for name in ARCHITECTURES if ARCHITECTURES[name].task == "lm"
    }
    assert CARRYING


def test_one_probability_by_every_way(name: str) -> None:
    model = built(name, unknown=False)
    wanted = [by_steps(model, [EOS], line) for line in LINES]
    with torch.no_grad():
        batch = TextBatch.of(LINES)
        tokens, carry = model.token_log_probs(batch)
        pairs = model.log_probs(Batch(Sequences.of([[]] * len(LINES)), Sequences.of(LINES)))
        loss, carried = model.loss(batch)
    assert carry is None
    assert carried is None
    for row, line in enumerate(wanted):
        for found in (tokens, pairs):
            torch.testing.assert_close(found[row, : len(line)], doubles(line), rtol=0, atol=1e-9)
            assert bool((found[row, len(line) :] == 0).all())
    assert float(loss.nll) == pytest.approx(-sum(map(sum, wanted)), abs=1e-9)
    assert float(loss.total) == pytest.approx(float(loss.nll), abs=1e-12)
    assert loss.count == sum(map(len, wanted))


def test_a_text_goes_on_behind_what_was_said(name: str) -> None:
    """Prompts of different lengths side by side."""
    model = built(name, unknown=False)
    batch = random_batch(6, seed=5)
    with torch.no_grad():
        found = model.log_probs(batch)
    for row in range(6):
        before = batch.source.tokens[row, : batch.source.lengths[row]].tolist()
        target = batch.target.tokens[row, : batch.target.lengths[row] - 1].tolist()
        wanted = doubles(by_steps(model, before, target))
        torch.testing.assert_close(found[row, : len(wanted)], wanted, rtol=0, atol=1e-9)


def test_a_line_begins_behind_an_end(name: str) -> None:
    model = built(name, unknown=False)
    with torch.no_grad():
        assert model.start(Sequences.of([[]] * 3))[0].tolist() == [EOS] * 3
        assert model.start(Sequences.of([[EOS, 7, 8], [EOS]], end=()))[0].tolist() == [8, EOS]


def test_neighbours_and_padding_change_nothing(name: str) -> None:
    model = built(name, unknown=True)
    with torch.no_grad():
        together, _ = model.token_log_probs(TextBatch.of(LINES))
        for row, line in enumerate(LINES):
            alone, _ = model.token_log_probs(TextBatch.of([line]))
            torch.testing.assert_close(together[row, : len(line) + 1], alone[0], rtol=0, atol=1e-12)


# Streams.


def windows(model: Any, streams: int, window: int) -> tuple[Tensor, list[Any]]:
    """Log-probabilities of the whole text, stream by stream, and what was carried out of each window."""
    reader = StreamReader(Text(LINES), streams, window)
    carry, found, carries, masks = None, [], [], []
    with torch.no_grad():
        for place in reader.epoch(0):
            batch = reader.batch(place, 0)
            log_probs, carry = model.token_log_probs(batch, carry)
            found.append(log_probs)
            masks.append(batch.mask)
            carries.append(carry)
    return torch.cat(found, 1)[torch.cat(masks, 1)], carries


@pytest.mark.parametrize("name", CARRYING)
@pytest.mark.parametrize("streams", [1, 3])
def test_windows_that_carry_are_one_reading(name: str, streams: int) -> None:
    model = built(name, unknown=False)
    wanted, _ = windows(model, streams, 1000)
    for window in (1, 2, 5):
        found, carries = windows(model, streams, window)
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-9)
        assert all(len(part) <= streams for carry in carries for part in carry)
    text = [token for line in LINES for token in (*line, EOS)]
    if streams == 1:
        torch.testing.assert_close(wanted, doubles(by_steps(model, [EOS], text[:-1])), rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", CARRYING)
def test_what_is_carried_counts_and_has_no_gradient(name: str) -> None:
    model = built(name, unknown=False)
    reader = StreamReader(Text(LINES), 2, 4)
    first, second = (reader.batch(place, 0) for place in reader.epoch(0)[:2])
    _, carry = model.loss(first, None)
    assert carry
    assert not any(part.requires_grad for part in carry)
    with_it, without = (float(model.loss(second, before)[0].nll) for before in (carry, None))
    assert abs(with_it - without) > 1e-3
    anew = float(model.loss(first, None)[0].nll)
    assert float(model.loss(first, carry)[0].nll) == anew, "the first window of an epoch begins anew"
    model.zero_grad()
    model.loss(second, carry)[0].total.backward()  # through this window alone: the graph of the first is gone
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize("name", [name for name in WRITERS if name not in CARRYING])
def test_a_transformer_begins_each_window_anew(name: str) -> None:
    model = built(name, unknown=False)
    found, carries = windows(model, 1, 4)
    assert all(carry is None for carry in carries)
    text = [EOS, *(token for line in LINES for token in (*line, EOS))]
    wanted: list[float] = []
    for start in range(0, len(text) - 1, 4):
        piece = text[start : start + 5]
        wanted += by_steps(model, piece[:1], piece[1:])[: len(piece) - 1]
    torch.testing.assert_close(found, doubles(wanted), rtol=0, atol=1e-9)


# Unknown words.


def test_unknown_words_are_learnt_scored_and_never_offered(name: str) -> None:
    model = built(name, unknown=True)
    with torch.no_grad():
        first, state = model.start(Sequences.of([[EOS, 7]], end=()))
        state_again = state.select(torch.tensor([0]))
        scores, _ = model.step(first, state)
        assert scores.columns.tolist() == list(range(EOS, VOCABULARY))
        assert float(scores.of(torch.tensor([UNK]))) == -torch.inf
        known = float(scores.log_probs().exp().sum())
        targets = [[token] for token in range(UNK, VOCABULARY)]
        rows = Batch(Sequences.of([[EOS, 7]] * len(targets), end=()), Sequences.of(targets, end=()))
        every = model.log_probs(rows)[:, 0].exp()
        assert float(every.sum()) == pytest.approx(1, abs=1e-12)
        assert known == pytest.approx(1 - float(every[0]), abs=1e-12)
        assert float(every[0]) > 1e-6
        torch.testing.assert_close(scores.log_probs()[0].exp(), every[1:], rtol=0, atol=1e-12)
        again, _ = model.step(first, state_again)
        torch.testing.assert_close(again.log_probs(), scores.log_probs(), rtol=0, atol=0)


def test_search_says_no_unknown_word_even_where_it_is_the_most_probable(name: str) -> None:
    model = built(name, unknown=True)
    with torch.no_grad():
        model.output.bias[UNK] = 50.0
        source = Sequences.of([[EOS]] * 3, end=())
        first, state = model.start(source)
        found = generate(model, first, state, torch.tensor([4, 5, 6]), most_probable)
    for hypothesis in found:
        assert UNK not in hypothesis.tokens
        assert hypothesis.log_prob < -40  # and says what the model thinks of that


def test_without_unknown_words_everything_is_shared_among_the_others(name: str) -> None:
    model = built(name, unknown=False)
    with torch.no_grad():
        scores, _ = model.step(*model.start(Sequences.of([[]])))
    assert float(scores.log_probs().exp().sum()) == pytest.approx(1, abs=1e-12)
    assert scores.columns[0] == EOS


# One figure for a text, whoever asks.


@pytest.mark.parametrize("unknown", [False, True])
@pytest.mark.parametrize("window", [0, 1, 4, 50])
def test_what_evaluate_says_is_the_sum_of_what_logprob_says(name: str, window: int, unknown: bool) -> None:
    model = built(name, unknown=unknown)
    tokenizer = WordTokenizer([f"w{place}" for place in range(len(SPECIALS), VOCABULARY)])
    texts = [tokenizer.decode(line) for line in LINES]
    texts[2] += " unheard" if unknown else ""
    rows = tokenizer.encode_all(texts)
    found = measure(model, rows, texts, window)
    mixed = [part for text in texts for part in ("", text, " \x00")]
    scored = list(LineScorer(tokenizer, model, window).score(map(Asked, mixed)))
    assert [one.text for one in scored] == mixed
    assert [one.tokens for one in scored[1::3]] == [(*row, EOS) for row in rows]
    assert {one.tokens for one in (*scored[::3], *scored[2::3])} == {()}
    assert -found.nll == pytest.approx(sum(one.log_prob for one in scored), abs=1e-9)
    assert found.tokens == sum(len(one.tokens) for one in scored) == sum(len(row) + 1 for row in rows)
    assert found.unknown == unknown
    assert found.per_word == pytest.approx(found.per_token)  # of whole words
    if window == 0:
        for one, row in zip(scored[1::3], rows, strict=True):
            pairs = zip(one.log_probs, by_steps(model, [EOS], row), [*row, EOS], strict=True)
            assert all(abs(found - wanted) < 1e-9 or token == UNK for found, wanted, token in pairs)


@pytest.mark.parametrize("streams", [2, 7])
def test_several_streams_leave_out_no_token(name: str, streams: int) -> None:
    model = built(name, unknown=False)
    texts = ["a"] * len(LINES)
    found = measure(model, LINES, texts, 3, streams=streams)
    assert found.tokens == sum(len(line) + 1 for line in LINES)
    assert found.nll == pytest.approx(-float(windows(model, streams, 3)[0].sum()), abs=1e-9)


def test_random_models_of_the_laws_know_no_unknown_word() -> None:
    """So the laws hold the plain case; the tests above hold the other."""
    assert {random_model(name).output.first for name in WRITERS} == {EOS}
