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
.PHONY: help demo test lint test-oldest clean clean-all

help: ## say what there is
	@echo "make TARGET [PYTHON=python3] [ARGS='options of pytest']"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' Makefile | awk -F'|' '{ printf "%-14s %s\n", $$1, $$2 }'

demo: .venv/.test ## fine-tune tiny-zh, which comes with the package, on the sample, evaluate, predict
	@bash scripts/demo.sh .venv/$(BIN)

test: .venv/.test ## run the tests with the newest TensorFlow
	@.venv/$(BIN)/python -m pytest $(ARGS)

test-oldest: .venv-oldest/.test ## run the tests with the oldest TensorFlow, 2.16
	@.venv-oldest/$(BIN)/python -m pytest $(ARGS)

lint: .venv/.lint ## look for mistakes and for formatting that ruff would change
	@.venv/$(BIN)/python -m ruff check .
	@.venv/$(BIN)/python -m ruff format --check .

clean: ## delete caches, build leftovers and the demo's folder
	@rm -rf build dist *.egg-info demo .pytest_cache .hypothesis .ruff_cache
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

.venv-oldest/.test: setup.cfg pyproject.toml scripts/environment.sh requirements/oldest.txt
	@bash scripts/environment.sh .venv-oldest 12 "$(OLDEST_FROM)" -c requirements/oldest.txt -e ".[test]"
	@touch $@
