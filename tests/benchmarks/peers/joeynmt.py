"""JoeyNMT (Kreutzer et al. 2019).

Its ``Tokens per Sec`` are target tokens, the end of the sentence counted and padding not (``Batch.ntokens``). Its batches are not
bucketed by length. It drops what feed-forward layers hold inside too.
"""

import json
import re
from pathlib import Path
from typing import Any, ClassVar

from nmt_cli.settings import Settings
from tests.benchmarks.contest import Unavailable
from tests.benchmarks.peers.peer import Peer
from tests.benchmarks.peers.text import Text


class JoeyNMT(Peer):
    """One process, as many threads as cores."""

    name: ClassVar[str] = "JoeyNMT"
    packages: ClassVar[tuple[str, ...]] = ("joeynmt", "importlib_metadata")
    rate: ClassVar[re.Pattern[str]] = re.compile(r"Tokens per Sec: +([\d.]+),")

    def command(self, settings: Settings, text: Text, folder: Path) -> list[str]:
        """As in Peer."""
        made = _MODELS.get(settings.model.architecture)
        if made is None:
            raise Unavailable("has no such model")
        vocabulary = text.write("joeynmt.vocab", text.words(["<unk>", "<pad>", "<s>", "</s>"]))
        table = {
            "name": "benchmark",
            "joeynmt_version": "2.3.0",
            "model_dir": str(folder / "model"),
            "use_cuda": False,
            "random_seed": settings.training.seed,
            "data": _data(settings, text, vocabulary),
            "testing": {"beam_size": 1},
            "training": _training(settings),
            "model": made(settings.model),
        }
        path = folder / "joeynmt.yaml"
        path.write_text(json.dumps(table), encoding="utf-8")  # JSON is YAML
        return ["-m", "joeynmt", "train", str(path), "--skip-test"]


def _data(settings: Settings, text: Text, vocabulary: Path) -> dict[str, Any]:
    side = {
        "level": "word",
        "lowercase": False,
        "max_length": settings.data.max_length + 1,
        "voc_file": str(vocabulary),
        "tokenizer_type": "none",
    }
    return {
        "train": str(text.path("train")),
        "dev": str(text.path("dev")),
        "dataset_type": "plain",
        "src": {"lang": "source", **side},
        "trg": {"lang": "target", **side},
    }


def _training(settings: Settings) -> dict[str, Any]:
    return {
        "optimizer": "adam",
        "adam_betas": [settings.training.beta1, settings.training.beta2],
        "scheduling": "warmupinversesquareroot",
        "learning_rate": 1e-4,
        "learning_rate_min": 0.0,  # a small number is written as 1e-09, which YAML reads as a string
        "learning_rate_warmup": 400,
        "normalization": "tokens",
        "loss": "crossentropy",
        "label_smoothing": settings.training.label_smoothing,
        "clip_grad_norm": settings.training.clip_norm,
        "batch_type": "token",
        "batch_size": settings.training.batch_tokens,
        "shuffle": True,
        "epochs": 1000,
        "logging_freq": 5,
        "validation_freq": 1_000_000,
        "print_valid_sents": [],
        "overwrite": True,
    }


def _transformer(model: Any) -> dict[str, Any]:
    part = {
        "type": "transformer",
        "num_heads": model.heads,
        "hidden_size": model.width,
        "ff_size": model.feed_forward,
        "dropout": model.dropout,
        "layer_norm": "pre",
        "embeddings": {"embedding_dim": model.width, "scale": True, "dropout": model.dropout},
    }
    encoder, decoder = {**part, "num_layers": model.encoder_layers}, {**part, "num_layers": model.decoder_layers}
    return {"tied_embeddings": True, "tied_softmax": True, "encoder": encoder, "decoder": decoder}


def _recurrent(model: Any) -> dict[str, Any]:
    if model.attention != "general" or model.context != "after":
        raise Unavailable("has no such attention")
    part = {
        "type": "recurrent",
        "rnn_type": model.cell,
        "dropout": model.dropout,
        "embeddings": {"embedding_dim": model.width, "scale": True, "dropout": model.dropout},
    }
    ways = 2 if model.bidirectional else 1
    encoder = {
        **part,
        "num_layers": model.encoder_layers,
        "bidirectional": model.bidirectional,
        "hidden_size": model.state_width // ways,
    }
    decoder = {
        **part,
        "num_layers": model.decoder_layers,
        "hidden_size": model.state_width,
        "hidden_dropout": model.dropout,
        "attention": "luong",
        "input_feeding": False,
        "init_hidden": "bridge",
    }
    return {"tied_embeddings": True, "tied_softmax": True, "encoder": encoder, "decoder": decoder}


_MODELS = {"transformer": _transformer, "recurrent": _recurrent}
"""Architecture -> the [model] of its configuration."""
