"""Subwords of a model that another toolkit has trained: its SentencePiece models as they are, and a table of its pieces.

Such a model may read by one SentencePiece model and write by another, over one table; it may leave characters unknown; and its
normalisation of text is whatever was chosen then, so that is SentencePiece's business. None of this is learnt here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import ClassVar, NoReturn

from nmt_cli.errors import ConfigError, DataError
from nmt_cli.settings import DataSettings
from nmt_cli.text.normalize import normalize
from nmt_cli.text.plain import SPECIALS
from nmt_cli.text.subword import MARK, spelt
from nmt_cli.text.tokenizer import EOS, UNK
from nmt_cli.text.vocabulary import Words

FILE = "pieces.json"
READER, WRITER = "source.spm", "target.spm"

_BYTE = re.compile(r"<0x([0-9A-F]{2})>")
_INTO = re.compile(r"(>>[^<>\s]+<<)\s*(.*)", re.DOTALL)
"""How OPUS-MT says into which of several languages a line is translated: a piece in front of it that text cannot spell."""
_THREADS = 2


class PieceTokenizer:
    """A table of pieces, and the SentencePiece models that cut the text of either side into them."""

    unknown: ClassVar[bool] = True
    file: ClassVar[str] = FILE

    def __init__(self, table: Sequence[str], reader: bytes, writer: bytes) -> None:
        """``table``: the piece of each id, the special ones first. Raises RuntimeError where a model is none."""
        from sentencepiece import SentencePieceProcessor  # late: a slow import that `nmt --help` does not need

        self._table = tuple(table)
        self._reader = reader
        self._writer = writer
        self._processor = SentencePieceProcessor(model_proto=reader)
        self._ids = {piece: index for index, piece in enumerate(self._table) if index > EOS}

    @classmethod
    def load(cls, folder: Path) -> PieceTokenizer:
        """Raises DataError where the folder does not hold all of it, or a part is damaged."""
        path = folder / FILE
        try:
            table = json.loads(path.read_text(encoding="utf-8"))
            reader = (folder / READER).read_bytes()
            writer = (folder / WRITER).read_bytes() if (folder / WRITER).exists() else reader
        except FileNotFoundError as error:
            raise DataError(f"{folder} must hold {Path(error.filename).name}, but does not") from None
        except ValueError:
            raise DataError(f"{path} must be a list of pieces in JSON, but is damaged") from None
        pieces = table if isinstance(table, list) else []
        if tuple(pieces[: len(SPECIALS)]) != SPECIALS or not all(isinstance(piece, str) for piece in pieces):
            raise DataError(f"{path} must be a list of pieces that begins with {' '.join(SPECIALS)}, but is damaged")
        try:
            made = cls(pieces, reader, writer)
            made.target.encode("")  # both are there
            return made
        except RuntimeError:
            raise DataError(f"{folder} must hold whole SentencePiece models, but one is damaged") from None

    @classmethod
    def learn(cls, words: Words, settings: DataSettings, *, sampled: int) -> NoReturn:
        """Never: raises ConfigError."""
        del words, settings, sampled
        raise ConfigError("data.units must be learnt from the data, but pieces come with an imported model")

    @property
    def size(self) -> int:
        """How many ids there are: V, the special ones counted."""
        return len(self._table)

    @cached_property
    def target(self) -> PieceTokenizer:
        """What cuts the text of the other side; itself where one model cuts both."""
        return self if self._reader == self._writer else PieceTokenizer(self._table, self._writer, self._writer)

    def encode(self, text: str) -> list[int]:
        """The ids of a line, without BOS and EOS; UNK for what is not in the table."""
        return self.encode_all([text])[0]

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """``encode`` of many lines at once, on two threads."""
        heads, rests = zip(*map(self._parted, texts), strict=True) if texts else ((), ())
        cut = self._processor.encode(list(rests), out_type=str, num_threads=_THREADS)
        return [[*head, *(self._ids.get(piece, UNK) for piece in row)] for head, row in zip(heads, cut, strict=True)]

    def _parted(self, text: str) -> tuple[list[int], str]:
        """The language that a line is to be translated into, if it says one that the table knows, and the line."""
        line = normalize(text)
        into = _INTO.fullmatch(line) if line.startswith(">>") else None
        return ([self._ids[into[1]]], into[2]) if into is not None and into[1] in self._ids else ([], line)

    def decode(self, ids: Sequence[int]) -> str:
        """The line that ids stand for; special ids are skipped."""
        return normalize("".join(self.surfaces(ids)))

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """The name of each id."""
        return [self._table[index] for index in ids]

    def surfaces(self, ids: Sequence[int]) -> list[str]:
        """What each id adds to the line. A character of several bytes comes with the last of them; bytes of none are U+FFFD."""
        found: list[str] = []
        names = [self._table[index] if index > EOS else "" for index in ids]
        for bytes_, run in groupby(names, lambda name: _BYTE.fullmatch(name) is not None):
            same = list(run)
            found += spelt(bytes.fromhex("".join(name[3:5] for name in same))) if bytes_ else _spaced(same)
        return found

    def spellings(self, ids: Sequence[int]) -> list[bytes]:
        """What each id by itself adds to the line, in UTF-8: a byte is itself."""
        return [_spelling(self._table[index]) if index > EOS else b"" for index in ids]

    def save(self, folder: Path) -> None:
        """Write the table and the models into a folder: beside, then renamed."""
        files = {READER: self._reader, FILE: (json.dumps(self._table, ensure_ascii=False, indent=0) + "\n").encode()}
        if self._writer != self._reader:
            files[WRITER] = self._writer
        for name, content in files.items():
            beside = folder / (name + ".part")
            beside.write_bytes(content)
            beside.replace(folder / name)


def _spelling(name: str) -> bytes:
    byte = _BYTE.fullmatch(name)
    return name.replace(MARK, " ").encode("utf-8") if byte is None else bytes.fromhex(byte[1])


def _spaced(names: Sequence[str]) -> list[str]:
    return [name.replace(MARK, " ") for name in names]
