"""Tensors -> scores: every architecture, one line each.

A new one is a file in this folder that declares a Config with ``build(sizes) -> Model``, and a line here.
"""

from nmt_cli.registry import Registry
from nmt_cli.settings import ModelSettings

ARCHITECTURES: Registry[type[ModelSettings]] = Registry(
    "architecture",
    {
        "transformer": "nmt_cli.models.transformer:TransformerConfig",
        "recurrent": "nmt_cli.models.recurrent:RecurrentConfig",
        "recurrent-lm": "nmt_cli.models.recurrent_lm:RecurrentLanguageModelConfig",
        "transformer-lm": "nmt_cli.models.transformer_lm:TransformerLanguageModelConfig",
        "recurrent-classifier": "nmt_cli.models.recurrent_classifier:RecurrentClassifierConfig",
        "transformer-classifier": "nmt_cli.models.transformer_classifier:TransformerClassifierConfig",
    },
)
