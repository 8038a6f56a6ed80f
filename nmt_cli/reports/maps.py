"""Attention maps as figures: for a terminal, a picture, or a report."""

from __future__ import annotations

from nmt_cli.inference.attention import AttentionMap
from nmt_cli.reports.heatmap import Heatmap

NOTE = "Rows: what is written; columns: the source. The darker, the more the model looks there while it writes."


def heatmap(title: str, found: AttentionMap, note: str = NOTE) -> Heatmap:
    """The subwords of a translation, top down, over those of its source."""
    return Heatmap(title, found.target, found.source, found.weights, note)
