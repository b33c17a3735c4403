# One short command a habit.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PORT ?= 8501
# A machine with an NVIDIA GPU gets the engine that uses it.
REQUIREMENTS := $(shell command -v nvidia-smi >/dev/null 2>&1 && echo requirements-torch.txt || echo requirements.txt)

.PHONY: run test lint format bench-live bench-load bench-peers bench-files clean

run: $(VENV)/.run ## open the app with a working model
	$(BIN)/python -m asr_core models fetch base
	MALLOC_ARENA_MAX=2 $(BIN)/streamlit run streamlit_app.py --server.port $(PORT)

test: $(VENV)/.dev ## run every test, with real weights, speech and a browser
	$(BIN)/python -m tests.fetch
	$(BIN)/python -m pytest --numprocesses=2 $(ARGS)

lint: $(VENV)/.dev ## style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench-live: $(VENV)/.dev ## make bench-live DATA=folder-with-manifest
	$(BIN)/python -m benchmarks.live $(DATA) $(ARGS)

bench-load: $(VENV)/.dev ## make bench-load DATA=folder-with-manifest
	$(BIN)/python -m benchmarks.load $(DATA) $(ARGS)

bench-peers: $(VENV)/.dev ## make bench-peers DATA=folder-with-manifest
	$(BIN)/python -m benchmarks.peers.run $(DATA) $(ARGS)

bench-files: $(VENV)/.dev ## make bench-files DATA=folder-with-manifest
	$(BIN)/python -m benchmarks.files $(DATA) $(ARGS)

clean:
	rm -rf $(VENV)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: $(BIN)/python requirements.txt requirements-torch.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $(REQUIREMENTS)
	touch $@

$(VENV)/.dev: $(BIN)/python requirements.txt requirements-torch.txt requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@ $(VENV)/.run
