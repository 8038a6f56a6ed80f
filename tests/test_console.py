"""What is told while long work goes on, where nobody sits at a terminal: the bar of a terminal is rich's own."""

import pytest

from nmt_cli import console


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, in seconds; whoever writes into it makes it pass."""
    now = [1000.0]
    monkeypatch.setattr("nmt_cli.console.time.monotonic", lambda: now[0])
    return now


def test_a_log_is_told_every_five_minutes(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress("reading", 1000) as progress:
        for done in range(1, 1000):
            progress.update(done, f"{done} of 1,000")
            clock[0] += 4
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines()[:2] == ["reading  76 of 1,000  62 min left", "reading  151 of 1,000  57 min left"]
    assert said.err.count("\n") == 999 * 4 // 300


def test_work_that_goes_on_counts_from_where_it_was(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress("", 1000) as progress:
        progress.update(900, "update 900")
        clock[0] += 600
        progress.update(950, "update 950")
    assert capsys.readouterr().err == "update 950  10 min left\n"


def test_nobody_knows_how_long_it_takes_without_a_total(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress("translating", None) as progress:
        progress.update(1)
        clock[0] += 299
        progress.update(7, "7 lines")
        clock[0] += 1
        progress.update(8, "8 lines")
    assert capsys.readouterr().err == "translating  8 lines\n"


def test_short_work_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(console.tracked("abc", "reading", 3)) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""
