"""Eole, the successor of OpenNMT-py.

Its second ``tok/s`` is of target tokens, the end of the sentence counted and padding not (``target.ne(padding_idx)``); its
source has no end, so that it reads one token less of each. It drops what feed-forward layers hold inside too, and can do no other.
"""

import json
import re
from pathlib import Path
from typing import Any, ClassVar

from nmt_cli.settings import Settings
from tests.benchmarks.contest import Unavailable
from tests.benchmarks.peers.peer import Peer, transformer_of
from tests.benchmarks.peers.text import Text


class Eole(Peer):
    """One process, as many threads as cores."""

    name: ClassVar[str] = "Eole"
    packages: ClassVar[tuple[str, ...]] = ("eole", "aiohttp")
    rate: ClassVar[re.Pattern[str]] = re.compile(r"/ *([\d.]+) tok/s")

    def command(self, settings: Settings, text: Text, folder: Path) -> list[str]:
        """As in Peer."""
        if not transformer_of(settings):
            raise Unavailable("is measured with Transformers alone")
        words = text.words(["<blank>", "<s>", "</s>", "<unk>"])
        vocabulary = text.write("eole.vocab", (f"{word}\t1" for word in words))
        path = folder / "eole.yaml"
        path.write_text(json.dumps(_table(settings, text, vocabulary, folder)), encoding="utf-8")  # JSON is YAML
        return ["-m", "eole.bin.main", "train", "-config", str(path)]


def _table(settings: Settings, text: Text, vocabulary: Path, folder: Path) -> dict[str, Any]:
    return {
        "src_vocab": str(vocabulary),
        "tgt_vocab": str(vocabulary),
        "share_vocab": True,
        "src_vocab_size": text.size,
        "tgt_vocab_size": text.size,
        "overwrite": True,
        "report_every": 5,
        "seed": settings.training.seed,
        "save_data": str(folder / "data"),
        "data": {
            "corpus": {"path_src": str(text.path("train.source")), "path_tgt": str(text.path("train.target"))},
        },
        "training": _training(settings, folder),
        "model": _model(settings.model),
    }


def _training(settings: Settings, folder: Path) -> dict[str, Any]:
    model: Any = settings.model
    return {
        "model_path": str(folder / "model"),
        "world_size": 0,
        "gpu_ranks": [],
        "num_workers": 0,
        "compute_dtype": "fp32",
        "batch_type": "tokens",
        "batch_size": settings.training.batch_tokens,
        "normalization": "tokens",
        "accum_count": [1],
        "bucket_size": 100_000,  # sentences that are sorted by length together
        "optim": "adam",
        "adam_beta2": settings.training.beta2,
        "learning_rate": 1e-4,
        "decay_method": "none",
        "max_grad_norm": settings.training.clip_norm,
        "dropout": [model.dropout],
        "attention_dropout": [model.attention_dropout],
        "label_smoothing": settings.training.label_smoothing,
        "train_steps": 1_000_000,
        "valid_steps": 1_000_000,
        "save_checkpoint_steps": 1_000_000,
    }


def _model(model: Any) -> dict[str, Any]:
    return {
        "architecture": "transformer",
        "share_embeddings": True,
        "share_decoder_embeddings": True,
        "hidden_size": model.width,
        "embeddings": {"word_vec_size": model.width, "position_encoding_type": "SinusoidalInterleaved"},
        "encoder": {"layers": model.encoder_layers},
        "decoder": {"layers": model.decoder_layers},
        "heads": model.heads,
        "transformer_ff": model.feed_forward,
        "add_qkvbias": True,
        "add_final_linear_bias": True,
        "add_ffnbias": True,
    }
