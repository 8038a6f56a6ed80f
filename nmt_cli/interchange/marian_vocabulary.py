"""The vocabulary of a Marian model as one of ours: PAD, BOS, UNK and EOS first, then all others in their order.

Marian numbers from ``</s>`` on and needs neither padding nor a first token, so rows of embeddings move: ``rows`` says which.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nmt_cli.errors import ModelError
from nmt_cli.interchange.marian_yaml import read_vocabulary
from nmt_cli.text.pieces import PieceTokenizer
from nmt_cli.text.plain import SPECIALS, WordTokenizer
from nmt_cli.text.tokenizer import EOS, UNK, Tokenizer

LARGEST = 2**24
"""Bytes of a file of a vocabulary: those of 64,000 pieces take one or two million."""
SENTENCEPIECE = ".spm"


@dataclass(frozen=True)
class Vocabulary:
    """A tokenizer of ours, what its units are called, and where Marian has its entries."""

    tokenizer: Tokenizer
    units: str
    rows: tuple[int, ...]  # of each of our ids from UNK on, the row of Marian's

    @property
    def uncut(self) -> str | None:
        """A piece of a word, of a vocabulary without the model that cuts words into them; None where it is whole."""
        if self.units != "word":
            return None
        entries = self.tokenizer.pieces(range(self.tokenizer.size))
        return next((entry for entry in entries if entry.startswith("\u2581") or entry.endswith("@@")), None)


@dataclass(frozen=True)
class VocabularyFiles:
    """What a model reads text with. Without SentencePiece models, text is words of the table, with spaces between them."""

    table: Path  # a SentencePiece model, or entries with numbers
    reader: Path | None = None  # a SentencePiece model for the source; None: that of the table, if it is one
    writer: Path | None = None  # the same for the target

    def read(self, size: int) -> Vocabulary:
        """The vocabulary of a model with so many rows. Raises ModelError where it is damaged or too small."""
        if self.table.suffix == SENTENCEPIECE:
            model = _content(self.table)
            entries, unknown, end = _sentencepiece(self.table, model)
            return _arranged(self.table, entries[:size], size, (unknown, end), [model, model])
        entries = read_vocabulary(_text(self.table), str(self.table))[:size]
        try:
            special = (entries.index(SPECIALS[UNK]), entries.index(SPECIALS[EOS]))
        except ValueError:
            raise ModelError(f"{self.table} must hold {SPECIALS[UNK]} and {SPECIALS[EOS]}, but does not") from None
        models = [_content(path) for path in (self.reader, self.writer) if path is not None]
        return _arranged(self.table, entries, size, special, models)


def _arranged(
    path: Path, entries: Sequence[str], size: int, special: tuple[int, int], models: Sequence[bytes]
) -> Vocabulary:
    """In our order. ``special``: where UNK and EOS stand; ``models``: of both sides, or none."""
    if len(entries) < size or max(special) >= size:
        raise ModelError(
            f"{path} must hold the {size:,} entries of the model, but holds {len(entries):,}",
            "it belongs to another model",
        )
    rows = (*special, *(place for place in range(size) if place not in special))
    # OPUS-MT has an entry <pad> of its own, which is as good as any other: it must not be called what ours is called.
    names = [entries[row] + (str(row) if entries[row] in SPECIALS else "") for row in rows[len(special) :]]
    table = [*SPECIALS, *names]
    damaged = [entry for entry in table if "\n" in entry or not _is_text(entry)]
    if damaged and not (models and all(map(_is_text, damaged))):
        raise ModelError(f"{path} must hold words of one line, but holds {damaged[0]!r:.60}")
    if not models:
        return Vocabulary(WordTokenizer(table[len(SPECIALS) :]), "word", rows)
    try:
        return Vocabulary(PieceTokenizer(table, models[0], models[-1]), "piece", rows)
    except RuntimeError:
        raise ModelError(f"{path.parent} must hold SentencePiece models, but one is damaged") from None


def _sentencepiece(path: Path, model: bytes) -> tuple[list[str], int, int]:
    """The pieces of a model, and where it has UNK and EOS."""
    from sentencepiece import SentencePieceProcessor  # late: see text/subword

    try:
        processor = SentencePieceProcessor(model_proto=model)
    except RuntimeError:
        raise ModelError(f"{path} must be a SentencePiece model, but is damaged") from None
    pieces = [str(processor.id_to_piece(number)) for number in range(processor.get_piece_size())]
    unknown, end = int(processor.unk_id()), int(processor.eos_id())
    if unknown < 0 or end < 0:
        raise ModelError(f"{path} must have an id for unknown pieces and one for the end, but lacks one")
    return pieces, unknown, end


def _content(path: Path) -> bytes:
    size = path.stat().st_size
    if size > LARGEST:
        raise ModelError(f"{path} must be a vocabulary of at most {LARGEST:,} bytes, but has {size:,}")
    return path.read_bytes()


def _text(path: Path) -> str:
    try:
        return _content(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ModelError(f"{path} must be UTF-8, but byte {error.start} is {error.object[error.start]:#x}") from None


def _is_text(entry: str) -> bool:
    """Whether it can be written: half a character cannot."""
    return not any("\ud800" <= character <= "\udfff" for character in entry)
