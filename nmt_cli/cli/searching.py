"""The options of every search, which the commands that search share."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

if TYPE_CHECKING:
    from nmt_cli.inference.choice import Choice

_SEARCH = "Search"
_LIMITS = "Limits (with any search; --glossary with beam)"
_TOGETHER = "Several models"
_HEAD = "Sampling (sample, stochastic, mbr)"
_DIVERSE = "Diverse beam (diverse)"
_EXACT = "Exact search (exact)"
_RISK = "Minimum Bayes risk (mbr)"
_SPEED = "Speed (--int8, --shortlist with any search, --prune with beam)"


def _option(help_: str, *, panel: str = _SEARCH, metavar: str | None = None) -> Any:
    return typer.Option(help=help_, rich_help_panel=panel, metavar=metavar)


@dataclass(frozen=True)
class SearchTyped:
    """What was typed of a search; None: nothing. The fields are options, and those of SearchOptions."""

    search: Annotated[
        str | None,
        _option("How translations are found: beam (default), greedy, sample, diverse, stochastic, mbr, exact."),
    ] = None
    beam: Annotated[int | None, _option("Width of the beam; without: as in the model's settings, usually 5.")] = None
    n_best: Annotated[int | None, _option("So many candidates for each line, best first.")] = None
    length_penalty: Annotated[
        float | None,
        _option("Score = log p / norm(length); norm = length ** this; 0: no normalisation, 1: the average of a token."),
    ] = None
    norm: Annotated[
        str | None, _option("power, or google: norm = ((5 + length) / 6) ** --length-penalty (Wu et al. 2016).")
    ] = None
    patience: Annotated[
        float | None,
        _option("End a sentence when so many times the beam have ended; without: when nothing can win any more."),
    ] = None
    coverage: Annotated[
        float | None,
        _option("Weight of a penalty for source words that nothing attended to (Wu et al. 2016); without: 0."),
    ] = None
    layer: Annotated[
        int | None,
        _option("Where a Transformer looks: this layer of its decoder, from 1; without: the one found best on dev."),
    ] = None
    groups: Annotated[
        int | None,
        _option("So many groups share the beam; without: each hypothesis is a group of its own.", panel=_DIVERSE),
    ] = None
    diversity: Annotated[
        float | None,
        _option(
            "A token is ranked lower by this for each time an earlier group said it; without: 0.5.", panel=_DIVERSE
        ),
    ] = None
    temperature: Annotated[float | None, _option("Below 1: nearer to the best token.", panel=_HEAD)] = None
    top_k: Annotated[int | None, _option("Draw from the k most probable tokens.", panel=_HEAD)] = None
    top_p: Annotated[
        float | None, _option("Draw from the fewest tokens that together have so much probability.", panel=_HEAD)
    ] = None
    min_p: Annotated[
        float | None, _option("Draw from tokens with so large a part of the best one's probability.", panel=_HEAD)
    ] = None
    epsilon: Annotated[float | None, _option("Draw from tokens with at least so much probability.", panel=_HEAD)] = None
    seed: Annotated[int | None, _option("Other draws for another number; without: 1.", panel=_HEAD)] = None
    samples: Annotated[
        int | None, _option("So many are drawn; without: 64, by --epsilon 0.02 unless told otherwise.", panel=_RISK)
    ] = None
    mbr_candidates: Annotated[
        str | None, _option("What is chosen from: sample (default), or beam: all that --beam finds.", panel=_RISK)
    ] = None
    utility: Annotated[
        str | None,
        _option(
            "How well two candidates agree: chrf (default; leans to long ones), or bleu (words between spaces).",
            panel=_RISK,
        ),
    ] = None
    mbr_aggregate: Annotated[
        bool | None,
        typer.Option(
            "--mbr-aggregate",
            help="An approximation, quicker: candidates are compared with the mean of all, not with each.",
            rich_help_panel=_RISK,
        ),
    ] = None

    nodes: Annotated[
        int | None, _option("Score at most so many prefixes of a sentence; without: 10,000.", panel=_EXACT)
    ] = None
    seconds: Annotated[
        float | None, _option("Spend at most so much time on a sentence; without: as long as it takes.", panel=_EXACT)
    ] = None
    prune: Annotated[
        float | None,
        _option(
            "An approximation, quicker: of a beam, who lies so much log-probability below the best one leaves.",
            panel=_SPEED,
            metavar="NATS",
        ),
    ] = None
    int8: Annotated[
        bool | None,
        typer.Option(
            "--int8",
            help="An approximation, quicker for many lines where the processor multiplies bytes (VNNI): large weights in 8 bits.",
            rich_help_panel=_SPEED,
        ),
    ] = None
    shortlist: Annotated[
        bool | None,
        typer.Option(
            "--shortlist",
            help="An approximation, quicker: score only what nmt shortlist has found to translate the source.",
            rich_help_panel=_SPEED,
        ),
    ] = None
    ban: Annotated[
        list[str] | None,
        _option("A word, or phrase, that never appears; may be repeated.", panel=_LIMITS, metavar="WORD"),
    ] = None
    no_repeat: Annotated[
        int | None, _option("No group of so many subwords twice in a translation.", panel=_LIMITS, metavar="N")
    ] = None
    repetition_penalty: Annotated[
        float | None, _option("Multiplies the log-probability of a subword that is there already.", panel=_LIMITS)
    ] = None
    min_length: Annotated[int | None, _option("At least so many subwords.", panel=_LIMITS)] = None
    max_length: Annotated[
        int | None, _option("At most so many subwords, of each piece of an over-long line.", panel=_LIMITS)
    ] = None
    glossary: Annotated[
        Path | None,
        _option(
            "Lines of term<TAB>translation: where a line holds the term, its translation holds that, as a word of its own.",
            panel=_LIMITS,
            metavar="FILE.tsv",
        ),
    ] = None
    ensemble: Annotated[
        list[Path] | None,
        _option(
            "Another model with the same vocabulary, which votes; may be repeated.", panel=_TOGETHER, metavar="MODEL"
        ),
    ] = None
    weight: Annotated[
        list[float] | None,
        _option("Of MODEL and of each --ensemble, in this order; without: equal ones.", panel=_TOGETHER),
    ] = None
    lm: Annotated[
        Path | None,
        _option("A language model with the same vocabulary (shallow fusion).", panel=_TOGETHER, metavar="MODEL"),
    ] = None
    lm_weight: Annotated[float | None, _option("Of the language model; without: 0.2.", panel=_TOGETHER)] = None

    def choice(self) -> Choice:
        """For the rooms below."""
        from nmt_cli import console
        from nmt_cli.evaluation.utility import AGGREGATES, UTILITIES
        from nmt_cli.inference.choice import Choice
        from nmt_cli.inference.restrictions import Restrictions
        from nmt_cli.inference.together import Together
        from nmt_cli.models import eight_bits
        from nmt_cli.search.options import SearchOptions

        typed = {name: value for name, value in vars(self).items() if value is not None}
        options, restrictions = (
            {field.name: typed[field.name] for field in fields(kind) if field.name in typed}
            for kind in (SearchOptions, Restrictions)
        )
        lists = {name: tuple(value) for name, value in restrictions.items() if name == "ban"}
        beside = {field.name: typed[field.name] for field in fields(Together) if field.name in typed}
        beside = {**beside, "ensemble": tuple(self.ensemble or ())}
        together = Together(**beside, weights=tuple(self.weight or ()))
        if together.int8 and not eight_bits.pays():
            console.warn("--int8 gains nothing: this processor does not multiply bytes (VNNI); float32 is read instead")
            together = replace(together, int8=False)
        return Choice(
            self.search,
            options,
            UTILITIES,
            AGGREGATES,
            Restrictions(**{**restrictions, **lists}),
            self.glossary,
            together,
        )


def searching(command: Callable[..., None]) -> Callable[..., None]:
    """A command with a parameter ``search: SearchTyped`` gets one option for each of its fields: typer knows no groups."""
    own = inspect.signature(command, eval_str=True)
    hints = get_type_hints(SearchTyped, include_extras=True)
    names = [field.name for field in fields(SearchTyped)]
    typed = [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )
        for field in fields(SearchTyped)
    ]

    @wraps(command)
    def expanded(**values: Any) -> None:
        search = SearchTyped(**{name: values.pop(name) for name in names})
        command(**values, search=search)

    rest = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in own.parameters.items()
        if name != "search"
    ]
    expanded.__signature__ = inspect.Signature([*rest, *typed])  # type: ignore[attr-defined]
    expanded.__annotations__ = {parameter.name: parameter.annotation for parameter in [*rest, *typed]}
    return expanded
