# The tasks of this project. `make` alone lists them.
#
# Variables: PYTHON, the interpreter behind .venv (python3); NESTFLOW_CACHE, where compiled
# dependencies go when CI is set (~/.cache/nestflow); for `make bench` see scripts/bench.

.DEFAULT_GOAL := help
.PHONY: help build demo test test-fast check fmt bench docs bundle wheel soak clean

py := .venv/bin/python
python_sources := bench examples scripts tests

help: ## list the tasks
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

build: ## compile the engine and put the package into .venv
	@scripts/build

demo: build ## a year of flights from New York, grouped twice; then again on Spark
	@scripts/demo

test: build ## all tests of Rust and Python
	@$(py) scripts/test.py

test-fast: build ## those that start no HDFS, YARN or S3 server
	@$(py) scripts/test.py --fast

check: build ## formats, lints and types
	cargo fmt --check
	scripts/cargo clippy --workspace --all-targets -- -D warnings
	cd python-api && ../$(py) -m ruff check . && ../$(py) -m ruff format --check . && ../$(py) -m mypy
	$(py) -m ruff check $(python_sources)
	$(py) -m ruff format --check $(python_sources)
	@if command -v cargo-deny >/dev/null; then cargo deny check; fi

fmt: ## format everything
	cargo fmt
	cd python-api && ../$(py) -m ruff format .
	$(py) -m ruff format $(python_sources)

bench: build ## measure against other engines (BENCH_KIT=folder of the peer kit)
	@scripts/bench

docs: build ## the site of the docs, with the reference of all public names: out/docs/index.html
	@$(py) -m mkdocs build --quiet

bundle: build ## the archive that executors run, into out/
	@mkdir -p out && $(py) -m nestflow bundle build out/nestflow-bundle.tar.gz

wheel: build ## a wheel with all that was built, into out/
	@$(py) scripts/wheel.py out

soak: build ## the slow tests: a wheel by pip alone, a giant group, random pipelines, tasks on Spark
	@scripts/soak

clean: ## remove what the other tasks made, the cache of CI excepted
	rm -rf target .venv out
	rm -f python-api/python/nestflow/*.so
