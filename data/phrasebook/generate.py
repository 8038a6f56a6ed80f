"""Rebuild the phrasebook corpus, bit for bit, from the synchronous grammar in ``grammar.txt``.

The grammar says everything about the two languages (words, endings, verb phrases, sentence rules); this file only
reads it and draws sentences from it.  Every draw builds one tree whose nodes can be spelled in English and in German,
so each pair is a translation by construction.  ``grammar.txt`` explains the notation.

    python data/phrasebook/generate.py               rebuild the files beside this script
    python data/phrasebook/generate.py --check       say whether the files beside this script are what it would write
    python data/phrasebook/generate.py --output DIR  write them somewhere else
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Protocol, TypeVar

FOLDER = Path(__file__).resolve().parent
GRAMMAR_FILE = FOLDER / "grammar.txt"
CASES = ("nom", "acc", "dat")
GENDERS = ("m", "n", "f", "p")
TOKEN = re.compile(r"\{[^}]*\}|[^\s{}]+")
SLOT = re.compile(r"\{(\d+)(?::([\w/']+))?(?:\.(\w+))?((?: [^}]*)?)\}")
AGREEING_VERB = re.compile(r"\{([^\W\d]+)(?:\.(\w+))?@(\d+)\}")
slot_in, verb_in = cache(SLOT.fullmatch), cache(AGREEING_VERB.fullmatch)
MARKS = {".", ",", "?", "!"}
COUNTING = {"two", "three", "four", "five", "some", "many"}  # never negated: "not many" is another story
Item = TypeVar("Item")


class GrammarError(ValueError):
    """The grammar file says something this generator does not understand."""


# ---------------------------------------------------------------------------------------------------------------------
# What the grammar file holds
# ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Agreement:
    """What a verb or pronoun must know of its noun: person and number (``1s 3s 1p 2p 3p``) and gender."""

    person: str
    gender: str

    @property
    def german_key(self) -> str:
        """German verbs have three forms here: ich, er/sie/es, and one for every plural and for Sie."""
        return self.person if self.person in ("1s", "3s") else "p"


@dataclass(frozen=True)
class Determiner:
    """An article, possessive or number word: English by number, German by case and gender."""

    name: str
    english: tuple[str, str]
    declension: str
    german: Mapping[tuple[str, str], str]


DeterminerChoice = tuple[Determiner, bool]  # with a noun in the plural or not


@dataclass(frozen=True)
class Noun:
    """A noun with both numbers, its gender, its classes of meaning and, for a place, its prepositions."""

    english: tuple[str, str]
    gender: str
    german: tuple[str, str]
    oblique: str
    classes: tuple[str, ...]
    prepositions: tuple[str, ...]


@dataclass(frozen=True)
class Adjective:
    """An adjective: English, German as predicate, German stem before an ending, and what it may describe."""

    english: str
    german: str
    stem: str
    classes: tuple[str, ...]


@dataclass(frozen=True)
class GermanVerb:
    """A German verb: separable prefix, present forms, participle, auxiliary, and simple past where it is used."""

    prefix: str
    stem: str
    present: Mapping[str, str]
    past: Mapping[str, str]
    participle: str
    auxiliary: str

    @property
    def infinitive(self) -> str:
        """Return the dictionary form."""
        return self.prefix + self.stem

    @property
    def infinitive_with_zu(self) -> list[str]:
        """Return the form after um, versuchen and so on: zu gehen, but aufzustehen."""
        return [f"{self.prefix}zu{self.stem}"] if self.prefix else ["zu", self.stem]


@dataclass(frozen=True)
class Tense:
    """A tense or modal: the finite English verb and what follows it, the German recipe, adverbs and times."""

    name: str
    finite: str
    finite_form: str
    auxiliary: bool
    rest: tuple[str, ...]
    german: tuple[str, ...]
    adverbs: str
    times: str
    may_be_negative: bool


@dataclass(frozen=True)
class Frame:
    """A verb phrase in both languages: tokens with numbered slots, and options."""

    group: str
    weight: float
    english: tuple[str, ...]
    middle: tuple[str, ...]
    verb: str
    after: tuple[str, ...]
    options: Mapping[str, str]
    key: str


@dataclass(frozen=True)
class Rule:
    """A sentence rule: its label, its weight, and both sides as tokens."""

    label: str
    weight: float
    english: tuple[str, ...]
    german: tuple[str, ...]


@dataclass
class Grammar:
    """The grammar file, read."""

    determiners: dict[str, Determiner] = field(default_factory=dict)
    determiner_sets: dict[str, list[tuple[str, float]]] = field(default_factory=dict)
    endings: dict[str, dict[tuple[str, str], str]] = field(default_factory=dict)
    contractions: dict[tuple[str, str], str] = field(default_factory=dict)
    nouns: list[Noun] = field(default_factory=list)
    adjectives: list[Adjective] = field(default_factory=list)
    pronouns: dict[str, PronounNode] = field(default_factory=dict)
    names: list[NameNode] = field(default_factory=list)
    sets: dict[str, list[tuple[str, float]]] = field(default_factory=dict)
    phrases: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    english_verbs: dict[str, dict[str, str]] = field(default_factory=dict)
    german_verbs: dict[str, GermanVerb] = field(default_factory=dict)
    tenses: dict[str, Tense] = field(default_factory=dict)
    frames: dict[str, list[Frame]] = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)
    long_rules: list[Rule] = field(default_factory=list)
    deeper_rules: list[Rule] = field(default_factory=list)
    vowel_exceptions: set[str] = field(default_factory=set)

    def nouns_of(self, class_name: str) -> list[Noun]:
        """Return the nouns of one class of meaning."""
        return [noun for noun in self.nouns if class_name in noun.classes]


# ---------------------------------------------------------------------------------------------------------------------
# Reading the grammar file
# ---------------------------------------------------------------------------------------------------------------------


def _columns(line: str, least: int) -> list[str]:
    columns = [column.strip() for column in line.split("|")]
    if len(columns) < least:
        raise GrammarError(f"expected at least {least} columns divided by '|': {line}")
    return columns


def _weighted(text: str) -> list[tuple[str, float]]:
    pairs = (entry.split() for entry in text.split(","))
    return [(name, float(weight)) for name, weight in pairs]


def _blank(word: str) -> str:
    return "" if word == "~" else word.replace("_", " ")


def _cells(columns: Sequence[str]) -> dict[tuple[str, str], str]:
    """Three columns (cases) of four words (genders); one single word fills the whole table."""
    if len(columns) == 1:
        return {(case, gender): _blank(columns[0]) for case in CASES for gender in GENDERS}
    table = [column.split() for column in columns]
    return {
        (case, gender): _blank(table[row][place])
        for row, case in enumerate(CASES)
        for place, gender in enumerate(GENDERS)
    }


def _read_determiner(grammar: Grammar, line: str) -> None:
    name, english, declension, *german = _columns(line, 4)
    singular, plural = english.split()
    grammar.determiners[name] = Determiner(name, (singular, plural), declension, _cells(german))


def _read_determiner_set(grammar: Grammar, line: str) -> None:
    name, content = line.split("=")
    grammar.determiner_sets[name.strip()] = _weighted(content)


def _read_ending(grammar: Grammar, line: str) -> None:
    name, *german = _columns(line, 4)
    grammar.endings[name] = _cells(german)


def _read_contraction(grammar: Grammar, line: str) -> None:
    preposition, article, _, short = line.split()
    grammar.contractions[(preposition, article)] = short


def _read_noun(grammar: Grammar, line: str) -> None:
    english, german, classes, *places = _columns(line, 3)
    singular, plural = english.split()
    gender, german_singular, german_plural, *oblique = german.split()
    grammar.nouns.append(
        Noun(
            (singular.replace("_", " "), plural.replace("_", " ")),
            gender,
            (german_singular, german_plural),
            oblique[0] if oblique else german_singular,
            tuple(classes.split()),
            tuple(places[0].split()) if places else (),
        )
    )


def _read_adjective(grammar: Grammar, line: str) -> None:
    english, german, classes = _columns(line, 3)
    predicate, *stem = german.split()
    grammar.adjectives.append(Adjective(english, predicate, stem[0] if stem else predicate, tuple(classes.split())))


def _read_pronoun(grammar: Grammar, line: str) -> None:
    english, german, person, gender, reflexive = _columns(line, 5)
    subject, other = english.split()
    forms = dict(zip(CASES, german.split(), strict=True))
    accusative, dative = reflexive.split()
    grammar.pronouns[subject] = PronounNode(subject, other, forms, Agreement(person, gender), (accusative, dative))


def _read_name(grammar: Grammar, line: str) -> None:
    english, german, gender = _columns(line, 3)
    nominative, *oblique = german.split(",")
    grammar.names.append(NameNode(english, nominative.strip(), (oblique or [nominative])[0].strip(), gender))


def _read_set(grammar: Grammar, line: str) -> None:
    name, content = line.split("=")
    grammar.sets[name.strip()] = _weighted(content)


def _read_phrase(grammar: Grammar, line: str) -> None:
    name, pair = _columns(line, 2)
    english, german = (side.strip() for side in pair.split("="))
    grammar.phrases.setdefault(name, []).append((english, german))


def _read_english_verb(grammar: Grammar, line: str) -> None:
    base, *forms = line.split()
    names = ("3s", "past", "participle", "ing", "1s", "plural", "past_plural")
    verb = {"base": base, "3s": base} | dict(zip(names, forms, strict=False))
    grammar.english_verbs[base] = verb


def _read_german_verb(grammar: Grammar, line: str) -> None:
    infinitive, first, third, participle, auxiliary, *more = line.split()
    prefix, _, stem = infinitive.rpartition("+")
    plural, past, past_plural = more if more else (stem, "", "")
    grammar.german_verbs[prefix + stem] = GermanVerb(
        prefix,
        stem,
        {"1s": first, "3s": third, "p": plural},
        {"1s": past, "3s": past, "p": past_plural} if past else {},
        participle,
        auxiliary,
    )


def _read_tense(grammar: Grammar, line: str) -> None:
    name, finite, rest, german, adverbs, times, negative = _columns(line, 7)
    words = finite.split()
    grammar.tenses[name] = Tense(
        name, words[0], words[1], "aux" in words, tuple(rest.split()), tuple(german.split()),
        "" if adverbs == "-" else adverbs, "" if times == "-" else times, negative == "neg",
    )  # fmt: skip


def _options(text: str) -> dict[str, str]:
    return dict(entry.split("=", 1) for entry in text.split())


def _read_frame(grammar: Grammar, line: str) -> None:
    head, english, german, *options = _columns(line, 3)
    group, *weight = head.split()
    before, _, after = german.partition(">>")
    *middle, verb = TOKEN.findall(before)
    if verb not in grammar.german_verbs:
        raise GrammarError(f"no such German verb: {verb}")
    frame = Frame(
        group,
        float(weight[0]) if weight else 1.0,
        tuple(TOKEN.findall(english)),
        tuple(middle),
        verb,
        tuple(TOKEN.findall(after)),
        _options(options[0]) if options else {},
        f"{group}: {english}",
    )
    if frame.english[0] not in grammar.english_verbs:
        raise GrammarError(f"no such English verb: {frame.english[0]}")
    grammar.frames.setdefault(group, []).append(frame)


def _tokens(text: str) -> tuple[str, ...]:
    """Divide a side into slots, words and marks; a mark directly after a word is a token of its own."""
    return tuple(TOKEN.findall(re.sub(r"([.,?!]+)(?=\s|$)", lambda match: " " + " ".join(match[1]), text)))


def _rule_of(line: str) -> Rule:
    head, english, german = _columns(line, 3)
    label, weight = head.split()
    return Rule(label, float(weight), _tokens(english), _tokens(german))


def _read_rule(grammar: Grammar, line: str) -> None:
    grammar.rules.append(_rule_of(line))


def _read_long_rule(grammar: Grammar, line: str) -> None:
    grammar.long_rules.append(_rule_of(line))


def _read_deeper_rule(grammar: Grammar, line: str) -> None:
    grammar.deeper_rules.append(_rule_of(line))


def _read_vowel_exception(grammar: Grammar, line: str) -> None:
    grammar.vowel_exceptions.update(line.split())


READERS = {
    "determiners": _read_determiner,
    "determiner sets": _read_determiner_set,
    "adjective endings": _read_ending,
    "contractions": _read_contraction,
    "nouns": _read_noun,
    "adjectives": _read_adjective,
    "pronouns": _read_pronoun,
    "names": _read_name,
    "sets": _read_set,
    "phrases": _read_phrase,
    "english verbs": _read_english_verb,
    "german verbs": _read_german_verb,
    "tenses": _read_tense,
    "tense sets": _read_set,
    "verb phrases": _read_frame,
    "rules": _read_rule,
    "long rules": _read_long_rule,
    "deeper rules": _read_deeper_rule,
    "a before vowel": _read_vowel_exception,
}


def read_grammar(path: Path = GRAMMAR_FILE) -> Grammar:
    """Read the grammar file section by section."""
    grammar = Grammar()
    section = ""
    for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        line = raw.partition("#")[0].strip()
        if not line:
            continue
        if line.startswith("["):
            section = line.strip("[]")
            continue
        try:
            READERS[section](grammar, line)
        except (GrammarError, ValueError, KeyError, IndexError) as error:
            raise GrammarError(f"{path.name}, line {number}, section [{section}]: {error!r}") from error
    return grammar


# ---------------------------------------------------------------------------------------------------------------------
# The tree: nodes that can be spelled in both languages
# ---------------------------------------------------------------------------------------------------------------------


class Node(Protocol):
    """Anything that fills a slot: it can be spelled in English and in German in the form that a rule asks for."""

    def english(self, form: str) -> list[str]:
        """Return the English words."""
        ...

    def german(self, form: str) -> list[str]:
        """Return the German words."""
        ...


@dataclass(frozen=True)
class PhraseNode:
    """A fixed phrase, the same wherever it stands."""

    english_words: tuple[str, ...]
    german_words: tuple[str, ...]

    def english(self, form: str) -> list[str]:
        """Return the English words; a phrase has one form only."""
        del form
        return list(self.english_words)

    def german(self, form: str) -> list[str]:
        """Return the German words; a phrase has one form only."""
        del form
        return list(self.german_words)


@dataclass(frozen=True)
class PronounNode:
    """A personal pronoun with its cases and its reflexives."""

    subject: str
    other: str
    forms: Mapping[str, str]
    agreement: Agreement
    reflexive: tuple[str, str]

    def english(self, form: str) -> list[str]:
        """Return I or me, he or him and so on."""
        return [self.other if form in ("obj", "proobj") else self.subject]

    def german(self, form: str) -> list[str]:
        """Return the case that is asked for."""
        return [self.forms[form.removeprefix("pro") or "nom"]]


@dataclass(frozen=True)
class NameNode:
    """A person's name."""

    name: str
    nominative: str
    oblique: str
    gender: str

    @property
    def agreement(self) -> Agreement:
        """Return third person singular with the gender of the person."""
        return Agreement("3s", self.gender)

    def english(self, form: str) -> list[str]:
        """Return the name, or the pronoun that takes it up again."""
        if form.startswith("pro"):
            return [_english_pronoun(self.agreement, form)]
        return self.name.split()

    def german(self, form: str) -> list[str]:
        """Return the name (Herr has an ending outside the nominative)."""
        return (self.nominative if form == "nom" else self.oblique).split()


