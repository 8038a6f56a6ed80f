"""One sentence by itself is decoded over arrays. That they say what tensors say is a law; here is what the law cannot see."""

from typing import Any

import pytest
import torch
from torch import nn

from nmt_cli.corpus.batching import Sequences
from nmt_cli.errors import ModelError
from nmt_cli.models.positions import LearnedPositions, Positions, RotaryPositions, SinusoidalPositions, timing_signals
from nmt_cli.models.reading import BatchState
from nmt_cli.models.solo import SoloEmbedding, SoloState
from nmt_cli.models.stacks import Embedding
from nmt_cli.search.ancestral import Greedy
from nmt_cli.search.base import Sentences
from tests.tiny import random_batch, random_model

TRANSFORMERS = ("transformer", "transformer-post", "transformer-rotary", "transformer-ssru")


def packed(name: str, dtype: torch.dtype = torch.float64) -> Any:
    model = random_model(name, seed=1, dtype=dtype)
    model.pack()
    return model


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_who_is_read_alone(name: str) -> None:
    """A packed model's only sentence, unless it has padding or NumPy does not know its weights."""
    one, two = random_batch(1, seed=1).source, random_batch(2, seed=1).source
    longer = Sequences(nn.functional.pad(one.tokens, (0, 2)), one.lengths)
    with torch.no_grad():
        assert isinstance(packed(name).start(one)[1], SoloState)
        assert isinstance(random_model(name, seed=1).start(one)[1], BatchState)
        assert isinstance(packed("transformer", torch.bfloat16).start(one)[1], BatchState)
        assert isinstance(packed(name).start(two)[1], BatchState)
        token, state = packed(name).start(longer)
        assert isinstance(state, BatchState)
        padded, _ = packed(name).step(token, state)
        alone, _ = packed(name).step(*packed(name).start(one))
    torch.testing.assert_close(padded.log_probs(), alone.log_probs(), rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    "positions",
    [
        SinusoidalPositions(6), SinusoidalPositions(6, timing_signals), LearnedPositions(9, 6), LearnedPositions(3, 6),
        RotaryPositions(6),
    ],
)  # fmt: skip
def test_positions_of_any_length(positions: Positions) -> None:
    """More than are known beforehand, and than a learned table has."""
    table = nn.Parameter(torch.randn(11, 6))
    alone, whole = SoloEmbedding(table, positions, known=2), Embedding(table, positions, 0.0, 0.0)
    for count in (1, 2, 3, 9, 30, 4):
        ids, places = torch.randint(11, (count,)), torch.arange(count)
        wanted = whole(ids[None], places)[0].detach()
        torch.testing.assert_close(torch.from_numpy(alone(ids.numpy(), places.numpy())), wanted)


def test_slots_are_used_again_and_room_is_doubled() -> None:
    """All rows but one die at every step, and the one multiplies: what the others wrote is written over."""
    model = packed("transformer")
    rooms = []
    with torch.no_grad():
        tokens, state = model.start(random_batch(1, seed=3).source)
        for turn in range(20):
            _, state = model.step(tokens, state)
            assert state.past.used == (
                1 if turn == 0 else turn + 5
            )  # what one row remembers, and what five have written
            rooms.append(state.past.pairs.shape[1])
            state = state.reorder(torch.full((5,), turn % len(tokens)))
            tokens = torch.full((5,), 5)
    assert len(set(rooms)) <= 5


def test_where_it_looked_is_forgotten_when_rows_move() -> None:
    model = packed("transformer")
    with torch.no_grad():
        _, state = model.step(*model.start(random_batch(1, seed=4).source))
        assert model.decoder.attention(None, state) is not None
        assert model.decoder.attention(None, state.reorder(torch.tensor([0, 0]))) is None
        assert model.decoder.attention(None, state.select(torch.tensor([0]))) is None


@pytest.mark.parametrize("name", [*TRANSFORMERS, "recurrent", "transformer-lm"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_are_no_obstacle(name: str, dtype: torch.dtype) -> None:
    """Whoever does not say that he needs none is given the same."""
    model = packed(name, dtype)
    found, _ = model.step(*model.start(random_batch(1, seed=5).source))
    with torch.no_grad():
        wanted, _ = model.step(*model.start(random_batch(1, seed=5).source))
    torch.testing.assert_close(found.log_probs().detach(), wanted.log_probs(), rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["transformer", "transformer-ssru", "recurrent"])
def test_damaged_weights_are_an_error_of_ours_alone(name: str) -> None:
    """NumPy warns of what is no number, where PyTorch does not: pytest would notice."""
    model = random_model(name, seed=1, dtype=torch.float32)
    with torch.no_grad():
        for parameter in model.decoder.parameters():
            parameter.fill_(torch.inf)
        model.pack()
        for search in (Greedy(), Greedy(weighed=False)):
            first, state = model.start(random_batch(1, seed=6).source)
            with pytest.raises(ModelError, match="scores must be numbers"):
                search(model, first, state, Sentences.of(torch.tensor([5])))
