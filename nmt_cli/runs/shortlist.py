"""The shortlist beside a model: ``shortlist.safetensors``. Nothing depends on it but ``--shortlist``."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from nmt_cli.errors import ConfigError, ModelError
from nmt_cli.models.shortlist import Shortlist, checked
from nmt_cli.runs.directory import ModelDirectory
from nmt_cli.runs.files import read_tensors, write_tensors
from nmt_cli.runs.vocabulary import Vocabulary
from nmt_cli.text.tokenizer import EOS

FILE = "shortlist.safetensors"
_VOCABULARY = "vocabulary"


def write(directory: ModelDirectory, tensors: Mapping[str, Tensor]) -> None:
    """Beside a model, with what tells its vocabulary: a training may begin anew in the same folder, with as many other pieces."""
    write_tensors(directory.path / FILE, tensors, {_VOCABULARY: Vocabulary.of(directory).digest})


def read(directory: ModelDirectory) -> Shortlist:
    """Raises ConfigError where there is none, ModelError where it is damaged or that of another model."""
    path = directory.path / FILE
    if not path.is_file():
        raise ConfigError(
            f"--shortlist needs {path}, but there is no such file",
            f"nmt shortlist {directory.path} learns one from the corpus of the model",
        )
    tensors, metadata = read_tensors(path)
    found = checked(tensors, directory.tokenizer.size, EOS)
    if found is None or metadata.get(_VOCABULARY) != Vocabulary.of(directory).digest:
        raise ModelError(
            f"{path} must be a shortlist of the model's vocabulary, but is damaged or that of another",
            f"nmt shortlist {directory.path} --force learns one",
        )
    return found
