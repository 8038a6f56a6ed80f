"""Marian (Junczys-Dowmunt et al. 2018), by its Python package, which holds the whole of it.

Its ``words/s`` are target words, the end of the sentence counted and padding not: of pairs of 19 and 9 words it reports 10 each.
Its budget ``--mini-batch-words`` is of source words, so it is set to what makes as many target words as ours.
"""

import re
from pathlib import Path
from typing import Any, ClassVar

from nmt_cli.settings import Settings
from tests.benchmarks.contest import Unavailable
from tests.benchmarks.peers.peer import Peer, transformer_of
from tests.benchmarks.peers.text import Text

_PROGRAM = "import sys; from pymarian import Trainer; Trainer(sys.argv[1]).train()"


class Marian(Peer):
    """Synchronous, with one thread of its own for each core."""

    name: ClassVar[str] = "Marian"
    packages: ClassVar[tuple[str, ...]] = ("pymarian",)
    torch: ClassVar[bool] = False
    threads: ClassVar[bool] = False
    rate: ClassVar[re.Pattern[str]] = re.compile(r" : ([\d.,]+) words/s")

    def command(self, settings: Settings, text: Text, folder: Path) -> list[str]:
        """As in Peer."""
        if not transformer_of(settings):
            raise Unavailable("has no such recurrent model: its attention stands before the cell")
        model: Any = settings.model
        words = text.words(["</s>", "<unk>"])
        vocabulary = text.write("marian.yml", (f'"{word}": {number}' for number, word in enumerate(words)))
        budget = round(settings.training.batch_tokens * text.source_tokens / text.target_tokens)
        return ["-c", _PROGRAM, " ".join(f"""
            --train-sets {text.path("train.source")} {text.path("train.target")} --vocabs {vocabulary} {vocabulary}
            --model {folder / "model.npz"} --overwrite --seed {settings.training.seed or 1} --max-length 256
            --type transformer --enc-depth {model.encoder_layers} --dec-depth {model.decoder_layers}
            --dim-emb {model.width} --transformer-dim-ffn {model.feed_forward} --transformer-heads {model.heads}
            --transformer-preprocess n --transformer-postprocess da --transformer-postprocess-top n
            --tied-embeddings-all --transformer-dropout {model.dropout} --label-smoothing {settings.training.label_smoothing}
            --cost-type ce-mean-words --optimizer adam --learn-rate 0.0001 --clip-norm {settings.training.clip_norm}
            --mini-batch-words {budget} --mini-batch 1000 --maxi-batch 1000 --workspace 1000
            --cpu-threads {self.cores} --sync-sgd --disp-freq 5u""".split())]  # fmt: skip
