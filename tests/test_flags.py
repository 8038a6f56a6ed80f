"""What must survive a translation is found, and whatever a reader should look at twice is flagged."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt_cli.inference.flags import LENGTH, REPETITION, UNSURE, flags
from nmt_cli.text.loops import most_repeats
from nmt_cli.text.spans import lost, spans

SURE = [5] * 4


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("See https://example.org/a?b=1.", [("url", "https://example.org/a?b=1")]),
        ("(www.example.org)", [("url", "www.example.org")]),
        ("mail a.b+c@example.co.uk now", [("mail", "a.b+c@example.co.uk")]),
        ("<b>bold</b> 3 < 4", [("tag", "<b>"), ("tag", "</b>"), ("number", "3"), ("number", "4")]),
        ('<a href="x">', [("tag", '<a href="x">')]),
        ("Hello {name}, %s and %(n)d, ${x}", [
            ("placeholder", "{name}"), ("placeholder", "%s"), ("placeholder", "%(n)d"), ("placeholder", "${x}")]),
        ("1,000.5 at 10:30 on 3.", [("number", "1,000.5"), ("number", "10:30"), ("number", "3")]),
        ("a 100 % safe bet", [("number", "100")]),
        ("nothing at all", []),
    ],
)  # fmt: skip
def test_spans(text: str, found: list[tuple[str, str]]) -> None:
    assert [(span.kind, span.text) for span in spans(text)] == found


@pytest.mark.parametrize(
    ("source", "translation", "missing"),
    [
        ("1,000 dogs", "1.000 Hunde", []),
        ("1000 dogs", "100 Hunde", ["1000"]),
        ("2 and 2", "2 und zwei", ["2"]),
        ("write to a@b.de", "schreib an a@b.de", []),
        ("write to a@b.de", "schreib an uns", ["a@b.de"]),
        ("{n} files", "Dateien", ["{n}"]),
        ("<i>x</i>", "<i>x", ["</i>"]),
        ("none", "keine 3", []),
    ],
)
def test_what_is_lost(source: str, translation: str, missing: list[str]) -> None:
    assert [span.text for span in lost(source, translation)] == missing


@given(st.text())
def test_nothing_is_lost_in_a_copy(text: str) -> None:
    assert lost(text, text) == []


@pytest.mark.parametrize(
    ("source", "translation", "tokens", "log_prob", "found"),
    [
        ("a good day", "ein guter Tag", SURE, -1.0, ()),
        ("a good day", "ein guter guter guter Tag", SURE, -1.0, (REPETITION,)),
        ("no no no!", "nein nein nein!", SURE, -1.0, ()),
        ("a good day", "ein", SURE, -1.0, ()),
        ("a very good day for all", "ein", SURE, -1.0, (LENGTH,)),
        ("ja", "ja, das ist gewiss so", SURE, -1.0, (LENGTH,)),
        ("a good day", "ein guter Tag", SURE, 4 * math.log(0.24), (UNSURE,)),
        ("a good day", "ein guter Tag", SURE, 4 * math.log(0.26), ()),
        ("A dog. A cat.", "Ein Hund.", SURE, -1.0, ("lost-sentence",)),
        ("A dog. A cat. 7.", "Ein Hund.", SURE, -1.0, ("lost-sentence", "lost-number")),
        ("A dog. A cat.", "Ein Hund, eine Katze", SURE, -1.0, ()),
        ("A large dog.", "Ein Hund. Er ist groß.", SURE, -1.0, ()),
        ("Dr. Smith sleeps.", "Dr. Smith schläft.", SURE, -1.0, ()),
        ("A dog. A cat.", "หมาและแมว", SURE, -1.0, ()),
        ("A dog. A cat.", "犬。猫。", SURE, -1.0, ()),
        ("A dog. A cat.", "犬。", SURE, -1.0, ("lost-sentence",)),
        ("7 of 8 at x@y.de", "7 von 9", SURE, -1.0, ("lost-number", "lost-mail")),
        ("", "", [], 0.0, ()),
        ("All human beings are born free and equal in dignity.", "人人生而自由,尊严上一律平等。", SURE, -1.0, ()),
        ("I would like a cup of coffee, please.", "请给我一杯咖啡。", SURE, -1.0, ()),
        ("我是学生,我每天坐公共汽车去学校。", "I am a student and I take the bus to school every day.", SURE, -1.0, ()),
        ("The weather is very nice today.", "今日はとても天気がいいです。", SURE, -1.0, ()),
        ("I would like a cup of coffee, please.", "请。", SURE, -1.0, (LENGTH,)),
        ("Hi.", "今天天气很好我们去公园吧。", SURE, -1.0, (LENGTH,)),
        ("我是学生。", "我是学生,我每天坐公共汽车去学校,在那里学习。", SURE, -1.0, (LENGTH,)),
        (
            "All human beings are born free and equal in dignity.",
            "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์",
            SURE,
            -1.0,
            (),
        ),
    ],
)
def test_flags(source: str, translation: str, tokens: list[int], log_prob: float, found: tuple[str, ...]) -> None:
    assert flags(source, translation, tokens, log_prob) == found


@pytest.mark.parametrize(("text", "times"), [
        ("", 0), ("a", 1), ("a b a b a b", 3), ("a a b", 2), ("a b c", 1), ("Msssssssssss", 11), ("lalalalalalalalalalala la", 11),
        ("sssssssss", 1), ("10000000000", 10),
    ],
)  # fmt: skip
def test_repeats(text: str, times: int) -> None:
    assert most_repeats(text) == times
