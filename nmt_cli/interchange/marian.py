"""``nmt import marian``: a folder with a Marian model, as OPUS-MT and Firefox hand them on, becomes a model directory.

Which file is what, the folder's own decoder.yml says; where there is none, names and first bytes do.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from filecmp import cmp
from pathlib import Path

from nmt_cli import console
from nmt_cli.corpus.files import FILES
from nmt_cli.corpus.limits import LengthLimit
from nmt_cli.corpus.staging import staged
from nmt_cli.errors import ConfigError, ModelError
from nmt_cli.interchange import marian_shortlist as shortlist
from nmt_cli.interchange.importing import Import
from nmt_cli.interchange.marian_binary import is_binary, read_binary
from nmt_cli.interchange.marian_items import LARGEST_CONFIG, Items
from nmt_cli.interchange.marian_npz import is_npz, read_npz
from nmt_cli.interchange.marian_options import Blueprint, Options, blueprint, options
from nmt_cli.interchange.marian_vocabulary import SENTENCEPIECE, Vocabulary, VocabularyFiles
from nmt_cli.interchange.marian_weights import convert, vocabulary_size
from nmt_cli.interchange.marian_yaml import as_list, read
from nmt_cli.models import ARCHITECTURES
from nmt_cli.runs import shortlist as shortlists
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.runs.manifest import Manifest, command_line
from nmt_cli.runs.origin import Origin
from nmt_cli.settings import Settings, resolve

_TASK = "translate"
_SPARE = 4.0  # tokens that a translation may have beyond the factor: short lines need them
_FACTOR = 2.0  # target tokens for a source token at most, where nothing is said
_DECODER = re.compile(r".*\.decoder\.yml|config.*\.yml")
_VOCABULARIES = ((SENTENCEPIECE,), (".yml", ".yaml", ".json"))
"""Ends of the names of their files; the first kind that is there is it."""
_JOINED = re.compile(r"\.([a-z]{2})([a-z]{2})\.")  # model.enpt.intgemm.alphas.bin
_APART = re.compile(r"(?:^|[-_.])([a-z]{2,3})-([a-z]{2,3})$")  # opus-mt-en-de


@dataclass(frozen=True)
class Folder:
    """The files of a model, by what they are."""

    path: Path
    model: Path
    vocabulary: VocabularyFiles
    shortlist: Path | None
    decoder: Options  # how it is meant to be decoded

    @classmethod
    def open(cls, path: Path) -> Folder:
        """Raises ModelError where it is not one model that is in the folder."""
        if not path.is_dir():
            raise ModelError(
                f"{path} must be a folder with a Marian model, but is none", "the folder, not the file in it"
            )
        files = sorted(each for each in path.iterdir() if each.is_file() and not each.name.startswith("."))
        decoder = _decoder(path, files)
        named = [_beside(path, decoder, name) for name in map(str, as_list(decoder.value("models", [])))]
        heads = {each: _head(each) for each in files}
        found = named or [
            each for each, head in heads.items()
            if (is_npz(head) and not each.name.endswith(".optimizer.npz")) or is_binary(head)
        ]  # fmt: skip
        model = _one(path, found, "model", "a file .npz or .bin that Marian wrote; decoder.yml may name one of several")
        lists = [each for each, head in heads.items() if shortlist.is_shortlist(head)]
        if len(lists) > 1 or (not lists and decoder.value("shortlist", None)):
            said = " and ".join(each.name for each in lists)[:100] or "the one that the decoder names"
            console.warn(f"{path}: no shortlist is taken over: one binary one is, and there is {said}")
        return cls(path, model, _vocabulary(path, files, decoder), lists[0] if len(lists) == 1 else None, decoder)

    def items(self) -> Items:
        """The tensors."""
        head = _head(self.model)
        if is_npz(head):
            return read_npz(self.model)
        if is_binary(head):
            return read_binary(self.model)
        raise ModelError(f"{self.model} must be a file .npz or .bin that Marian wrote, but begins with {head!r}")

    def languages(self) -> tuple[str, str] | None:
        """What names say of them."""
        for pattern, name in (
            (_JOINED, self.vocabulary.table.name),
            (_JOINED, self.model.name),
            (_APART, self.path.name),
        ):
            said = pattern.search(name)
            if said is not None and said[1] != said[2]:
                return said[1], said[2]
        return None


def run(wanted: Import) -> None:
    """Read, check, convert and write.

    Raises:
        ConfigError: a place that is taken.
        ModelError: a folder that holds no Marian model, one that is damaged, or one that we have not.
    """
    folder = Folder.open(wanted.folder)
    items = folder.items()
    plan = blueprint(options(items), items)
    vocabulary = folder.vocabulary.read(vocabulary_size(plan, items))
    weights = convert(plan, items, vocabulary.rows)
    languages = wanted.languages or folder.languages()
    with staged(wanted.output) as new:
        directory = ModelDirectory(new)
        vocabulary.tokenizer.save(new)
        directory.write_settings(_settings(plan, vocabulary, folder.decoder))
        directory.write_weights(weights, {})
        if folder.shortlist is not None:
            shortlists.write(directory, shortlist.read_shortlist(folder.shortlist, vocabulary.rows))
        _manifest(folder, plan, languages).write(new)
    config = plan.config
    console.say(
        f"{wanted.output} is {folder.model}: {'-'.join(languages or FILES[_TASK].columns)}, "
        f"{config.encoder_layers} + {config.decoder_layers} layers of {config.width}, "
        f"{vocabulary.tokenizer.size:,} {vocabulary.units}s"
    )
    if vocabulary.uncut is not None:
        console.warn(
            f"{folder.vocabulary.table.name} holds pieces of words such as '{vocabulary.uncut[:30]}', but source.spm and "
            "target.spm are not beside it: text must be cut into such pieces before it is translated"
        )
    if languages is None:
        console.warn("nothing tells the languages of the model; --languages en-de does")
    quicker = "" if folder.shortlist is None else " (quicker with --shortlist)"
    console.say(f"next: nmt translate {wanted.output} < input.txt{quicker}")


def _settings(plan: Blueprint, vocabulary: Vocabulary, decoder: Options) -> Settings:
    """Those of the model, and of its decoder where it says them: the beam, and by which power of the length scores are divided."""
    search: dict[str, object] = {}
    if decoder.values.get("beam-size") is not None:
        search["beam"] = decoder.number("beam-size", 1)
    if decoder.values.get("normalize") is not None:
        search["length_penalty"] = _real(decoder, "normalize", 0.0)
    if decoder.value("word-penalty", 0):
        console.warn(f"{decoder.origin}: word-penalty is left alone: nmt has none")
    table = {
        "data": {"units": vocabulary.units, "vocabulary": vocabulary.tokenizer.size},
        "model": plan.config.model_dump(),
        "search": search,
    }
    try:
        return resolve(table, ARCHITECTURES, origin=decoder.origin)
    except ConfigError as error:
        raise ModelError(error.message, error.hint) from None


def _manifest(folder: Folder, plan: Blueprint, languages: tuple[str, ...] | None) -> Manifest:
    factor = max(0.1, _real(folder.decoder, "max-length-factor", _FACTOR))
    return Manifest(
        task=_TASK,
        languages=languages or FILES[_TASK].columns,
        limit=LengthLimit(factor, _SPARE),
        corpus="",
        inputs={},
        request={},
        command=command_line(),
        seed=0,
        finished=True,
        alignment_layer=plan.alignment_layer,
        origin=Origin.of(folder.model),
    )


def _real(said: Options, name: str, default: float) -> float:
    """A number from 0 to 1,000."""
    found = said.value(name, default)
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found <= 1000:
        raise said.refused(name, "a number from 0 on", found)
    return float(found)


def _decoder(path: Path, files: Sequence[Path]) -> Options:
    """The file that says how to decode; nothing where there is none."""
    named = [each for each in files if each.name == "decoder.yml"]
    found = named or [each for each in files if _DECODER.fullmatch(each.name)]
    if len(found) != 1:
        return Options(str(path), {})
    if found[0].stat().st_size > LARGEST_CONFIG:
        raise ModelError(f"{found[0]} must be at most {LARGEST_CONFIG:,} bytes, but has {found[0].stat().st_size:,}")
    text = found[0].read_text(encoding="utf-8", errors="replace")
    return Options(str(found[0]), read(text, str(found[0])))


def _vocabulary(path: Path, files: Sequence[Path], decoder: Options) -> VocabularyFiles:
    """What text is read with. Raises ModelError where each side has a vocabulary of its own."""
    named = [_beside(path, decoder, name) for name in map(str, as_list(decoder.value("vocabs", [])))]
    called = [each for each in files if "vocab" in each.name]
    found = named or next(
        filter(None, ([each for each in called if each.suffix in suffixes] for suffixes in _VOCABULARIES)), []
    )
    if any(not cmp(found[0], other, shallow=False) for other in found[1:]):
        raise ModelError(
            f"{path} must hold one vocabulary for both sides, but holds {' and '.join(each.name for each in found)[:100]}",
            "nmt has no model whose sides have different ones",
        )
    table = _one(path, found[:1], "vocabulary", "vocab.spm or vocab.yml")
    sides = [next((each for each in files if each.name == f"{side}.spm"), None) for side in ("source", "target")]
    if table.suffix != SENTENCEPIECE and sides.count(None) == 1:
        raise ModelError(f"{path} must hold source.spm and target.spm, but holds one of them")
    return VocabularyFiles(table, *sides)


def _one(path: Path, found: Sequence[Path], what: str, hint: str) -> Path:
    if len(found) != 1:
        said = ", ".join(each.name for each in found)[:100] if found else "none"
        raise ModelError(f"{path} must hold one {what}, but holds {said}", hint)
    return found[0]


def _beside(path: Path, decoder: Options, name: str) -> Path:
    """A file that decoder.yml names, which has to lie in the folder whatever path was written there."""
    found = path / re.split(r"[/\\]", name)[-1]
    if not found.is_file():
        raise ModelError(f"{decoder.origin} must name files of its folder, but {found.name[:60]} is not there")
    return found


def _head(path: Path) -> bytes:
    with open(path, "rb") as stream:
        return stream.read(8)
