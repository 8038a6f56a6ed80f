# make demo   train a small model on the embedded corpus and put it to work
# make ladder train every model of the lecture and compare them
# make test   the whole test suite;  make check   ruff, mypy, import-linter
# Each sets up .venv by itself. PYTHON=python3.12 make demo chooses another interpreter.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
INSTALLED := .venv/.installed

.PHONY: install demo ladder test check bench clean
.DELETE_ON_ERROR:

install: $(INSTALLED)

$(INSTALLED): pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	|| { echo 'error: needs Python 3.11 or newer'; echo 'hint: make PYTHON=python3.12 ...'; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(MAKE) --no-print-directory torch
	$(PIP) install --editable '.[dev]'
	@touch $@

# Plain `pip install torch` fetches gigabytes of CUDA on Linux, which a machine without a GPU never uses. So, in this order: what is
# already there; a wheel that pip's own find-links holds; PyTorch's public CPU index; the plain package (macOS, or Linux with a GPU).
.PHONY: torch
torch:
	@$(BIN)/python -c 'import importlib.util as u, sys; sys.exit(u.find_spec("torch") is None)' \
	|| { [ "$$(uname)" = Linux ] && ! command -v nvidia-smi >/dev/null \
	     && { $(PIP) install --no-index --no-deps torch 2>/dev/null \
	          || $(PIP) install torch --index-url https://download.pytorch.org/whl/cpu 2>/dev/null; }; } \
	|| $(PIP) install torch

demo: install
	@$(BIN)/python tests/demo.py

# Every sequence model of the lecture on the embedded corpus, and a report: ladder/report.html, in under 40 minutes on two cores.
ladder: install
	@$(BIN)/python tests/ladder.py

# Files in their own order: by number of tests the README, one test of three minutes, would come last, with one process at work.
# The tests start Python about a hundred times; what is not compiled beforehand costs each half a second where PYTHONDONTWRITEBYTECODE is set.
test: install
	@$(BIN)/python -m compileall -q nmt_cli tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: install
	$(BIN)/python -m tests.benchmarks

clean:
	rm -rf .venv build dist demo ladder *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
