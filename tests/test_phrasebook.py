"""The phrasebook corpus is what its generator writes, is sound as a corpus, and is not solved word by word."""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter, defaultdict
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import sacrebleu

FOLDER = Path(__file__).resolve().parents[1] / "data" / "phrasebook"
SPLITS = ("train", "dev", "test", "test_long", "test_deeper")
SIZES = {"train": 20_000, "dev": 500, "test": 500, "test_long": 500, "test_deeper": 500}
LABELS = {"question", "statement", "request", "exclamation"}


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    """Load generate.py from its path: the data folder is not a package."""
    spec = importlib.util.spec_from_file_location("phrasebook_generate", FOLDER / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def corpus(generator: ModuleType) -> Any:
    """Build the corpus once for all tests of this file."""
    return generator.build_corpus()


def _lines(name: str) -> list[str]:
    text = (FOLDER / name).read_bytes().decode("utf-8")
    assert text.endswith("\n")
    assert "\r" not in text
    return text[:-1].split("\n")


def _words(sentence: str) -> list[str]:
    return [word.strip(".,?!").lower() for word in sentence.split()]


def _pairs(split: str) -> list[tuple[str, str]]:
    return list(zip(_lines(f"{split}.en"), _lines(f"{split}.de"), strict=True))


def _in_long_band(pair: tuple[str, str]) -> bool:
    return all(25 <= len(side.split()) <= 50 for side in pair)


def test_generator_rebuilds_the_files_bit_for_bit(generator: ModuleType, corpus: Any, tmp_path: Path) -> None:
    files = generator.corpus_files(corpus)
    generator.write_files(files, tmp_path)
    assert sorted(files) == sorted(f"{split}.{ending}" for split in SPLITS for ending in ("en", "de", "label"))
    for name in files:
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes(), name
    assert generator.differing_files(files, FOLDER) == []


def test_generator_imports_only_the_standard_library() -> None:
    imports = [
        line.split()[1].partition(".")[0]
        for line in (FOLDER / "generate.py").read_text(encoding="utf-8").splitlines()
        if line.startswith(("import ", "from "))
    ]
    assert set(imports) <= set(sys.stdlib_module_names)


@pytest.mark.parametrize("split", SPLITS)
def test_every_split_is_aligned_and_has_its_size(split: str) -> None:
    assert {len(_lines(f"{split}.{ending}")) for ending in ("en", "de", "label")} == {SIZES[split]}


def test_english_sides_are_distinct_over_all_splits_so_each_has_one_german() -> None:
    english = [line for split in SPLITS for line in _lines(f"{split}.en")]
    assert len(english) == len(set(english))
    assert len(english) == len({line.lower() for line in english})


def test_generator_refuses_a_second_german_for_one_english(generator: ModuleType) -> None:
    grammar = generator.read_grammar()
    grammar.rules = [
        generator.Rule("statement", 1.0, ("yes", "."), ("ja", ".")),
        generator.Rule("statement", 1.0, ("yes", "."), ("doch", ".")),
    ]
    collector = generator.Collector(grammar)
    first, second = grammar.rules
    assert collector._draw([(first, 1.0)], generator.SHORT_MANNER).german == "Ja."
    with pytest.raises(generator.GrammarError, match="two translations"):
        collector._draw([(second, 1.0)], generator.SHORT_MANNER)


def test_long_sentences_have_25_to_50_words_and_train_has_many_of_them() -> None:
    assert all(_in_long_band(pair) for pair in _pairs("test_long"))
    assert sum(_in_long_band(pair) for pair in _pairs("train")) >= 2_000


def test_deeper_sentences_are_deeper_and_longer_than_any_in_train(corpus: Any) -> None:
    train, deeper = corpus["train"], corpus["test_deeper"]
    assert min(pair.depth for pair in deeper) > max(pair.depth for pair in train)
    for side in (0, 1):
        assert min(pair.lengths[side] for pair in deeper) > max(pair.lengths[side] for pair in train)


@pytest.mark.parametrize("split", SPLITS)
def test_labels_are_known_and_all_frequent(split: str) -> None:
    counts = Counter(_lines(f"{split}.label"))
    assert set(counts) == LABELS
    assert min(counts.values()) >= 0.10 * SIZES[split]


@pytest.mark.parametrize("split", SPLITS)
def test_every_line_is_a_clean_sentence_with_a_fitting_mark(split: str) -> None:
    labels = _lines(f"{split}.label")
    for (english, german), label in zip(_pairs(split), labels, strict=True):
        for line in (english, german):
            assert line == " ".join(line.split())
            assert line[0].isupper()
            assert not set(line) & set("{}~_|@:"), line
            assert all(mark not in line for mark in (",,", ",.", ",?", ",!", " ,", " ."))
        assert english[-1] == german[-1]
        assert english[-1] in {"question": "?", "exclamation": "!", "statement": "."}.get(label, ".?")


def test_every_word_of_the_other_splits_occurs_in_train() -> None:
    for ending in ("en", "de"):
        known = {word for line in _lines(f"train.{ending}") for word in _words(line)}
        for split in SPLITS[1:]:
            unknown = {word for line in _lines(f"{split}.{ending}") for word in _words(line)} - known
            assert not unknown, f"{split}.{ending}: {sorted(unknown)}"


def test_english_vocabulary_is_small_and_its_words_are_frequent() -> None:
    counts = Counter(word for line in _lines("train.en") for word in _words(line))
    assert 500 <= len(counts) <= 750
    assert min(counts.values()) >= 12
    assert sum(count >= 40 for count in counts.values()) >= 0.85 * len(counts)


def _tokens(line: str) -> list[str]:
    for mark in ".,?!":
        line = line.replace(mark, f" {mark}")
    return line.split()


def _dictionary(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """For every English token, the German one with which it shares most of its sentences (Dice coefficient)."""
    together: defaultdict[str, Counter[str]] = defaultdict(Counter)
    english_counts: Counter[str] = Counter()
    german_counts: Counter[str] = Counter()
    for english, german in pairs:
        sources, targets = set(_tokens(english)), set(_tokens(german))
        english_counts.update(sources)
        german_counts.update(targets)
        for source in sources:
            together[source].update(targets)
    return {
        source: max(counts, key=lambda word: (2 * counts[word] / (english_counts[source] + german_counts[word]), word))
        for source, counts in together.items()
    }


def test_a_word_by_word_dictionary_stays_below_40_bleu() -> None:
    dictionary = _dictionary(_pairs("train"))
    hypotheses = []
    for english, _ in _pairs("test"):
        words = " ".join(dictionary[token] for token in _tokens(english))
        for mark in ".,?!":
            words = words.replace(f" {mark}", mark)
        hypotheses.append(words)
    score = sacrebleu.corpus_bleu(hypotheses, [_lines("test.de")]).score
    assert 5.0 < score < 40.0


def _german_of(generator: ModuleType, clause: dict[str, Any], english_form: str, german_form: str) -> tuple[str, str]:
    """Spell a clause with settled choices: frame, subject, tense, fillers."""
    grammar = generator.read_grammar()
    frame = next(
        frame
        for frames in grammar.frames.values()
        for frame in frames
        if " ".join(frame.english).startswith(clause["frame"])
    )
    node = generator.ClauseNode(
        grammar=grammar,
        frame=frame,
        subject=clause["subject"](generator, grammar),
        tense=grammar.tenses[clause.get("tense", "present")],
        negative=clause.get("negative", False),
        time=None,
        adverb=None,
        fillers={number: make(generator, grammar) for number, make in clause.get("fillers", {}).items()},
    )
    return " ".join(node.english(english_form)), " ".join(node.german(german_form)).rstrip(" ,")


def _pronoun(word: str) -> Any:
    return lambda _, grammar: grammar.pronouns[word]


def _noun(determiner: str, noun: str, adjective: str = "", plural: bool = False) -> Any:
    def make(generator: ModuleType, grammar: Any) -> Any:
        return generator.NounPhraseNode(
            grammar,
            grammar.determiners[determiner],
            next((entry for entry in grammar.adjectives if entry.english == adjective), None),
            next(entry for entry in grammar.nouns if noun in entry.english),
            plural,
            None,
            None,
        )

    return make


CLAUSES: list[tuple[dict[str, Any], str, str, str, str]] = [
    # separable verb: split in verb-second order, joined in verb-final order, zu inside
    ({"frame": "call {1:whom", "subject": _pronoun("she"), "fillers": {1: _noun("my", "brother")}},
     "main", "main", "she calls my brother", "sie ruft meinen Bruder an"),
    ({"frame": "call {1:whom", "subject": _pronoun("she"), "fillers": {1: _noun("my", "brother")}},
     "main", "final", "she calls my brother", "sie meinen Bruder anruft"),
    ({"frame": "call {1:whom", "subject": _pronoun("she"), "fillers": {1: _noun("my", "brother")}},
     "base", "zu", "call my brother", "meinen Bruder anzurufen"),
    # perfect with haben and with sein; the bracket and the verb-final cluster
    ({"frame": "buy {1:buyable", "subject": _pronoun("I"), "tense": "past", "fillers": {1: _noun("a", "coat", "red")}},
     "main", "main", "I bought a red coat", "ich habe einen roten Mantel gekauft"),
    ({"frame": "go home", "subject": _pronoun("they"), "tense": "past"},
     "main", "final", "they went home", "sie nach Hause gegangen sind"),
    # modal bracket, question with do-support on one side and inversion on the other
    ({"frame": "help {1:whom", "subject": _pronoun("you"), "tense": "can", "fillers": {1: _pronoun("he")}},
     "ask", "front", "can you help him", "können Sie ihm helfen"),
    ({"frame": "eat {1:food", "subject": _pronoun("he"), "fillers": {1: _noun("bare", "apple", "fresh", True)}},
     "ask", "front", "does he eat fresh apples", "isst er frische Äpfel"),
    # negation: kein with an indefinite object, nicht with a definite one
    ({"frame": "buy {1:buyable", "subject": _pronoun("we"), "negative": True,
      "fillers": {1: _noun("a", "lamp", "new")}},
     "main", "main", "we do not buy a new lamp", "wir kaufen keine neue Lampe"),
    ({"frame": "buy {1:buyable", "subject": _pronoun("we"), "negative": True, "fillers": {1: _noun("the", "lamp")}},
     "main", "main", "we do not buy the lamp", "wir kaufen die Lampe nicht"),
    # dative plural, weak noun, strong, weak and mixed adjectives
    ({"frame": "help {1:whom", "subject": _pronoun("I"), "fillers": {1: _noun("the", "child", "young", True)}},
     "main", "main", "I help the young children", "ich helfe den jungen Kindern"),
    ({"frame": "wait for {1:whom", "subject": _pronoun("I"), "fillers": {1: _noun("a", "tourist", "friendly")}},
     "main", "main", "I wait for a friendly tourist", "ich warte auf einen freundlichen Touristen"),
    ({"frame": "drink {1:drink", "subject": _pronoun("you"), "fillers": {1: _noun("bare", "milk", "cold")}},
     "main", "main", "you drink cold milk", "Sie trinken kalte Milch"),
    # reflexive agreement and polite imperative
    ({"frame": "rest", "subject": _pronoun("I"), "tense": "wantto"},
     "main", "main", "I want to rest", "ich will mich ausruhen"),
    ({"frame": "open {1:opening", "subject": _pronoun("you"), "fillers": {1: _noun("the", "window")}},
     "base", "request", "open the window", "machen Sie das Fenster auf"),
    # the simple past of sein and haben
    ({"frame": "have no time", "subject": _pronoun("she"), "tense": "past"},
     "main", "final", "she had no time", "sie keine Zeit hatte"),
    # direction (accusative) and place (dative)
    ({"frame": "work {1:place", "subject": _pronoun("he"), "fillers": {1: _noun("the", "school", "modern")}},
     "main", "main", "he works at the modern school", "er arbeitet in der modernen Schule"),
]  # fmt: skip


@pytest.mark.parametrize(("clause", "english_form", "german_form", "english", "german"), CLAUSES)
def test_hand_written_clauses(
    generator: ModuleType, clause: dict[str, Any], english_form: str, german_form: str, english: str, german: str
) -> None:
    assert _german_of(generator, clause, english_form, german_form) == (english, german)


def test_prepositions_and_articles_are_contracted(generator: ModuleType) -> None:
    writer = generator.Writer(generator.read_grammar(), "test")
    assert writer._german_text(["er", "geht", "zu", "dem", "Bahnhof", "."]) == "Er geht zum Bahnhof."
    assert writer._german_text(["wir", "gehen", "in", "das", "Kino", "."]) == "Wir gehen ins Kino."
    relative = ["das", "Hotel", ",", "in dem", "ich", "wohne", ",", "."]
    assert writer._german_text(relative) == "Das Hotel, in dem ich wohne."


def test_train_shows_the_phenomena() -> None:
    """What the corpus promises to show stands in it, many times."""
    german = _lines("train.de")
    for words in (", der ", ", die ", ", dass ", ", weil ", ", obwohl ", ", bevor ", ", um ", " zum ", " ins ", " am "):
        assert sum(words in line for line in german) >= 50, words
