"""Which search, with which options, over which model's own settings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from nmt_cli.errors import ConfigError
from nmt_cli.inference.details import Details
from nmt_cli.inference.glossary import Glossary
from nmt_cli.inference.restrictions import Restrictions
from nmt_cli.inference.together import Together
from nmt_cli.registry import Registry
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.search import STRATEGIES
from nmt_cli.search.base import Search
from nmt_cli.search.constrained import Constrained, ConstrainedBeam
from nmt_cli.search.options import SearchOptions
from nmt_cli.search.restricted import Restricted
from nmt_cli.settings import SearchSettings, check
from nmt_cli.text.edges import Joins
from nmt_cli.text.tokenizer import Tokenizer

Utility = Callable[[Sequence[str], Sequence[int]], list[float]]
"""Distinct texts and how often each was found -> the expected utility of each."""

_WITHOUT_TERMS = {"coverage", "patience", "prune"}
"""What the search of lines with terms does not know."""
_KNOWS_TERMS = "beam"
_LOOKS = "--alignment, --attention, --format pharaoh and --coverage do"
_NO_UTILITIES: Registry[Utility] = Registry("utility", {})


@dataclass(frozen=True)
class Choice:
    """A search by its name, and what was typed for it; all else is as the model's settings say."""

    search: str | None = None  # None: beam
    typed: Mapping[str, Any] = field(default_factory=dict)  # fields of SearchOptions
    utilities: Mapping[str, Utility] = field(default_factory=lambda: _NO_UTILITIES)  # by name, for minimum Bayes risk
    aggregates: Mapping[str, Utility] = field(default_factory=lambda: _NO_UTILITIES)  # their approximations
    restrictions: Restrictions = field(default_factory=Restrictions)
    glossary: Path | None = None
    together: Together = field(default_factory=Together)
    details: Details = field(default_factory=Details)
    weighed: bool = True  # whether anybody reads score and log-probability

    @property
    def name(self) -> str:
        """Of the search."""
        return self.search or "beam"

    @property
    def asked(self) -> list[str]:
        """All that was typed, by name."""
        others = {
            "search": self.search,
            "glossary": self.glossary,
            **asdict(self.restrictions),
            **asdict(self.together),
        }
        usual = {**asdict(Restrictions()), **asdict(Together())}
        return [*(name for name, value in others.items() if value != usual.get(name)), *self.typed]

    @property
    def n_best(self) -> int:
        """How many candidates of each line are wanted."""
        return int(self.typed.get("n_best", 1))

    def strategy(self, directory: ModelDirectory) -> Restricted:
        """The search that is asked for, within its restrictions.

        Raises:
            ConfigError: an option out of range, or one that the search does not know.
        """
        options = self.options(directory)
        if self.together.layer is not None and not (self.details.looks or options.coverage):
            raise ConfigError("--layer means nothing where nobody asks what the model looks at", _LOOKS)
        search: Search = STRATEGIES[self.name].of(options)
        if self.glossary is not None:
            if self.name != _KNOWS_TERMS:
                raise ConfigError(
                    f"--glossary means nothing to {self.name} search", f"known by --search {_KNOWS_TERMS}"
                )
            for name in sorted(_WITHOUT_TERMS & self.typed.keys()):
                raise ConfigError(f"--{name} means nothing to lines with terms", "leave it out, or --glossary")
            tokenizer = directory.tokenizer
            joins = Joins.of(tokenizer.spellings(range(tokenizer.size)))
            beam = ConstrainedBeam(options.beam, options.n_best, options.normalization, joins)
            search = Constrained(search, beam)
        return self.restrictions.around(self.details.around(search), directory.tokenizer)

    def terms(self) -> Glossary:
        """The glossary. Raises DataError where its file is none."""
        return Glossary() if self.glossary is None else Glossary.read(self.glossary)

    def options(self, directory: ModelDirectory) -> SearchOptions:
        """What was typed over what the model's settings say. Raises ConfigError likewise."""
        if self.n_best < 1:
            raise ConfigError(f"--n-best must be at least 1, but is {self.n_best}")
        kind = STRATEGIES[self.name]
        for name in self.typed:
            if name not in kind.uses and (name != "n_best" or self.n_best > 1):  # one is what any search finds
                raise ConfigError(f"--{name.replace('_', '-')} means nothing to {self.name} search", _known_by(name))
        own = directory.settings.search.model_dump()
        typed = {name: value for name, value in self.typed.items() if name in own}
        settings = check(SearchSettings, "search", {**own, **typed}, "command line")
        beam = settings.beam if "beam" in typed else max(settings.beam, self.n_best)
        options = replace(
            SearchOptions(**{name: value for name, value in self.typed.items() if name not in own}),
            beam=beam,
            length_penalty=settings.length_penalty,
            weighed=self.weighed,
            typed=frozenset(self.typed),
        )
        if "utility" in kind.uses:
            options = replace(options, judge=Judge(directory.tokenizer, self._utility(options)))
        return options

    def _utility(self, options: SearchOptions) -> Utility:
        return (self.aggregates if options.mbr_aggregate else self.utilities)[options.utility]


@dataclass(frozen=True)
class Judge:
    """A utility of texts, for ids."""

    tokenizer: Tokenizer
    utility: Utility

    def __call__(self, hypotheses: Sequence[tuple[int, ...]], counts: Sequence[int]) -> list[float]:
        """The expected utility of each. Different ids may be the same text, which then is judged once."""
        texts = [self.tokenizer.decode(ids) for ids in hypotheses]
        found: Counter[str] = Counter()
        for text, count in zip(texts, counts, strict=True):
            found[text] += count
        utilities = dict(zip(found, self.utility(list(found), list(found.values())), strict=True))
        return [utilities[text] for text in texts]


def _known_by(option: str) -> str:
    """The searches that an option means something to."""
    return "known by --search " + " or ".join(name for name in STRATEGIES if option in STRATEGIES[name].uses)