def _english_pronoun(agreement: Agreement, form: str) -> str:
    if agreement.person == "3p":
        return "them" if form == "proobj" else "they"
    pair = {"m": ("he", "him"), "f": ("she", "her")}.get(agreement.gender, ("it", "it"))
    return pair[form == "proobj"]


@dataclass(frozen=True)
class Relative:
    """A relative clause: the English opening word, the German opening words before the pronoun, its case."""

    clause: ClauseNode
    opening: str
    preposition: str
    case: str


@dataclass(frozen=True)
class NounPhraseNode:
    """Determiner, adjective, noun and relative clause, agreeing in case, number and gender."""

    grammar: Grammar
    determiner: Determiner
    adjective: Adjective | None
    noun: Noun
    plural: bool
    relative: Relative | None
    pronoun: PronounNode | None

    @property
    def agreement(self) -> Agreement:
        """Return third person with number and gender."""
        return Agreement("3p" if self.plural else "3s", self.noun.gender)

    @property
    def declined_gender(self) -> str:
        """Return the gender column of the tables: the plural has one column for all."""
        return "p" if self.plural else self.noun.gender

    def english(self, form: str) -> list[str]:
        """Return the phrase, with its preposition for ``loc`` and ``to``, or its pronoun for ``pro...``."""
        if form.startswith("pro"):
            assert self.pronoun is not None
            return self.pronoun.english(form)
        opening = {"loc": list(self.noun.prepositions[:1]), "to": ["to"]}.get(form, [])
        words = [_blank(self.determiner.english[self.plural])]
        words += [self.adjective.english] if self.adjective else []
        words += [self.noun.english[self.plural]]
        return opening + [word for word in words if word] + self.english_relative()

    def english_relative(self) -> list[str]:
        """Return the relative clause with its opening word."""
        if self.relative is None:
            return []
        return [self.relative.opening, *self.relative.clause.english("relative")]

    def german(self, form: str) -> list[str]:
        """Return the phrase with its relative clause."""
        return self.german_core(form) + ([] if form.startswith("pro") else self.german_relative())

    def german_core(self, form: str) -> list[str]:
        """Return the phrase in a case, with its preposition for ``loc`` and ``to``, or its pronoun."""
        if form.startswith("pro"):
            assert self.pronoun is not None
            return self.pronoun.german(form)
        if form in ("loc", "to"):
            preposition = self.noun.prepositions[1 if form == "loc" else 2]
            moves = form == "to" and preposition != "zu"
            return [preposition, *self._declined("acc" if moves else "dat")]
        return self._declined(form)

    def _declined(self, case: str) -> list[str]:
        cell = (case, self.declined_gender)
        words = [self.determiner.german[cell]]
        if self.adjective:
            ending = self.grammar.endings[self.determiner.declension][cell]
            words.append(self.adjective.stem + ending)
        words.append(self._german_noun(case))
        return [word for word in words if word]

    def _german_noun(self, case: str) -> str:
        if not self.plural:
            return self.noun.german[0] if case == "nom" else self.noun.oblique
        plural = self.noun.german[1]
        return plural + "n" if case == "dat" and not plural.endswith(("n", "s")) else plural

    def german_relative(self) -> list[str]:
        """Return the relative clause between its commas; its pronoun has our gender and its own case."""
        if self.relative is None:
            return []
        pronoun = self.grammar.determiners["which"].german[(self.relative.case, self.declined_gender)]
        opening = f"{self.relative.preposition} {pronoun}".strip()  # one piece, so that "in dem" is not contracted
        return [",", opening, *self.relative.clause.german("relative"), ","]


