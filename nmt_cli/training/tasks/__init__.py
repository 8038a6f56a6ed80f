"""What a model can be trained for, one line each. A task says how a model is validated and reported; nobody else asks."""

from nmt_cli.registry import Registry
from nmt_cli.training.tasks.base import Task

TASKS: Registry[type[Task]] = Registry(
    "task",
    {
        "translate": "nmt_cli.training.tasks.translate:Translate",
        "lm": "nmt_cli.training.tasks.lm:LanguageModelling",
        "classify": "nmt_cli.training.tasks.classify:Classify",
    },
)
