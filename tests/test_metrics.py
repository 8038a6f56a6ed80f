"""Scores of a text, against published numbers and against sacreBLEU itself."""

import gzip
from pathlib import Path

import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER
from sacrebleu.significance import PairedTest
from sacrebleu.tokenizers import tokenizer_ja_mecab

from nmt_cli.errors import ConfigError, DataError
from nmt_cli.evaluation.counts import count
from nmt_cli.evaluation.metrics import bleu, looks_tokenised, looks_unspaced, score_all
from nmt_cli.evaluation.significance import paired_bootstrap

REFERENCE = ["The cat sat on the mat.", "There is no money left in it.", "", "Yes, it rains today."] * 5
SYSTEM = ["The cat is on the mat.", "No money is left in it.", "What?", "Yes it rains today."] * 5
WORSE = ["A cat.", "", "What is this?", "Rain rain rain rain."] * 5


def wmt21(corpora: Path, name: str) -> list[str]:
    """The 1,002 lines of a WMT21 English-German text, such as ``ref.A``."""
    packed = (corpora / "wmt21_systems" / f"newstest2021.en-de.{name}.de.gz").read_bytes()
    return gzip.decompress(packed).decode("utf-8").removesuffix("\n").split("\n")


@pytest.mark.parametrize(
    ("system", "bleu_a", "bleu_ac", "chrf_a", "brevity_penalty"),
    [
        ("Facebook-AI", 31.258, 52.529, 60.645, 1.0),
        ("Online-W", 29.714, 51.008, 60.221, 1.0),
        ("UEdin", 29.902, 48.430, 59.469, 1.0),
        ("ICL", 24.540, 39.020, 55.195, 0.97025),
    ],
)
def test_published_scores(
    corpora: Path, system: str, bleu_a: float, bleu_ac: float, chrf_a: float, brevity_penalty: float
) -> None:
    output, a, c = (wmt21(corpora, name) for name in (f"hyp.{system}", "ref.A", "ref.C"))
    one = bleu(output, [a], language="de")
    assert one.score == pytest.approx(bleu_a, abs=0.001)
    assert one.signature.startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")
    assert float(one.details.split("BP = ")[1].split()[0]) == pytest.approx(brevity_penalty, abs=0.001)
    both = bleu(output, [a, c])
    assert both.score == pytest.approx(bleu_ac, abs=0.001)
    assert both.signature.startswith("nrefs:2|")
    assert count(CHRF(), output, [a]).score().score == pytest.approx(chrf_a, abs=0.001)


def test_equal_to_sacrebleu_bootstrap_included() -> None:
    references = [REFERENCE, WORSE]
    ours = score_all(SYSTEM, references, resamples=200)
    assert [score.name for score in ours] == ["BLEU", "chrF2", "TER"]
    for metric, score in zip((BLEU(), CHRF(), TER()), ours, strict=True):
        theirs = metric.corpus_score(SYSTEM, references, n_bootstrap=200)
        assert score.interval is not None
        low, high = score.interval
        assert score.score == pytest.approx(theirs.score, abs=1e-9)
        assert low <= score.score <= high
        assert (high - low) / 2 == pytest.approx(theirs._ci, abs=1e-3)  # sacreBLEU counts in float32
        assert score.signature == str(metric.get_signature())


def test_counting_in_windows_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = score_all(SYSTEM, [REFERENCE], resamples=100)
    monkeypatch.setattr("nmt_cli.evaluation.counts._WINDOW", 3)
    assert score_all(SYSTEM, [REFERENCE], resamples=100) == whole


def test_paired_bootstrap_is_that_of_sacrebleu(corpora: Path) -> None:
    uedin, online, a = (wmt21(corpora, name)[:40] for name in ("hyp.UEdin", "hyp.Online-W", "ref.A"))
    metrics = {"BLEU": BLEU(), "chrF2": CHRF(), "TER": TER()}
    signatures, results = PairedTest([("b", online), ("s", uedin)], metrics, [a], test_type="bs", n_samples=200)()
    pairs = list(paired_bootstrap(uedin, online, [a], resamples=200))
    assert [pair.name for pair in pairs] == list(metrics)
    for pair in pairs:
        baseline, system = results[pair.name]
        assert not isinstance(baseline, str)
        assert not isinstance(system, str)
        assert (pair.system.score, pair.other.score) == pytest.approx((system.score, baseline.score))
        assert pair.difference == pytest.approx(system.score - baseline.score)
        assert pair.p_value == pytest.approx(system.p_value, abs=0.01)
        assert pair.signature == str(signatures[pair.name])


def test_verdicts() -> None:
    better = list(paired_bootstrap(SYSTEM, WORSE, [REFERENCE], resamples=200))
    assert {pair.verdict for pair in better} == {"better"}
    assert {pair.verdict for pair in paired_bootstrap(WORSE, SYSTEM, [REFERENCE], resamples=200)} == {"worse"}
    assert better == list(paired_bootstrap(SYSTEM, WORSE, [REFERENCE], resamples=200))
    for pair in paired_bootstrap(SYSTEM, SYSTEM, [REFERENCE], resamples=200):
        assert (pair.difference, pair.p_value, pair.verdict) == (0, 1, "no clear difference")