@dataclass(frozen=True)
class PairNode:
    """Two noun phrases joined by and."""

    first: Node
    second: Node
    agreement: Agreement

    def english(self, form: str) -> list[str]:
        """Return both, or the pronoun they."""
        if form.startswith("pro"):
            return [_english_pronoun(self.agreement, form)]
        return [*self.first.english(form), "and", *self.second.english(form)]

    def german(self, form: str) -> list[str]:
        """Return both in the same case."""
        return [*self.first.german(form), "und", *self.second.german(form)]


SubjectNode = PronounNode | NameNode | NounPhraseNode | PairNode


@dataclass(frozen=True)
class ClauseNode:
    """A clause: subject, verb phrase, tense, negation, time; it knows the word orders of both languages."""

    grammar: Grammar
    frame: Frame
    subject: SubjectNode
    tense: Tense
    negative: bool
    time: PhraseNode | None
    adverb: PhraseNode | None
    fillers: Mapping[int, Node]
    gap: int | None = None
    subject_is_gap: bool = False

    # English ----------------------------------------------------------------------------------------------------------

    def english(self, form: str) -> list[str]:
        """Spell the clause as statement (``main``), question (``ask``), after to or as request (``base``), relative."""
        tail = self._english_tail()
        if form == "base":
            return [self._english_form("base"), *tail]
        if form == "ask":
            return self._english_question() + tail
        subject = [] if self.subject_is_gap else self.subject.english("nom")
        return [*subject, *self._english_verbs(), *tail]

    def _lexical(self) -> str:
        return self.frame.english[0]

    def _english_form(self, form: str) -> str:
        return self.grammar.english_verbs[self._lexical()][form]

    def _finite_verb(self) -> str:
        return self._lexical() if self.tense.finite == "verb" else self.tense.finite

    def _needs_do(self) -> bool:
        return not (self.tense.auxiliary or self._finite_verb() == "be")

    def _conjugated(self, verb: str) -> str:
        return english_finite(self.grammar, verb, self.tense.finite_form, self.subject.agreement)

    def _do(self) -> str:
        return self._conjugated("do")

    def _rest(self) -> list[str]:
        names = {"BASE": "base", "PARTICIPLE": "participle", "ING": "ing"}
        return [self._english_form(names[word]) if word in names else word for word in self.tense.rest]

    def _english_adverb(self) -> list[str]:
        return list(self.adverb.english_words) if self.adverb else []

    def _english_verbs(self) -> list[str]:
        verb, adverb, rest = self._finite_verb(), self._english_adverb(), self._rest()
        if self._needs_do():
            if self.negative:
                return [self._do(), "not", *adverb, verb, *rest]
            return [*adverb, self._conjugated(verb), *rest]
        return [self._conjugated(verb), *(["not"] if self.negative else []), *adverb, *rest]

    def _english_question(self) -> list[str]:
        subject, adverb = self.subject.english("nom"), self._english_adverb()
        negation = ["not"] if self.negative else []
        if self._needs_do():
            return [self._do(), *subject, *negation, *adverb, self._finite_verb(), *self._rest()]
        return [self._conjugated(self._finite_verb()), *subject, *negation, *adverb, *self._rest()]

    def _english_tail(self) -> list[str]:
        words: list[str] = []
        for token in self.frame.english[1:]:
            match = slot_in(token)
            if match is None:
                words.append(token)
            elif int(match[1]) != self.gap:
                form = match[3] or "obj"
                words += self.fillers[int(match[1])].english(form)
        return words + (self.time.english("") if self.time else [])

    # German -----------------------------------------------------------------------------------------------------------

    def german(self, form: str) -> list[str]:
        """Spell the clause in a word order.

        ``main`` verb second; ``front`` verb first, for questions and after something fronted; ``final`` and
        ``relative`` verb last, ``joined`` the same without its closing comma, before und; ``request`` the polite
        imperative (``bitte`` and ``bitteinf``: with this word); ``zu`` and ``inf`` without subject.
        """
        middle, after = self._middle_field(form.startswith("bitte"))
        after += self._after_field()
        subject = self.subject.german("nom")
        if form in ("zu", "inf", "bitteinf"):
            verb = self._german_verb()
            ending = verb.infinitive_with_zu if form == "zu" else [verb.infinitive]
            return [*middle, *ending, *after, *([","] if form == "zu" else [])]
        if form in ("request", "bitte"):
            verb = self._german_verb()
            return [verb.present["p"], "Sie", *middle, *([verb.prefix] if verb.prefix else []), *after]
        if form in ("final", "joined", "relative"):
            opening = [] if self.subject_is_gap else subject
            return [*opening, *middle, *self._verbs_last(), *after, *([","] if form != "joined" else [])]
        finite, bracket = self._verbs_second()
        opening = [finite, *subject] if form == "front" else [*subject, finite]
        return [*opening, *middle, *bracket, *after]

    def _german_verb(self) -> GermanVerb:
        return self.grammar.german_verbs[self.frame.verb]

    def _german_finite(self, infinitive: str, form: str) -> str:
        return german_finite(self.grammar, infinitive, form, self.subject.agreement)

    def _verbs_second(self) -> tuple[str, list[str]]:
        """Return the finite verb and the right bracket of a verb-second clause."""
        verb, (kind, *form) = self._german_verb(), self.tense.german
        if kind == "perfect" and verb.past:
            return self._german_finite(verb.infinitive, "past"), []
        if kind == "perfect":
            return self._german_finite(verb.auxiliary, "present"), [verb.participle]
        if kind == "verb":
            return self._german_finite(verb.infinitive, "present"), [verb.prefix] if verb.prefix else []
        return self._german_finite(kind, form[0]), [verb.infinitive]

    def _verbs_last(self) -> list[str]:
        """Return the verbs at the end of a subordinate clause: the bracket, then the finite verb."""
        finite, bracket = self._verbs_second()
        verb = self._german_verb()
        return [verb.prefix + finite] if bracket == [verb.prefix] else [*bracket, finite]

    def _middle_field(self, polite: bool) -> tuple[list[str], list[str]]:
        """Return the middle field (with bitte if polite), and its last relative clause, which follows the verb."""
        elements: list[list[str]] = []
        moved: list[str] = []
        leading, merged = 0, False
        tokens = self.frame.middle
        for place, token in enumerate(tokens):
            if token == "!":
                elements.append(["nicht"] if self.negative and not merged else [])
                continue
            words, light = self._middle_element(token)
            last = all(later == "!" for later in tokens[place + 1 :])
            if last and not (self.negative and "!" in tokens[place + 1 :] and not self._merges(token)):
                words, moved = self._without_relative(token, words)
            merged = merged or self._merges(token)
            if light and leading == len(elements):
                leading += 1
            elements.append(words)
        elements[leading:leading] = [["bitte"] if polite else [], self._german_times()]
        return [word for element in elements for word in element], moved

    def _german_times(self) -> list[str]:
        words = self.time.german("") if self.time else []
        return words + (self.adverb.german("") if self.adverb else [])

    def _filler(self, token: str) -> tuple[Node | None, str, int]:
        match = slot_in(token)
        if match is None:
            return None, "", 0
        return self.fillers.get(int(match[1])), match[3] or "", int(match[1])

    def _middle_element(self, token: str) -> tuple[list[str], bool]:
        """Return an element's words and whether it is a light pronoun, which goes before the time."""
        if token in ("sich", "sich3"):
            reflexive = _reflexive(self.grammar, self.subject.agreement)
            return [reflexive[token == "sich3"]], True
        node, form, index = self._filler(token)
        if node is None and index == 0:
            return [token], False
        if index == self.gap:
            return [], True
        assert node is not None
        if self._merges(token) and isinstance(node, NounPhraseNode):
            return replace(node, determiner=self.grammar.determiners["no"]).german(form), False
        return node.german(form), isinstance(node, PronounNode)

    def _merges(self, token: str) -> bool:
        """Whether negation and an indefinite object become one word: nicht + ein = kein."""
        node, form, index = self._filler(token)
        if not self.negative or index == self.gap or form not in CASES or not isinstance(node, NounPhraseNode):
            return False
        place = self.frame.middle.index(token)
        return node.determiner.name in ("a", "bare") and self.frame.middle[place + 1 : place + 2] == ("!",)

    def _without_relative(self, token: str, words: list[str]) -> tuple[list[str], list[str]]:
        node, _, index = self._filler(token)
        if not isinstance(node, NounPhraseNode) or node.relative is None or index == self.gap:
            return words, []
        clause = node.german_relative()
        return words[: len(words) - len(clause)], clause

    def _after_field(self) -> list[str]:
        words: list[str] = []
        for token in self.frame.after:
            node, form, _ = self._filler(token)
            words += [token] if node is None else node.german(form)
        return words


