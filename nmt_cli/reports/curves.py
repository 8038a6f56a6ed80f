"""Learning curves: what was measured while a model was trained, over its updates, as far as the training has come."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from nmt_cli.errors import DataError
from nmt_cli.reports.chart import Event, LineChart, Point, Series
from nmt_cli.reports.sheet import Sheet
from nmt_cli.runs.directory import METRICS, ModelDirectory
from nmt_cli.training.schedule import Schedule
from nmt_cli.training.tasks import TASKS

_MOST = 120  # points of a line; where more was measured, each is the mean of some neighbours
_SMOOTH = 40  # the same for the loss in training, of which one update says little
_TRAIN, _VALIDATION, _BACK = "train", "validation", "back"  # kinds of records


@dataclass(frozen=True)
class Curves:
    """Of one model."""

    name: str
    directory: ModelDirectory

    @property
    def learning(self) -> tuple[LineChart, ...]:
        """How well it does: its loss, and the figures of its task. Only charts in which there is something to see."""
        return tuple(filter(_filled, (self._loss(), self._quality())))

    @property
    def steps(self) -> tuple[LineChart, ...]:
        """How it was moved: learning rate and gradient."""
        rate = self._series("rate", _TRAIN, "rate", colour=4)
        gradient = self._series("norm", _TRAIN, "gradient_norm", colour=5)
        charts = (
            self._chart("Learning rate", "as Adam is given it", (rate,)),
            self._chart("Gradient, before it is clipped", "norm, logarithmic", (gradient,), ratios=True),
        )
        return tuple(filter(_filled, charts))

    def sheet(self) -> Sheet:
        """All of them. Raises DataError where nothing was measured."""
        charts = (*self.learning, *self.steps)
        if not charts:
            raise DataError(
                f"{self.directory.path} must hold what was measured, to draw it, but {METRICS} is missing or empty"
            )
        return Sheet(f"Training of {self.name} ({self.directory.settings.model.architecture})", charts)

    def _loss(self) -> LineChart:
        series = (
            self._series("train", _TRAIN, "nll", most=_SMOOTH),
            self._series("dev", _VALIDATION, "dev_loss", colour=1),
        )
        last = ", ".join(f"{one.name} {one.points[-1].y:.3f}" for one in series if one.points)
        return self._chart(f"Loss, latest: {last}", "cross-entropy, nats", series)

    def _quality(self) -> LineChart:
        quality = TASKS[self.directory.manifest.task].quality
        series = tuple(
            self._series(name, _VALIDATION, key, factor=quality.factor, colour=colour)
            for colour, (key, name) in enumerate(quality.names.items(), 1)
        )
        best = self._best or {}
        figures = [(name, quality.factor * best[key]) for key, name in quality.names.items() if key in best]
        said = ", ".join(f"{name} {figure:.2f}" for name, figure in figures)
        title = f"Best on dev, at update {best['update']:,}: {said}" if said else "On dev"
        return self._chart(title, quality.unit, series, ratios=quality.ratios)

    @property
    def _best(self) -> dict[str, Any] | None:
        """The last validation that was better than all before."""
        return next((record for record in reversed(self._records) if record.get("best")), None)

    @cached_property
    def _records(self) -> list[dict[str, Any]]:
        return self.directory.metrics()

    @property
    def _last(self) -> int:
        return max((int(record.get("update", 0)) for record in self._records), default=0)

    def _series(
        self, name: str, kind: str, key: str, *, factor: float = 1.0, colour: int = 0, most: int = _MOST
    ) -> Series:
        points = [
            Point(float(record["update"]), factor * float(record[key]))
            for record in self._records
            if record.get("kind") == kind and key in record
        ]
        return Series(name, tuple(_thinned(points, most)), colour)

    def _chart(self, title: str, unit: str, series: tuple[Series, ...], *, ratios: bool = False) -> LineChart:
        drawn = tuple(one for one in series if one.points)
        span = (0.0, float(max(1, self._last)))
        return LineChart(title, "updates", unit, drawn, log_y=ratios, x_range=span, events=self._events)

    @cached_property
    def _events(self) -> tuple[Event, ...]:
        """In the order of the updates."""
        best = [self._best["update"]] if self._best else []
        back = [record["update"] for record in self._records if record.get("kind") == _BACK]
        found = [*(Event(x, "best") for x in best), *(Event(x, "exploded") for x in back), *self._decay()]
        return tuple(sorted(found, key=lambda event: event.x))

    def _decay(self) -> Iterable[Event]:
        """Where the learning rate begins to fall, if that is known and reached."""
        training = self.directory.settings.training
        if training.updates is not None and training.decay > 0:
            start = Schedule.of(training).decay_start(training.updates)
            if 0 < start < self._last:
                yield Event(start, "decay")


def _filled(chart: LineChart) -> bool:
    return bool(chart.series)


def _thinned(points: Sequence[Point], most: int) -> list[Point]:
    size = -(-len(points) // most)
    groups = [points[start : start + size] for start in range(0, len(points), max(1, size))]
    return [Point(_mean(point.x for point in group), _mean(point.y for point in group)) for group in groups]


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)
