"""The shortlist beside a model: ``shortlist.safetensors``. Nothing depends on it but ``--shortlist``."""

from __future__ import annotations

from torch import Tensor

from nmt_cli.errors import ConfigError, ModelError
from nmt_cli.models.shortlist import Shortlist, checked
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.runs.files import read_tensors
from nmt_cli.text.tokenizer import EOS

FILE = "shortlist.safetensors"


def read(directory: ModelDirectory) -> Shortlist:
    """Raises ConfigError where there is none, ModelError where it is damaged or that of another model."""
    path = directory.path / FILE
    if not path.is_file():
        raise ConfigError(
            f"--shortlist needs {path}, but there is no such file",
            f"nmt shortlist {directory.path} learns one from the corpus of the model",
        )
    tensors: dict[str, Tensor]
    tensors, _ = read_tensors(path)
    size = directory.tokenizer.size
    found = checked(tensors, size, EOS)
    if found is None:
        raise ModelError(
            f"{path} must be the shortlist of a vocabulary of {size:,}, but is not",
            f"nmt shortlist {directory.path} --force learns one",
        )
    return found
