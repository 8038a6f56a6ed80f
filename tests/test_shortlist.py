"""A shortlist: candidates against loops, searches within them against searches over a masked vocabulary, and the command."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from nmt_cli.corpus.batching import Sequences
from nmt_cli.models.packing import EXACT
from nmt_cli.models.shortlist import Candidates, Shortlist, Shortlisted, checked, tensors_of
from nmt_cli.runs import shortlist as shortlists
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.runs.files import write_tensors
from nmt_cli.runs.vocabulary import Vocabulary
from nmt_cli.scoring.rows import Rows
from nmt_cli.scoring.scores import Scores
from nmt_cli.search import STRATEGIES
from nmt_cli.search.ancestral import Greedy
from nmt_cli.search.base import Search, Sentences
from nmt_cli.search.beam import BeamSearch
from nmt_cli.search.constrained import ConstrainedBeam
from nmt_cli.search.options import SearchOptions
from nmt_cli.search.processors import NoRepeat, RepetitionPenalty
from nmt_cli.search.restricted import Restricted
from nmt_cli.text.tokenizer import EOS, UNK
from tests import laws
from tests.conftest import Nmt
from tests.tiny import VOCABULARY, random_batch, random_model

FILE = "shortlist.safetensors"


def random_shortlist(seed: int = 1, share: float = 0.3) -> tuple[Shortlist, list[set[int]]]:
    """One over the tiny vocabulary, and the candidates of each id."""
    draw = torch.Generator().manual_seed(seed)
    table = torch.rand(VOCABULARY, VOCABULARY, generator=draw) < share
    table[:, :EOS] = False
    lists = [torch.nonzero(row)[:, 0].tolist() for row in table]
    always = [EOS, 9]
    shortlist = checked(tensors_of(lists, always), VOCABULARY, EOS)
    assert shortlist is not None
    return shortlist, [{*each, *always} for each in lists]


def candidates_of(source: Sequences, lists: Sequence[set[int]]) -> list[list[int]]:
    rows = zip(source.tokens.tolist(), source.lengths.tolist(), strict=True)
    return [sorted(set().union(*(lists[token] for token in row[:length]))) for row, length in rows]


@pytest.mark.parametrize("size", [1, 2, 9])
def test_the_candidates_of_a_batch(size: int) -> None:
    shortlist, lists = random_shortlist()
    source = random_batch(size, seed=3).source
    assert [torch.nonzero(row)[:, 0].tolist() for row in shortlist.of(source)] == candidates_of(source, lists)


def test_what_is_wished_for_is_a_candidate() -> None:
    """Of its own sentence alone; UNK, which nothing can produce, is not."""
    shortlist = checked(tensors_of([[]] * VOCABULARY, [EOS]), VOCABULARY, EOS)
    assert shortlist is not None
    chosen = shortlist.of(random_batch(3, seed=1).source, [(7, 5, 7), (), (UNK, 4)])
    assert [torch.nonzero(row)[:, 0].tolist() for row in chosen] == [[EOS, 5, 7], [EOS], [EOS, 4]]


def test_sources_without_candidates_have_those_of_any() -> None:
    shortlist = checked(tensors_of([[]] * VOCABULARY, [EOS]), VOCABULARY, EOS)
    assert shortlist is not None
    assert torch.nonzero(shortlist.of(random_batch(3, seed=1).source)).tolist() == [[row, EOS] for row in range(3)]


class Masked:
    """The slow way: all of the vocabulary is scored, and what is no candidate made impossible before it is normalised."""

    def __init__(self, model: Any, lists: Sequence[set[int]]) -> None:
        self.model, self.lists, self.eos = model, lists, model.eos

    def start(self, source: Sequences) -> tuple[Tensor, Any]:
        """The state carries the candidates as one number for each sentence."""
        first, state = self.model.start(source)
        self.candidates = candidates_of(source, self.lists)
        return first, Carried(state, torch.arange(len(source)))

    def step(self, tokens: Tensor, state: "Carried") -> tuple[Scores, "Carried"]:
        return self.advance(tokens[:, None], torch.ones_like(tokens), state)

    def advance(self, tokens: Tensor, lengths: Tensor, state: "Carried") -> tuple[Scores, "Carried"]:
        scores, within = self.model.advance(tokens, lengths, state.within)
        logits = torch.full_like(scores.logits, -torch.inf)
        for row, sentence in enumerate(state.sentence.tolist()):
            places = torch.searchsorted(scores.columns, torch.tensor(self.candidates[sentence]))
            logits[row, places] = scores.logits[row, places]
        return Scores(logits, scores.columns, lambda: scores.attention), Carried(within, state.sentence)


class Carried:
    """A state, and which sentence each row is of."""

    def __init__(self, within: Any, sentence: Tensor) -> None:
        self.within, self.sentence = within, sentence

    def reorder(self, rows: Tensor) -> "Carried":
        return Carried(self.within.reorder(rows), self.sentence[rows])

    def select(self, rows: Tensor) -> "Carried":
        return Carried(self.within.select(rows), self.sentence[rows])


SEARCHES: list[Search] = [
    *(STRATEGIES[name].of(SearchOptions(beam=4, nodes=30, samples=6)) for name in sorted(STRATEGIES) if name != "mbr"),
    BeamSearch(12, 12),  # more than there are candidates, perhaps
    Restricted(BeamSearch(4, 2), (NoRepeat(1), RepetitionPenalty(1.3)), shortest=3),
    ConstrainedBeam(4, 2),
]


@pytest.mark.parametrize("search", SEARCHES, ids=lambda search: type(search).__name__)
@pytest.mark.parametrize("architecture", ["recurrent", "transformer", "transformer-ssru"])
def test_searches_find_what_they_find_in_a_masked_vocabulary(architecture: str, search: Search) -> None:
    model, (shortlist, lists) = random_model(architecture, seed=4), random_shortlist()
    source = random_batch(10, seed=5).source
    sentences = Sentences.of(torch.arange(10) % 5 + 2)
    found = laws.run(Shortlisted(model, shortlist), search, source, sentences)  # type: ignore[arg-type]
    wanted = laws.run(Masked(model, lists), search, source, sentences)  # type: ignore[arg-type]
    for mine, theirs in zip(found, wanted, strict=True):
        assert [one.tokens for one in mine] == [other.tokens for other in theirs]
        for one, other in zip(mine, theirs, strict=True):
            assert one.log_prob == pytest.approx(other.log_prob, abs=1e-9)
            assert one.score == pytest.approx(other.score, abs=1e-9)


@pytest.mark.parametrize("search", [Greedy(), BeamSearch(4)], ids=["greedy", "beam"])
def test_laws_hold(search: Search) -> None:
    """Neighbours change nothing, though they have other candidates; prefixes are steps; moves and copies keep to their rows."""
    model: Any = Shortlisted(random_model("transformer", seed=4), random_shortlist()[0])
    laws.neighbours_change_nothing(model, search, random_batch(9, seed=6).source)
    laws.reorder_commutes(model, random_batch(6, seed=6).source)
    laws.copies_do_not_disturb(model, random_batch(5, seed=7).source)


def test_with_every_candidate_it_is_the_model() -> None:
    model = random_model("transformer", seed=4)
    everything = checked(tensors_of([range(EOS, VOCABULARY)] * VOCABULARY, [EOS]), VOCABULARY, EOS)
    assert everything is not None
    source, sentences = random_batch(6, seed=5).source, Sentences.of(torch.full((6,), 7))
    found = laws.run(Shortlisted(model, everything), BeamSearch(4), source, sentences)  # type: ignore[arg-type]
    for mine, theirs in zip(found, laws.run(model, BeamSearch(4), source, sentences), strict=True):
        assert mine[0].tokens == theirs[0].tokens
        assert mine[0].log_prob == pytest.approx(theirs[0].log_prob, abs=1e-9)


@pytest.mark.parametrize("size", [1, 3])
def test_candidates_score_as_the_output_layer_does(size: int) -> None:
    """And what is none is impossible; of a sentence alone nothing else is a column."""
    model, source = random_model("transformer", seed=4), random_batch(size, seed=5).source
    owner = torch.tensor([0, 0, *range(size)])
    chosen = random_shortlist()[0].of(source)
    with torch.no_grad():
        candidates = Candidates.of(chosen, model.output, EXACT)
        hidden = torch.randn(len(owner), model.output.embedding.shape[1], dtype=torch.float64)
        found, all_of_them = candidates.logits(hidden, Rows.of(owner)), model.output(hidden)
    assert candidates.ids.tolist() == torch.nonzero(chosen.any(0))[:, 0].tolist()
    for row, sentence in enumerate(owner.tolist()):
        real = chosen[sentence, candidates.ids]
        torch.testing.assert_close(found[row][real], all_of_them[row, candidates.ids - model.output.first][real])
        assert bool(torch.isneginf(found[row][~real]).all())
        assert bool(real.all()) == (size == 1)


@pytest.mark.parametrize(
    "spoiled",
    [
        {"places": torch.tensor([0, 0, 0, 0, 1])}, {"places": torch.tensor([0, 2, 1, 0, 1, 2])},
        {"places": torch.tensor([0, 0, 0, 0, 1, 3])}, {"targets": torch.tensor([4, 5])},
        {"targets": torch.tensor([2, 4])}, {"targets": torch.tensor([[3, 4]])}, {"always": torch.tensor([4])},
        {"always": torch.tensor([3.0])}, {"always": torch.tensor([], dtype=torch.long)}, {"more": torch.tensor([3])},
    ],
)  # fmt: skip
def test_what_is_no_shortlist(spoiled: dict[str, Tensor]) -> None:
    whole = {
        "places": torch.tensor([0, 0, 0, 0, 1, 2]), "targets": torch.tensor([3, 4]), "always": torch.tensor([3]),
    }  # fmt: skip
    assert checked(whole, 5, EOS) is not None
    assert checked({**whole, **spoiled}, 5, EOS) is None


# The command


def test_it_is_learnt_and_used(own: Path, small: Path, nmt: Nmt) -> None:
    lines = (small / "a.en").read_text(encoding="utf-8").split("\n")[:40]
    text = "".join(f"{line}\n" for line in lines)
    refused = nmt("translate", own, "--shortlist", input=text)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "hint: nmt shortlist" in refused.stderr
    made = nmt("shortlist", own, "--candidates", 20, "--frequent", 30)
    assert made.exit_code == 0, made.stderr
    directory = ModelDirectory.open(own)
    known = shortlists.read(directory)
    assert int((known.places[1:] - known.places[:-1]).max()) <= 21  # itself too
    assert len(known.always) <= 31
    again = nmt("shortlist", own)
    assert (again.exit_code, "--force replaces it" in again.stderr) == (2, True)
    for search in ("beam", "greedy"):
        found = nmt("translate", own, "--shortlist", "--search", search, "--format", "tsv", input=text)
        assert found.exit_code == 0, found.stderr
        assert len(found.stdout.splitlines()) == len(lines)
    both = [nmt("translate", own, *words, input=text).stdout for words in ((), ("--shortlist",))]
    assert both[0] != both[1]  # it only babbles: what it says is no translation, and so no candidate


def test_from_another_corpus(own: Path, small: Path, nmt: Nmt, tmp_path: Path) -> None:
    prepared = tmp_path / "prepared"
    assert nmt("preprocess", small / "a.en", small / "a.de", "-o", prepared, "--tokenizer", own).exit_code == 0
    assert nmt("shortlist", own, "--corpus", prepared).exit_code == 0
    before = (own / FILE).read_bytes()
    assert nmt("shortlist", own, "--corpus", prepared, "--candidates", 3, "--force").exit_code == 0
    assert (own / FILE).read_bytes() != before
    shutil.rmtree(own / "corpus")
    missing = nmt("shortlist", own, "--force")
    assert (missing.exit_code, "holds no corpus of its own" in missing.stderr) == (1, True)
    other = tmp_path / "other"
    assert nmt("preprocess", small / "a.en", small / "a.de", "-o", other, "--vocabulary", 300).exit_code == 0
    strange = nmt("shortlist", own, "--force", "--corpus", other)
    assert (strange.exit_code, "must have the task and the vocabulary" in strange.stderr) == (1, True)


@pytest.mark.parametrize("words", [("--candidates", 0), ("--frequent", -1)])
def test_what_is_out_of_range(words: tuple[str, int], own: Path, nmt: Nmt) -> None:
    refused = nmt("shortlist", own, *words)
    assert (refused.exit_code, refused.stderr.startswith(f"error: {words[0]} must be at least")) == (2, True)


def test_what_goes_wrong_with_it(own: Path, nmt: Nmt) -> None:
    size, digest = ModelDirectory.open(own).tokenizer.size, {"vocabulary": Vocabulary.open(own).digest}
    other = {"vocabulary": Vocabulary("word", ModelDirectory.open(own).tokenizer).digest}
    for length, metadata in ((7, digest), (size, other), (size, {})):
        write_tensors(own / FILE, tensors_of([[]] * length, [EOS]), metadata)
        strange = nmt("translate", own, "--shortlist", input="a\n")
        assert (strange.exit_code, "must be a shortlist of the model's vocabulary" in strange.stderr) == (1, True)
    write_tensors(own / FILE, tensors_of([[]] * size, [EOS]), digest)
    assert nmt("translate", own, "--shortlist", input="a\n").stdout == "\n"  # nothing can come but the end
    made = nmt("shortlist", own, "--force", "--frequent", 10**6)
    assert made.exit_code == 0, made.stderr
    assert int(shortlists.read(ModelDirectory.open(own)).always.min()) == EOS
    joined = nmt("translate", own, "--shortlist", "--ensemble", own, input="a\n")
    assert (joined.exit_code, "--shortlist must be used with one model" in joined.stderr) == (2, True)


def test_prefixes_and_terms_outside_of_it(own: Path, nmt: Nmt, tmp_path: Path) -> None:
    """Nothing else can come but their own subwords, again and again."""
    size, digest = ModelDirectory.open(own).tokenizer.size, {"vocabulary": Vocabulary.open(own).digest}
    write_tensors(own / FILE, tensors_of([[]] * size, [EOS]), digest)
    (tmp_path / "terms.tsv").write_text("teacher\tLehrerin\n", encoding="utf-8")
    text = "Why do you sing?\tIch singe\nNo.\n"
    for search in ("beam", "greedy", "sample"):
        begun = nmt("translate", own, "--shortlist", "--prefix", "--search", search, input=text)
        assert (begun.exit_code, begun.stdout.split("\n")[0][:9]) == (0, "Ich singe"), begun.stderr
        assert begun.stdout.split("\n")[1] == ""
    bound = nmt("translate", own, "--shortlist", "--glossary", tmp_path / "terms.tsv", input="A teacher.\n")
    assert "Lehrerin" in bound.stdout  # perhaps as a part of a longer word, of which there is a warning


def test_what_it_costs_is_measured(own: Path, small: Path, nmt: Nmt) -> None:
    assert nmt("shortlist", own).exit_code == 0
    files = (small / "a.en", small / "a.de")
    found = nmt("evaluate", own, *files, "--shortlist", "--resamples", 0, "--search", "greedy")
    assert (found.exit_code, "BLEU" in found.stdout) == (0, True), found.stderr