def test_identical_texts() -> None:
    text = [line for line in REFERENCE if line]
    scores = {score.name: score for score in score_all(text, [text], resamples=100)}
    assert scores["BLEU"].score == pytest.approx(100)
    assert scores["chrF2"].score == pytest.approx(100)
    assert scores["TER"].score == 0
    assert str(scores["TER"]).startswith("TER 0.0 [0.0, 0.0]  nrefs:1|bs:100|seed:12345|case:lc|")


@pytest.mark.parametrize(
    ("hypotheses", "reference"), [([""], ["Yes."]), (["Yes."], [""]), ([""], [""]), (["", " "], ["One.", "Two."])]
)
def test_empty_lines_score_without_a_warning(
    hypotheses: list[str], reference: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    scores = score_all(hypotheses, [reference], resamples=100)
    assert [score.score for score in scores[:2]] == [0, 0]
    assert not caplog.records


def test_tokenised_text_is_not_scolded_by_sacrebleu(caplog: pytest.LogCaptureFixture) -> None:
    bleu(["A dog ."] * 200, [["A dog."] * 200])
    assert not caplog.records


def test_unequal_numbers_of_lines() -> None:
    with pytest.raises(DataError, match=r"the hypotheses and the reference must have .* 1,200 and 1$"):
        bleu(["a"] * 1200, [["a"]])
    with pytest.raises(DataError, match=r"the hypotheses and reference 2 must have .* 1 and 2$"):
        score_all(["a"], [["a"], ["a", "b"]])
    with pytest.raises(DataError, match=r"2 and 1$"):
        paired_bootstrap(["a"], ["a", "b"], [["a"]])


def test_nothing_to_score() -> None:
    with pytest.raises(DataError, match="must have lines to compare"):
        bleu([], [[]])
    with pytest.raises(DataError, match="must have a reference"):
        bleu(["a"], [])


def test_too_few_resamples() -> None:
    with pytest.raises(ConfigError, match="resamples must be at least 100, but is 99"):
        score_all(SYSTEM, [REFERENCE], resamples=99)


def test_lowercase() -> None:
    shouted = [line.upper() for line in REFERENCE]
    mixed, folded = (score_all(shouted, [REFERENCE], lowercase=fold) for fold in (False, True))
    assert mixed[0].score < 50
    assert folded[0].score == pytest.approx(100)
    assert [score.signature.split("|")[1] for score in folded] == ["case:lc"] * 3
    assert mixed[2] == folded[2]


@pytest.mark.parametrize("language", ["zh", "ZH", "zh-CN", "zh_TW", "zho", "cn"])
def test_chinese(language: str) -> None:
    scores = score_all(["今天天气很好。"], [["今天天气真好。"]], language=language)
    assert "|tok:zh|" in scores[0].signature
    assert "|norm:yes|punct:yes|asian:yes|" in scores[2].signature
    assert scores[2].score == pytest.approx(100 / 7)  # one of seven characters, the full stop among them


@pytest.mark.parametrize("language", ["de", "en-GB", "xx", "", None])
def test_other_languages(language: str | None) -> None:
    assert "|tok:13a|" in bleu(SYSTEM, [REFERENCE], language=language).signature


@pytest.mark.parametrize("language", ["ja", "ja_JP", "jpn", "jp"])
def test_a_missing_tokenizer_names_its_extra(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer_ja_mecab, "MeCab", None)
    with pytest.raises(ConfigError, match=f"language {language} must have the tokenizer ja-mecab") as caught:
        bleu(SYSTEM, [REFERENCE], language=language)
    assert caught.value.hint == "pip install 'nmt-cli[ja]'"


@pytest.mark.parametrize(
    ("line", "evidence"),
    [
        ("Ein Hund@@ e@@ korb", "the subword mark '@@'"),
        ("▁Ein ▁Hund", "the subword mark '▁'"),
        ("Don &apos;t", "escapes such as &apos;"),
        ("Ein Hund .", "end in ' .'"),
        ("一只 狗 。", "end in ' .'"),
    ],
)
def test_tokenised_text_is_noticed(line: str, evidence: str) -> None:
    complaint = looks_tokenised([line, line, "", line, "Plain."])
    assert complaint is not None
    assert evidence in complaint
    assert "75 %" in complaint


def test_plain_text_is_not_suspected() -> None:
    assert looks_tokenised(REFERENCE) is None
    assert looks_tokenised(["Was ?", "Qui est-ce !", "a@@b.c", "...", "AT&T"]) is None
    assert looks_tokenised(["Marks such as ▁ are rare"] + ["."] * 200) is None
    assert looks_tokenised(["", " "]) is None
    assert looks_tokenised([]) is None


def test_unspaced_text_without_its_language_is_noticed() -> None:
    assert "zh or ja" in str(looks_unspaced(["今天天气很好。"], None))
    assert "zh or ja" in str(looks_unspaced(["きょうは", "OK"], "de"))
    assert looks_unspaced(["今天天气很好。"], "zh-CN") is None
    assert looks_unspaced(["Das Zeichen 天."], None) is None
    assert looks_unspaced([], None) is None


def test_to_json_is_unrounded() -> None:
    score = bleu(SYSTEM, [REFERENCE])
    assert score.to_json() == {
        "name": "BLEU",
        "score": score.score,
        "signature": score.signature,
        "interval": None,
        "details": score.details,
    }
