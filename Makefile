# Two commands for a newcomer: `make rehearse` shows the main job, `make test` passes the tests.
# Both set everything up by themselves; they need Python 3.11 or newer with venv, and use uv when it is there.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAGE  ?= stage
# For its SQLite file alone, which a test copies whole; what it depends on is not needed.
SAMPLE := mendeleev==1.3.0

.PHONY: help rehearse auto test lint types contracts pytest flight long format docs bench clean

help:  ## Show this.
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(VENV)/.ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12"; exit 2; }
	@if command -v uv >/dev/null 2>&1; then \
	  uv venv -q --allow-existing --python $(PYTHON) $(VENV) && uv pip install -q --python $(BIN)/python -e '.[dev]' && uv pip install -q --python $(BIN)/python --no-deps $(SAMPLE); \
	else \
	  $(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install -q --disable-pip-version-check -e '.[dev]' && $(BIN)/python -m pip install -q --disable-pip-version-check --no-deps $(SAMPLE); \
	fi
	@touch $@

rehearse: $(VENV)/.ready  ## Practise the whole cutover on this machine (unattended when there is no terminal).
	$(BIN)/tminus rehearse --stage $(STAGE)

auto: $(VENV)/.ready  ## The same, unattended.
	$(BIN)/tminus rehearse --auto --stage $(STAGE)

test: lint types contracts pytest  ## Everything that must hold before a change is kept.

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.ready
	$(BIN)/mypy

contracts: $(VENV)/.ready
	$(BIN)/lint-imports

# The tests start hundreds of processes of ours: what one has compiled the next need not, whatever the shell says.
pytest: export PYTHONDONTWRITEBYTECODE =
pytest: $(VENV)/.ready
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

flight: $(VENV)/.ready  ## The whole cutover by keys in tmux with a second person watching, one whose engine is killed, and the way back; about eight minutes.
	$(BIN)/python -m pytest -m long tests/flight

long: $(VENV)/.ready  ## Every test that `make test` leaves out because it takes long; about ten minutes.
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m long

format: $(VENV)/.ready  ## Lay the code out.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## Remove what was built here.
	rm -rf $(VENV) $(STAGE) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