def _reflexive(grammar: Grammar, agreement: Agreement) -> tuple[str, str]:
    owner = {"1s": "I", "1p": "we"}.get(agreement.person, "they")
    return grammar.pronouns[owner].reflexive


def english_finite(grammar: Grammar, verb: str, form: str, agreement: Agreement) -> str:
    """Return the English verb in the present or past, agreeing with its subject."""
    forms = grammar.english_verbs[verb]
    if form == "past":
        plural = agreement.person not in ("1s", "3s")
        return forms.get("past_plural", forms["past"]) if plural else forms["past"]
    if agreement.person == "3s":
        return forms["3s"]
    if agreement.person == "1s":
        return forms.get("1s", forms["base"])
    return forms.get("plural", forms["base"])


def german_finite(grammar: Grammar, infinitive: str, form: str, agreement: Agreement) -> str:
    """Return the German verb in the present or past, agreeing with its subject."""
    verb = grammar.german_verbs[infinitive]
    return (verb.past if form == "past" else verb.present)[agreement.german_key]


# ---------------------------------------------------------------------------------------------------------------------
# Drawing sentences
# ---------------------------------------------------------------------------------------------------------------------


class Dice:
    """Random numbers from a counter and SHA-256: the same on every machine and in every Python."""

    def __init__(self, seed: str) -> None:
        """Start the counter."""
        self._seed = seed
        self._counter = 0

    def fraction(self) -> float:
        """Return the next number from 0 up to, not including, 1."""
        self._counter += 1
        digest = hashlib.sha256(f"{self._seed}:{self._counter}".encode()).digest()
        return int.from_bytes(digest[:6], "big") / 2**48

    def chance(self, probability: float) -> bool:
        """Say yes with this probability."""
        return self.fraction() < probability

    def one_of(self, items: Sequence[Item]) -> Item:
        """Draw one item, all alike."""
        return items[int(self.fraction() * len(items))]

    def weighted(self, items: Sequence[tuple[Item, float]]) -> Item:
        """Draw one item by weight."""
        total = 0.0
        for _, weight in items:  # not sum(): Python 3.12 changed how it rounds
            total += weight
        point = self.fraction() * total
        for item, weight in items:
            point -= weight
            if point < 0:
                return item
        return items[-1][0]


