"""The vanishing signal: how far back the gradient of several models reaches, at initialisation and after training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from nmt_cli.reports.chart import LineChart, Point, Series
from nmt_cli.reports.table import Table
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.training.gradient_flow import GradientFlow, NoFlow, gradient_flow

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


@dataclass(frozen=True)
class Signal:
    """How far back the gradient of a model reaches, or why that is not known: no reason to end a comparison."""

    flow: GradientFlow | None
    missing: str = ""

    @classmethod
    def of(cls, directory: ModelDirectory, columns: Sequence[Sequence[str]]) -> Signal:
        """Arguments as ``gradient_flow``."""
        try:
            return cls(gradient_flow(directory, columns))
        except NoFlow as reason:
            return cls(None, reason.message)

    def to_json(self) -> dict[str, Any]:
        """Everything, unrounded."""
        return asdict(self.flow) if self.flow else {"missing": self.missing}


Signals = Sequence[tuple[str, Signal]]
"""Of each model, by its name."""


def charts(kind: str, signals: Signals, note: str) -> tuple[LineChart, ...]:
    """Two curves for each model: in one chart, or where that would be too many, in one before and one after training.

    ``kind``: of models. ``note``: which loss, and from where k is counted. No chart where there is no curve.
    """
    flows = [(name, signal.flow, colour) for colour, (name, signal) in enumerate(signals) if signal.flow]
    if not flows:
        return ()
    note = " ".join((note, *_exceptions(signals)))
    fresh = [Series(name, _points(flow.initial), colour) for name, flow, colour in flows]
    trained = [Series(name, _points(flow.trained), colour) for name, flow, colour in flows]
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
    return _chart(f"Gradient flow of {name}, by steps back", series, "", "the mean" if flow.pooled else "k = 0")


def table(kind: str, signals: Signals) -> Table:
    """The same in figures: a row for each model."""
    columns = ("model", *(f"k = {k}" for k in _COLUMNS), *(f"fresh, {k}" for k in _COLUMNS))
    none = GradientFlow((), ())
    flows = [(name, signal.flow or none) for name, signal in signals]
    rows = tuple((name, *_figures(flow.trained), *_figures(flow.initial)) for name, flow in flows)
    note = "The gradient k steps back, relative to k = 0: of the trained models, and of their fresh weights."
    title = f"How far back the gradient reaches: {kind[0].lower()}{kind[1:]}"
    return Table(title, columns, rows, " ".join((note, *_exceptions(signals))))


def _exceptions(signals: Signals) -> Iterator[str]:
    """A sentence for whatever is not as it is with the others."""
    pooled = [name for name, signal in signals if signal.flow and signal.flow.pooled]
    if pooled:
        yield f"Of {', '.join(pooled)}, where no place is nearest to the label: relative to the mean over the text."
    for name, signal in signals:
        if signal.flow is None:
            yield f"Of {name} nothing is known: {signal.missing}."


def _chart(title: str, series: Iterable[Series], note: str, unit: str = "k = 0") -> LineChart:
    return LineChart(title, "k, steps back", f"gradient, relative to {unit}", tuple(series), log_y=True, note=note)


def _points(values: Sequence[float]) -> tuple[Point, ...]:
    return tuple(Point(k, value) for k, value in enumerate(values))


def _figures(values: Sequence[float]) -> Iterable[str]:
    return (_figure(values, k) for k in _COLUMNS)


def _figure(values: Sequence[float], k: int) -> str:
    """Two digits; a dash where no text was so long, or nothing is known."""
    return f"{values[k]:.2g}" if k < len(values) else "-"
