"""An interpolated 5-gram model with modified Kneser-Ney smoothing: the baseline that a neural language model must beat.

Kneser & Ney 1995, "Improved backing-off for m-gram language modeling", have the counts of the lower orders; Chen & Goodman
1999, "An empirical study of smoothing techniques for language modeling", have the three discounts and the interpolation.
With w a word, h its history, h' the history without its first word, and a the count of an n-gram::

    p(w | h) = max(a(hw) - D(a(hw)), 0) / a(h·)  +  left(h) p(w | h')
    left(h)  = sum over w of D(a(hw)) / a(h·)        D(0) = 0, D(1) = D1, D(2) = D2, D(3 and more) = D3
    p(w)     at the bottom, below the unigrams, is 1 / V

``a`` is how often hw occurs if it is of the highest order or begins with BOS, else how many different words precede it.
A history never seen leaves all to the shorter one. Each sentence has one BOS before it and predicts its EOS.

    python -m tests.kneser_ney TRAIN DEV TEST --vocabulary 10000
"""

import argparse
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp, log
from pathlib import Path

from nmt_cli.corpus.reader import read_lines
from nmt_cli.text.normalize import normalize
from nmt_cli.text.tokenizer import BOS, EOS, PAD, UNK

ORDER = 5
SPECIAL = (PAD, BOS, UNK, EOS)
UNKNOWN = "<unk>"
"""How a text writes an unknown word."""
FALLBACK = (0.5, 1.0, 1.5)
"""D1, D2, D3 where a corpus is too small or too odd to estimate them; the same as in KenLM's ``--discount_fallback``."""

Sentence = tuple[int, ...]
Gram = tuple[int, ...]
Discounts = tuple[float, float, float]


class Vocabulary:
    """The most frequent words of a text; every other word is UNK. ``size`` counts the four special ids too."""

    def __init__(self, sentences: Iterable[Sequence[str]], size: int) -> None:
        counts = Counter(word for words in sentences for word in words if word != UNKNOWN)
        ranked = sorted(counts, key=lambda word: (-counts[word], word))
        self.ids = {word: number for number, word in enumerate(ranked[: size - len(SPECIAL)], len(SPECIAL))}

    def __call__(self, words: Sequence[str]) -> Sentence:
        """The ids of a sentence, without BOS and EOS."""
        return tuple(self.ids.get(word, UNK) for word in words)

    @property
    def outcomes(self) -> list[int]:
        """Whatever may be predicted: the words, UNK and EOS. There are V of them."""
        return [UNK, EOS, *self.ids.values()]


def read_sentences(path: str | Path) -> list[list[str]]:
    """The words of each line that is not blank."""
    return [line.split(" ") for line in map(normalize, read_lines(path)) if line]


@dataclass(frozen=True)
class Row:
    """What was seen after one history: the discounted probability of each word, and what the discounts have left over."""

    kept: dict[int, float]
    left: float


class KneserNey:
    """A language model over sentences of ids. ``outcomes``: the V ids that the bottom of the model holds equally likely."""

    def __init__(self, sentences: Iterable[Sentence], outcomes: Collection[int], order: int = ORDER) -> None:
        self.order = order
        self.uniform = {word: 1 / len(outcomes) for word in outcomes}
        self.discounts: list[Discounts] = []  # of the orders 1, 2, ...
        self.rows: dict[Gram, Row] = {}  # by history; its length tells the order
        for counts in adjusted(occurrences(sentences, order)):
            discounts = estimate(counts.values())
            self.discounts.append(discounts)
            self.rows.update(discounted(counts, discounts))

    def probability(self, word: int, history: Gram) -> float:
        """The probability of the next word. Of a history only the last ``order - 1`` words matter."""
        result = self.uniform[word]
        for length in range(min(self.order, len(history) + 1)):
            row = self.rows.get(history[len(history) - length :])
            if row is None:  # then no longer history was seen either
                break
            result = row.kept.get(word, 0.0) + row.left * result
        return result

    def log_probabilities(self, sentence: Sentence) -> list[float]:
        """Of each word of the sentence and of its EOS."""
        tokens = (BOS, *sentence, EOS)
        return [log(self.probability(tokens[end], tokens[:end])) for end in range(1, len(tokens))]

    def perplexity(self, sentences: Iterable[Sentence]) -> float:
        """exp of the mean negative log-probability of a token. EOS is a token, and so is UNK."""
        scores = [score for sentence in sentences for score in self.log_probabilities(sentence)]
        return exp(-sum(scores) / len(scores))


