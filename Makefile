# What to type:  make demo   make test   make help
# Everything lives in .venv; re-running a target does only what is left to do.
# Windows, or no make: the same commands are spelled out in README.md.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo studio page test check lint format clean distclean

help: ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 20

demo: $(VENV)/.engine ## set up, then puppet the clip that ships with the project: demo/ayatsuri.mp4
	@$(BIN)/ayatsuri models
	@$(BIN)/ayatsuri doctor --quiet
	@$(BIN)/ayatsuri demo
	@echo "next: make studio, the same with your webcam; or a drawing of yours:"
	@echo "  . $(VENV)/bin/activate && ayatsuri adapt DRAWING.png"

studio: $(VENV)/.studio ## set up, then open the studio in your browser: http://127.0.0.1:8420/
	@$(BIN)/ayatsuri models
	@$(BIN)/ayatsuri doctor --quiet
	@$(BIN)/ayatsuri serve --open

page: ## build the studio's page from engine/studio/web; needs Node 20 or later, users need none
	npm --prefix engine/studio/web ci --no-audit --no-fund
	npm --prefix engine/studio/web run build

test: check ## set up, then lint, type-check and run every test
	-@$(BIN)/ayatsuri models pose-full  # what needs it skips where it cannot be fetched
	$(BIN)/python -m pytest $(PYTEST_ARGS)

check: lint
	$(BIN)/mypy
	$(BIN)/lint-imports

lint: $(VENV)/.dev
	$(BIN)/ruff check .

format: $(VENV)/.dev ## format the code and fix what ruff can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "make: no $(PYTHON); install Python 3.11, 3.12 or 3.13, or name one: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
		{ echo "make: found $$($(PYTHON) --version), but Ayatsuri needs Python 3.11 to 3.13: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "make: could not make a virtual environment. On Debian or Ubuntu: sudo apt install python3-venv"; exit 1; }

# A stamp says which dependencies are installed; newer dependencies make it stale.
$(VENV)/.engine: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install -q -c constraints.txt -e .
	@touch $@

$(VENV)/.studio: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install -q -c constraints.txt -e '.[studio]'
	@touch $@ $(VENV)/.engine

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install -q -c constraints.txt -e '.[dev,train,studio,openvino,rtx]'
	@touch $@ $(VENV)/.engine $(VENV)/.studio

clean: ## remove what the demo, the tests and the tools left behind
	rm -rf demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

distclean: clean ## the same, and .venv
	rm -rf $(VENV)
