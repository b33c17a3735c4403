# One short command a habit.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PORT ?= 8501
# A machine with an NVIDIA GPU gets the engine that uses it.
REQUIREMENTS := $(shell command -v nvidia-smi >/dev/null 2>&1 && echo requirements-torch.txt || echo requirements.txt)

.PHONY: help run test test-unit lint format reference settings lock bench-live bench-load bench-peers bench-files clean

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name what; do printf '%-12s %s\n' "$$name" "$$what"; done

run: $(VENV)/.run ## open the app with a working model
	$(BIN)/python -m asr_core models fetch base
	MALLOC_ARENA_MAX=2 $(BIN)/streamlit run streamlit_app.py --server.port $(PORT)

test: $(VENV)/.dev ## run every test, with real weights, speech and a browser
	$(BIN)/python -m tests.fetch
	$(BIN)/python -m pytest --numprocesses=3 $(ARGS)

test-unit: $(VENV)/.dev ## run the tests that need no model, on all cores
	$(BIN)/python -m pytest tests/unit --numprocesses=auto $(ARGS)

lint: $(VENV)/.dev ## check style, types, import contracts, pins and documents
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/oxlint --deny-warnings widgets
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python scripts/lock.py --check
	$(BIN)/python scripts/reference.py --check
	$(BIN)/python scripts/settings_table.py --check

format: $(VENV)/.dev ## mend what can be mended of style and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

reference: $(VENV)/.dev ## write the library's reference to build/reference/
	$(BIN)/python scripts/reference.py

settings: $(VENV)/.dev ## write docs/settings.md from the settings' fields
	$(BIN)/python scripts/settings_table.py

lock: $(VENV)/.dev ## pin all packages anew from pyproject.toml; ARGS=--upgrade for the newest
	$(BIN)/python scripts/lock.py $(ARGS)

bench-live: $(VENV)/.dev ## measure streaming; DATA=folder-with-manifest
	$(BIN)/python -m benchmarks.live $(DATA) $(ARGS)

bench-load: $(VENV)/.dev ## measure many speakers at once; DATA=…
	$(BIN)/python -m benchmarks.load $(DATA) $(ARGS)

bench-peers: $(VENV)/.dev ## measure other programs beside this one; DATA=…
	$(BIN)/python -m benchmarks.peers.run $(DATA) $(ARGS)

bench-files: $(VENV)/.dev ## measure whole files; DATA=…
	$(BIN)/python -m benchmarks.files $(DATA) $(ARGS)

clean: ## remove the virtual environment
	rm -rf $(VENV)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: $(BIN)/python $(REQUIREMENTS)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $(REQUIREMENTS)
	touch $@

# Most of what is installed is never imported, so nothing is compiled ahead.
$(VENV)/.dev: $(BIN)/python requirements-dev.txt
	$(BIN)/python -m pip install --no-compile --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@ $(VENV)/.run
