"""``python -m tests.benchmarks``: all measurements, one after the other."""

from tests.benchmarks import bpe_dropout, exact, imported, mbr, training, translation

if __name__ == "__main__":
    training.main()
    bpe_dropout.main()
    translation.main()
    imported.main()
    mbr.main()
    exact.main()
