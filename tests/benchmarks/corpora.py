"""Text to measure on: the corpus in the repository, and Multi30k where it lies beside it."""

from pathlib import Path

from nmt_cli.corpus.files import FILES
from nmt_cli.corpus.pairs import PairFiles
from nmt_cli.corpus.prepare import Inputs, prepare
from nmt_cli.settings import DataSettings

_ROOT = Path(__file__).resolve().parents[2]
PHRASEBOOK = _ROOT / "data" / "phrasebook"
_MULTI30K = _ROOT.parent / "shared" / "corpora" / "multi30k"
_VOCABULARY = 8000


def pairs() -> tuple[str, Inputs]:
    """The name of a parallel corpus, and its files: Multi30k where it is, else the phrasebook."""
    if _MULTI30K.is_dir():
        splits = ("train", "val", "test_2016_flickr")
        return "Multi30k", _inputs(_MULTI30K, [f"{split}.{{}}.gz" for split in splits])
    return "the phrasebook", _inputs(PHRASEBOOK, ["train.{}", "dev.{}", "test.{}"])


def prepared(inputs: Inputs, folder: Path) -> dict[str, Path]:
    """The corpus with joint subwords, as pairs and as a text in the target language: task -> a folder."""
    made = {task: folder / task for task in ("translate", "lm")}
    settings = DataSettings(vocabulary=_VOCABULARY)
    prepare(inputs, made["translate"], settings)
    texts = {name: FILES["lm"](split.paths[-1:]) for name, split in inputs.given().items()}
    prepare(Inputs(texts["train"], texts.get("dev"), texts.get("test")), made["lm"], settings)
    return made


def _inputs(folder: Path, splits: list[str]) -> Inputs:
    train, dev, test = (PairFiles((folder / name.format("en"), folder / name.format("de"))) for name in splits)
    return Inputs(train, dev, test)
