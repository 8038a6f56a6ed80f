"""What text is cut into, one line each: ``data.units`` names one."""

from nmt_cli.registry import Registry
from nmt_cli.text.tokenizer import Tokenizer

UNITS: Registry[type[Tokenizer]] = Registry(
    "data.units",
    {
        "subword": "nmt_cli.text.subword:SubwordTokenizer",
        "word": "nmt_cli.text.plain:WordTokenizer",
        "character": "nmt_cli.text.plain:CharacterTokenizer",
        "piece": "nmt_cli.text.pieces:PieceTokenizer",
    },
)
