"""Token scores and alignments as they are typed: numbers that add up, links that point to where something stands."""

import json
import re
import shutil
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nmt_cli.corpus.batching import Sequences
from nmt_cli.corpus.dataset import PreparedCorpus
from nmt_cli.errors import ConfigError
from nmt_cli.evaluation.lexicon import Lexicon
from nmt_cli.inference.details import Details
from nmt_cli.inference.reading import Part, Reading, Side
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.text.normalize import normalize
from nmt_cli.training import alignment_layer

from .conftest import Nmt, brief, run_nmt
from .test_translate import STRANGE

WITH_ATTENTION = ["trained", "trained_lstm"]
SENTENCE = "Your brother is a teacher."
LINES = [SENTENCE, "", "Why do you sing?", "The dog sees the house and the garden.", " "]
ALL = ("--token-scores", "--alignment", "--attention")


@pytest.fixture(params=WITH_ATTENTION)
def model(request: pytest.FixtureRequest) -> Path:
    """Of each kind that looks at its source."""
    found: Path = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def tall(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Transformer with three decoder layers, hardly trained."""
    folder = tmp_path_factory.mktemp("tall") / "model"
    words = (*brief("transformer-tiny", 60), "--set", "model.decoder_layers=3")
    result = run_nmt("train", small / "a.en", small / "a.de", "-o", folder, *words)
    assert result.exit_code == 0, result.stderr
    return folder


def translate(model: Path, nmt: Nmt, lines: list[str], *options: object) -> list[str]:
    result = nmt("translate", model, *options, input="".join(f"{line}\n" for line in lines).encode())
    assert result.exit_code == 0, result.stderr
    return result.stdout_bytes.decode("utf-8").split("\n")[:-1]


def objects(model: Path, nmt: Nmt, lines: list[str], *options: object) -> list[dict[str, Any]]:
    texts = [json.dumps({"text": line}) for line in lines]
    return [json.loads(line) for line in translate(model, nmt, texts, "--format", "jsonl", *options)]


def links_of(line: str) -> list[tuple[int, int]]:
    """From their written form."""
    assert re.fullmatch(r"(\d+-\d+( \d+-\d+)*)?", line), line
    return [(int(i), int(j)) for i, j in (link.split("-") for link in line.split())]


def parts_of(pieces: list[str]) -> list[list[str]]:
    """Without the EOS behind each."""
    return [list(part) for is_end, part in groupby(pieces, "</s>".__eq__) if not is_end]


# Token scores


def test_the_log_probabilities_of_the_tokens_sum_to_that_of_the_translation(model: Path, nmt: Nmt) -> None:
    plain = objects(model, nmt, LINES, "--n-best", 3)
    for row, other in zip(objects(model, nmt, LINES, "--n-best", 3, "--token-scores"), plain, strict=True):
        for found, known in zip([row, *row["candidates"]], [other, *other["candidates"]], strict=True):
            assert sum(found["token_log_probs"]) == pytest.approx(found["log_prob"], abs=1e-4)
            assert len(found["pieces"]) == len(found["token_log_probs"]) == len(found["tokens"])
            assert all(value <= 0 for value in found["token_log_probs"])
            assert {name: found[name] for name in known if name != "candidates"} == {
                name: known[name] for name in known if name != "candidates"
            }
        assert set(row) - set(other) == {"pieces", "token_log_probs"}
    tokenizer = ModelDirectory.open(model).tokenizer
    assert row["token_log_probs"] == row["pieces"] == []
    first = objects(model, nmt, LINES[:1], "--token-scores")[0]
    assert first["pieces"] == tokenizer.pieces(first["tokens"])
    assert first["pieces"][-1] == "</s>"


def test_they_are_those_of_nmt_logprob(model: Path, nmt: Nmt) -> None:
    rows = translate(model, nmt, [json.dumps({"text": line}) for line in LINES], "--format", "jsonl", "--token-scores")
    said = nmt("logprob", model, "-", "--input", "jsonl", "--format", "jsonl", input="".join(f"{r}\n" for r in rows))
    assert said.exit_code == 0, said.stderr
    for row in map(json.loads, said.stdout.split("\n")[:-1]):
        assert row["log_probs"] == pytest.approx(row["token_log_probs"], abs=1e-4)


@pytest.mark.parametrize(
    "options",
    [
        ["--search", "greedy"],
        ["--search", "sample", "--n-best", "3", "--temperature", "1.5", "--top-k", "5"],
        ["--search", "diverse", "--n-best", "2"],
        ["--search", "stochastic", "--n-best", "2"],
        ["--search", "mbr", "--samples", "6", "--n-best", "2"],
        ["--search", "exact", "--length-penalty", "0", "--nodes", "30"],
        ["--repetition-penalty", "3", "--no-repeat", "2", "--max-length", "9", "--n-best", "2"],
        ["--ban", "ist", "--min-length", "6"],
        ["--ensemble", "LSTM", "--weight", "3", "--weight", "1", "--n-best", "2"],
        ["--glossary", "TERMS"],
    ],
    ids=lambda options: " ".join(options[:2]),
)
def test_however_the_translation_was_found(
    options: list[str], trained: Path, trained_lstm: Path, nmt: Nmt, tmp_path: Path
) -> None:
    """They are the scorer's own, penalties, bans and other models counted; and alignments come with any search."""
    (tmp_path / "terms.tsv").write_text("teacher\tLehrerin\n", encoding="utf-8")
    places = {"LSTM": trained_lstm, "TERMS": tmp_path / "terms.tsv"}
    typed = [places.get(word, word) for word in options]
    rows = objects(trained, nmt, LINES, *typed, *ALL)
    for row in rows:
        for found in row.get("candidates", [row]):
            assert sum(found["token_log_probs"]) == pytest.approx(found["log_prob"], abs=1e-4)
            assert np.array(found["attention"]).shape in [(len(found["tokens"]), len(row["source_pieces"])), (0,)]
    assert [row["translation"] for row in rows] == [row["translation"] for row in objects(trained, nmt, LINES, *typed)]


def test_a_prefix_is_scored_too(trained: Path, nmt: Nmt) -> None:
    text = json.dumps({"text": SENTENCE, "prefix": "Das ist"})
    (line,) = translate(trained, nmt, [text], "--format", "jsonl", "--token-scores")
    row = json.loads(line)
    assert row["translation"].startswith("Das ist")
    assert sum(row["token_log_probs"]) == pytest.approx(row["log_prob"], abs=1e-4)


def test_columns_of_the_table(model: Path, nmt: Nmt, tmp_path: Path) -> None:
    """In this order, behind those that are always there; whoever reads the table reads it still."""
    plain = translate(model, nmt, LINES, "--format", "tsv", "--n-best", 2)
    rows = translate(model, nmt, LINES, "--format", "tsv", "--n-best", 2, "--token-scores", "--alignment")
    assert [row.split("\t")[:6] for row in rows] == [row.split("\t") for row in plain]
    listed = [found for row in objects(model, nmt, LINES, "--n-best", 2, *ALL) for found in row["candidates"]]
    for row, found in zip(rows, listed, strict=True):
        *_, scores, links = row.split("\t")
        assert [float(score) for score in scores.split()] == pytest.approx(found["token_log_probs"], abs=1e-6)
        assert links_of(links) == [tuple(link) for link in found["word_alignment"]]
    alone = translate(model, nmt, LINES, "--format", "tsv", "--n-best", 2, "--alignment")
    assert [row.split("\t")[6:] for row in alone] == [row.split("\t")[7:] for row in rows]
    (tmp_path / "source").write_text("".join(f"{line}\n" for line in LINES), encoding="utf-8")
    (tmp_path / "table").write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    read = nmt("logprob", model, tmp_path / "source", tmp_path / "table", "--input", "tsv")
    assert read.exit_code == 0, read.stderr
    assert read.stdout.count("\n") == len(rows)


# Alignments


def test_links_of_words_a_line_for_a_line(model: Path, nmt: Nmt) -> None:
    """Law 6 holds of links: blank for blank, whatever is in the lines; each points to words that stand there."""
    lines = [line for pair in zip(STRANGE.values(), LINES * 4, strict=True) for line in pair]
    lines = [line.replace("\r", "") for line in lines]
    texts, links = translate(model, nmt, lines), translate(model, nmt, lines, "--format", "pharaoh")
    assert len(links) == len(texts) == len(lines)
    for line, text, found in zip(lines, texts, map(links_of, links), strict=True):
        source, target = normalize(line).split(), text.split()
        assert found == sorted(set(found))
        assert {j for _, j in found} == set(range(len(target))), "every word of the translation belongs to something"
        assert all(i < len(source) for i, _ in found)
    assert any(len(found) > 2 for found in map(links_of, links))


def test_n_best_lists_of_links(model: Path, nmt: Nmt) -> None:
    texts, links = (translate(model, nmt, LINES, "--n-best", 3, *more) for more in ([], ["--format", "pharaoh"]))
    assert len(links) == len(texts) == 3 * len(LINES)
    for text, found in zip(texts, links, strict=True):
        assert {j for _, j in links_of(found)} == set(range(len(text.split())))
    assert translate(model, nmt, LINES, "--format", "pharaoh", "--alignment") == links[::3]


def test_links_are_where_the_weights_are_highest(model: Path, nmt: Nmt) -> None:
    tokenizer = ModelDirectory.open(model).tokenizer
    for row in objects(model, nmt, LINES, *ALL):
        if not row["translation"]:
            assert [row[name] for name in ("alignment", "word_alignment", "attention", "source_pieces")] == [[]] * 4
            continue
        weights = np.array(row["attention"])
        assert row["source_pieces"] == [*tokenizer.pieces(tokenizer.encode(row["text"])), "</s>"]
        assert weights.sum(1) == pytest.approx(1, abs=1e-4)
        assert sorted(row["alignment"]) == row["alignment"]
        wanted = {(int(s), t) for t, s in enumerate(weights[:-1, :-1].argmax(1))}
        assert {tuple(link) for link in row["alignment"]} == wanted
        source, target = (
            np.cumsum([piece.startswith("▁") for piece in row[side]]) - 1 for side in ("source_pieces", "pieces")
        )
        assert {tuple(link) for link in row["word_alignment"]} == {(source[s], target[t]) for s, t in wanted}


def test_they_are_what_nmt_attention_draws(model: Path, nmt: Nmt) -> None:
    from nmt_cli.inference.attention import Looker

    (row,) = objects(model, nmt, [SENTENCE], "--attention")
    drawn = Looker.open(ModelDirectory.open(model)).must_look(SENTENCE)
    assert (list(drawn.source), list(drawn.target)) == (row["source_pieces"], row["pieces"])
    assert np.array(row["attention"]) == pytest.approx(np.array(drawn.weights), abs=1e-5)
    assert {"alignment", "token_log_probs"} & set(row) == set()


def test_a_line_in_parts(model: Path, nmt: Nmt) -> None:
    """What is said of the whole is what is said of its parts, one behind the other; nothing links two of them."""
    long = "Why do you sing? " * 80
    (row,) = objects(model, nmt, [long], "--search", "greedy", *ALL)
    assert row["flags"][0] == "split"
    sources, targets = (parts_of(row[side]) for side in ("source_pieces", "pieces"))
    assert len(sources) == len(targets) > 1
    lines = ["".join(pieces).replace("▁", " ").strip() for pieces in sources]
    assert " ".join(lines) == long.strip()
    alone = objects(model, nmt, lines, "--search", "greedy", *ALL)
    assert row["token_log_probs"] == pytest.approx([x for each in alone for x in each["token_log_probs"]], abs=1e-4)
    corners = np.cumsum([(0, 0), *((len(each["source_pieces"]), len(each["pieces"])) for each in alone)], 0)
    words = np.cumsum([(0, 0), *((len(each["text"].split()), len(each["translation"].split())) for each in alone)], 0)
    for name, starts in (("alignment", corners), ("word_alignment", words)):
        wanted = [[s + i, t + j] for each, (s, t) in zip(alone, starts, strict=False) for i, j in each[name]]
        assert row[name] == sorted(wanted), name
    weights = np.zeros((len(row["pieces"]), len(row["source_pieces"])))
    for each, (s, t) in zip(alone, corners, strict=False):
        own = np.array(each["attention"])
        weights[t : t + own.shape[0], s : s + own.shape[1]] = own
    assert np.array(row["attention"]) == pytest.approx(weights, abs=1e-5)
    assert max(j for _, j in row["word_alignment"]) < len(row["translation"].split())


def test_a_word_in_parts(trained: Path, nmt: Nmt) -> None:
    """A line of one word that is longer than the model takes: all its parts belong to it."""
    (found,) = translate(trained, nmt, ["x7" * 400], "--search", "greedy", "--format", "pharaoh")
    assert {i for i, _ in links_of(found)} == {0}


def test_an_ensemble_looks_as_its_first_model_does(trained: Path, trained_lstm: Path, nmt: Nmt) -> None:
    alone = objects(trained, nmt, LINES, *ALL)
    twice = objects(trained, nmt, LINES, *ALL, "--ensemble", trained)
    assert [row["alignment"] for row in twice] == [row["alignment"] for row in alone]
    prefixed = [json.dumps({"text": SENTENCE, "prefix": alone[0]["translation"]})]
    weighted = ("--ensemble", trained_lstm, "--weight", 1, "--weight", 1000, "--format", "jsonl", "--attention")
    (line,) = translate(trained, nmt, prefixed, *weighted)
    count = len(alone[0]["pieces"]) - 1  # the same words, whoever votes
    if json.loads(line)["pieces"][:count] == alone[0]["pieces"][:count]:
        assert np.array(json.loads(line)["attention"][:count]) == pytest.approx(
            np.array(alone[0]["attention"][:count]), abs=1e-5
        )


def test_two_workers_say_what_one_says(model: Path, nmt: Nmt) -> None:
    one, two = (objects(model, nmt, LINES, *ALL, "--n-best", 2, "--workers", count) for count in (1, 2))
    assert one == two


@pytest.mark.parametrize(
    ("options", "said", "hint"),
    [
        (["--token-scores"], "--token-scores means nothing to --format text", "--format tsv or jsonl"),
        (["--alignment"], "--alignment means nothing to --format text", "--format pharaoh writes nothing else"),
        (["--attention"], "--attention means nothing to --format text", "known by --format jsonl"),
        (["--attention", "--format", "tsv"], "--attention means nothing to --format tsv", "known by --format jsonl"),
        (["--token-scores", "--format", "pharaoh"], "--token-scores means nothing to --format pharaoh", "tsv or jsonl"),
        (["--layer", "1", "--format", "jsonl"], "--layer means nothing where nobody asks", "--alignment"),
        (["--layer", "2", "--format", "pharaoh"], "must lie between 1 and 1, but is 2", ""),
    ],
)
def test_what_is_refused(options: list[str], said: str, hint: str, trained: Path, nmt: Nmt) -> None:
    result = nmt("translate", trained, *options, input="one\n")
    assert (result.exit_code, result.stdout) == (2, "")
    first, *second = result.stderr.rstrip("\n").split("\n")
    assert first.startswith("error: ")
    assert said in first
    assert hint in "".join(second)


@pytest.mark.parametrize("options", [["--format", "pharaoh"], ["--format", "jsonl", "--attention"]])
def test_a_model_without_attention(options: list[str], bottleneck: Path, nmt: Nmt) -> None:
    said = "nmt train ... --preset lstm-attention trains one that has"
    for more, words in (([], "alignments need a model with"), (["--layer", "1"], f"{bottleneck} must have")):
        result = nmt("translate", bottleneck, *options, *more, input='{"text": "one"}\n')
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith(f"error: {words} attention")
        assert result.stderr.endswith(f"hint: {said}\n")
    assert len(objects(bottleneck, nmt, LINES, "--token-scores")) == len(LINES)


def test_nothing_asked_is_nothing_done() -> None:
    assert Details().around(search := object()) is search  # type: ignore[arg-type]
    with pytest.raises(ConfigError):
        Details(attention=True).within(("alignment",), "tsv")


def test_a_part_that_looks_at_the_end_alone() -> None:
    """Single precision may leave nothing for the words; they are linked all the same, and never to another part."""
    side = Side(("▁a", "▁b", "</s>"), (0, 1, None))
    part = Part(side, side, (-0.1, -0.1, -0.1), ((0.0, 0.0, 1.0), (0.0, 1e-30, 1.0), (1.0, 0.0, 0.0)))
    reading = Reading((part, part))
    assert reading.links == ((0, 0), (1, 1), (3, 3), (4, 4))
    assert Reading((part,)).pharaoh == "0-0 1-1"
    assert reading.attention[3] == [0, 0, 0, 0, 0, 1]


# Layers


def test_the_best_layer_is_found_when_training_ends(tall: Path, nmt: Nmt) -> None:
    manifest = ModelDirectory.open(tall).manifest
    assert manifest.alignment_layer in (1, 2, 3)
    line = next(line for line in manifest.said if line.startswith("alignment: "))
    assert re.fullmatch(
        rf"alignment: decoder layer {manifest.alignment_layer} of 3 \(F1 0\.\d\d with IBM Model 1, on dev\)", line
    )
    assert line in nmt("inspect", tall).stdout


def test_where_there_is_no_choice_nothing_is_found(
    trained: Path, trained_lstm: Path, bottleneck: Path, writer: Path
) -> None:
    for path in (trained, trained_lstm, bottleneck, writer):
        manifest = ModelDirectory.open(path).manifest
        assert manifest.alignment_layer is None
        assert not [line for line in manifest.said if line.startswith("alignment")]


def test_a_layer_by_its_number(tall: Path, nmt: Nmt, tmp_path: Path) -> None:
    """Each looks elsewhere; without a name it is the one that was found, else the last but one (as in older models)."""
    named = {layer: objects(tall, nmt, LINES, *ALL, "--layer", layer) for layer in (1, 2, 3)}
    assert named[1] != named[2] != named[3]
    copy = tmp_path / "copy"
    shutil.copytree(tall, copy)
    manifest = json.loads((copy / "manifest.json").read_text(encoding="utf-8"))
    for found in (1, 3, None):
        written = json.dumps({**manifest, "alignment_layer": found})
        (copy / "manifest.json").write_text(written, encoding="utf-8")
        assert objects(copy, nmt, LINES, *ALL) == named[found or 2]
    del manifest["alignment_layer"]
    (copy / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert objects(copy, nmt, LINES, *ALL) == named[2]
    assert objects(copy, nmt, LINES, *ALL, "--layer", 3, "--workers", 2) == named[3]
    drawn = [nmt("attention", tall, SENTENCE, "--layer", layer).stdout for layer in (1, 2, 3)]
    assert len(set(drawn)) == 3
    refused = nmt("attention", tall, SENTENCE, "--layer", 4)
    assert refused.stderr == f"error: --layer of {tall} must lie between 1 and 3, but is 4\n"


def test_coverage_asks_the_layer(tall: Path, nmt: Nmt) -> None:
    answers = {tuple(translate(tall, nmt, LINES, "--coverage", 3, "--layer", layer)) for layer in (1, 2, 3)}
    assert len(answers) > 1


class Planted(nn.Module):
    """In place of a model: one of its layers looks as a lexicon would, the others at random."""

    def __init__(self, lexicon: Lexicon, layers: int, wise: int) -> None:
        super().__init__()
        self.lexicon, self.looking, self.wise = lexicon, layers, wise

    @property
    def decoder(self) -> "Planted":
        return self

    def encoder(self, source: Sequences) -> Sequences:
        return source

    def alignments(self, tokens: Tensor, memory: Sequences) -> list[Tensor]:
        draw = torch.Generator().manual_seed(1)
        shape = (len(tokens), tokens.shape[1], memory.tokens.shape[1])
        found = [torch.rand(shape, generator=draw) for _ in range(self.looking)]
        for row, (read, source) in enumerate(zip(tokens, memory.tokens, strict=True)):
            for place, word in enumerate(self.lexicon.align(source.numpy(), read[1:].numpy())):
                found[self.wise][row, place, max(0, int(word))] = 2
        return found


@pytest.mark.parametrize("wise", [0, 1, 3])
def test_the_layer_that_aligns_is_the_one_that_is_found(wise: int, trained: Path) -> None:
    corpus = PreparedCorpus.open(trained / "corpus")
    places = range(len(corpus.train))
    pairs = [(corpus.train["source"].ids(i), corpus.train["target"].ids(i)) for i in places]
    planted: Any = Planted(Lexicon.learn(pairs), 4, wise)
    found = alignment_layer.find(planted, corpus)
    assert found is not None
    assert (found.number, found.layers) == (wise + 1, 4)
    assert found.f1 > 0.6
    f1 = alignment_layer.agreement(planted, planted.lexicon, corpus.train, places)
    linked = sum(int((planted.lexicon.align(*pair) >= 0).sum()) for pair in pairs)
    assert f1[wise] == pytest.approx(2 * linked / (linked + sum(len(target) for _, target in pairs)))
    assert alignment_layer.find(Planted(planted.lexicon, 1, 0), corpus) is None  # type: ignore[arg-type]


def test_samples_are_bounded_and_spread(trained: Path) -> None:
    train = PreparedCorpus.open(trained / "corpus").train
    sizes = train["source"].lengths * train["target"].lengths
    places = alignment_layer._sample(train, int(sizes.sum()) // 5)
    assert len(places) == pytest.approx(len(train) / 5, abs=25)
    assert len(set(np.diff(places))) == 1
    assert alignment_layer._sample(train, 10**9) == list(range(len(train)))
