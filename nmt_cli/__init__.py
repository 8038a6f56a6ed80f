"""Two text files in, a translation model out.

The names below are loaded on first use, so that ``import nmt_cli`` (and with it ``nmt --help``) costs no torch.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nmt_cli.errors import NMTError
    from nmt_cli.inference.translator import Translator
    from nmt_cli.runs.directory import ModelDirectory

__all__ = ["ModelDirectory", "NMTError", "Translator", "__version__"]

try:
    __version__ = version("nmt-cli")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0+unknown"

_HOMES = {
    "ModelDirectory": "nmt_cli.runs.directory",
    "NMTError": "nmt_cli.errors",
    "Translator": "nmt_cli.inference.translator",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
