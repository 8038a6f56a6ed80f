"""A language model goes on writing: prompts in, texts out. A line ends where the model ends it, or at a limit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, product
from typing import Any, cast

import torch

from nmt_cli.corpus.batching import Sequences
from nmt_cli.errors import ConfigError
from nmt_cli.models.base import Decodable
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.search import noise
from nmt_cli.search.ancestral import generate
from nmt_cli.search.base import Hypothesis
from nmt_cli.search.head import Head
from nmt_cli.search.sampling import Sampler
from nmt_cli.text.normalize import normalize
from nmt_cli.text.tokenizer import EOS, UNK, Tokenizer

_ROWS = 64  # written at once


@dataclass(frozen=True)
class Wish:
    """What is to be written."""

    prompts: tuple[str, ...] = ("",)
    samples: int = 1  # of each prompt
    longest: int = 100  # tokens that are added at most, EOS counted
    head: Head = field(default_factory=Head)
    seed: int = 1

    def __post_init__(self) -> None:
        """Raises ConfigError for what is out of range."""
        if self.samples < 1:
            raise ConfigError(f"-n must be at least 1, but is {self.samples}")
        if self.longest < 1:
            raise ConfigError(f"--max-length must be at least 1, but is {self.longest}")
        noise.check_seed(self.seed)


@dataclass(frozen=True)
class Written:
    """A prompt and what the model made of it."""

    prompt: str
    text: str  # the prompt first
    log_prob: float  # of what was added, under the model as it is; a forced end counted
    tokens: tuple[int, ...]  # what was added; the last is EOS


@dataclass(frozen=True)
class Generator:
    """Made from a model directory."""

    tokenizer: Tokenizer
    model: Decodable[Any]

    @classmethod
    def open(cls, directory: ModelDirectory) -> Generator:
        """Raises ModelError where the model is no language model."""
        directory.of_task("lm", "a language model")
        model = cast("Decodable[Any]", directory.model())
        model.pack()
        return cls(directory.tokenizer, model)

    def unknown(self, prompts: Sequence[str]) -> list[str]:
        """Words of the prompts of which the model does not know all."""
        words = dict.fromkeys(word for prompt in prompts for word in normalize(prompt).split())
        return [word for word in words if UNK in self.tokenizer.encode(word)]

    def write(self, wish: Wish) -> Iterator[Written]:
        """All samples of the first prompt, then of the next. What one becomes does not depend on the others."""
        places = product(range(len(wish.prompts)), range(wish.samples))
        while batch := list(islice(places, _ROWS)):
            yield from self._batch(wish, batch)

    def _batch(self, wish: Wish, places: Sequence[tuple[int, int]]) -> Iterator[Written]:
        ids = [self.tokenizer.encode(wish.prompts[line]) for line, _ in places]
        lines, samples = torch.tensor(places).unbind(1)
        sampler = Sampler(wish.head, wish.seed, lines, samples)
        limits = torch.full((len(places),), wish.longest)
        with torch.inference_mode():
            first, state = self.model.start(Sequences.of([[EOS, *row] for row in ids], end=()))
            found = generate(self.model, first, state, limits, sampler)
        for (line, _), before, hypothesis in zip(places, ids, found, strict=True):
            yield self._written(wish.prompts[line], before, hypothesis)

    def _written(self, prompt: str, before: Sequence[int], hypothesis: Hypothesis) -> Written:
        begun, text = self.tokenizer.decode(before), self.tokenizer.decode([*before, *hypothesis.tokens])
        if text.startswith(begun):  # what has no id of its own stays as it was typed
            text = normalize(prompt) + text[len(begun) :]
        return Written(prompt, text, hypothesis.log_prob, hypothesis.tokens)
