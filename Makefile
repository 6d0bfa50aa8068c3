.DEFAULT_GOAL := help
PYTHON ?= python3
ROWS ?= 200000 1000000
SOURCE ?=
CHAOS_ROUNDS ?= 10
BIN := .venv/bin
SHELL := /bin/bash

.PHONY: help setup lock demo up down test test-unit chaos check docs bench bench-client bench-models bench-load bench-frontier bench-filters bench-features bench-scale clean

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.ready ## Make the virtual environment from requirements.lock

.venv/.ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip sync --quiet --require-hashes requirements.lock
	$(BIN)/uv pip install --quiet --no-deps -e .
	@touch $@

lock: setup ## Resolve the dependencies anew into requirements.lock
	$(BIN)/uv pip compile pyproject.toml --quiet --extra airflow --extra delta --extra features --extra iceberg --extra local --extra postgres --group dev --group demo --group docs --universal --generate-hashes -o requirements.lock

demo: setup ## Train, index and search 10,000 real packages through Airflow, Dask and Elasticsearch; stops everything after
	$(BIN)/airlsh demo

up: setup ## Start Elasticsearch, Dask and Airflow on this machine and print their addresses
	$(BIN)/airlsh up

down: setup ## Stop them
	$(BIN)/airlsh down

test: setup check ## Static checks, then all tests, on real Elasticsearch, Dask and Airflow
	$(BIN)/python -m pytest

test-unit: setup ## The tests that need no server
	$(BIN)/python -m pytest tests/unit tests/property

chaos: setup ## Kill processes at random moments, ten rounds of each scenario; CHAOS_ROUNDS=3 for fewer
	AIRLSH_CHAOS_ROUNDS=$(CHAOS_ROUNDS) $(BIN)/python -m pytest tests/chaos

check: setup ## ruff, mypy and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: setup ## Build the documentation site into docs/_build/html; warnings and broken links between pages are errors
	$(BIN)/sphinx-build -E -W --keep-going -q -b html docs docs/_build/html

bench: bench-client bench-models bench-load bench-frontier bench-filters bench-features ## All benchmarks

bench-client: setup ## CPU of a search in the Python client, beside the client of Elasticsearch; ES=http://127.0.0.1:9200 against a node
	$(BIN)/python tests/benchmarks/bench_client.py $(if $(ES),--es $(ES))

bench-models: setup ## Seconds and recall of the models
	$(BIN)/python tests/benchmarks/bench_models.py

bench-load: setup ## Rows a second of `airlsh index` beside the ceiling of the server; ROWS="200000 1000000" SOURCE=file
	$(BIN)/python tests/benchmarks/bench_load.py --rows $(ROWS) $(if $(SOURCE),--source $(SOURCE))

bench-frontier: setup ## Searches a second of every model at the same recall, and what each costs to build; SOURCE=file METRIC=cosine QUERIES=file MODELS="ivf hnsw" MADE=200000x768
	$(BIN)/python tests/benchmarks/bench_frontier.py $(if $(MADE),--made $(MADE),--source $(or $(SOURCE),examples/debian_packages.parquet)) --metric $(or $(METRIC),cosine) $(if $(QUERIES),--queries $(QUERIES)) $(foreach model,$(MODELS),--model $(model))

bench-filters: setup ## Recall under filters; SOURCE=file METRIC=cosine COLUMN=section
	$(BIN)/python tests/benchmarks/bench_filters.py --source $(or $(SOURCE),examples/debian_packages.parquet) --metric $(or $(METRIC),cosine) --column $(or $(COLUMN),section)

bench-features: setup ## Texts and images a second of `airlsh features` beside its encoder alone, by batch size; BATCHES="8 32"
	$(BIN)/python tests/benchmarks/bench_features.py $(foreach size,$(BATCHES),--batch-size $(size))

bench-scale: setup ## Seconds, CPU, memory and disk of train and index as the rows grow; ROWS="1000000 10000000" SOURCE=file QUERIES=file
	$(BIN)/python tests/benchmarks/bench_scale.py --rows $(or $(filter-out 200000,$(ROWS)),1000000) $(if $(SOURCE),--source $(SOURCE) --queries $(QUERIES))

clean: ## Remove the virtual environment and all caches
	-$(BIN)/airlsh down
	rm -rf .venv .airlsh .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
