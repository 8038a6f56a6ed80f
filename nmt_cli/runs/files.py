"""Files that appear whole or not at all: written beside their place, flushed to the disk, renamed."""

import os
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from nmt_cli.errors import ModelError

_CHECKSUM = "checksum"


def write_bytes(path: Path, content: bytes) -> None:
    """Write or replace a file; whatever happens meanwhile, either the old or the new one is there."""
    beside = path.with_name(f".{path.name}.new")
    with open(beside, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(beside, path)


def write_text(path: Path, content: str) -> None:
    """The same for UTF-8 text."""
    write_bytes(path, content.encode("utf-8"))


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """A safetensors file with a checksum over its tensors. Shared storage is written once for each name."""
    plain = {name: tensor.detach().contiguous() for name, tensor in sorted(tensors.items())}
    write_bytes(path, save(plain, {**metadata, _CHECKSUM: _checksum(plain)}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata. Raises ModelError where the file is missing, damaged or cut."""
    try:
        with safe_open(path, framework="pt") as stream:
            tensors = {name: stream.get_tensor(name) for name in sorted(stream.keys())}
            metadata = dict(stream.metadata() or {})
    except FileNotFoundError:
        raise ModelError(f"{path} must be a file of weights, but there is none") from None
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} must be a whole safetensors file, but is damaged: {error}") from None
    if metadata.pop(_CHECKSUM, None) not in (None, _checksum(tensors)):
        raise ModelError(f"{path} must have the checksum that it was written with, but is damaged")
    return tensors, metadata


def _checksum(tensors: Mapping[str, Tensor]) -> str:
    digest = blake2b(digest_size=16)
    for name, tensor in tensors.items():
        digest.update(name.encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()
