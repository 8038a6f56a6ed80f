"""How good each of several translations is by all of them: what minimum Bayes risk decoding maximises (Kumar & Byrne 2004).

Which texts are likely is known from samples (Eikema & Aziz 2020): the expected utility of a text is its mean utility against them.

    expected utility of i = sum_j count_j u(i, j) / sum_j count_j
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nmt_cli.registry import Registry

Utility = Callable[[Sequence[str], Sequence[int]], list[float]]
"""N distinct texts, at least one, and how often each was found -> the expected utility of each."""

UTILITIES: Registry[Utility] = Registry(
    "utility", {"chrf": "nmt_cli.evaluation.consensus:CHRF", "bleu": "nmt_cli.evaluation.consensus:BLEU"}
)

AGGREGATES: Registry[Utility] = Registry(
    "utility",
    {"chrf": "nmt_cli.evaluation.consensus:AGGREGATE_CHRF", "bleu": "nmt_cli.evaluation.consensus:AGGREGATE_BLEU"},
)
"""Approximations of the same, in time that grows with N and not with N^2."""
