"""The tokens that come with a text, as a search wrote them: they need not be those into which the tokenizer would cut it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from nmt_cli.errors import DataError
from nmt_cli.inference.scorer import Asked
from nmt_cli.text.normalize import normalize
from nmt_cli.text.tokenizer import EOS, UNK, Tokenizer


def ended(tokenizer: Tokenizer, asked: Asked) -> list[tuple[int, ...]]:
    """The tokens that were given, cut behind each EOS. Raises DataError where they cannot be those of the text."""
    tokens = asked.tokens or ()
    for token in tokens:
        if not (EOS <= token < tokenizer.size or (token == UNK and tokenizer.unknown)):
            raise DataError(
                f"{asked.place} must have tokens from {EOS} to {tokenizer.size - 1}, the ids of the model, but has {token}",
                "without tokens the text is judged as the tokenizer cuts it",
            )
    if tokens and tokens[-1] != EOS:
        raise DataError(f"{asked.place} must have tokens that end in </s> ({EOS}), but they end in {tokens[-1]}")
    parts = _cut(tokens)
    spelt = " ".join(filter(None, map(tokenizer.decode, parts)))
    if spelt != normalize(asked.text):
        raise DataError(
            f"{asked.place} must have tokens that spell '{asked.text[:60]}', but to this model they spell '{spelt[:60]}'",
            "ids mean something to the model that wrote them; without tokens the text is judged as the tokenizer cuts it",
        )
    return parts


def _cut(tokens: Sequence[int]) -> list[tuple[int, ...]]:
    """Behind each EOS; there is one at the end."""
    ends = [place + 1 for place, token in enumerate(tokens) if token == EOS]
    return [tuple(tokens[start:end]) for start, end in pairwise([0, *ends])]


def otherwise(tokenizer: Tokenizer, asked: Asked) -> bool:
    """Whether the tokens that were given are not those into which the tokenizer would cut the text that they spell."""
    return any(tokenizer.encode(tokenizer.decode(part)) != list(part[:-1]) for part in _cut(asked.tokens or ()))
