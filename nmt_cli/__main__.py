"""The command ``nmt``, which is also ``python -m nmt_cli``."""

import atexit
import gc
import os
import sys


def main() -> None:
    """What stands before the command line itself, which takes a tenth of a second to load and may be interrupted there."""
    # NumPy multiplies small matrices; with a thread on each core it would wait for the cores that others use.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when NumPy is loaded, here and in all workers
    # Loading PyTorch makes objects by the hundred thousand, and all of them stay. Looking for garbage among them takes a tenth of a
    # second while they are made, and a third of one when Python ends. What is garbage later waits a little longer.
    gc.set_threshold(50_000, 10, 10)
    atexit.register(gc.freeze)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:  # as some start what nobody listens to
            descriptor = os.open(os.devnull, os.O_RDWR)  # gets the number that is free, so that no other file does
            setattr(sys, name, os.fdopen(descriptor, "r" if number == 0 else "w", encoding="utf-8"))
    try:
        from nmt_cli.cli.app import main as run

        run()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
