"""Sampling: each token is drawn from the model's distribution, all of it or its head."""

from dataclasses import dataclass, field
from typing import ClassVar, Self, TypeVar

import torch
from torch import Tensor

from nmt_cli.errors import ConfigError
from nmt_cli.scoring.scorer import Scorer, State
from nmt_cli.scoring.scores import Scores
from nmt_cli.search import noise
from nmt_cli.search.ancestral import generate
from nmt_cli.search.base import Hypothesis, Sentences
from nmt_cli.search.head import Head
from nmt_cli.search.options import SearchOptions

S = TypeVar("S", bound=State)


@dataclass(frozen=True)
class Sampler:
    """Draws by Gumbel noise, which depends on the seed, the line, the sample and the step alone."""

    head: Head
    seed: int
    lines: Tensor  # (B,) which line of the input each row is for
    samples: Tensor  # (B,) which of its samples

    def __call__(self, scores: Scores, row: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """(N,) ids and their log-probabilities (N,); ``row`` (N,) says which of the B rows are left."""
        keys = noise.keys(self.seed, self.lines[row], self.samples[row], step)
        log_probs = self.head(scores.logits)
        # noise costs more than the scores: there is none for tokens that no row may draw
        some = torch.nonzero((log_probs > -torch.inf).any(0)).flatten()
        drawn = log_probs[:, some] + noise.gumbel(keys, scores.columns[some])
        tokens = scores.columns[some[drawn.argmax(1)]]
        return tokens, scores.of(tokens)


@dataclass(frozen=True)
class Sampling:
    """``count`` independent draws for each sentence, best first; equal ones stay, as often as they were drawn."""

    uses: ClassVar[frozenset[str]] = frozenset({"n_best", "temperature", "top_k", "top_p", "min_p", "epsilon", "seed"})
    repeats: ClassVar[bool] = False

    count: int = 1
    head: Head = field(default_factory=Head)
    seed: int = 1

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ConfigError(f"the number of samples must be at least 1, but is {self.count}")
        noise.check_seed(self.seed)

    @property
    def rows(self) -> int:
        """All samples at once."""
        return self.count

    @classmethod
    def of(cls, options: SearchOptions) -> Self:
        """``n_best`` samples. Raises ConfigError for a head out of range."""
        return cls(options.n_best, options.head, options.seed)

    def __call__(self, scorer: Scorer[S], tokens: Tensor, state: S, sentences: Sentences) -> list[list[Hypothesis]]:
        """See SearchStrategy; the score is the log-probability. Cost: one step of at most B rows a sample for each length."""
        rows = torch.arange(len(sentences)).repeat_interleave(self.count)
        samples = torch.arange(self.count).repeat(len(sentences))
        sampler = Sampler(self.head, self.seed, sentences.lines[rows], samples)
        drawn = generate(scorer, tokens[rows], state.select(rows), sentences.limits[rows], sampler, self.count)
        groups = (drawn[first : first + self.count] for first in range(0, len(drawn), self.count))
        return [sorted(group, key=lambda hypothesis: -hypothesis.log_prob) for group in groups]
