"""What is chosen from the size of the corpus when nobody says otherwise: each task has its rules.

A batch is about a hundredth of an epoch, up to 4,096 tokens: small corpora need many updates more than smooth gradients. Dev is
measured so rarely that it takes under 5 % of the time: a token of dev costs about as much as a token of training, so 25 times as
many are trained on between two validations. As many processes as there are cores learn together, where the training is long
enough to repay their start (some seconds), and where each gets enough of a batch to be busy with.
"""

import math

from nmt_cli.corpus.dataset import PreparedCorpus
from nmt_cli.runs.processes import available_cores
from nmt_cli.settings import Table
from nmt_cli.training.tasks.base import Rule, Task

_MOST_BATCH = 4096
_TRAIN_PER_DEV = 25
_LONG = 500_000  # tokens; less than that is trained in a few minutes
_LONG_MINUTES = 2
_SHARE = 256  # tokens of a batch for each process


def presets_of(task: type[Task]) -> tuple[str, ...]:
    """All that may be chosen for a task."""
    return tuple(dict.fromkeys(rule.preset for rule in task.rules))


def _rule(task: type[Task], corpus: PreparedCorpus) -> Rule:
    return next(rule for rule in task.rules if len(corpus.train) < rule.rows)


def preset_for(task: type[Task], corpus: PreparedCorpus) -> str:
    """The name of the preset that fits the size of the corpus."""
    return _rule(task, corpus).preset


def settings_for(task: type[Task], corpus: PreparedCorpus, table: Table) -> Table:
    """The settings that depend on the corpus; ``table``: what is given already, of which the batch size matters here."""
    rule = _rule(task, corpus)
    tokens = int((corpus.train[task.counted].lengths + 1).sum())
    usual = 2 ** round(math.log2(max(1, tokens / 100)))
    given = table.get("training", {})
    accumulate = given.get("accumulate", 1)
    batch = given.get("batch_tokens", min(_MOST_BATCH, max(task.least_batch, usual))) * accumulate
    rule_updates = max(100, math.ceil(rule.epochs * tokens / batch))
    updates = given.get("updates", rule_updates)
    long = batch * updates >= _LONG or (given.get("minutes") or 0) >= _LONG_MINUTES
    dev_tokens = int((corpus.dev[task.counted].lengths + 1).sum())
    return {
        "model": {} if rule.dropout is None else {"dropout": rule.dropout},
        "training": {
            "batch_tokens": batch // accumulate,
            "workers": max(1, min(available_cores(), batch // accumulate // _SHARE)) if long else 1,
            "updates": rule_updates,
            "validate_every": max(50, math.ceil(_TRAIN_PER_DEV * dev_tokens / batch)),
        },
    }
