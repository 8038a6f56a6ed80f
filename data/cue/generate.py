"""A task for classifiers on which it shows where a model forgets: the label depends on one word, which may stand anywhere.

Every text has the same length. All its words are drawn from a few that say nothing, except one, the cue, which says the label.
So whether a model finds the label tells whether it still knows, at the end of its reading, what stood at that place.

    python data/cue/generate.py --output DIR     writes train.tsv, dev.tsv, test.tsv (label<TAB>text) and test.position

``test.position`` holds the place of the cue in each line of test.tsv, counted from 0.
"""

import argparse
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CUES = {
    "animal": ("dog", "horse", "bird", "cow"),
    "fruit": ("apple", "pear", "plum", "cherry"),
    "tool": ("hammer", "saw", "knife", "spade"),
    "weather": ("rain", "snow", "fog", "wind"),
}
WORDS = (
    "a and as at be but by do for from had has he her his how if in is it its may more no not of on one or our out over "
    "she so some such than that the their then there they this to up was we were what when which who will with you"
)
FILLERS = WORDS.split()
SIZES = {"train": 4000, "dev": 400, "test": 2000}
LENGTH = 50


@dataclass(frozen=True)
class Example:
    """A text, its label, and the place of its cue."""

    label: str
    words: tuple[str, ...]
    position: int


def draw(split: str, length: int) -> Iterator[Example]:
    """The examples of a split: the same on every machine."""
    chance = random.Random(f"cue {split} {length}")

    def one_of(values: tuple[str, ...] | list[str]) -> str:
        return values[int(chance.random() * len(values))]

    for _ in range(SIZES[split]):
        label = one_of(list(CUES))
        words = [one_of(FILLERS) for _ in range(length)]
        position = int(chance.random() * length)
        words[position] = one_of(CUES[label])
        yield Example(label, tuple(words), position)


def write(folder: Path, length: int = LENGTH) -> None:
    """All files, into a folder that is made if there is none."""
    folder.mkdir(parents=True, exist_ok=True)
    for split in SIZES:
        examples = list(draw(split, length))
        rows = "".join(f"{example.label}\t{' '.join(example.words)}\n" for example in examples)
        (folder / f"{split}.tsv").write_text(rows, encoding="utf-8")
        if split == "test":
            places = "".join(f"{example.position}\n" for example in examples)
            (folder / "test.position").write_text(places, encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="the folder to write to")
    parser.add_argument("--length", type=int, default=LENGTH, help="words of a text (default: %(default)s)")
    given = parser.parse_args()
    write(given.output, given.length)
