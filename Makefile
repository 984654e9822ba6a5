# make demo    retouch the sample photographs into demo-out/
# make check   lint, types, doctests and the fast tests, in a minute; before each commit
# make test    lint, types, doctests and the whole suite; what CI runs
# make lint    ruff and mypy alone
# make gimp-root       the GIMP 3.0 that the tests use, in a folder of its own (root on Debian; else they skip)
# make test-gimp-3.2   the GIMP tests alone, in GIMP 3.2
# make bench   time and memory, as JSON and as a picture
# make plugin-zip   the GIMP plug-in for those who install by hand, into dist/
# Each makes .venv with what it needs first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo check test test-gimp-3.2 gimp-root lint bench plugin-zip clean

demo: $(VENV)/.demo
	$(BIN)/python samples/demo.py demo-out

check: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist worksteal -m "not slow and not real and not gpu"

test: lint gimp-root
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile

test-gimp-3.2: $(VENV)/.test
	tests/gimp/make-gimp-root.sh 3.2
	LPTN_TEST_GIMP=3.2 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile tests/gimp

# Where it cannot be made, the script says why, and the tests skip with the same reason.
gimp-root:
	tests/gimp/make-gimp-root.sh 3.0 || true

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.test
	$(BIN)/lptn-retouch bench --json > benchmarks/results/bench.json.part
	mv benchmarks/results/bench.json.part benchmarks/results/bench.json
	$(BIN)/python tools/plot.py

plugin-zip:
	$(PYTHON) -m lptn_retouch.gimp.archive dist

$(VENV)/.demo: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) -e .
	touch $@

$(VENV)/.test: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) -e ".[test]"
	touch $@ $(VENV)/.demo

clean:
	rm -rf $(VENV) demo-out .pytest_cache .mypy_cache .ruff_cache
