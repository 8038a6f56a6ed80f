"""Flags: what a reader of a translation should look at twice, found without a reference."""

import math
from collections.abc import Sequence

from nmt_cli.text.loops import LOOP, most_repeats
from nmt_cli.text.scripts import KANA_AND_HAN
from nmt_cli.text.sentences import lacks_sentences
from nmt_cli.text.spans import lost

SPLIT = "split"
"""The line was too long for the model and was translated in pieces."""
TERM = "term"
"""A term of the glossary is not in the translation."""
REPETITION = "repetition"
"""A group of words follows itself three times or more, and does not in the source."""
LENGTH = "length"
"""The translation is more than three times as long as the source, or less than a third; Chinese and Japanese are weighed."""
UNSURE = "unsure"
"""The model gave its tokens a low probability."""
LOST_SENTENCE = "lost-sentence"
"""The source has more sentences than the translation: a model that learnt from single ones translates the first."""

_RATIO = 3.0
_DENSE = 3  # a kana or an ideograph says about as much as so many letters
_SHORTEST = 10  # characters from which on a ratio says something
_CONFIDENCE = math.log(0.25)  # the mean log-probability of a token below which a translation is unsure


def flags(source: str, translation: str, tokens: Sequence[int], log_prob: float) -> tuple[str, ...]:
    """Those of a translation, in the order of this file; then ``lost-url``, ``lost-number`` and so on for spans that are gone."""
    found = []
    if most_repeats(translation) >= max(LOOP, most_repeats(source) + 1):
        found.append(REPETITION)
    shorter, longer = sorted((_characters(source), _characters(translation)))
    if longer >= _SHORTEST and longer > _RATIO * shorter:
        found.append(LENGTH)
    if tokens and log_prob / len(tokens) < _CONFIDENCE:
        found.append(UNSURE)
    if lacks_sentences(translation, source):
        found.append(LOST_SENTENCE)
    return (*found, *dict.fromkeys(f"lost-{span.kind}" for span in lost(source, translation)))


def _characters(text: str) -> int:
    """As many letters as would say about as much, spaces not counted."""
    return len("".join(text.split())) + (_DENSE - 1) * len(KANA_AND_HAN.findall(text))