@dataclass(frozen=True)
class Manner:
    """How rich the sentences are: chances of an adjective, a time, a relative clause, reported speech
    inside reported speech, and the nesting allowed."""

    adjective: float
    time: float
    relative: float
    reported: float
    deepest: int


SHORT_MANNER = Manner(adjective=0.5, time=0.5, relative=0.08, reported=0.0, deepest=2)
LONG_MANNER = Manner(adjective=0.4, time=0.5, relative=0.2, reported=0.15, deepest=3)
DEEP_MANNER = Manner(adjective=0.5, time=0.5, relative=0.7, reported=0.7, deepest=6)


@dataclass(frozen=True)
class Pair:
    """One sentence in both languages, its label and how deep its clauses are nested."""

    english: str
    german: str
    label: str
    depth: int

    @cached_property
    def lengths(self) -> tuple[int, int]:
        """Return the numbers of words, English and German."""
        return len(self.english.split()), len(self.german.split())

    @cached_property
    def words(self) -> list[str]:
        """Return the words of both sides, the German ones marked, to be counted."""
        return words_of(self.english) + ["de:" + word for word in words_of(self.german)]


def slot_options(match: re.Match[str]) -> dict[str, str]:
    """Return a slot's options; the plain form ``base`` has no tense of its own, so it takes the one called bare."""
    plain = {"tense": "bare"} if match[3] == "base" else {}
    return plain | _options(match[4] or "")


class DrawError(Exception):
    """This draw cannot be finished (no room for another clause, no fitting word): draw again."""


def _slots_with_neighbours(tokens: Sequence[str]) -> list[tuple[re.Match[str], str]]:
    """Return every slot among the tokens with the token before it."""
    neighbours = zip(("", *tokens), tokens, strict=False)
    return [(slot, before) for before, token in neighbours if (slot := slot_in(token)) is not None]


