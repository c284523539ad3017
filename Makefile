# Two commands: `make run` opens the app on quickstart, `make test` passes the tests. Both set up what they need.
PYTHON ?= python3
VENV := .venv/bin

.PHONY: run test check acceptance compat live-check lock clean

run:
	@$(PYTHON) scripts/run.py

test: .setup-test check
	@QT_QPA_PLATFORM=offscreen $(VENV)/python -m pytest -q --numprocesses 2 --dist loadfile --no-loadscope-reorder

# Every line under "Shows" at full size; the figures go to acceptance.json.
acceptance: .setup-test
	@QT_QPA_PLATFORM=offscreen $(VENV)/python -m pytest -q --full

# What is relied on of transformers, at both ends of the range that pyproject.toml allows; downloads the two.
compat: .setup-test
	@$(VENV)/python scripts/compat.py

# The walk from set-up to teardown on Google Cloud itself: needs an account; spends at most a dollar.
live-check: .setup-test
	@$(VENV)/python -m pytest -q -s -m live tests/live

check: .setup-test
	@$(VENV)/ruff check .
	@$(VENV)/ruff format --check --quiet .
	@$(VENV)/pyright

lock:
	@$(VENV)/python scripts/lock.py

# Runs and checkpoints in .arrcoc/ are yours and stay.
clean:
	rm -rf .venv .pytest_cache .ruff_cache *.egg-info

.PHONY: .setup-test
.setup-test:
	@$(PYTHON) scripts/setup.py test
