# `make repro` computes the default cell, `make test` proves it; both set up .venv on first use.
# The first that works: a shim may name a version that is not installed, and Debian packages venv separately.
PYTHON ?= $(shell for one in python3.13 python3.12 python3.11; do \
	$$one -c 'import ensurepip, venv' >/dev/null 2>&1 && { echo $$one; break; }; done)
# An index with other builds of torch, such as for the CPU alone; see the README.
TORCH_INDEX ?=
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
READY := $(VENV)/.ready
.DEFAULT_GOAL := help

.PHONY: help install repro show share restore grid test test-slow test-fast lint bench bench-scale clean-scratch lock

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 16

install:  ## set up .venv with the pinned versions, or reset it to them
	@rm -f $(READY)
	@$(MAKE) --no-print-directory $(READY)

$(READY): pyproject.toml constraints.txt
	@[ -n "$(PYTHON)" ] || { echo "error: no Python 3.13, 3.12 or 3.11 that can make a virtual environment is on the path; install one (apt install python3-venv, dnf install python3.12, uv python install 3.12, ...) or name one: make $(MAKECMDGOALS) PYTHON=/path/to/python" >&2; exit 2; }
	@# Keep an existing virtual environment, unless another Python is named.
	@$(if $(filter command,$(firstword $(origin PYTHON))),,$(VENV)/bin/python -c '' 2>/dev/null ||) $(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --quiet $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) $(shell grep '^torch==' constraints.txt) $(shell grep '^setuptools==' constraints.txt)
	# constraints.txt lists every package, so pip need not resolve anything, which would take it many minutes.
	$(VENV)/bin/python -m pip install --quiet --no-deps --requirement constraints.txt
	$(VENV)/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

repro: $(READY)  ## compute the cell of params.yaml, then its table and page
	@# Both at the same time: if nothing has changed, this takes a second.
	@dvc status --quiet & status=$$!; table=$$(python -m stages.report --show 2>&1); shown=$$?; \
	if wait $$status; then echo "$$table"; exit $$shown; else dvc repro && python -m stages.report --show; fi

show: $(READY)  ## experiments side by side: changed parameters and nDCG@10
	@dvc exp show --hide-workspace --only-changed --keep '^(model|recipe)$$' --drop '^(?!Experiment$$|model$$|recipe$$|landscape$$|query_view$$|document_view$$|(finetune|embed|search|rerank|tasks)\.|.*\.ndcg$$).*'

share: $(READY)  ## push results, experiments and their inputs to the default remote
	python -m stages.share push

restore: $(READY)  ## pull what others computed (or one EXPERIMENT=name); runs no stage
	python -m stages.share pull $(EXPERIMENT)

grid: $(READY)  ## the sample grid, then its page
	python -m stages.grid run --preset sample
	python -m stages.grid report

test: lint  ## every test but the slow ones, after lint and types
	pytest -m 'not slow' -n 2 --dist loadscope --no-loadscope-reorder

test-slow: $(READY)  ## the long ones: kills, faults, remotes
	pytest -m slow

test-fast: $(READY)  ## tests that need no torch, no JVM and no DVC
	pytest -m 'not slow and not pipeline' -n 2 --dist worksteal

lint: $(READY)  ## ruff and mypy
	ruff check .
	ruff format --check .
	mypy

bench: $(READY)  ## speed against peers at quick sizes: about 6 minutes
	python -m benchmarks.encode --quick
	python -m benchmarks.evaluation --quick
	python -m benchmarks.bm25 --quick
	python -m benchmarks.search --quick
	python -m benchmarks.exports --quick
	python -m benchmarks.find --quick

bench-scale: $(READY)  ## speed at full sizes, every stage at the study's size, start-up: hours
	python -m benchmarks.encode
	python -m benchmarks.training
	python -m benchmarks.evaluation
	python -m benchmarks.bm25
	python -m benchmarks.search
	python -m benchmarks.exports
	python -m benchmarks.find
	python -m benchmarks.labels
	python -m benchmarks.scale --bm25
	python -m benchmarks.startup

clean-scratch: $(READY)  ## clean your scratch: files unused for 30 days, then the oldest beyond 20 GiB
	python -m stages.scratch

lock: $(READY)  ## write environment.lock from constraints.txt
	python -m stages.environment