class Writer:
    """Draws trees from the grammar and spells them."""

    def __init__(self, grammar: Grammar, seed: str) -> None:
        """Prepare the tables of what may be drawn."""
        self.grammar = grammar
        self.dice = Dice(seed)
        self.used: Counter[str] = Counter()
        self.gap_frames = self._frames_with_gaps()
        self.frame_choices: dict[tuple[str, ...], list[tuple[Frame, float]]] = {}
        self.determiner_choices: dict[tuple[str, tuple[str, str], str], list[tuple[DeterminerChoice, float]]] = {}
        self.noun_choices: dict[str, tuple[list[Noun], list[str]]] = {}
        self.adjective_choices: dict[tuple[str, ...], tuple[list[Adjective], list[str]]] = {}
        self.tense_choices: dict[tuple[str, str], list[tuple[str, float]]] = {}
        self.manner = SHORT_MANNER
        self.deepest = 0
        self.timed = False

    def _frames_with_gaps(self) -> dict[str, list[tuple[Frame, int, str]]]:
        """For every noun class, the verb phrases that can stand in a relative clause about such a noun.

        The German slot must be a plain case or a place: no preposition, nothing else, may stand before it.
        """
        table: dict[str, list[tuple[Frame, int, str]]] = {}
        for frame in self.grammar.frames["vp"]:
            german = {slot[1]: (slot[3], before) for slot, before in _slots_with_neighbours(frame.middle)}
            for slot, _ in _slots_with_neighbours(frame.english):
                form, before = german.get(slot[1], ("", ""))
                bare = before == "" or before == "sich" or before.startswith("{")
                if slot[2] == "clause" or "gap=no" in slot[4] or form not in (*CASES, "loc") or not bare:
                    continue
                for class_name in self._classes_of_category(slot[2]):
                    table.setdefault(class_name, []).append((frame, int(slot[1]), form))
        return table

    def _classes_of_category(self, category: str) -> list[str]:
        if category in self.grammar.sets:
            return [name for part, _ in self.grammar.sets[category] for name in self._classes_of_category(part)]
        return [category.split("/")[0]]

    # Balanced choice --------------------------------------------------------------------------------------------------

    def balanced(self, items: Sequence[Item], keys: Sequence[str]) -> Item:
        """Draw two and keep the one used less so far, so that no word stays rare."""
        if not items:
            raise DrawError
        first, second = int(self.dice.fraction() * len(items)), int(self.dice.fraction() * len(items))
        best = first if self.used[keys[first]] <= self.used[keys[second]] else second
        self.used[keys[best]] += 1
        return items[best]

    # Nodes ------------------------------------------------------------------------------------------------------------

    def build(self, category: str, options: Mapping[str, str], level: int, made: Mapping[int, Node]) -> Node:
        """Draw a node for a slot."""
        grammar = self.grammar
        if category == "clause":
            return self.clause(options, level, made)
        if category in grammar.sets:
            return self.build(self.dice.weighted(grammar.sets[category]), options, level, made)
        if category == "adjective":
            return self._predicate(options, made)
        if category in grammar.pronouns:
            return grammar.pronouns[category]
        if category == "names":
            return self.balanced(grammar.names, [name.name for name in grammar.names])
        if category == "pairs":
            return self._pair_of_people(level)
        if category in grammar.phrases:
            self.timed = self.timed or category.endswith("_time")
            return self._phrase(category, options, made)
        return self.noun_phrase(category, options, level)

    def _phrase(self, category: str, options: Mapping[str, str], made: Mapping[int, Node]) -> PhraseNode:
        entries = self.grammar.phrases[category]
        english, german = self.balanced(entries, [category + ":" + entry[0] for entry in entries])
        if "/" in german:
            owner = made[int(options["of"])]
            assert not isinstance(owner, PhraseNode)
            gender = _agreement_of(owner).gender
            german = german.split("/")[gender == "f"]
        return PhraseNode(tuple(_blank(english).split()), tuple(german.split()))

    def _predicate(self, options: Mapping[str, str], made: Mapping[int, Node]) -> PhraseNode:
        if "of" in options:
            owner = made[int(options["of"])]
            classes: tuple[str, ...] = owner.noun.classes if isinstance(owner, NounPhraseNode) else ("people",)
        else:
            classes = (options["class"],)
        fitting = [entry for entry in self.grammar.adjectives if set(entry.classes) & set(classes)]
        if options.get("degree") == "yes":
            fitting = [entry for entry in fitting if "absolute" not in entry.classes]
        chosen = self.balanced(fitting, [entry.english for entry in fitting])
        return PhraseNode((chosen.english,), (chosen.german,))

    def _pair_of_people(self, level: int) -> PairNode:
        first = self.build("names", {}, level, {})
        second = self.build("family/own", {"adj": "no", "rel": "no"}, level, {})
        if _agreement_of(second).person == "3p":
            raise DrawError
        return PairNode(first, second, Agreement("3p", "n"))

    def noun_phrase(self, category: str, options: Mapping[str, str], level: int) -> NounPhraseNode:
        """Draw a noun phrase from a class of nouns and a set of determiners: ``food/indef``."""
        class_name, _, set_name = category.partition("/")
        noun = self._noun(class_name)
        determiner, plural = self._determiner(set_name or "free", noun, options.get("number", ""))
        adjective = self._adjective_for(noun, determiner, options)
        pronoun = self.grammar.pronouns["they" if plural else {"m": "he", "f": "she"}.get(noun.gender, "it")]
        if not plural and not {"family", "people"} & set(noun.classes):
            pronoun = replace(pronoun, subject="it", other="it")
        phrase = NounPhraseNode(self.grammar, determiner, adjective, noun, plural, None, pronoun)
        if options.get("rel") != "no" and determiner.name in ("the", "a", "some", "many"):
            return self._with_relative(phrase, level, options.get("rel") == "yes")
        return phrase

    def _noun(self, class_name: str) -> Noun:
        if class_name not in self.noun_choices:
            nouns = self.grammar.nouns_of(class_name)
            if not nouns:
                raise GrammarError(f"no category or noun class called {class_name}")
            self.noun_choices[class_name] = nouns, [noun.english[0] + noun.english[1] for noun in nouns]
        return self.balanced(*self.noun_choices[class_name])

    def _determiner(self, set_name: str, noun: Noun, number: str) -> DeterminerChoice:
        key = set_name, noun.english, number
        if key not in self.determiner_choices:
            self.determiner_choices[key] = self._fitting_determiners(set_name, noun, number)
        if not self.determiner_choices[key]:
            raise DrawError
        return self.dice.weighted(self.determiner_choices[key])

    def _fitting_determiners(self, set_name: str, noun: Noun, number: str) -> list[tuple[DeterminerChoice, float]]:
        fitting: list[tuple[DeterminerChoice, float]] = []
        for name, weight in self.grammar.determiner_sets[set_name]:
            determiner = self.grammar.determiners[name]
            for plural in (False, True):
                wanted = number in ("", "pl" if plural else "sg")
                exists = determiner.english[plural] != "-" and noun.english[plural] != "-"
                mass = noun.english[1] == "-" and not plural and bool({"food", "drink"} & set(noun.classes))
                if name == "bare" and not plural and not mass:
                    exists = False
                if name == "a" and mass:
                    exists = False
                if exists and wanted:
                    share = 0.35 if plural and "-" not in (determiner.english[0], noun.english[0]) else 1.0
                    fitting.append(((determiner, plural), weight * share))
        return fitting

    def _adjective_for(self, noun: Noun, determiner: Determiner, options: Mapping[str, str]) -> Adjective | None:
        wish = options.get("adj", "")
        if wish == "no" or (wish != "yes" and not self.dice.chance(self.manner.adjective)):
            return None
        if wish != "yes" and "family" in noun.classes:
            return None
        if noun.classes not in self.adjective_choices:
            fitting = [entry for entry in self.grammar.adjectives if set(entry.classes) & set(noun.classes)
                       and "predicate" not in entry.classes]  # fmt: skip
            self.adjective_choices[noun.classes] = fitting, [entry.english for entry in fitting]
        fitting, names = self.adjective_choices[noun.classes]
        if wish != "yes" and (not fitting or determiner.name == "this"):
            return None
        return self.balanced(fitting, names)

    def _with_relative(self, phrase: NounPhraseNode, level: int, wanted: bool) -> NounPhraseNode:
        if level + 1 > self.manner.deepest or not (wanted or self.dice.chance(self.manner.relative)):
            return phrase
        classes = phrase.noun.classes
        bare = replace(phrase, relative=None)
        if "people" in classes and self.dice.chance(0.6):
            clause = self.clause({"group": "about", "neg": "no"}, level + 1, {}, subject=bare)
            opening = "who"
            return replace(phrase, relative=Relative(replace(clause, subject_is_gap=True), opening, "", "nom"))
        choices = [entry for name in classes for entry in self.gap_frames.get(name, [])]
        if not choices:
            return phrase
        frame, gap, form = self.dice.one_of(choices)
        clause = self.clause({"neg": "no"}, level + 1, {}, frame=frame)
        filled = replace(clause, gap=gap)
        if form == "loc":
            preposition = phrase.noun.prepositions[1]
            return replace(phrase, relative=Relative(filled, "where", preposition, "dat"))
        opening = "whom" if {"people", "family"} & set(classes) else "that"
        return replace(phrase, relative=Relative(filled, opening, "", form))

    # Clauses ----------------------------------------------------------------------------------------------------------

    def clause(
        self,
        options: Mapping[str, str],
        level: int,
        made: Mapping[int, Node],
        subject: SubjectNode | None = None,
        frame: Frame | None = None,
    ) -> ClauseNode:
        """Draw a clause; ``subject`` and ``frame`` are settled beforehand in relative clauses."""
        level += 1 if options.get("sub") == "yes" else 0
        if level > self.manner.deepest:
            raise DrawError
        self.deepest = max(self.deepest, level)
        frame = frame or self._frame(options)
        tense = self._tense(options, frame)
        subject = subject or self._subject(options, frame, level, made)
        negative = self._negative(options, frame, tense)
        fillers = self._fillers(frame, subject, level, tense)
        if any(isinstance(node, NounPhraseNode) and node.determiner.name in COUNTING for node in fillers.values()):
            negative = False
        heavy = any(isinstance(node, ClauseNode) or getattr(node, "relative", None) for node in fillers.values())
        time = None if heavy else self._time(options, frame, tense)  # after a clause, nobody knows what it belongs to
        adverb = self._phrase(tense.adverbs, {}, {}) if tense.adverbs else None
        return ClauseNode(self.grammar, frame, subject, tense, negative, time, adverb, fillers)

    def _frame(self, options: Mapping[str, str]) -> Frame:
        key = tuple(options.get(name, "") for name in ("group", "tense", "timed", "subject", "neg"))
        if key not in self.frame_choices:
            self.frame_choices[key] = [(frame, frame.weight) for frame in self._fitting_frames(options)]
        choices = self.frame_choices[key]
        if not choices:
            raise DrawError
        first, second = self.dice.weighted(choices), self.dice.weighted(choices)
        best = first if self.used[first.key] <= self.used[second.key] else second
        self.used[best.key] += 1
        return best

    def _fitting_frames(self, options: Mapping[str, str]) -> list[Frame]:
        frames = [frame for group in options.get("group", "vp").split(",") for frame in self.grammar.frames[group]]
        if options.get("timed") == "yes":
            frames = [frame for frame in frames if frame.options.get("time") != "never"]
        if options.get("tense", "bare") != "bare":
            wanted = {name for entry in options["tense"].split(",") for name in self._tense_names(entry)}
            frames = [frame for frame in frames if wanted & self._allowed(frame)]
        if "subject" in options and options["subject"] not in ("vehicle",):
            frames = [frame for frame in frames if "subject" not in frame.options]
        return frames

    def _tense_names(self, entry: str) -> set[str]:
        return {name for name, _ in self.grammar.sets[entry]} if entry in self.grammar.sets else {entry}

    def _allowed(self, frame: Frame) -> set[str]:
        return {name for entry in frame.options.get("tense", "any").split(",") for name in self._tense_names(entry)}

    def _tense(self, options: Mapping[str, str], frame: Frame) -> Tense:
        wanted = options.get("tense", "any")
        if wanted == "bare":
            return self.grammar.tenses["future"]
        key = wanted, frame.key
        if key not in self.tense_choices:
            allowed, verb = self._allowed(frame), self.grammar.english_verbs[frame.english[0]]
            self.tense_choices[key] = [
                pair
                for entry in wanted.split(",")
                for pair in (self.grammar.sets.get(entry) or [(entry, 1.0)])
                if pair[0] in allowed and (pair[0] != "progressive" or "ing" in verb)
            ]
        if not self.tense_choices[key]:
            raise DrawError
        return self.grammar.tenses[self.dice.weighted(self.tense_choices[key])]

    def _subject(self, options: Mapping[str, str], frame: Frame, level: int, made: Mapping[int, Node]) -> SubjectNode:
        wanted = options.get("subject", frame.options.get("subject", "someone"))
        if wanted.removeprefix("pro").isdigit():
            owner = made[int(wanted.removeprefix("pro"))]
            node = owner.subject if isinstance(owner, ClauseNode) else owner
            return self._as_pronoun(node) if wanted.startswith("pro") else _as_subject(node)
        return _as_subject(self.build(wanted, {"rel": options.get("rel", "")}, level, {}))

    def _as_pronoun(self, node: Node) -> PronounNode:
        agreement = _agreement_of(node)
        if isinstance(node, NounPhraseNode) and agreement == Agreement("3s", "n"):
            raise DrawError  # das Kind, das Mädchen: no pronoun that is right in both languages
        if isinstance(node, NounPhraseNode) and node.pronoun is not None:
            return node.pronoun
        if isinstance(node, PronounNode):
            return node
        name = "they" if agreement.person == "3p" else {"m": "he", "f": "she"}.get(agreement.gender, "it")
        return self.grammar.pronouns[name]

    def _negative(self, options: Mapping[str, str], frame: Frame, tense: Tense) -> bool:
        if options.get("neg") == "yes":
            if "!" not in frame.middle or not tense.may_be_negative:
                raise DrawError
            return True
        possible = "!" in frame.middle and tense.may_be_negative and options.get("neg") != "no"
        return possible and self.dice.chance(0.12)

    def _fillers(self, frame: Frame, subject: SubjectNode, level: int, tense: Tense) -> dict[int, Node]:
        fillers: dict[int, Node] = {}
        holder: dict[int, Node] = {0: subject}
        for token in frame.english:
            match = slot_in(token)
            if match is None:
                continue
            category = match[2].replace("/self", "/of_" + self._as_pronoun(subject).subject)
            options = slot_options(match)
            if category == "clause" and "group" not in options and self.dice.chance(self.manner.reported):
                options["group"] = "say"
            if category == "clause" and tense.name == "past":
                options.setdefault("tense", "past")
            node = self.build(category, options, level + (category == "clause"), holder)
            if isinstance(node, PronounNode) and node.agreement == subject.agreement:
                raise DrawError
            if isinstance(node, PronounNode) and node.agreement.person[0] == subject.agreement.person[0] != "3":
                raise DrawError
            fillers[int(match[1])] = node
            holder[int(match[1])] = node
        return fillers

    def _time(self, options: Mapping[str, str], frame: Frame, tense: Tense) -> PhraseNode | None:
        if not tense.times or options.get("time") == "no" or frame.options.get("time") in ("no", "never"):
            return None
        if self.timed or not self.dice.chance(self.manner.time):
            return None
        self.timed = True
        return self._phrase(tense.times, {}, {})

    # Sentences --------------------------------------------------------------------------------------------------------

    def sentence(self, rule: Rule, manner: Manner) -> Pair:
        """Draw one sentence from a rule, again and again until a draw can be finished."""
        for _ in range(400):
            self.manner, self.deepest, self.timed = manner, 0, False
            try:
                return self._sentence(rule)
            except DrawError:
                continue
        raise GrammarError(f"cannot finish any sentence of the rule {' '.join(rule.english)}")

    def _sentence(self, rule: Rule) -> Pair:
        made: dict[int, Node] = {}
        slots = [match for token in rule.english if (match := slot_in(token)) is not None and match[2]]
        for match in sorted(slots, key=lambda slot: int(slot[1])):
            made[int(match[1])] = self.build(match[2], slot_options(match), 0, made)
        nouns = [node.noun for node in made.values() if isinstance(node, NounPhraseNode)]
        if len(nouns) != len(set(map(id, nouns))):
            raise DrawError  # "this key is better than the key"
        english = [word for token in rule.english for word in self._spell(token, made, "english")]
        german = [word for token in rule.german for word in self._spell(token, made, "german")]
        return Pair(self._english_text(english), self._german_text(german), rule.label, self.deepest)

    def _spell(self, token: str, made: Mapping[int, Node], language: str) -> list[str]:
        match = slot_in(token)
        if match is not None:
            node = made[int(match[1])]
            return node.english(match[3] or "nom") if language == "english" else node.german(match[3] or "nom")
        match = verb_in(token)
        if match is None:
            return [token]
        finite = english_finite if language == "english" else german_finite
        return [finite(self.grammar, match[1], match[2] or "present", _agreement_of(made[int(match[3])]))]

    def _english_text(self, words: Sequence[str]) -> str:
        fixed = list(words)
        for place in range(len(fixed) - 1):
            if fixed[place] == "a" and self._starts_with_vowel(fixed[place + 1]):
                fixed[place] = "an"
        return _joined(fixed).replace(" can not ", " cannot ")

    def _starts_with_vowel(self, word: str) -> bool:
        return (word[0] in "aeiou") != (word in self.grammar.vowel_exceptions)

    def _german_text(self, words: Sequence[str]) -> str:
        short: list[str] = []
        for word in words:
            if short and (short[-1], word) in self.grammar.contractions:
                short[-1] = self.grammar.contractions[(short[-1], word)]
            else:
                short.append(word)
        return _joined(short)


