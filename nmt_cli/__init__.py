"""Two text files in, a translation model out.

The names below are loaded on first use, so that ``import nmt_cli`` (and with it ``nmt --help``) costs no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nmt_cli.errors import NMTError
    from nmt_cli.inference.translator import Translator
    from nmt_cli.runs.directory import ModelDirectory
    from nmt_cli.version import __version__

__all__ = ["ModelDirectory", "NMTError", "Translator", "__version__"]

_HOMES = {
    "ModelDirectory": "nmt_cli.runs.directory",
    "NMTError": "nmt_cli.errors",
    "Translator": "nmt_cli.inference.translator",
    "__version__": "nmt_cli.version",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
