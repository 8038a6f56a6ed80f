"""What a user forbids: as a search is given it, and as it is defined, token by token."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nmt_cli.search.base import Search, Wish
from nmt_cli.search.constrained import Joining, apart
from nmt_cli.search.processors import BannedWords, NoRepeat, Processor, RepetitionPenalty
from nmt_cli.search.restricted import Restricted
from nmt_cli.text.tokenizer import EOS
from tests.oracles import Next

Ids = tuple[int, ...]
SURFACES = ["", "", "", "", " ab", " a", "b", "c", " b", "bc", "b.", " c"]
"""What the ids of a tiny vocabulary stand for."""
SPELLINGS = [surface.encode("utf-8") for surface in SURFACES]


@dataclass(frozen=True)
class Rules:
    """None, or what is forbidden nowhere: no such rule."""

    no_repeat: int | None = None
    banned: tuple[str, ...] = ()
    penalty: float = 1.0  # of repetitions
    shortest: int = 1  # lengths count EOS
    longest: int | None = None

    def around(self, search: Search) -> Restricted:
        """The search within them."""
        processors: list[Processor] = [] if self.no_repeat is None else [NoRepeat(self.no_repeat)]
        processors += [] if self.penalty == 1 else [RepetitionPenalty(self.penalty)]
        processors += [BannedWords.of(self.banned, SPELLINGS)] if self.banned else []
        return Restricted(search, tuple(processors), self.shortest, self.longest)

    def limit(self, own: int, wish: Wish) -> int:
        """Where a sentence ends at the latest that without wishes and rules would do so at its ``own`` limit."""
        roomy = own + sum(map(len, wish.terms))
        return max(len(wish.prefix) + 1, self.shortest, roomy if self.longest is None else min(self.longest, roomy))

    def forbids(self, said: Ids, token: int, limit: int) -> bool:
        """Behind what was said."""
        if token == EOS:
            return len(said) + 1 < min(self.shortest, limit)
        return (self.no_repeat is not None and repeats((*said, token), self.no_repeat)) or any(
            completes(said, token, word) for word in self.banned
        )

    def allowed(self, said: Ids, tokens: Iterable[int], limit: int, prefix: Ids = ()) -> dict[int, float]:
        """Which of the tokens may come next, and by what their log-probability is multiplied; where none may, EOS."""
        if len(said) < len(prefix):
            return {prefix[len(said)]: 1.0}
        left = {
            token: self.penalty if token in said else 1.0 for token in tokens if not self.forbids(said, token, limit)
        }
        return left or {EOS: 1.0}

    def log_prob(self, tokens: Ids, each: Sequence[float], vocabulary: int, limit: int, prefix: Ids = ()) -> float:
        """Of an output within the rules, from what a model thinks of its tokens; -inf where one is forbidden."""
        total = 0.0
        for place, token in enumerate(tokens):
            times = self.allowed(tokens[:place], range(EOS, vocabulary), limit, prefix).get(token)
            total += -math.inf if times is None else times * each[place]
        return total

    def over(self, following: Next, limit: int, prefix: Ids = ()) -> Next:
        """What then comes next; what is allowed keeps its probability."""

        def allowed(said: Ids) -> dict[int, float]:
            choices = following(said)
            return {
                token: times * choices[token] for token, times in self.allowed(said, choices, limit, prefix).items()
            }

        return allowed


FREE = Rules()
"""Nothing is forbidden."""


def repeats(tokens: Ids, size: int) -> bool:
    """Whether the last tokens stood there before."""
    grams = [tokens[place : place + size] for place in range(len(tokens) - size + 1)]
    return bool(grams) and grams[-1] in grams[:-1]


def completes(said: Ids, token: int, word: str) -> bool:
    """Whether a word is complete with the token, and not before it; the letters of a longer word do not count."""
    text = shown(said)
    found = re.finditer(rf"(?<!\w){re.escape(word)}(?!\w)", text + SURFACES[token])
    return any(match.end() > len(text) for match in found)


def shown(tokens: Ids) -> str:
    return "".join(SURFACES[token] for token in tokens)


def holds(tokens: Ids, terms: Iterable[Ids], joins: Joining = apart) -> bool:
    """Whether all the terms stand there, and none as the beginning of a longer word alone."""
    return all(any(_stands(tokens, term, place, joins) for place in range(len(tokens))) for term in terms)


def _stands(tokens: Ids, term: Ids, place: int, joins: Joining) -> bool:
    """Whether a term stands at a place."""
    end = place + len(term)
    return tokens[place:end] == term and not (end < len(tokens) and joins(tokens[end - 1], tokens[end]))