def _agreement_of(node: Node) -> Agreement:
    if isinstance(node, ClauseNode):
        return node.subject.agreement
    return _as_subject(node).agreement


def _as_subject(node: Node) -> SubjectNode:
    if not isinstance(node, PronounNode | NameNode | NounPhraseNode | PairNode):
        raise GrammarError("only a person or a thing can be a subject")
    return node


def _joined(words: Sequence[str]) -> str:
    """Join words to a sentence: one mark at a place (a comma gives way), a capital at the start."""
    kept: list[str] = []
    for word in words:
        if word in MARKS and kept and kept[-1] == ",":
            kept[-1] = word
        elif word:
            kept.append(word)
    text = "".join(word if word in MARKS else " " + word for word in kept).strip()
    return text[0].upper() + text[1:]


# ---------------------------------------------------------------------------------------------------------------------
# The corpus
# ---------------------------------------------------------------------------------------------------------------------

SEED = "phrasebook 1"
SHORT_LIMIT = 20
LONG_BAND = (25, 50)
SIZES = {"train": 17_500, "dev": 437, "test": 437}
LONG_SIZES = {"train": 2_500, "dev": 63, "test": 63, "test_long": 500}
DEEPER_SIZE = 500
DRAWS = 5
COMMON = 12
DEEPER_LIMIT = 90
SPLITS = ("train", "dev", "test", "test_long", "test_deeper")
LABELS = ("statement", "question", "request", "exclamation")
LABEL_SHARES = (("statement", 43.0), ("question", 26.0), ("request", 17.0), ("exclamation", 14.0))


