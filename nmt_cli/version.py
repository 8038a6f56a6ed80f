"""The version of the distribution; a module of its own, since finding it out takes a fifth of the time of ``nmt --help``."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("nmt-cli")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0+unknown"
