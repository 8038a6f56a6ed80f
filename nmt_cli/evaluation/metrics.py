"""Scores of a text against reference translations: BLEU, chrF2 and TER as sacreBLEU computes them.

A score without its signature cannot be compared with anything (Post 2018), so the two travel together. The texts are
plain: as people write them, neither tokenised nor lowercased.

    BLEU   Papineni, Roukos, Ward, Zhu (2002): BLEU: a method for automatic evaluation of machine translation
    chrF   Popović (2015): chrF: character n-gram F-score for automatic MT evaluation
    TER    Snover, Dorr, Schwartz, Micciulla, Makhoul (2006): A study of translation edit rate
           Post (2018): A call for clarity in reporting BLEU scores
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from sacrebleu.metrics.base import Metric
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER

from nmt_cli.errors import ConfigError, DataError
from nmt_cli.evaluation.counts import SEED, Counts, count
from nmt_cli.text.scripts import KANA_AND_HAN

_TOKENIZERS = {  # cn and jp are countries, and what many files are called
    **dict.fromkeys(("zh", "zho", "chi", "cmn", "yue", "cn"), "zh"),
    **dict.fromkeys(("ja", "jpn", "jp"), "ja-mecab"),
    **dict.fromkeys(("ko", "kor"), "ko-mecab"),
}
_UNSPACED = {"zh", "ja-mecab"}  # TER knows words by their spaces; Korean has them


@dataclass(frozen=True)
class MetricScore:
    """What one metric says of one text.

    Attributes:
        name: ``BLEU``, ``chrF2`` or ``TER``.
        score: 0 to 100, higher is better; TER: edits for each 100 reference words, 0 is best, more than 100 can be.
        signature: sacreBLEU's, in full; scores with different signatures cannot be compared.
        interval: the 2.5 % and 97.5 % percentiles of the bootstrap (Koehn 2004), or None if there was none.
        details: BLEU's precisions, brevity penalty and lengths; empty for the others.
    """

    name: str
    score: float
    signature: str
    interval: tuple[float, float] | None = None
    details: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.figures}  {self.signature}"

    @property
    def figures(self) -> str:
        """Score and interval, as a person reads them: ``33.9 [32.6, 35.1]``."""
        if self.interval is None:
            return f"{self.score:.1f}"
        low, high = self.interval
        return f"{self.score:.1f} [{low:.1f}, {high:.1f}]"

    def to_json(self) -> dict[str, object]:
        """Every field, unrounded."""
        return asdict(self)


def score_all(
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    language: str | None = None,
    lowercase: bool = False,
    resamples: int = 0,
) -> list[MetricScore]:
    """BLEU, chrF2 and TER of a text.

    BLEU and chrF take tenths of a second for 1,000 lines, bootstrap included. TER takes seconds: it is a greedy search
    over word shifts in pure Python, quadratic in the length of the line (half a minute for one line of 1,000 words).

    Args:
        hypotheses: N lines, the text to judge; a line may be empty.
        references: one sequence of N lines for each reference translation.
        language: of the hypotheses, such as ``de`` or ``zh-CN``; it chooses the tokenizer of BLEU (and of TER, where
            words have no spaces between them). Unknown or None: 13a, for languages that put spaces between words.
        lowercase: fold case before BLEU and chrF2 (TER always does).
        resamples: bootstrap resamples for the interval, at least 100; 0 for no interval.

    Raises:
        DataError: no lines, no reference, or unequal numbers of lines.
        ConfigError: the language's tokenizer is not installed, or too few resamples.
    """
    return list(each_score(hypotheses, references, language=language, lowercase=lowercase, resamples=resamples))


def each_score(
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    language: str | None = None,
    lowercase: bool = False,
    resamples: int = 0,
) -> Iterator[MetricScore]:
    """``score_all``, one score at a time, the quick ones first: for whoever waits at a terminal."""
    check_lines(hypotheses, references)
    for metric in metrics_for(language, lowercase=lowercase):
        counts = count(metric, hypotheses, references)
        yield summarise(counts, counts.resampled(resamples) if resamples else None)


def bleu(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]], *, language: str | None = None, resamples: int = 0
) -> MetricScore:
    """BLEU alone: quick enough for every validation. Arguments and errors as ``score_all``."""
    counts = count_bleu(hypotheses, references, language=language)
    return summarise(counts, counts.resampled(resamples) if resamples else None)


def count_bleu(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]], *, language: str | None = None
) -> Counts:
    """What BLEU counts, line by line: for whoever compares many systems. Arguments and errors as ``score_all``."""
    check_lines(hypotheses, references)
    return count(_bleu(language, lowercase=False), hypotheses, references)


def check_lines(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> None:
    """Raise DataError unless there is a line, a reference, and a reference line for each line."""
    if not references:
        raise DataError("a score must have a reference, but there is none")
    for number, reference in enumerate(references, 1):
        name = "the reference" if len(references) == 1 else f"reference {number}"
        if len(reference) != len(hypotheses):
            raise DataError(
                f"the hypotheses and {name} must have equally many lines, "
                f"but have {len(hypotheses):,} and {len(reference):,}"
            )
    if not hypotheses:
        raise DataError("a score must have lines to compare, but there are none")


def metrics_for(language: str | None, *, lowercase: bool) -> list[Metric]:
    """sacreBLEU's BLEU, chrF2 and TER, default but for the language's tokenizer; the quick ones first."""
    unspaced = _tokenizer(language) in _UNSPACED
    return [
        _bleu(language, lowercase=lowercase),
        CHRF(lowercase=lowercase),
        TER(normalized=unspaced, asian_support=unspaced),  # the second needs the first: characters become words
    ]


def _bleu(language: str | None, *, lowercase: bool) -> BLEU:
    tokenizer = _tokenizer(language)
    try:
        return BLEU(lowercase=lowercase, force=True, tokenize=tokenizer)  # force: looks_tokenised says it better
    except RuntimeError:  # sacreBLEU's way to say that MeCab is missing
        extra = tokenizer.partition("-")[0]
        raise ConfigError(
            f"BLEU for the language {language} must have the tokenizer {tokenizer}, but it is not installed",
            f"pip install 'nmt-cli[{extra}]'",
        ) from None


def _tokenizer(language: str | None) -> str:
    """The name of sacreBLEU's tokenizer for a language tag: ``zh``, ``zh-CN`` and ``zh_TW`` are alike."""
    primary = (language or "").replace("_", "-").partition("-")[0].lower()
    return _TOKENIZERS.get(primary, "13a")


