# `make repro` computes the default cell, `make test` proves it; both set up .venv on first use.
PYTHON ?= python3.11
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
READY := $(VENV)/.ready
.DEFAULT_GOAL := help

.PHONY: help install repro show test test-fast lint lock

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 16

install: $(READY)  ## set up .venv from the pinned versions

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[test]'
	@touch $@

repro: $(READY)  ## compute the cell of params.yaml, then its table and page
	dvc repro
	@python -m stages.report --show

show: $(READY)  ## experiments side by side: what differs, and the headline metrics
	@dvc exp show --only-changed --drop '.*\.(py|yaml|lock|txt|parquet|json)$$|^data/|^stages/|^environment' --hide-workspace

test: lint  ## every test but the slow ones, after lint and types
	pytest -m 'not slow'

test-fast: $(READY)  ## tests that need no torch, no JVM and no DVC
	pytest -m 'not slow and not pipeline' -n 2

lint: $(READY)  ## ruff and mypy
	ruff check .
	ruff format --check .
	mypy

lock: $(READY)  ## write environment.lock from constraints.txt
	python -m stages.environment
