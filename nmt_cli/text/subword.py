"""Subwords: byte-pair encoding (Sennrich et al. 2016) by SentencePiece, with bytes for characters it has not learnt.

So every text has ids and none of them is UNK. SentencePiece's own normalisation is off: lines are normalised here.
"""

from codecs import getincrementaldecoder
from collections.abc import Sequence
from io import BytesIO
from itertools import groupby
from pathlib import Path
from typing import ClassVar

from nmt_cli.errors import DataError
from nmt_cli.settings import DataSettings
from nmt_cli.text.normalize import normalize
from nmt_cli.text.tokenizer import BOS, EOS, PAD, UNK
from nmt_cli.text.vocabulary import Words, choose_size, smallest_size

FILE = "subwords.model"
LONGEST = 16
"""Characters of the longest subword."""

BYTE = EOS + 1
"""The id of byte 0; those of the others follow."""
LEARNT = BYTE + 256
"""The first id of a learnt piece; they are numbered in the order in which they were learnt, the characters last."""
MARK = "▁"
"""How SentencePiece writes the space in front of a word, so text must not hold it."""

_INSTEAD = "_"
_THREADS = 2  # a fixed number; ids and models do not depend on it
_QUIET = 2  # SentencePiece's log goes to C stderr: errors only


class SubwordTokenizer:
    """A learnt subword model."""

    unknown: ClassVar[bool] = False
    file: ClassVar[str] = FILE

    def __init__(self, model: bytes) -> None:
        from sentencepiece import SentencePieceProcessor  # late: a slow import that `nmt --help` does not need

        self._model = model
        self._processor = SentencePieceProcessor(model_proto=model)

    @classmethod
    def load(cls, folder: Path) -> "SubwordTokenizer":
        """Raises DataError where the folder holds no subword model or a damaged one."""
        path = folder / FILE
        try:
            return cls(path.read_bytes())
        except FileNotFoundError:
            raise DataError(f"{folder} must hold {FILE}, but does not") from None
        except RuntimeError:
            raise DataError(f"{path} must be a SentencePiece model, but is damaged") from None

    @classmethod
    def learn(cls, words: Words, settings: DataSettings, *, sampled: int) -> "SubwordTokenizer":
        """As many subwords as the settings say, or as the corpus deserves."""
        coverage = settings.character_coverage
        return learn(
            words,
            size=settings.vocabulary or choose_size(words, coverage=coverage, sampled=sampled),
            coverage=coverage,
        )

    @property
    def size(self) -> int:
        """How many ids there are: V, the special ones counted."""
        return int(self._processor.get_piece_size())

    @property
    def target(self) -> "SubwordTokenizer":
        """Itself: one model cuts both sides."""
        return self

    def encode(self, text: str) -> list[int]:
        """The ids of a line, whatever is in it, without BOS and EOS; the empty list for a blank line."""
        return list(self._processor.encode(clean(text)))

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """``encode`` of many lines at once, on two threads."""
        return list(self._processor.encode([clean(text) for text in texts], num_threads=_THREADS))

    def decode(self, ids: Sequence[int]) -> str:
        """The line that ids stand for; special ids are skipped.

        Bytes that are not UTF-8 become U+FFFD, and control characters that bytes may spell become spaces.
        """
        return normalize(self._processor.decode([int(index) for index in ids if index > EOS]))

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """The name of each id: ``▁`` marks the beginning of a word, ``<0x0A>`` is a byte, ``</s>`` is EOS."""
        return [str(self._processor.id_to_piece(int(index))) for index in ids]

    def surfaces(self, ids: Sequence[int]) -> list[str]:
        """What each id adds to the line. A character of several bytes comes with the last of them; bytes of none are U+FFFD."""
        found: list[str] = []
        for bytes_, run in groupby(map(int, ids), lambda index: BYTE <= index < LEARNT):
            if bytes_:
                found += spelt(bytes(index - BYTE for index in run))
            else:
                found += [self.pieces([index])[0].replace(MARK, " ") if index > EOS else "" for index in run]
        return found

    def spellings(self, ids: Sequence[int]) -> list[bytes]:
        """What each id by itself adds to the line, in UTF-8: a byte is itself."""
        return [
            bytes([index - BYTE]) if BYTE <= index < LEARNT else surface.encode("utf-8")
            for index, surface in ((index, self.surfaces([index])[0]) for index in map(int, ids))
        ]

    def save(self, folder: Path) -> None:
        """Write the model file into a folder: beside, then renamed."""
        beside = folder / (FILE + ".part")
        beside.write_bytes(self._model)
        beside.replace(folder / FILE)


def learn(words: Words, *, size: int, coverage: float = 0.9995) -> SubwordTokenizer:
    """Learn subwords from the words of all languages together; the same words give the same model, in any order.

    Words with their counts are all that BPE needs, and take far less memory than sentences.

    Args:
        words: as ``count_words`` counts them.
        size: upper limit of the vocabulary. Little text gives fewer subwords, and a limit below the alphabet, the
            bytes and the special ids is raised to them.
        coverage: share of the characters that get an id of their own; the rest become bytes.

    Raises:
        DataError: there is no word to learn from.
    """
    from sentencepiece import SentencePieceTrainer

    if not words:
        raise DataError("subwords must be learnt from text, but there is none")
    model = BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=(f"{word.replace(MARK, _INSTEAD)}\t{count}" for word, count in sorted(words.items())),
        input_format="tsv",
        model_writer=model,
        model_type="bpe",
        vocab_size=max(size, smallest_size(words, coverage=coverage)),
        hard_vocab_limit=False,
        character_coverage=coverage,
        byte_fallback=True,
        split_digits=True,
        add_dummy_prefix=True,
        remove_extra_whitespaces=False,
        normalization_rule_name="identity",
        max_sentencepiece_length=LONGEST,
        max_sentence_length=2**20,  # bytes; longer words would be skipped
        pad_id=PAD,
        bos_id=BOS,
        unk_id=UNK,
        eos_id=EOS,
        num_threads=_THREADS,
        minloglevel=_QUIET,
    )
    return SubwordTokenizer(model.getvalue())


def clean(text: str) -> str:
    """A line as SentencePiece is given it: words with one space between them."""
    return normalize(text).replace(MARK, _INSTEAD)


def spelt(values: bytes) -> list[str]:
    """What each of some bytes in a row adds."""
    decoder = getincrementaldecoder("utf-8")("replace")
    return [decoder.decode(bytes([value]), place == len(values)) for place, value in enumerate(values, 1)]
