"""The vanishing signal: how far back the gradient of several models reaches, at initialisation and after training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nmt_cli.reports.chart import LineChart, Point, Series
from nmt_cli.reports.table import Table
from nmt_cli.training.gradient_flow import GradientFlow

MARKS = (0, 5, 10, 20, 30, 40)
"""k at which the curves of one model are written out."""

_COLUMNS = (10, 20, 40)  # k in a table of several models
_TOGETHER = 4  # models whose two curves each can be told apart in one chart

EXPLANATION = (
    "How much would the loss change if the input k steps back changed a little? Training can only connect what this gradient "
    "connects. A tanh RNN multiplies it at every step by the recurrent matrix and by the slope of tanh, which is at most 1: so it "
    "falls exponentially, on this logarithmic axis along a straight line (Hochreiter 1991; Bengio et al. 1994).",
    "The cell of an LSTM adds where the tanh RNN multiplies (Hochreiter & Schmidhuber 1997), and loses what its gates have learnt "
    "to forget. An encoder that reads from both ends is never far from either, and attention reaches every position in one step "
    "(Bahdanau et al. 2015). A curve may rise above 1: the input at k = 0, often the mere end of a sentence, is not always the one "
    "that matters most.",
)

Flows = Sequence[tuple[str, GradientFlow]]
"""Of each model, by its name."""


def charts(kind: str, flows: Flows, note: str) -> tuple[LineChart, ...]:
    """Two curves for each model: in one chart, or where that would be too many, in one before and one after training.

    ``kind``: of models. ``note``: which loss, and from where k is counted.
    """
    fresh = [Series(name, _points(flow.initial), colour) for colour, (name, flow) in enumerate(flows)]
    trained = [Series(name, _points(flow.trained), colour) for colour, (name, flow) in enumerate(flows)]
    if len(flows) > _TOGETHER:
        return (
            _chart(f"{kind}, before training", fresh, note),
            _chart(f"{kind}, after training", trained, note),
        )
    dashed = [Series(f"{one.name}, untrained", one.points, one.colour, dashed=True) for one in fresh]
    pairs = [one for pair in zip(trained, dashed, strict=True) for one in pair]
    return (_chart(kind, pairs, f"{note} Solid: after training; dashed: before."),)


def chart(name: str, flow: GradientFlow) -> LineChart:
    """The curves of one model."""
    series = [
        Series("untrained", _points(flow.initial), dashed=True),
        Series("trained", _points(flow.trained)),
    ]
    return _chart(f"Gradient flow of {name}, by steps back", series, "")


def table(kind: str, flows: Flows) -> Table:
    """The same in figures: a row for each model."""
    columns = ("model", *(f"k = {k}" for k in _COLUMNS), *(f"fresh, {k}" for k in _COLUMNS))
    rows = tuple((name, *_figures(flow.trained), *_figures(flow.initial)) for name, flow in flows)
    note = "The gradient k steps back, relative to k = 0: of the trained models, and of their fresh weights."
    return Table(f"How far back the gradient reaches: {kind[0].lower()}{kind[1:]}", columns, rows, note)


def _chart(title: str, series: Iterable[Series], note: str) -> LineChart:
    return LineChart(title, "k, steps back", "gradient, relative to k = 0", tuple(series), log_y=True, note=note)


def _points(values: Sequence[float]) -> tuple[Point, ...]:
    return tuple(Point(k, value) for k, value in enumerate(values))


def _figures(values: Sequence[float]) -> Iterable[str]:
    return (_figure(values, k) for k in _COLUMNS)


def _figure(values: Sequence[float], k: int) -> str:
    """Two digits; a dash where no text was so long."""
    return f"{values[k]:.2g}" if k < len(values) else "-"
