"""Scores -> hypotheses: every strategy, one line each. Search knows no model: it sees scores, and states that it may move."""

from nmt_cli.registry import Registry
from nmt_cli.search.base import SearchStrategy

STRATEGIES: Registry[type[SearchStrategy]] = Registry(
    "search",
    {
        "beam": "nmt_cli.search.beam:BeamSearch",
        "diverse": "nmt_cli.search.diverse:DiverseBeamSearch",
        "exact": "nmt_cli.search.exact:ExactSearch",
        "greedy": "nmt_cli.search.ancestral:Greedy",
        "mbr": "nmt_cli.search.mbr:MinimumBayesRisk",
        "sample": "nmt_cli.search.sampling:Sampling",
        "stochastic": "nmt_cli.search.stochastic:StochasticBeam",
    },
)
