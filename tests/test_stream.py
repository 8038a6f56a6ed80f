"""A text as streams: every token is predicted once, behind the one before it, whatever the sizes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nmt_cli.corpus.batching import Batch, Sequences, TextBatch
from nmt_cli.corpus.dataset import PreparedCorpus
from nmt_cli.settings import TrainingSettings
from nmt_cli.text.tokenizer import EOS, PAD
from nmt_cli.training.stream import Place, RowReader, StreamReader, epochs_of, updates

from .conftest import run_nmt


@dataclass
class Text:
    """Lines of ids."""

    lines: Sequence[Sequence[int]]

    def __len__(self) -> int:
        return len(self.lines)

    def ids(self, index: int) -> np.ndarray[tuple[int], np.dtype[np.uint16]]:
        return np.array(self.lines[index], dtype=np.uint16)


def oracle(lines: Sequence[Sequence[int]], streams: int) -> list[list[tuple[int, int]]]:
    """(read, predicted) of each stream, in order: the whole text is cut into pieces of equal length, the last ones shorter."""
    text = [EOS]
    for line in lines:
        text += [*line, EOS]
    pairs = [(text[place], text[place + 1]) for place in range(len(text) - 1)]
    length = 1
    while length * streams < len(pairs):
        length += 1
    return [pairs[start : start + length] for start in range(0, len(pairs), length)]


def read(reader: StreamReader) -> list[TextBatch]:
    return [reader.batch(place, 0) for place in reader.epoch(0)]


text_lines = st.lists(st.lists(st.integers(EOS + 1, 60), min_size=1, max_size=6), min_size=1, max_size=12)


@given(text_lines, st.integers(1, 9), st.integers(1, 7))
def test_every_token_is_predicted_once_in_order(lines: list[list[int]], streams: int, window: int) -> None:
    reader = StreamReader(Text(lines), streams, window)
    batches = read(reader)
    wanted = oracle(lines, streams)
    found: list[list[tuple[int, int]]] = [[] for _ in wanted]
    for batch in batches:
        assert batch.inputs.shape == batch.targets.shape == batch.mask.shape == (len(wanted), batch.inputs.shape[1])
        for stream, (inputs, targets, mask) in enumerate(zip(batch.inputs, batch.targets, batch.mask, strict=True)):
            found[stream] += zip(inputs[mask].tolist(), targets[mask].tolist(), strict=True)
            assert bool((mask.long().diff() <= 0).all()), "padding stands at the end"
            assert bool((targets[~mask] == PAD).all())
    assert found == wanted
    assert sum(map(len, found)) == sum(len(line) + 1 for line in lines)
    assert len(wanted) <= streams


def test_windows_begin_once_and_never_end() -> None:
    """The first window of an epoch begins anew; all that follow, and the next epoch's reader, are told where they stand."""
    batches = read(StreamReader(Text([[7] * 9] * 5), 2, 4))
    assert [batch.begins for batch in batches] == [True] + [False] * (len(batches) - 1)
    assert not any(batch.ends for batch in batches)
    assert [batch.inputs.shape[1] for batch in batches] == [4] * 6 + [1]  # 50 tokens, 25 a stream


def test_the_first_token_stands_behind_an_end() -> None:
    batch = read(StreamReader(Text([[7, 8], [9]]), 1, 100))[0]
    assert batch.inputs.tolist() == [[EOS, 7, 8, EOS, 9]]
    assert batch.targets.tolist() == [[7, 8, EOS, 9, EOS]]
    assert bool(batch.mask.all())


@pytest.mark.parametrize("accumulate", [1, 3])
def test_a_place_is_all_that_is_needed_to_go_on(accumulate: int) -> None:
    reader = StreamReader(Text([[place + 4] * 5 for place in range(20)]), 3, 4)
    straight = [update for update, _ in zip(updates(reader, accumulate, Place()), range(12), strict=False)]
    assert max(update.behind.epoch for update in straight) >= 1
    for done, place in enumerate([Place(), *(update.behind for update in straight[:-1])]):
        update = next(updates(reader, accumulate, place))
        assert update.behind == straight[done].behind
        for one, other in zip(update.batches, straight[done].batches, strict=True):
            assert torch.equal(one.targets, other.targets)
            assert torch.equal(one.inputs, other.inputs)
            assert one.begins == other.begins


def test_the_text_is_held_once_in_its_own_type() -> None:
    tokens = StreamReader(Text([[5, 6, 7]] * 4), 2, 3).tokens
    assert tokens.dtype == np.dtype(np.uint16)
    assert tokens.shape == (2, 9)
    assert np.shares_memory(tokens[0, -1:], tokens[1, :1])


def test_every_epoch_is_the_same() -> None:
    reader = StreamReader(Text([[5, 6, 7]] * 4), 2, 3)
    assert [place.tolist() for place in reader.epoch(0)] == [place.tolist() for place in reader.epoch(7)]


def test_lines_for_themselves_each_begin_behind_an_end() -> None:
    batch = TextBatch.of([[7, 8], [], [9]])
    assert batch.inputs.tolist() == [[EOS, 7, 8], [EOS, EOS, PAD], [EOS, 9, EOS]]
    assert batch.targets.tolist() == [[7, 8, EOS], [EOS, PAD, PAD], [9, EOS, PAD]]
    assert batch.mask.sum(1).tolist() == [3, 1, 2]
    assert (batch.begins, batch.ends) == (True, True)


def test_rows_that_are_cut_afresh_in_each_epoch(small: Path, tmp_path: Path) -> None:
    """As functions of the seed and the epoch; without dropout they are those of the corpus."""
    assert run_nmt("preprocess", small / "a.en", small / "a.de", "-o", tmp_path / "corpus").exit_code == 0
    corpus = PreparedCorpus.open(tmp_path / "corpus")
    assert epochs_of(corpus, TrainingSettings())(3) is corpus.train
    settings = TrainingSettings(bpe_dropout=0.3)
    epochs, again = epochs_of(corpus, settings), epochs_of(corpus, settings)
    first, second, other = (
        [rows(number)["source"].ids(7).tolist() for rows in (epochs, again)] for number in (0, 1, 0)
    )
    assert first[0] == first[1] == other[0]
    assert second[0] == second[1] != first[0]
    reader = RowReader(epochs, ("target", "source"), Batch.of, settings)
    (indices, *_), rows = reader.epoch(1), epochs(1)
    wanted = [[*rows["target"].ids(int(index)).tolist(), EOS] for index in indices]
    found: Sequences = reader.batch(indices, 1).target
    assert [row[:length].tolist() for row, length in zip(found.tokens, found.lengths, strict=True)] == wanted
