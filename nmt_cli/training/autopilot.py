"""What is chosen from the size of the corpus when nobody says otherwise.

    pairs           preset              dropout   epochs
    under   50,000  transformer-tiny    0.3       40
    under  200,000  transformer-tiny    0.2       25
    under 2,000,000 transformer-small   0.1       15
    more            transformer-base    0.1       8

A batch is about a hundredth of an epoch, between 1,024 and 4,096 target tokens: small corpora need many updates more than
smooth gradients. Dev is translated so rarely that it takes under 5 % of the time: a token of dev costs about as much as a
token of training, so 25 times as many are trained on between two validations.
"""

import math
from dataclasses import dataclass

from nmt_cli.corpus.dataset import PreparedCorpus
from nmt_cli.settings import Table

_LEAST_BATCH, _MOST_BATCH = 1024, 4096
_TRAIN_PER_DEV = 25


@dataclass(frozen=True)
class _Rule:
    pairs: float  # the rule is for corpora with fewer
    preset: str
    dropout: float
    epochs: int


_RULES = (
    _Rule(50_000, "transformer-tiny", 0.3, 40),
    _Rule(200_000, "transformer-tiny", 0.2, 25),
    _Rule(2_000_000, "transformer-small", 0.1, 15),
    _Rule(math.inf, "transformer-base", 0.1, 8),
)


PRESETS = tuple(dict.fromkeys(rule.preset for rule in _RULES))
"""All that may be chosen."""


def _rule(corpus: PreparedCorpus) -> _Rule:
    return next(rule for rule in _RULES if len(corpus.train) < rule.pairs)


def preset_for(corpus: PreparedCorpus) -> str:
    """The name of the preset that fits the size of the corpus."""
    return _rule(corpus).preset


def settings_for(corpus: PreparedCorpus, table: Table) -> Table:
    """The settings that depend on the corpus; ``table``: what is given already, of which the batch size matters here."""
    rule = _rule(corpus)
    tokens = int((corpus.train.target_lengths + 1).sum())
    usual = 2 ** round(math.log2(max(1, tokens / 100)))
    given = table.get("training", {})
    batch = given.get("batch_tokens", min(_MOST_BATCH, max(_LEAST_BATCH, usual))) * given.get("accumulate", 1)
    dev_tokens = int((corpus.dev.target_lengths + 1).sum())
    return {
        "model": {"dropout": rule.dropout},
        "training": {
            "batch_tokens": batch // given.get("accumulate", 1),
            "updates": max(100, math.ceil(rule.epochs * tokens / batch)),
            "validate_every": max(50, math.ceil(_TRAIN_PER_DEV * dev_tokens / batch)),
        },
    }
