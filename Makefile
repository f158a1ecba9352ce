# Works with GNU make 3.81 or newer. `make help` lists the targets.
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

help: ## list the targets
	@echo "make TARGET [PYTHON=python3] [ARGS='pytest options']"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' Makefile | awk -F'|' '{ printf "%-14s %s\n", $$1, $$2 }'

demo: .venv/.test ## fine-tune the included checkpoint tiny-zh on the sample data, evaluate and predict
	@bash scripts/demo.sh .venv/$(BIN)

docs: .venv/.docs ## build the English and Chinese documentation in site/
	@NO_MKDOCS_2_WARNING=1 .venv/$(BIN)/python -m mkdocs build --strict --quiet
	@echo "site/index.html"

notebooks: .venv/.notebooks ## run all notebooks with short trainings; KBERT_FAST=0 uses their normal settings
	@KBERT_FAST=$${KBERT_FAST:-1} .venv/$(BIN)/python scripts/notebooks.py run

ipynb: .venv/.notebooks ## generate notebooks/*.ipynb from notebooks/*.py
	@.venv/$(BIN)/python scripts/notebooks.py write

test: .venv/.test ## run the fast tests with the newest TensorFlow
	@.venv/$(BIN)/python -m pytest $(ARGS)

test-all: .venv/.test ## run all tests, including the slow ones
	@.venv/$(BIN)/python -m pytest -m "" $(ARGS)

test-oldest: .venv-oldest/.test ## run the fast tests with TensorFlow 2.16, the oldest supported; ARGS='-m ""' runs all
	@.venv-oldest/$(BIN)/python -m pytest $(ARGS)

lint: .venv/.lint types ## check code and formatting with ruff, and types with mypy
	@.venv/$(BIN)/python -m ruff check .
	@.venv/$(BIN)/python -m ruff format --check .

types: .venv/.test ## check the types of the package with mypy
	@.venv/$(BIN)/python -m mypy

clean: ## delete caches, build output and the folder demo/
	@rm -rf build dist *.egg-info demo site .pytest_cache .hypothesis .mypy_cache .ruff_cache
	@find . -name .venv -prune -o -name .venv-oldest -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

clean-all: clean ## like clean, and delete the virtual environments
	@rm -rf .venv .venv-oldest

# An environment is updated if one of these files is newer than its stamp file.
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