def occurrences(sentences: Iterable[Sentence], order: int) -> list[Counter[Gram]]:
    """How often each n-gram occurs, for n = 1 .. order. BOS is in a history only, so it is no unigram."""
    counts: list[Counter[Gram]] = [Counter() for _ in range(order)]
    for sentence in sentences:
        tokens = (BOS, *sentence, EOS)
        for end in range(2, len(tokens) + 1):
            for length in range(1, min(order, end) + 1):
                counts[length - 1][tokens[end - length : end]] += 1
    return counts


def adjusted(counts: Sequence[Counter[Gram]]) -> Iterator[Counter[Gram]]:
    """The counts ``a`` of each order. Below the highest, how many different words precede a gram: its continuations.

    Nothing precedes BOS, so that a gram that begins with it keeps its plain count.
    """
    for shorter, longer in pairwise(counts):
        result = Counter(gram[1:] for gram in longer)
        result.update({gram: count for gram, count in shorter.items() if gram[0] == BOS})
        yield result
    yield counts[-1]


def estimate(counts: Iterable[int]) -> Discounts:
    """D1, D2 and D3 of one order from its counts of counts (Chen & Goodman 1999, equation 26), or the fallback."""
    n = Counter(counts)
    if not all(n[count] for count in (1, 2, 3)):
        return FALLBACK
    y = n[1] / (n[1] + 2 * n[2])
    first, second, third = (count - (count + 1) * y * n[count + 1] / n[count] for count in (1, 2, 3))
    return (first, second, third) if min(first, second, third) >= 0 else FALLBACK


def discounted(counts: Mapping[Gram, int], discounts: Discounts) -> Iterator[tuple[Gram, Row]]:
    """Each history of one order with its row."""
    followers: defaultdict[Gram, dict[int, int]] = defaultdict(dict)
    for gram, count in counts.items():
        followers[gram[:-1]][gram[-1]] = count
    for history, seen in followers.items():
        total = sum(seen.values())
        kept = {word: (count - discounts[min(count, 3) - 1]) / total for word, count in seen.items()}
        left = sum(discounts[min(count, 3) - 1] for count in seen.values()) / total
        yield history, Row(kept, left)


def main(train: str, dev: str, test: str, vocabulary: int, order: int = ORDER) -> None:
    """Print the tokens of dev and test, their share of unknown words, and their perplexity."""
    training = read_sentences(train)
    ids = Vocabulary(training, vocabulary)
    model = KneserNey(map(ids, training), ids.outcomes, order)
    for name, path in (("dev", dev), ("test", test)):
        sentences = [ids(words) for words in read_sentences(path)]
        tokens = sum(len(sentence) + 1 for sentence in sentences)
        unknown = sum(sentence.count(UNK) for sentence in sentences) / tokens
        print(f"{name}: {tokens} tokens, {unknown:.2%} {UNKNOWN}, perplexity {model.perplexity(sentences):.2f}")


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.kneser_ney", description="Perplexity of dev and test.")
    for name in ("train", "dev", "test"):
        parser.add_argument(name, metavar=name.upper())
    parser.add_argument("--vocabulary", type=int, default=10000, help="with the four special ids (%(default)s)")
    parser.add_argument("--order", type=int, default=ORDER, help="how many words an n-gram has (%(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    main(**vars(parse()))
