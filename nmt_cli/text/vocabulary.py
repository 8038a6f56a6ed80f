"""How many subwords a corpus deserves: a rule on the counts of its words.

The number of merges grows with the words of the corpus (both languages together):

    merges(words) = 7,500 (words / 600,000) ** 0.5     below 600,000 words: rare subwords would stay untrained
                    7,500 (words / 600,000) ** 0.23    above
    merges       <= 1.3 distinct words                 further merges could only join what is already whole

and the vocabulary is the merges, the alphabet, 256 bytes and 4 special ids, rounded to hundreds, at most 32,000. That
is 8,000 for the 29,000 captions of Multi30k, 2,000 for 20,000 sentences with 1,300 different words, 16,000 for half a
million sentences and 32,000 for ten million. Small data wants few merges: Sennrich and Zhang (2019), "Revisiting
Low-Resource Neural Machine Translation: A Case Study".
"""

import re
from collections import Counter
from collections.abc import Iterable

from nmt_cli.text.scripts import UNSPACED

_REFERENCE_WORDS, _REFERENCE_MERGES = 600_000, 7_500
_MERGES_PER_TYPE = 1.3
_MOST = 32_000
_BYTES_AND_SPECIALS = 256 + 4
_LETTERS = re.compile(r"[^\W\d_]+")  # subwords never join letters with punctuation or digits
_UNSPACED_WORD = 2  # characters of a word in scripts that put no spaces between words

Words = Counter[str]


def count_words(lines: Iterable[str]) -> Words:
    """How often each word (what stands between spaces) occurs in normalised lines; its memory grows with the types."""
    words: Words = Counter()
    for line in lines:
        words.update(line.split())
    return words


def choose_size(words: Words, *, coverage: float, sampled: int = 1) -> int:
    """The vocabulary size by the rule above.

    Args:
        words: counted in one of ``sampled`` sentences of the corpus.
        coverage: share of the characters that get an id of their own.
        sampled: 1 if all sentences were counted.
    """
    tokens = sampled * sum(count * _words_in(word) for word, count in words.items())
    types = sum(map(_words_in, {part for word in words for part in _LETTERS.findall(word)}))
    exponent = 0.5 if tokens < _REFERENCE_WORDS else 0.23
    merges = min(_REFERENCE_MERGES * (tokens / _REFERENCE_WORDS) ** exponent, _MERGES_PER_TYPE * types)
    least = smallest_size(words, coverage=coverage)
    return max(least, min(_MOST, 100 * round(float(least + merges) / 100)))


def smallest_size(words: Words, *, coverage: float) -> int:
    """The smallest vocabulary that can be learnt: the alphabet, all bytes and the special ids.

    The alphabet is the mark of a word's beginning and the most frequent characters that together make up ``coverage``
    of the text.
    """
    characters: Counter[str] = Counter()
    for word, count in words.items():
        for character in word:
            characters[character] += count
    needed, seen, alphabet = coverage * characters.total(), 0, 1
    for _, count in characters.most_common():
        if seen >= needed:
            break
        seen, alphabet = seen + count, alphabet + 1
    return alphabet + _BYTES_AND_SPECIALS


def _words_in(word: str) -> float:
    """How many words a stretch without spaces is: 1, or half its characters in scripts without spaces."""
    return max(1.0, len(word) / _UNSPACED_WORD) if UNSPACED.search(word) else 1.0