def summarise(counts: Counts, samples: NDArray[np.float64] | None) -> MetricScore:
    """From counts to a score; ``samples`` (R,), the scores of its resamples, give the interval."""
    score, interval = counts.score(), None
    if samples is not None:
        ranked = np.sort(samples).tolist()
        tail = len(ranked) // 40  # 2.5 % at either end
        interval = (ranked[tail], ranked[-1 - tail])
        counts.metric.n_bootstrap, counts.metric.seed = len(ranked), str(SEED)  # where sacreBLEU's signature finds them
    return MetricScore(score.name, float(score.score), str(counts.metric.get_signature()), interval, score._verbose)


_MARKS = (  # marks that plain text does not have, what lines with them do, and the remedy
    (("@@ ",), "contain the subword mark '@@'", "join the subwords"),
    (("▁",), "contain the subword mark '▁'", "join the subwords"),
    (("&apos;", "&quot;", "&amp;", "&#91;", "&#93;", "&#124;"), "contain escapes such as &apos;", "unescape it"),
)
_FULL_STOPS = (" .", " 。", " ।")  # not " ?" and " !": French puts a space there
_MARKED = 0.01  # of the lines: plain text may quote a mark once
_STOPPED = 0.5


def looks_tokenised(lines: Sequence[str]) -> str | None:
    """What is wrong with a text that is not plain, to be said behind its name, or None.

    Subword marks and Moses escapes count from 1 % of the lines on, a space before the full stop from half of them on.

        >>> looks_tokenised(["Ein Hund .", "Zwei Katzen ."])
        "looks tokenised: 100 % of the lines end in ' .'; detokenise it, or the scores compare with no others"
    """
    filled = [line.strip() for line in lines if line.strip()]
    if not filled:
        return None
    for marks, evidence, remedy in _MARKS:
        share = sum(any(mark in line + " " for mark in marks) for line in filled) / len(filled)
        if share >= _MARKED:
            return _complaint(share, evidence, remedy)
    share = sum(line.endswith(_FULL_STOPS) for line in filled) / len(filled)
    return _complaint(share, "end in ' .'", "detokenise it") if share >= _STOPPED else None


def _complaint(share: float, evidence: str, remedy: str) -> str:
    percent = f"{100 * share:.0f} %"
    return f"looks tokenised: {percent} of the lines {evidence}; {remedy}, or the scores compare with no others"


def looks_unspaced(lines: Sequence[str], language: str | None) -> str | None:
    """What is wrong with Chinese or Japanese that is not called so, to be said behind its name, or None.

    BLEU would take a whole clause for one word. Counts from half of the characters on.
    """
    text = "".join(lines)
    if _tokenizer(language) in _UNSPACED or len(KANA_AND_HAN.findall(text)) <= len(text) / 2:
        return None
    return "looks like Chinese or Japanese, but BLEU would look for words between spaces; say the language: zh or ja"
