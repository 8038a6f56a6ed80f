"""Which embedding tables of an encoder-decoder are one and the same (Press & Wolf 2017; Vaswani et al. 2017, section 3.4)."""

from typing import Literal, NamedTuple

from torch import nn

from nmt_cli.models.layers import embedding_table

Tie = Literal["three-way", "two-way", "none"]


class Tables(NamedTuple):
    """(V, D) each: what the encoder reads with, what the decoder reads with, and what the output layer writes with."""

    source: nn.Parameter
    target: nn.Parameter
    output: nn.Parameter


def tables(tie: Tie, vocabulary: int, width: int) -> Tables:
    """Three that are one, two and one, or three."""
    output = embedding_table(vocabulary, width)
    target = embedding_table(vocabulary, width) if tie == "none" else output
    source = output if tie == "three-way" else embedding_table(vocabulary, width)
    return Tables(source, target, output)
