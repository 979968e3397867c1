# One-line targets; each makes the virtual environment first where there is none.
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help install demo serve test lint bench docs clean

help:     ## List the targets.
	@grep -hE '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12
install: .venv/installed  ## Make .venv with everything for development.
.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv && $(BIN)/pip install --quiet --editable '.[dev]' && touch $@
.venv-keras/installed: pyproject.toml tests/plugins/keras_unet/requirements.txt
	$(PYTHON) -m venv .venv-keras && .venv-keras/bin/pip install --quiet \
	    --requirement tests/plugins/keras_unet/requirements.txt --editable '.[testing]' && touch $@
.venv-monailabel/installed: tests/clients/monai_label/requirements.txt
	$(PYTHON) -m venv .venv-monailabel && .venv-monailabel/bin/pip install --quiet --no-deps \
	    --requirement $< && touch $@
demo: install  ## Run the main job on drawn data; ARGS=--exit ends afterwards.
	$(BIN)/limner demo $(ARGS)
serve: install  ## Serve a folder: make serve IMAGES=folder LABELS=liver,tumour
	$(BIN)/limner serve "$(IMAGES)" --labels "$(LABELS)" $(ARGS)
lint: install  ## Check style, types and import rules.
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports && $(BIN)/mypy
docs: install  ## Build the documentation into site/; a warning is an error.
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
test: lint docs .venv-keras/installed .venv-monailabel/installed  ## Check everything, as CI does.
	$(BIN)/pytest $(ARGS)
bench: install  ## Measure; ARGS=--quick for a short look.
	$(BIN)/python -m tests.bench.run $(ARGS)
clean:    ## Remove what was built.
	rm -rf .venv .venv-keras .venv-monailabel site build dist bench-results
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis
