"""Translation models side by side: quality and what of it is certain, the bottleneck, the vanishing signal, where they look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from math import log2
from typing import Any

from nmt_cli import console
from nmt_cli.evaluation.significance import p_value
from nmt_cli.inference.attention import Looker
from nmt_cli.reports import flow
from nmt_cli.reports.chart import LineChart, Point, Series
from nmt_cli.reports.contestant import COST, Contestant, best
from nmt_cli.reports.maps import heatmap
from nmt_cli.reports.page import Figure, Section
from nmt_cli.reports.table import Table
from nmt_cli.reports.trial import SIZES, TestSet, Trial, measure

_FEWEST = 10  # sentences of a bucket that is drawn
_CERTAIN = 0.05
_SHOWN = 3  # sentences whose attention is drawn
_SHORT = (6, 14)  # words of such a sentence

BOTTLENECK = (
    "A model without attention must press the whole source into one vector, whose size does not grow with the sentence. So its "
    "quality falls with the length of the source, where models with attention hold (Cho et al. 2014; Bahdanau et al. 2015).",
    "Several sentences in one line are longer than what models learn from, one sentence a line. All of them lose something there, "
    "a Transformer too: it meets positions that it has never seen. What counts is who loses how much.",
)
MAPS = (
    "Each row is a subword of the translation, each column one of the source: the darker, the more the model looked there when it "
    "wrote that row (Bahdanau et al. 2015, figure 3). Models without attention have nothing to show. Of a Transformer, the mean of "
    "the heads of the layer that its training found to align best, or, where it has not looked for one, of the last layer but one "
    "(Garg et al. 2019)."
)


@dataclass(frozen=True)
class Translators:
    """The comparison."""

    trials: tuple[Trial, ...]
    sets: tuple[TestSet, ...]

    @classmethod
    def measure(cls, models: Sequence[Contestant], sets: Sequence[TestSet]) -> Translators:
        """Every model translates every set as ``nmt translate`` would."""
        trials = [measure(model, sets) for model in console.tracked(models, "comparing", len(models))]
        return cls(tuple(trials), tuple(sets))

    @cached_property
    def tables(self) -> list[Table]:
        """For the terminal."""
        lengths = [self._lengths()] if self._drawn else []
        return [*self._rungs(), *lengths, self._bottleneck(), flow.table("Translation models", self._signals)]

    def opening(self) -> list[Section]:
        """For the beginning of the page."""
        words = (
            f"Scores of {console.count(len(self.sets[0].sources), 'sentence')} of {self.sets[0].name}; brackets are 95 % intervals "
            "by bootstrap (Koehn 2004). Perplexity is that of a subword of the reference. Words a second are those of the source, "
            "translated as by nmt translate on all cores of this machine; loading the model does not count.",
        )
        charts: list[Figure] = [self._by_length()] if self._drawn else []
        return [
            Section("What each rung buys", words, tuple(self._rungs())),
            Section("The bottleneck", BOTTLENECK, (*charts, self._joined(), self._bottleneck())),
        ]

    def signal(self) -> list[Figure]:
        """How far back gradients reach."""
        note = "Of the loss of the first target word, by the embeddings of the source, counted from the one that is read last."
        return [
            *flow.charts("Translation models", self._signals, note),
            flow.table("Translation models", self._signals),
        ]

    def closing(self) -> list[Section]:
        """For the end of the page: maps of a few sentences, those of all models beside each other."""
        maps = {sentence: figures for sentence, figures in self._maps() if figures}
        return [
            Section(f"Where they look: {sentence}", () if place else (MAPS,), tuple(figures))
            for place, (sentence, figures) in enumerate(maps.items())
        ]

    def to_json(self) -> list[dict[str, Any]]:
        """A model each."""
        return [trial.to_json() for trial in self.trials]

    @property
    def _signals(self) -> flow.Signals:
        return [(trial.name, trial.signal) for trial in self.trials]

    def _rungs(self) -> list[Table]:
        differences = [self._significance(0), self._significance(1)] if len(self.trials) > 1 else []
        return [self._quality(), *differences]

    def _quality(self) -> Table:
        columns = ("model", "BLEU", "chrF2", "perplexity", "words/s", *COST)
        rows = tuple(
            (
                trial.name,
                *(score.figures for score in trial.scores),
                trial.loss.shown,
                f"{trial.words_per_second:,.0f}",
                *trial.contestant.cost,
            )
            for trial in self.trials
        )
        marks = (
            best((trial.bleu.score for trial in self.trials), 1)
            | best((trial.scores[1].score for trial in self.trials), 2)
            | best((trial.words_per_second for trial in self.trials), 4)
        )
        warning = self._incomparable()
        if not warning:
            marks |= best((trial.loss.mean for trial in self.trials), 3, lowest=True)
        signatures = " ".join(f"{score.name} {score.signature}" for score in self.trials[0].scores)
        return Table("Quality and cost of translation models", columns, rows, warning + signatures, marks)

    def _incomparable(self) -> str:
        """Why perplexities do not compare; empty where they do."""
        folders = [trial.contestant.directory for trial in self.trials]
        if len({(folder.path / folder.tokenizer.file).read_bytes() for folder in folders}) > 1:
            return "Models have different subwords, so that their perplexities do not compare. "
        if len({trial.loss.left_out for trial in self.trials}) > 1:
            return "Models leave out different lines, so that their perplexities do not compare. "
        return ""

    def _significance(self, place: int) -> Table:
        """A score of the row minus that of the column, where that is more than chance. Columns are numbered: names are too wide."""
        metric = self.trials[0].scores[place].name
        numbers = [str(number) for number in range(1, len(self.trials) + 1)]
        rows = tuple(
            (f"{number} {one.name}", *(_difference(one, other, place) for other in self.trials))
            for number, one in zip(numbers, self.trials, strict=True)
        )
        pairs = len(self.trials) * (len(self.trials) - 1) // 2
        note = (
            f"{metric} of the row minus {metric} of the column. A dot: the difference may be chance (paired bootstrap, p not below "
            f"{_CERTAIN:g}, each pair for itself). {console.count(pairs, 'pair is', 'pairs are')} tested: "
            f"where none differ, one in {1 / _CERTAIN:.0f} seems to."
        )
        return Table(f"Which differences of {metric} are more than chance", ("model", *numbers), rows, note)

    @cached_property
    def _drawn(self) -> list[int]:
        """The places of the buckets that hold enough sentences. All models have the same sources, and so the same buckets."""
        return [place for place, bucket in enumerate(self.trials[0].buckets) if bucket.sentences >= _FEWEST]

    def _lengths(self) -> Table:
        buckets = [self.trials[0].buckets[place] for place in self._drawn]
        rows = tuple(
            (trial.name, *(f"{trial.buckets[place].bleu:.1f}" for place in self._drawn)) for trial in self.trials
        )
        counts = ", ".join(f"{bucket}: {bucket.sentences:,}" for bucket in buckets)
        note = f"Of {self._names}. Sentences: {counts}; lengths with fewer than {_FEWEST} are left out."
        return Table("BLEU by words in the source", ("model", *map(str, buckets)), rows, note)

    def _by_length(self) -> LineChart:
        found = {trial.name: [trial.buckets[place] for place in self._drawn] for trial in self.trials}
        series = tuple(
            Series(
                name,
                tuple(Point(x, bucket.bleu, *(bucket.interval or (None, None))) for x, bucket in enumerate(buckets)),
                colour,
            )
            for colour, (name, buckets) in enumerate(found.items())
        )
        ticks = tuple((float(x), str(self.trials[0].buckets[place])) for x, place in enumerate(self._drawn))
        note = f"{self._names}; lengths with fewer than {_FEWEST} sentences are left out; bars are 95 % intervals."
        return LineChart("Quality by length", "words in the source", "BLEU", series, ticks, note=note)

    @property
    def _names(self) -> str:
        return " and ".join(each.name for each in self.sets)

    def _bottleneck(self) -> Table:
        sizes = [each.size for each in self.trials[0].joined]
        columns = ("model", *(f"{size} at once" if size > 1 else "alone" for size in sizes))
        rows = tuple((trial.name, *(each.score.figures for each in trial.joined)) for trial in self.trials)
        return Table("BLEU of several sentences in a line", columns, rows, self._joined_note())

    def _joined(self) -> LineChart:
        series = tuple(
            Series(
                trial.name,
                tuple(
                    Point(log2(each.size), each.score.score, *(each.score.interval or (None, None)))
                    for each in trial.joined
                ),
                colour,
            )
            for colour, trial in enumerate(self.trials)
        )
        ticks = tuple((log2(size), str(size)) for size in SIZES)
        note = "Bars are 95 % intervals."
        return LineChart("Several sentences at once", "sentences in a line", "BLEU", series, ticks, note=note)

    def _joined_note(self) -> str:
        """How many lines there are, and how many of them no model has translated as one."""
        lines = ", ".join(f"{each.lines:,}" for each in self.trials[0].joined)
        note = f"Sentences of {self.sets[0].name} behind each other: {lines} lines."
        split = []
        for column in zip(*(trial.joined for trial in self.trials), strict=True):
            counts = {each.split for each in column}
            if counts != {0}:
                most = f"{'up to ' if len(counts) > 1 else ''}{max(counts):,} of {column[0].lines:,}"
                split.append(f"{most} with {column[0].size} at once")
        flattered = f" Too long for the model, and so translated in pieces, which flatters it: {'; '.join(split)}."
        return note + flattered if split else note

    def _maps(self) -> Iterator[tuple[str, list[Figure]]]:
        """Each sentence, and the maps of those models that have one."""
        lookers = [(trial.name, Looker.open(trial.contestant.directory)) for trial in self.trials]
        short = [line for line in self.sets[0].sources if _SHORT[0] <= len(line.split()) <= _SHORT[1]]
        fitting = (line for line in dict.fromkeys(short) if all(looker.fits(line) for _, looker in lookers))
        for sentence in islice(fitting, _SHOWN):
            maps = [(name, looker.look(sentence)) for name, looker in lookers]
            yield sentence, [heatmap(name, found, note="") for name, found in maps if found is not None]


def _difference(one: Trial, other: Trial, place: int) -> str:
    if one is other:
        return ""
    difference = one.scores[place].score - other.scores[place].score
    certain = p_value(difference, one.samples[place], other.samples[place]) < _CERTAIN
    return f"{difference:+.1f}" if certain else "·"
