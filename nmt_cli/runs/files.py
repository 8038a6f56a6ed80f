"""Files that appear whole or not at all: written beside their place, flushed to the disk, renamed."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from nmt_cli.corpus.reader import packed
from nmt_cli.corpus.staging import named
from nmt_cli.errors import DataError, ModelError

_METADATA = "nmt"
"""Our one key in the file: safetensors writes several in any order, and equal models shall be equal files."""
_CHECKSUM = "blake2b"


def write_bytes(path: Path, content: bytes) -> None:
    """Write or replace a file; whatever happens meanwhile, either the old or the new one is there."""
    beside = path.with_name(f".{path.name}.new")
    with named(path), open(beside, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(beside, path)


def write_text(path: Path, content: str) -> None:
    """The same for UTF-8 text."""
    write_bytes(path, content.encode("utf-8"))


def check_output(path: Path, inputs: Iterable[Path] = ()) -> None:
    """Raises DataError, before the work is done, where a file of output could not be written after it, or would replace one of its
    ``inputs``."""
    if path.is_file() and any(other.is_file() and path.samefile(other) for other in inputs):
        raise DataError(
            f"{path} must be a file of its own, but is read too", "nothing is written over what it was made from"
        )
    if path.is_dir():
        raise DataError(f"{path} must be a file to write, but is a folder")
    if not path.parent.is_dir():
        raise DataError(f"{path.parent} must be a folder, but there is none")
    if path.exists() and not path.is_file():  # a pipe or a device, which is written to as it is
        return
    try:
        with TemporaryFile(dir=path.resolve().parent):  # root may write everywhere, says os.access, also in /proc
            pass
    except OSError:
        raise DataError(f"{path.parent} must be a folder that can be written to, but is not") from None


@contextmanager
def output(path: Path) -> Iterator[BinaryIO]:
    """A stream into a file that the user named; the file appears when the block ends well. See ``check_output``.

    A name that ends in .gz, .xz or .zst is that of an archive, as where it is read.

    A link stays a link, and a pipe or a device (``/dev/null``) is written to: replacing it would do harm.
    """
    check_output(path)
    place = path.resolve()
    if path.exists() and not path.is_file():
        with named(path), open(path, "wb") as stream:
            yield stream
        return
    beside = place.with_name(f".{place.name}.new")
    try:
        with named(path), open(beside, "wb") as stream, packed(path.name, stream) as archive:
            yield archive
        os.replace(beside, place)
    finally:
        beside.unlink(missing_ok=True)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """A safetensors file with a checksum over all that it says. Shared storage is written once for each name."""
    plain = {name: tensor.detach().contiguous() for name, tensor in sorted(tensors.items())}
    said = json.dumps({**metadata, _CHECKSUM: _checksum(plain, metadata)}, sort_keys=True)
    write_bytes(path, save(plain, {_METADATA: said}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata. Raises ModelError where the file is missing, damaged or cut."""
    try:
        with safe_open(path, framework="pt") as stream:
            tensors = {name: stream.get_tensor(name) for name in sorted(stream.keys())}
            metadata: dict[str, str] = json.loads((stream.metadata() or {})[_METADATA])
    except FileNotFoundError:
        raise ModelError(f"{path} must be a file of weights, but there is none") from None
    except KeyError:
        raise ModelError(f"{path} must be weights that nmt wrote, but lacks their checksum") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{path} must be a whole safetensors file, but is damaged: {error}") from None
    if metadata.pop(_CHECKSUM, None) != _checksum(tensors, metadata):
        raise ModelError(f"{path} must have the checksum that it was written with, but is damaged")
    return tensors, metadata


def _checksum(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    digest = blake2b(repr(sorted(metadata.items())).encode(), digest_size=16)
    for name, tensor in tensors.items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().reshape(-1).data)  # where they lie: a copy would cost as much again
    return digest.hexdigest()
