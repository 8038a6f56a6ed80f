"""Classifiers: what a text is called depends on its words alone; pooling against loops; word dropout."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from nmt_cli.corpus.batching import LabelledBatch, Sequences
from nmt_cli.inference.classifier import Classified, LineClassifier
from nmt_cli.models import ARCHITECTURES
from nmt_cli.models.base import Memory
from nmt_cli.models.classifier import UnknownWords
from nmt_cli.models.pooling import AttentionPooling, FinalStates, MaxPooling, MeanPooling
from nmt_cli.settings import Sizes
from nmt_cli.text.labels import Labels
from nmt_cli.text.plain import SPECIALS, WordTokenizer
from nmt_cli.text.tokenizer import EOS, PAD, UNK
from tests.tiny import VOCABULARY, alone, random_batch

LABELS = Labels(["a", "b", "c"])
TRANSFORMER = {"architecture": "transformer-classifier", "width": 16, "heads": 2, "feed_forward": 24, "layers": 2}
RECURRENT = {"architecture": "recurrent-classifier", "width": 16, "hidden": 12, "layers": 2}
TINY: dict[str, dict[str, Any]] = {
    **{f"transformer-{pooling}": {**TRANSFORMER, "pooling": pooling} for pooling in ("mean", "max", "attention")},
    **{f"recurrent-{pooling}": {**RECURRENT, "pooling": pooling} for pooling in ("final", "max", "mean", "attention")},
    "forward-final": {**RECURRENT, "bidirectional": False, "cell": "gru"},
    "rnn-final": {**RECURRENT, "cell": "rnn", "layers": 1},
}


def build(name: str, **changes: Any) -> Any:
    settings = {**TINY[name], "dropout": 0.0, **changes}
    torch.manual_seed(2)
    model: Any = ARCHITECTURES[settings["architecture"]].model_validate(settings).build(Sizes(VOCABULARY, len(LABELS)))
    return model.to(torch.float64).eval()


@pytest.fixture(params=sorted(TINY))
def name(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


def test_every_registered_classifier_and_pooling_is_here() -> None:
    registered = {name for name in ARCHITECTURES if ARCHITECTURES[name].task == "classify"}
    assert {settings["architecture"] for settings in TINY.values()} == registered
    for architecture in registered:
        offered = ARCHITECTURES[architecture].model_fields["pooling"].annotation
        built = {
            settings.get("pooling", "final") for settings in TINY.values() if settings["architecture"] == architecture
        }
        assert built == set(offered.__args__)  # type: ignore[union-attr]


@torch.no_grad()
def test_padding_and_neighbours_change_nothing(name: str) -> None:
    model = build(name)
    texts = random_batch(9, seed=3, longest=12).source
    together = model.log_probs(texts)
    assert together.shape == (9, 3)
    torch.testing.assert_close(together.exp().sum(1), torch.ones(9).double(), rtol=0, atol=1e-12)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(1))
    shuffled = model.log_probs(Sequences(texts.tokens[order], texts.lengths[order]))
    torch.testing.assert_close(shuffled, together[order], rtol=0, atol=1e-9)
    for row in range(9):
        torch.testing.assert_close(model.log_probs(alone(texts, row))[0], together[row], rtol=0, atol=1e-9)
    wider = Sequences(torch.cat([texts.tokens, torch.full((9, 5), PAD)], 1), texts.lengths)
    torch.testing.assert_close(model.log_probs(wider), together, rtol=0, atol=1e-9)
    assert len({tuple(row) for row in together.tolist()}) == len({tuple(row) for row in texts.tokens.tolist()})


@torch.no_grad()
def test_every_word_counts_and_so_does_its_place(name: str) -> None:
    model = build(name)
    texts = [
        [5, 6, 7, 8, 9],
        [6, 5, 7, 8, 9],
        *([4 if here == place else 5 + here for here in range(5)] for place in range(5)),
    ]
    found = model.log_probs(Sequences.of(texts))
    for other in found[1:]:
        assert float((other - found[0]).abs().max()) > 1e-9


def test_the_loss_is_that_of_the_labels(name: str) -> None:
    model = build(name)
    batch = LabelledBatch(random_batch(7, seed=4).source, torch.tensor([0, 1, 2, 2, 1, 0, 0]))
    loss, carry = model.loss(batch, None, smoothing=0.1)
    with torch.no_grad():
        log_probs = model.log_probs(batch.texts)
    rows = range(7)
    nll = -sum(float(log_probs[row, batch.labels[row]]) for row in rows)
    assert (loss.count, carry) == (7, None)
    assert float(loss.nll) == pytest.approx(nll)
    assert float(loss.total.detach()) == pytest.approx(0.9 * nll - 0.1 * float(log_probs.mean(1).sum()))
    assert not loss.nll.requires_grad
    loss.total.backward()
    for part, parameter in model.named_parameters():
        assert parameter.grad is not None, part
        assert bool((parameter.grad != 0).any()), part


# Pooling, one row and one position at a time.


def memory_of(seed: int = 1) -> Memory:
    """Three rows of lengths 4, 1 and 2; what stands on padding is large, so that whoever reads it is noticed."""
    draw = torch.Generator().manual_seed(seed)
    mask = torch.arange(4) < torch.tensor([[4], [1], [2]])
    outputs = torch.randn(3, 4, 6, generator=draw, dtype=torch.float64).masked_fill(~mask[:, :, None], 1e6)
    return Memory(outputs, mask, (torch.randn(3, 2, 6, generator=draw, dtype=torch.float64),))


def rows_of(memory: Memory) -> Iterator[list[Tensor]]:
    for outputs, mask in zip(memory.outputs, memory.mask, strict=True):
        yield [vector for vector, real in zip(outputs, mask, strict=True) if real]


def test_mean_max_and_final() -> None:
    memory = memory_of()
    for found, vectors in zip(MeanPooling()(memory), rows_of(memory), strict=True):
        torch.testing.assert_close(found, sum(vectors[1:], vectors[0]) / len(vectors), rtol=0, atol=1e-12)
    for found, vectors in zip(MaxPooling()(memory), rows_of(memory), strict=True):
        wanted = [max(float(vector[place]) for vector in vectors) for place in range(6)]
        assert found.tolist() == wanted
    for row, found in enumerate(FinalStates()(memory)):
        assert torch.equal(found, memory.final[0][row, 1])


@torch.no_grad()
def test_attention_pooling() -> None:
    torch.manual_seed(3)
    pooling, memory = AttentionPooling(6).double(), memory_of()
    for found, vectors in zip(pooling(memory), rows_of(memory), strict=True):
        answers = [
            float(pooling.question.weight[0] @ torch.tanh(pooling.key.weight @ h + pooling.key.bias)) for h in vectors
        ]
        weights = [np.exp(answer) / sum(np.exp(answers)) for answer in answers]
        wanted = sum((w * h for w, h in zip(weights[1:], vectors[1:], strict=True)), weights[0] * vectors[0])
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-9)


# Word dropout.


def test_words_are_dropped_while_training_and_only_then() -> None:
    texts = Sequences.of([[4 + place % 8 for place in range(499)]] * 20)
    dropout = UnknownWords(0.3)
    torch.manual_seed(1)
    dropped = dropout(texts)
    changed = dropped.tokens != texts.tokens
    assert set(dropped.tokens[changed].tolist()) == {UNK}
    assert abs(float(changed[:, :-1].double().mean()) - 0.3) < 4.5 * (0.3 * 0.7 / 9980) ** 0.5
    assert bool((dropped.tokens[:, -1] == EOS).all())
    assert torch.equal(dropped.lengths, texts.lengths)
    padded = dropout(Sequences.of([[4] * 50, []]))
    assert padded.tokens[1].tolist() == [EOS] + [PAD] * 50
    for unchanged in (dropout.eval()(texts), UnknownWords(0.0)(texts)):
        assert torch.equal(unchanged.tokens, texts.tokens)


@pytest.mark.parametrize("kind", ["transformer-mean", "recurrent-final"])
def test_a_model_drops_words_while_training_and_only_then(kind: str) -> None:
    model, texts = build(kind, word_dropout=0.5), random_batch(8, seed=6, longest=12).source
    with torch.no_grad():
        torch.testing.assert_close(model(texts), build(kind)(texts), rtol=0, atol=0)
        model.train()
        torch.manual_seed(1)
        one, two = model(texts), model(texts)
    assert float((one - two).abs().max()) > 1e-6


# Lines.


def liner(name: str = "transformer-mean", **changes: Any) -> LineClassifier:
    words = [f"w{place}" for place in range(len(SPECIALS), VOCABULARY)]
    return LineClassifier(WordTokenizer(words), LABELS, build(name), **changes)


LINES = ["w4 w5", "", "w6", "  ", "w7 w8 w9 w4 w4 unheard", "\x00\u2028", "w4 w5", "unheard", "w10"] * 3


def test_one_answer_a_line_blank_for_blank_in_any_window(name: str) -> None:
    found = list(liner(name).stream(LINES))
    assert [one.blank for one in found] == [not line.replace("\x00", "").strip() for line in LINES]
    for window in (1, 2, 5):
        for one, other in zip(found, liner(name, window=window).stream(LINES), strict=True):
            assert (one.label, one.blank) == (other.label, other.blank)
            np.testing.assert_allclose(one.log_probs, other.log_probs, rtol=0, atol=1e-9)


def test_what_is_said_of_a_line() -> None:
    full = Classified(LABELS.names, np.log([0.2, 0.5, 0.3]))
    assert full.label == "b"
    assert full.probability == pytest.approx(0.5)
    assert list(full.probabilities) == ["b", "c", "a"]
    assert list(full.probabilities.values()) == pytest.approx([0.5, 0.3, 0.2])
    blank = Classified(LABELS.names, np.zeros(3), blank=True)
    assert (blank.label, blank.probability, blank.probabilities) == ("", 0.0, {})


def test_lines_are_read_a_window_at_a_time() -> None:
    """Whatever the length of the input, no more than a window of it is held; at a terminal, one line."""
    taken = 0

    def endless() -> Iterator[str]:
        nonlocal taken
        while True:
            taken += 1
            yield LINES[taken % len(LINES)]

    for classifier, window in ((liner(window=50), 50), (liner().immediate(), 1)):
        taken = 0
        answers = classifier.stream(endless())
        for number in range(1, 3 * window + 1):
            next(answers)
            assert taken <= (number + window - 1) // window * window
