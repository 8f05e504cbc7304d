# `make demo` and `make test` set up all that they need in .venv and are quick when nothing changed.
PYTHON ?= python3
VENV := .venv
PEERS := .venv-peers
BIN := $(VENV)/bin
PIP := -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo examples test test-slow test-peers lint bench bench-peers clean python

help:
	@echo "make demo        train on real data, then predict held-out rows"
	@echo "make examples    run the examples; their pictures go to pictures/"
	@echo "make test        lint, types, layers, tests"
	@echo "make test-slow   the long checks: accuracy over seeds, XOR from 100 seeds"
	@echo "make test-peers  hold results against PyTorch, JAX and Keras (heavy: an environment of its own)"
	@echo "make bench       timings, beside PyTorch and JAX"
	@echo "make bench-peers race PyTorch, JAX, Keras and scikit-learn; the results go to docs/benchmarks.md"
	@echo "make clean       remove the environments and caches"

python:
	@command -v $(PYTHON) >/dev/null 2>&1 || { \
	  echo "Chainrule needs Python 3.11 or newer, and '$(PYTHON)' was not found. Install it, or run: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Chainrule needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) -V 2>&1). Run: make PYTHON=/path/to/newer/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "'$(PYTHON)' comes without the venv module. On Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }

# install(environment, extras): a failed install leaves no stamp, so the next run tries again
define install
	@test -x $(1)/bin/python || $(PYTHON) -m venv --clear $(1)
	@echo "installing into $(1) ..."
	@$(1)/bin/python $(PIP) -e '.[$(2)]' || { \
	  echo "Installing into $(1) failed (see above). Is a Python package index reachable?" >&2; exit 1; }
	@touch $@
endef

$(VENV)/.demo: pyproject.toml | python
	$(call install,$(VENV),datasets)

$(VENV)/.dev: pyproject.toml | python
	$(call install,$(VENV),dev)
	@touch $(VENV)/.demo

$(PEERS)/.peers: pyproject.toml | python
	$(call install,$(PEERS),peers)

$(PEERS)/.bench: pyproject.toml | python
	$(call install,$(PEERS),bench)
	@touch $(PEERS)/.peers

demo: $(VENV)/.demo
	@$(BIN)/chainrule fit digits --target digit --out runs/demo --overwrite
	@$(BIN)/chainrule predict runs/demo digits --rows held-out --limit 10

examples: $(VENV)/.demo
	@for script in examples/*.py; do echo "$$script"; $(BIN)/python $$script || exit 1; done

lint: $(VENV)/.dev
	@$(BIN)/ruff check src tests benchmarks docs examples
	@$(BIN)/ruff format --check src tests benchmarks docs examples
	@$(BIN)/mypy
	@$(BIN)/lint-imports

test: lint
	@$(BIN)/python -m pytest -n 2

test-slow: $(VENV)/.dev
	@$(BIN)/python -m pytest -n 2 -m slow

test-peers: $(PEERS)/.peers
	@$(PEERS)/bin/python -m pytest tests/peers -p no:cacheprovider

bench: $(PEERS)/.peers
	@$(PEERS)/bin/python benchmarks/eager_chain.py

bench-peers: $(PEERS)/.bench
	@$(PEERS)/bin/python benchmarks/peers.py --docs

clean:
	rm -rf $(VENV) $(PEERS) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
