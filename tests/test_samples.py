"""The lines by which a person sees a model learn."""

from nmt_cli.training.samples import Sample, introduced, to_watch, told

SHORT, FITTING, LONG = "Yes.", "The dog of my brother sleeps in a house.", "and so on " * 40


def test_lines_are_watched_that_are_read_at_a_glance() -> None:
    sources = [SHORT, LONG, FITTING, FITTING, LONG + "!", FITTING + "?", SHORT, FITTING[:-9]]
    assert to_watch(sources) == [2, 5, 7]
    assert to_watch(sources[:2]) == [0, 1]
    assert to_watch([SHORT] * 5) == [0]
    assert to_watch([]) == []


def test_each_is_named_once_and_told_with_whether_it_is_right() -> None:
    samples = [Sample("Ja.", "Yes.", "Ja."), Sample("", "No.", "Nein."), Sample(LONG, "Why?", "Warum?")]
    assert list(introduced(samples))[1:] == ["  1  Yes.  (Ja.)", "  2  No.  (Nein.)", "  3  Why?  (Warum?)"]
    first, second, third = told(samples)
    assert (first, second) == ("  1 = Ja.", "  2")
    assert third.startswith("  3   and so on")
    assert third.endswith("…")
    assert len(third) < 110


def test_what_is_written_from_nothing_is_not_introduced() -> None:
    assert list(introduced([Sample("The dog.")])) == []
    assert list(introduced([])) == []
    assert list(told([Sample("The dog.")])) == ["  1   The dog."]
