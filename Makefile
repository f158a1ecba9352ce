# Works with GNU make 3.81 or newer. `make help` lists what there is.
ifdef PYTHON
NEWEST_FROM := $(PYTHON)
OLDEST_FROM := $(PYTHON)
else
NEWEST_FROM := python3 python3.13 python3.12 python3.11 python3.10 python
OLDEST_FROM := python3.10 python3.11 python3.12 python3 python
endif
BIN := $(if $(filter Windows_NT,$(OS)),Scripts,bin)
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo docs notebooks ipynb test test-all lint types test-oldest clean clean-all

help: ## say what there is
	@echo "make TARGET [PYTHON=python3] [ARGS='options of pytest']"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' Makefile | awk -F'|' '{ printf "%-14s %s\n", $$1, $$2 }'

demo: .venv/.test ## fine-tune tiny-zh, which comes with the package, on the sample, evaluate, predict
	@bash scripts/demo.sh .venv/$(BIN)

docs: .venv/.docs ## build the guide, in English and Chinese, into site/
	@NO_MKDOCS_2_WARNING=1 .venv/$(BIN)/python -m mkdocs build --strict --quiet
	@echo "site/index.html"

notebooks: .venv/.notebooks ## run all notebooks from top to bottom; KBERT_FAST=0 with the settings a reader has
	@KBERT_FAST=$${KBERT_FAST:-1} .venv/$(BIN)/python scripts/notebooks.py run

ipynb: .venv/.notebooks ## make notebooks/*.ipynb from notebooks/*.py
	@.venv/$(BIN)/python scripts/notebooks.py write

test: .venv/.test ## run the tests with the newest TensorFlow, without those marked slow
	@.venv/$(BIN)/python -m pytest $(ARGS)

test-all: .venv/.test ## run all tests, the slow ones too
	@.venv/$(BIN)/python -m pytest -m "" $(ARGS)

test-oldest: .venv-oldest/.test ## run the tests with the oldest TensorFlow, 2.16; ARGS='-m ""' for all
	@.venv-oldest/$(BIN)/python -m pytest $(ARGS)

lint: .venv/.lint types ## look for mistakes, wrong hints, and formatting that ruff would change
	@.venv/$(BIN)/python -m ruff check .
	@.venv/$(BIN)/python -m ruff format --check .

types: .venv/.test ## check the types in the whole package with mypy
	@.venv/$(BIN)/python -m mypy

clean: ## delete caches, build leftovers and the demo's folder
	@rm -rf build dist *.egg-info demo site .pytest_cache .hypothesis .mypy_cache .ruff_cache
	@find . -name .venv -prune -o -name .venv-oldest -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

clean-all: clean ## the same, and the virtual environments
	@rm -rf .venv .venv-oldest

# An environment is brought up to date when one of these files is newer than its stamp.
.venv/.test: setup.cfg pyproject.toml scripts/environment.sh
	@bash scripts/environment.sh .venv 13 "$(NEWEST_FROM)" -e ".[test]"
	@touch $@

.venv/.lint: .venv/.test
	@bash scripts/environment.sh .venv 13 "$(NEWEST_FROM)" -e ".[dev]"
	@touch $@

.venv/.docs: setup.cfg pyproject.toml scripts/environment.sh
	@bash scripts/environment.sh .venv 13 "$(NEWEST_FROM)" -e ".[docs]"
	@touch $@

.venv/.notebooks: setup.cfg pyproject.toml scripts/environment.sh
	@bash scripts/environment.sh .venv 13 "$(NEWEST_FROM)" -e ".[notebooks]"
	@touch $@

.venv-oldest/.test: setup.cfg pyproject.toml scripts/environment.sh requirements/oldest.txt
	@bash scripts/environment.sh .venv-oldest 12 "$(OLDEST_FROM)" -c requirements/oldest.txt -e ".[test]"
	@touch $@
