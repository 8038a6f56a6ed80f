"""A sheet: several charts of the same x in one drawing, two side by side, so that all are seen at once."""

from collections.abc import Iterator
from dataclasses import dataclass

from nmt_cli.reports import svg
from nmt_cli.reports.chart import LineChart, Margins

_WIDTH, _HEIGHT = 620.0, 260.0  # of a chart, and of its plot
_MARGIN = 14.0
_SIDE_BY_SIDE = 2


@dataclass(frozen=True)
class Sheet:
    """Charts under one title, in the order in which one reads."""

    title: str
    charts: tuple[LineChart, ...]

    def svg(self) -> str:
        """The sheet as an SVG document."""
        width = _WIDTH * min(_SIDE_BY_SIDE, max(1, len(self.charts)))
        heading = svg.wrapped(self.title, width - 2 * _MARGIN, svg.TITLE)
        parts = [svg.label(line, _MARGIN, 26 + svg.TITLE_LINE * i, "nmt-title") for i, line in enumerate(heading)]
        foot = _MARGIN + svg.TITLE_LINE * len(heading) + 6
        for drawn, height in self._rows():
            parts += [_moved(elements, _WIDTH * place, foot) for place, elements in enumerate(drawn)]
            foot += height
        description = " ".join(chart.description for chart in self.charts)
        return svg.drawing(width, foot, title=self.title, description=description, parts=parts)

    def _rows(self) -> Iterator[tuple[list[list[str]], float]]:
        """The elements of the charts of each row, and how high it is."""
        margins = [chart.margins(width=_WIDTH, height=_HEIGHT) for chart in self.charts]
        for start in range(0, len(self.charts), _SIDE_BY_SIDE):
            drawn = [
                chart.parts(width=_WIDTH, height=_HEIGHT, margins=Margins.shared(margins[place::_SIDE_BY_SIDE]))
                for place, chart in enumerate(self.charts[start : start + _SIDE_BY_SIDE])
            ]
            yield [elements for elements, _ in drawn], max(height for _, height in drawn)


def _moved(elements: list[str], x: float, y: float) -> str:
    place = f"translate({svg.number(x)} {svg.number(y)})"
    return svg.element("g", {"transform": place}, "\n".join(elements))
