"""``python -m tests.benchmarks``: all measurements, one after the other."""

from tests.benchmarks import exact, mbr, training, translation

if __name__ == "__main__":
    training.main()
    translation.main()
    mbr.main()
    exact.main()