class Collector:
    """Gathers distinct sentences, prefers rare words, and refuses two translations of one sentence."""

    def __init__(self, grammar: Grammar) -> None:
        """Prepare one writer for the whole corpus."""
        self.writer = Writer(grammar, SEED)
        self.known: dict[str, str] = {}
        self.words: Counter[str] = Counter()
        self.taken: set[str] = set()

    def _draw(self, rules: Sequence[tuple[Rule, float]], manner: Manner) -> Pair:
        pair = self.writer.sentence(self.writer.dice.weighted(rules), manner)
        if self.known.setdefault(pair.english, pair.german) != pair.german:
            raise GrammarError(f"two translations of {pair.english!r}: {self.known[pair.english]!r}, {pair.german!r}")
        return pair

    def _rarity(self, pair: Pair) -> float:
        return min(self.words[word] for word in pair.words)

    def gather(self, rules: Sequence[Rule], manner: Manner, size: int, fits: Shape) -> list[Pair]:
        """Return distinct fitting sentences; of several drawn, the one with the rarest word is kept."""
        table = {name: [(rule, rule.weight) for rule in rules if rule.label == name] for name in LABELS}
        kept: list[Pair] = []
        while len(kept) < size:
            label = self.writer.dice.weighted(LABEL_SHARES)
            fitting: list[Pair] = []
            while not fitting:
                drawn = [self._draw(table[label], manner) for _ in range(DRAWS)]
                fitting = [pair for pair in drawn if fits.accepts(pair) and pair.english not in self.taken]
            best = min(fitting, key=self._rarity)
            self.taken.add(best.english)
            self.words.update(best.words)
            kept.append(best)
        return kept


@dataclass(frozen=True)
class Shape:
    """The lengths (of both sides, in words) and nesting that a part of the corpus asks for."""

    shortest: int
    longest: int
    shallowest: int = 0
    vocabulary: frozenset[str] = frozenset()

    def accepts(self, pair: Pair) -> bool:
        """Whether the pair has this shape."""
        return (
            self.shortest <= min(pair.lengths)
            and max(pair.lengths) <= self.longest
            and pair.depth >= self.shallowest
            and (not self.vocabulary or self.vocabulary.issuperset(pair.words))
        )


def words_of(sentence: str) -> list[str]:
    """Return the word types' view of a sentence: lower case, no marks."""
    return [word.strip(".,?!").lower() for word in sentence.split()]


def _shuffled(dice: Dice, pairs: Sequence[Pair]) -> list[Pair]:
    keyed = [(dice.fraction(), pair) for pair in pairs]
    return [pair for _, pair in sorted(keyed, key=lambda entry: entry[0])]


def _dealt(pairs: Sequence[Pair], sizes: Mapping[str, int], common: frozenset[str]) -> dict[str, list[Pair]]:
    """Deal the pairs to the splits; one with a word that is not common can only go to train."""
    waiting = list(pairs)
    dealt: dict[str, list[Pair]] = {}
    for name, size in sizes.items():
        if name != "train":
            fit = [pair for pair in waiting if common.issuperset(pair.words)]
            dealt[name] = fit[:size]
            chosen = {pair.english for pair in dealt[name]}
            waiting = [pair for pair in waiting if pair.english not in chosen]
    return dealt | {"train": waiting}


def build_corpus(grammar: Grammar | None = None) -> dict[str, list[Pair]]:
    """Return every split as a list of pairs; the same list on every machine."""
    grammar = grammar or read_grammar()
    collector = Collector(grammar)
    dice = Dice(SEED + " deal")
    short = collector.gather(grammar.rules, SHORT_MANNER, sum(SIZES.values()), Shape(1, SHORT_LIMIT))
    long = collector.gather(grammar.long_rules, LONG_MANNER, sum(LONG_SIZES.values()), Shape(*LONG_BAND))
    common = frozenset(word for word, count in collector.words.items() if count >= COMMON)
    short_parts = _dealt(_shuffled(dice, short), SIZES, common)
    long_parts = _dealt(_shuffled(dice, long), LONG_SIZES, common)
    corpus = {name: _shuffled(dice, short_parts.get(name, []) + long_parts[name]) for name in LONG_SIZES}
    deepest = max(pair.depth for pair in corpus["train"])
    shape = Shape(LONG_BAND[1] + 1, DEEPER_LIMIT, deepest + 1, common)
    corpus["test_deeper"] = collector.gather(grammar.deeper_rules, DEEP_MANNER, DEEPER_SIZE, shape)
    return corpus


def corpus_files(corpus: Mapping[str, Sequence[Pair]]) -> dict[str, str]:
    """Return the content of every file by its name."""
    files: dict[str, str] = {}
    for name in SPLITS:
        columns = {
            "en": [pair.english for pair in corpus[name]],
            "de": [pair.german for pair in corpus[name]],
            "label": [pair.label for pair in corpus[name]],
        }
        files |= {f"{name}.{ending}": "".join(line + "\n" for line in lines) for ending, lines in columns.items()}
    return files


def write_files(files: Mapping[str, str], folder: Path) -> None:
    """Write the files, with the same line ends on every system."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content.encode("utf-8"))


def differing_files(files: Mapping[str, str], folder: Path) -> list[str]:
    """Return the names of the files in the folder that are missing or not what they should be."""
    return [
        name
        for name, content in files.items()
        if not (folder / name).is_file() or (folder / name).read_bytes() != content.encode("utf-8")
    ]


def figures(corpus: Mapping[str, Sequence[Pair]]) -> str:
    """Return the figures of the README as a small table."""
    lines = ["split        pairs  en words  de words  mean en  mean de  deepest  labels (%)"]
    for name in SPLITS:
        pairs = corpus[name]
        english, german = (sum(pair.lengths[side] for pair in pairs) for side in (0, 1))
        labels = Counter(pair.label for pair in pairs)
        shares = " ".join(f"{label} {100 * labels[label] / len(pairs):.1f}" for label in LABELS)
        lines.append(
            f"{name:12s} {len(pairs):5d} {english:9d} {german:9d} {english / len(pairs):8.2f} "
            f"{german / len(pairs):8.2f} {max(pair.depth for pair in pairs):8d}  {shares}"
        )
    for title, side in (("English", 0), ("German", 1)):
        counts = Counter(w for pair in corpus["train"] for w in words_of((pair.english, pair.german)[side]))
        lines.append(f"{title} word types in train: {len(counts)}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the files; return 1 if a check finds a difference."""
    parser = argparse.ArgumentParser(description="Rebuild the phrasebook corpus from grammar.txt.")
    parser.add_argument("--output", type=Path, default=FOLDER, help="folder to write to (default: beside this script)")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the files in the folder differ")
    parser.add_argument("--figures", action="store_true", help="print the figures of the README")
    chosen = parser.parse_args(arguments)
    corpus = build_corpus()
    files = corpus_files(corpus)
    if chosen.figures:
        print(figures(corpus))
    if chosen.check:
        differing = differing_files(files, chosen.output)
        print("\n".join(f"differs: {name}" for name in differing) or "all files are as generated")
        return 1 if differing else 0
    write_files(files, chosen.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
