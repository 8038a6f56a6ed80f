"""Figures: what is drawn is where the numbers say, can be read, and stands alone."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import combinations, pairwise
from math import inf, nan
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt_cli.reports import palette, svg
from nmt_cli.reports.chart import NARROW, WIDE, Event, LineChart, Point, Series
from nmt_cli.reports.heatmap import Heatmap
from nmt_cli.reports.legend import spread
from nmt_cli.reports.page import Section, page
from nmt_cli.reports.scale import Scale, exact, linear, logarithmic, power_of_ten
from nmt_cli.reports.sheet import Sheet
from nmt_cli.reports.table import Table

HOSTILE = 'a<b> & "c" \x00\x1b\ud800 ]]> </style><script>alert(1)</script> &#x41; 猫 🙂'
NAMESPACE = "{http://www.w3.org/2000/svg}"
BUCKETS = ("1-5", "6-10", "11-15", "16-20", "21-30", "31-40", "41-60", "61+")
LADDER = LineChart(
    "Without attention, long sentences fall apart",
    "words in the source",
    "BLEU",
    tuple(
        Series(
            f"model number {index}",
            tuple(Point(x, y := 5 * index + 8 - x, y - 1 - x / 8, y + 1 + x / 8) for x in range(8)),
            index,
        )
        for index in range(8)
    ),
    x_ticks=tuple(enumerate(BUCKETS)),
    y_range=(0, 50),
    note="The note.",
)
FLOW = LineChart(
    "Gradient flow",
    "k",
    "norm",
    tuple(
        Series(
            f"{name}, {when}", tuple(Point(k, 10 ** (-rate * k)) for k in range(61)), index, when == "at initialisation"
        )
        for index, (name, rate) in enumerate((("RNN", 0.5), ("LSTM", 0.1), ("GRU", 0.2), ("Transformer", 0.0)))
        for when in ("at initialisation", "after training")
    ),
    log_y=True,
)
EVENTFUL = LineChart(
    "Training",
    "updates",
    "loss",
    (
        Series("train", tuple(Point(x, 9 / (1 + x / 100)) for x in range(20, 1001, 20))),
        Series("dev", (Point(500, 2), Point(1000, 1)), 1),
    ),
    x_range=(0, 1000),
    events=(Event(0, "exploded"), Event(20, "exploded"), Event(700, "decay"), Event(990, "best"), Event(1000, "last")),
)
MAP = Heatmap("A map", ("der", "Hund"), ("the", "dog", "."), ((0.9, 0.1, 0.0), (0.0, 0.5, 1.0)), "A note.")
TABLE = Table(
    "Results", ("model", "BLEU"), (("LSTM", "20.0"), ("RNN", "12.0")), "Higher is better.", frozenset({(0, 1)})
)

finite = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e12, max_value=1e12)


def drawn(text: str) -> Element:
    return ElementTree.fromstring(text)


def having(root: Element, name: str) -> list[Element]:
    """The elements of a class."""
    return [element for element in root.iter() if name in element.get("class", "").split()]


def corners(element: Element) -> list[tuple[float, float]]:
    numbers = re.findall(r"-?\d+(?:\.\d+)?", element.get("d", ""))
    return list(zip(map(float, numbers[::2]), map(float, numbers[1::2]), strict=True))


def lines(root: Element) -> list[list[tuple[float, float]]]:
    """The corners of every line of the plot: of those that are no sample in the legend."""
    found = [corners(element) for element in having(root, "nmt-line")]
    return [
        line for line in found if not (len(line) == 2 and line[0][1] == line[1][1] and line[1][0] - line[0][0] == 30)
    ]


def plot_area(root: Element) -> tuple[float, float, float, float]:
    """Left, right, top and bottom, from the axis and the first and last line of the grid."""
    grid = having(root, "nmt-grid")
    axis = having(root, "nmt-axis")[0]
    tops = [float(line.get("y1", "nan")) for line in grid]
    return float(axis.get("x1", "nan")), float(axis.get("x2", "nan")), min(tops), float(axis.get("y1", "nan"))


def one_line(*points: Point, log_y: bool = False, y_range: tuple[float, float] | None = None) -> LineChart:
    return LineChart("t", "x", "y", (Series("s", points),), log_y=log_y, y_range=y_range)


# scales


@given(st.lists(finite, min_size=1, max_size=20))
def test_a_linear_scale_holds_its_values_in_order_and_its_ticks_are_round(values: list[float]) -> None:
    scale = linear(values)
    hair = 1e-8 * (scale.high - scale.low)
    assert scale.low - hair <= min(values) <= max(values) <= scale.high + hair
    places = [scale.fraction(value) for value in sorted(values)]
    assert places == sorted(places)
    assert 0 <= places[0] <= places[-1] <= 1
    ticks = [value for value, _ in scale.ticks(7)]
    assert 2 <= len(ticks) <= 7
    step = ticks[1] - ticks[0]
    assert round(step / 10 ** np.floor(np.log10(step * 1.0001)), 6) in (1, 2, 5)
    assert all(abs(value / step - round(value / step)) < 1e-3 for value in ticks)


def test_ticks_are_those_that_a_person_would_write() -> None:
    assert [words for _, words in linear([3.1, 41.9]).ticks(7)] == ["0", "10", "20", "30", "40", "50"]
    assert [words for _, words in linear([0.2, 1], (0, 1)).ticks(6)] == ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]
    assert [words for _, words in linear([-0.4, 0.4]).ticks(5)] == ["−0.4", "−0.2", "0.0", "0.2", "0.4"]
    assert [words for _, words in exact([0, 20_000]).ticks(3)] == ["0", "10,000", "20,000"]
    assert [words for _, words in logarithmic([1, 1e-25]).ticks(7)] == [
        "10⁻²⁵", "10⁻²⁰", "10⁻¹⁵", "10⁻¹⁰", "10⁻⁵", "1"]  # fmt: skip
    assert [power_of_ten(exponent) for exponent in (-30, 0, 1, 12)] == ["10⁻³⁰", "1", "10", "10¹²"]


def test_a_scale_of_no_width_gets_one() -> None:
    for scale in (linear([]), linear([nan, inf]), linear([0]), linear([7]), exact([]), exact([3]), logarithmic([])):
        assert 2 <= len(scale.ticks(5)) <= 5
    assert 0 < linear([7]).fraction(7) < 1
    assert logarithmic([1]).fraction(1) in (0, 1)


def test_a_linear_axis_begins_at_zero_only_where_zero_is_near() -> None:
    assert linear([1, 40]).low == 0
    assert linear([38, 41]).low == 38


def test_a_range_is_widened_rather_than_hide_a_value() -> None:
    assert linear([0.2, 0.9], (0, 1)) == linear([], (0, 1))
    assert (linear([], (0, 1)).low, linear([], (0, 1)).high) == (0, 1)
    assert linear([0.2, 1.3], (0, 1)).high >= 1.3


@given(st.lists(st.integers(-323, 308), min_size=1, max_size=9))
def test_a_logarithmic_scale_spaces_equal_ratios_equally(exponents: list[int]) -> None:
    scale = logarithmic([float(f"1e{exponent}") for exponent in exponents])
    assert 2 <= len(scale.ticks(7)) <= 7
    if scale.high - scale.low > 2:
        places = [scale.fraction(float(f"1e{exponent}")) for exponent in range(scale.low, min(scale.high, 308) + 1)]
        assert np.diff(places) == pytest.approx(1 / (scale.high - scale.low), rel=0.1)


def test_what_has_no_place_on_a_scale() -> None:
    scales: tuple[Scale, Scale] = (linear([0, 1]), logarithmic([1e-9, 1]))
    assert [[scale.holds(value) for value in (0, -1, 1, nan, inf)] for scale in scales] == [
        [True, True, True, False, False],
        [False, False, True, False, False],
    ]


# legend


@given(st.lists(st.floats(0, 400), max_size=20), st.booleans())
def test_labels_never_overlap_and_keep_their_order(wanted: list[float], wide: bool) -> None:
    high = 400 if wide or len(wanted) < 2 else 18.0 * (len(wanted) - 1)
    places = spread([min(high, place) for place in wanted], gap=18, low=0, high=high)
    assert all(after - before >= 18 - 1e-9 for before, after in pairwise(sorted(places)))
    if (len(wanted) - 1) * 18 <= high:
        assert all(-1e-9 <= place <= high + 1e-9 for place in places)
    for (one, its), (other, others) in combinations(zip(wanted, places, strict=True), 2):
        assert (one < other) <= (its < others) or min(one, other) >= high


def test_labels_with_room_stay_where_they_are_wanted_and_others_share_the_way() -> None:
    assert spread([10, 50, 90], gap=18, low=0, high=100) == [10, 50, 90]
    assert spread([50, 50], gap=18, low=0, high=100) == [41, 59]
    assert spread([100, 100], gap=18, low=0, high=100) == [82, 100]


@pytest.mark.parametrize("chart", [LADDER, FLOW, EVENTFUL])
@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_no_two_texts_of_a_chart_overlap_and_none_is_clipped(chart: LineChart, width: float) -> None:
    root = drawn(chart.svg(width=width))
    height = float(root.get("height", "nan"))
    boxes = []
    for text in root.iter(f"{NAMESPACE}text"):
        if "transform" in text.attrib:
            continue
        size = svg.TITLE if text.get("class") == "nmt-title" else svg.TEXT
        wide = svg.text_width(text.text or "", size)
        x = float(text.get("x", "nan")) - {"start": 0, "middle": wide / 2, "end": wide}[text.get("text-anchor", "")]
        y = float(text.get("y", "nan"))
        assert x >= 0, text.text
        assert x + wide <= width, text.text
        assert size <= y <= height, text.text
        boxes.append((x, x + wide, y - 0.75 * size, y))
    assert len(boxes) > 10
    for one, other in combinations(boxes, 2):
        assert one[1] <= other[0] or other[1] <= one[0] or one[3] <= other[2] or other[3] <= one[2]


# charts


@pytest.mark.parametrize("chart", [LADDER, FLOW, EVENTFUL])
@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_every_line_and_interval_lies_inside_the_plot(chart: LineChart, width: float) -> None:
    root = drawn(chart.svg(width=width))
    left, right, top, bottom = plot_area(root)
    assert len(lines(root)) == len(chart.series)
    top = min(top, bottom - 240)  # on a narrow chart the highest tick may lie below the end of the axis
    for x, y in (corner for line in lines(root) for corner in line):
        assert left <= x <= right
        assert top - 0.01 <= y <= bottom
    bars = having(root, "nmt-bar")
    assert len(bars) == sum(point.low is not None for one in chart.series for point in one.points)
    assert all(top - 0.01 <= float(bar.get(end, "nan")) <= bottom for bar in bars for end in ("y1", "y2"))


@given(st.lists(st.tuples(finite, finite), min_size=2, max_size=12))
def test_a_line_runs_as_its_numbers_do(numbers: list[tuple[float, float]]) -> None:
    points = [Point(x, y) for x, y in sorted(numbers)]
    (line,) = lines(drawn(one_line(*points).svg()))
    assert len(line) == len(points)
    for (one, here), (other, there) in combinations(zip(points, line, strict=True), 2):
        assert here[0] <= there[0] + 0.01
        assert not (one.y < other.y and here[1] < there[1] - 0.01)  # up is less
        assert not (one.y > other.y and here[1] > there[1] + 0.01)


def test_a_value_lies_at_its_tick() -> None:
    root = drawn(one_line(Point(0, 0), Point(1, 10), Point(2, 20)).svg())
    ((_, low), (_, middle), (_, high)) = lines(root)[0]
    ticks = {text.text: float(text.get("y", "nan")) - 4.5 for text in having(root, "nmt-faint")}
    assert (low, middle, high) == pytest.approx((ticks["0"], ticks["10"], ticks["20"]))


def test_an_interval_reaches_from_its_low_to_its_high_end() -> None:
    root = drawn(one_line(Point(0, 10, 0, 20), Point(1, 10), y_range=(0, 20)).svg())
    _, _, top, bottom = plot_area(root)
    (bar,) = having(root, "nmt-bar")
    assert (float(bar.get("y1", "nan")), float(bar.get("y2", "nan"))) == (bottom, top)


def test_intervals_over_ranges_stand_side_by_side() -> None:
    bars = having(drawn(LADDER.svg()), "nmt-bar")
    assert len({bar.get("x1") for bar in bars}) == len(bars)


def test_zeros_on_a_logarithmic_axis_leave_a_gap_and_are_owned_up_to() -> None:
    points = [Point(x, y) for x, y in enumerate((1, 1e-10, 0, 1e-30, 1e-20, 0, nan))]
    chart = one_line(*points, log_y=True)
    root = drawn(chart.svg())
    assert [len(line) for line in lines(root)] == [2, 2]
    assert chart.caption == "3 of 7 values are 0 or not finite and have no place in this drawing."
    assert chart.caption in replace(chart, note="Noted.").html()
    assert not FLOW.caption


def test_a_value_between_two_gaps_is_seen() -> None:
    (line,) = lines(drawn(one_line(Point(0, 0), Point(1, 1e-3), Point(2, 0), log_y=True).svg()))
    assert len(line) == 2  # a path of one corner is drawn by nobody
    assert line[0] == line[1]


def test_a_dashed_series_shares_colour_and_shape_with_the_solid_one() -> None:
    root = drawn(FLOW.svg())
    dashed, solid = (
        [group for group in having(root, "nmt-c1") if having(group, kind)] for kind in ("nmt-dashed", "nmt-solid")
    )
    assert dashed
    assert solid
    for group in dashed:
        assert having(group, "nmt-hollow")
        assert not having(group, "nmt-solid")
    assert not any(having(group, "nmt-dashed") for group in solid)


def test_many_points_get_some_marks_and_few_points_get_all() -> None:
    marks = having(drawn(one_line(*(Point(x, x) for x in range(61))).svg()), "nmt-solid")
    assert 10 <= len(marks) - 1 <= 15  # one is that of the legend
    assert len(having(drawn(one_line(*(Point(x, x) for x in range(8))).svg()), "nmt-solid")) == 9


def test_a_chart_of_nothing_is_still_a_chart() -> None:
    for chart in (LineChart("t", "x", "y", ()), one_line(), one_line(Point(0, 0), log_y=True), one_line(Point(nan, 1))):
        assert plot_area(drawn(chart.svg()))[1] > 100
        assert not lines(drawn(chart.svg()))


def test_words_below_the_axis_are_turned_where_they_would_touch() -> None:
    wide, narrow = (drawn(LADDER.svg(width=width)) for width in (WIDE, NARROW))
    assert {text.text for text in having(wide, "nmt-faint") if "transform" not in text.attrib} >= set(BUCKETS)
    assert {text.text for text in narrow.iter() if "transform" in text.attrib} == set(BUCKETS)


def test_long_words_stay_inside_the_drawing() -> None:
    long = "a very long name of a model that nobody would type twice, with attention and copying"
    chart = LineChart(long * 2, long * 3, long * 2, (Series(long * 2, (Point(0, 1), Point(1, 2))),))
    for width in (WIDE, NARROW):
        for text in drawn(chart.svg(width=width)).iter(f"{NAMESPACE}text"):
            size = svg.TITLE if text.get("class") == "nmt-title" else svg.TEXT
            assert svg.text_width(text.text or "", size) <= width - 28


# heat maps


def test_a_cell_is_as_dark_as_its_value_and_stands_at_its_words() -> None:
    root = drawn(MAP.svg())
    cells = {cell[0].text: cell for cell in having(root, "nmt-heat") if len(cell)}
    assert set(cells) == {"der ← the: 0.90", "der ← dog: 0.10", "Hund ← dog: 0.50", "Hund ← .: 1.00"}
    shades = [
        float(cells[words].get("fill-opacity", "nan")) for words in sorted(cells, key=lambda words: str(words)[-4:])
    ]
    assert shades == sorted(set(shades))
    assert shades[-1] == 1
    places = {text.text: text for text in root.iter(f"{NAMESPACE}text")}
    for words, cell in cells.items():
        row, column = re.split(" ← |: ", words or "")[:2]
        x, y, size = (float(cell.get(name, "nan")) for name in ("x", "y", "width"))
        assert y < float(places[row].get("y", "nan")) < y + size
        assert x < float(places[column].get("x", "nan")) < x + size


def test_a_heat_map_grows_with_its_cells_and_shortens_long_words() -> None:
    words = tuple(f"w{place}" for place in range(12))
    large = Heatmap("t", words, words, tuple((0.1,) * 12 for _ in words))
    assert float(drawn(large.svg()).get("width", "nan")) > float(drawn(MAP.svg()).get("width", "nan"))
    long = replace(MAP, columns=("the", "dog", "x" * 300), rows=("y" * 300, "Hund"), title="z " * 300)
    assert float(drawn(long.svg()).get("width", "nan")) < 400
    assert "…" in long.svg()


def test_a_heat_map_without_the_right_number_of_values_is_refused() -> None:
    with pytest.raises(ValueError, match="2 rows, 3 columns and values of 1 rows of 3 columns"):
        replace(MAP, values=MAP.values[:1])
    with pytest.raises(ValueError, match="2 rows, 2 columns"):
        replace(MAP, columns=("the", "dog"))
    assert drawn(Heatmap("nothing", (), (), ()).svg()) is not None


# tables and pages


def test_a_table_has_heads_cells_and_the_best_in_bold() -> None:
    root = drawn(TABLE.html())
    assert [cell.text for cell in root.iter("th")] == ["model", "BLEU", "LSTM", "RNN"]
    assert ["".join(cell.itertext()) for cell in root.iter("td")] == ["20.0", "12.0"]
    assert [cell.text for cell in root.iter("strong")] == ["20.0"]
    with pytest.raises(ValueError, match=r"each of its 2 columns, but 'a \| b \| c' has 3"):
        replace(TABLE, rows=(("a", "b", "c"),))


def whole_page() -> str:
    sections = (
        Section("Quality", ("One paragraph.", "And another."), (TABLE, LADDER)),
        Section("Inside", (), (FLOW, MAP, MAP, MAP)),
        Section(HOSTILE, (HOSTILE,)),
    )
    return page(f"Report {HOSTILE}", ("An introduction.", HOSTILE), sections)


def test_a_page_is_well_formed_and_in_order() -> None:
    root = drawn(whole_page())
    assert root.get("lang") == "en"
    assert [heading.text for heading in root.iter("h2")][:2] == ["Quality", "Inside"]
    assert [figure.get("class") for figure in root.iter("figure")] == ["table", "chart", "chart", "map", "map", "map"]
    assert [caption.text for caption in root.iter("figcaption")][:2] == ["Higher is better.", "The note."]
    assert len(list(root.iter(f"{NAMESPACE}svg"))) == 2 * 2 + 3
    HTMLParser().feed(whole_page())


def test_a_page_fetches_nothing_and_runs_nothing() -> None:
    text = whole_page().replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.search(r"https?:|//|url\(|@import|\ssrc=|href=|<script", text.replace(svg.escape(HOSTILE), ""))
    assert "<script" not in text


def test_drawings_in_one_page_do_not_quarrel() -> None:
    root = drawn(whole_page())
    assert not any("id" in element.attrib for element in root.iter())
    styles = {style.text for style in root.iter(f"{NAMESPACE}style")}
    assert styles == {palette.RULES}
    selectors = re.findall(r"([^{}]+)\{", palette.RULES.replace("@media (prefers-color-scheme:dark){", ""))
    assert len(selectors) > 20
    assert all(one.startswith(".nmt-figure") for selector in selectors for one in selector.split(","))


def test_a_drawing_has_an_alternative_in_words_and_both_schemes() -> None:
    for text in (LADDER.svg(), FLOW.svg(), MAP.svg()):
        root = drawn(text)
        assert [child.tag for child in root][:2] == [f"{NAMESPACE}title", f"{NAMESPACE}desc"]
        assert root[0].text
        assert root[1].text
        assert root.get("viewBox") == f"0 0 {root.get('width')} {root.get('height')}"
        assert "@media (prefers-color-scheme:dark)" in text


def test_hostile_words_stay_words() -> None:
    chart = LineChart(HOSTILE, HOSTILE, HOSTILE, (Series(HOSTILE, (Point(0, 1), Point(1, 2))),), note=HOSTILE)
    table = Table(HOSTILE, (HOSTILE, HOSTILE), ((HOSTILE, HOSTILE),), HOSTILE, frozenset({(0, 0)}))
    figures = (chart, Heatmap(HOSTILE, (HOSTILE,), (HOSTILE,), ((1.0,),), HOSTILE), table)
    for figure in figures:
        root = drawn(figure.html())
        assert not list(root.iter("script"))
        assert svg.clean(HOSTILE) in {element.text for element in root.iter()}
    assert (drawn(chart.svg())[0].text or "").startswith('a<b> & "c" \ufffd\ufffd\ufffd ]]>')


@given(st.text(st.characters(codec=None, exclude_categories=())))
def test_any_text_can_stand_in_a_drawing(text: str) -> None:
    read = drawn(svg.label(text, 0, 0)).text or ""
    assert read == svg.clean(text).replace("\r\n", "\n").replace("\r", "\n")


@given(st.text(max_size=80), st.floats(20, 300))
def test_shortened_and_wrapped_text_fits(text: str, room: float) -> None:
    assert svg.text_width(svg.shortened(text, room)) <= room
    wrapped = svg.wrapped(text, room)
    assert all(svg.text_width(line) <= room for line in wrapped)
    if svg.text_width(text) <= room:
        assert " ".join(wrapped) == " ".join(text.split())


def test_lengths_are_short() -> None:
    assert [svg.number(value) for value in (0.0, -0.001, 1.5, 2.0, 100.0, 1 / 3)] == [
        "0",
        "0",
        "1.5",
        "2",
        "100",
        "0.33",
    ]


# the palette

# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB
SIGHTS = {
    "usual": np.eye(3),
    "no red": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "no green": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def light_of(colour: str) -> np.ndarray:
    """Linear RGB, 0 to 1."""
    parts = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def seen(light: np.ndarray) -> np.ndarray:
    """CIE L*a*b*."""
    xyz = TO_XYZ @ light / TO_XYZ.sum(axis=1)
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize("colours", [palette.LIGHT, palette.DARK])
def test_colours_differ_for_every_eye(colours: tuple[str, ...], sight: str) -> None:
    points = [seen(np.clip(SIGHTS[sight] @ light_of(colour), 0, 1)) for colour in colours]
    assert len(colours) >= 8
    assert min(np.linalg.norm(one - other) for one, other in combinations(points, 2)) >= 25


@pytest.mark.parametrize(
    ("colours", "paper"),
    [
        (palette.LIGHT, palette.PAPER[0]),
        (palette.DARK, palette.PAPER[1]),
        (palette.INKS, "#ffffff"),
        (palette.INKS, "#000000"),
    ],
)
def test_colours_stand_off_their_paper(colours: tuple[str, ...], paper: str) -> None:
    ground = TO_XYZ[1] @ light_of(paper)
    for colour in colours:
        dim, bright = sorted((TO_XYZ[1] @ light_of(colour), ground))
        assert (bright + 0.05) / (dim + 0.05) >= 3


def test_marks_differ_where_colours_repeat() -> None:
    looks = {(palette.colour_class(index), str(palette.outline(index, 0, 0, 5))) for index in range(72)}
    assert len(looks) == 72
    assert len({str(palette.outline(index, 0, 0, 5)) for index in range(8)}) == 8


# several in one drawing, and what happened on the way


def test_an_event_is_marked_at_its_place_from_the_top_to_the_bottom() -> None:
    root = drawn(EVENTFUL.svg())
    _, _, top, bottom = plot_area(root)
    train = lines(root)[-1] if len(lines(root)[-1]) > 2 else lines(root)[0]
    events = having(root, "nmt-event")
    assert [float(event.get("x1", "nan")) for event in events][1] == pytest.approx(train[0][0])
    assert [float(event.get("x1", "nan")) for event in events][-1] == pytest.approx(train[-1][0])
    assert all(float(event.get("y2", "nan")) == bottom for event in events)
    assert all(float(event.get("y1", "nan")) <= top for event in events)
    assert "At 700: decay." in EVENTFUL.description


def test_charts_of_a_sheet_stand_exactly_below_each_other() -> None:
    wide = replace(EVENTFUL, series=tuple(replace(one, name=f"{one.name} of a model") for one in EVENTFUL.series))
    root = drawn(Sheet("Sheet", (EVENTFUL, one_line(Point(0, 0), Point(1, 1e6)), wide)).svg())
    axes = [having(group, "nmt-axis")[0] for group in root.iter(f"{NAMESPACE}g") if "transform" in group.attrib]
    first, second, third = ((axis.get("x1"), axis.get("x2")) for axis in axes)
    assert first == third != second
    moves = [group.get("transform") for group in root.iter(f"{NAMESPACE}g") if "transform" in group.attrib]
    assert len(set(moves)) == 3
    assert [text.text for text in having(root, "nmt-title")] == ["Sheet", "Training", "t", "Training"]
    assert len(list(root.iter(f"{NAMESPACE}style"))) == 1


def test_a_sheet_of_one_chart_and_of_none() -> None:
    one, none = (drawn(Sheet("s", charts).svg()) for charts in ((EVENTFUL,), ()))
    assert float(one.get("width", "nan")) == float(none.get("width", "nan"))
    assert len(lines(one)) == 2
    assert not lines(none)


def test_a_few_decades_are_divided_as_people_write_numbers() -> None:
    assert [words for _, words in logarithmic([12, 800]).ticks(7)] == ["10", "20", "50", "100", "200", "500", "1,000"]
    assert [words for _, words in logarithmic([0.2]).ticks(5)] == ["0.1", "0.2", "0.5", "1"]
    assert [words for _, words in logarithmic([12, 800]).ticks(4)] == ["10", "10²", "10³"]
