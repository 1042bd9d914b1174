# make run    start everything on this machine         make test   set up, check, and run every test
# make check  lint, types, import contracts            make bench  measure this machine
# Needs Python 3.11 and make, nothing else.

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for candidate in python3.11 python3 python; do \
	"$$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null && echo "$$candidate" && break; done)
PIP := $(BIN)/python -m pip install --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help run test check bench setup setup-dev clean

help:
	@sed -n '1,3s/^# //p' Makefile

run: $(VENV)/.installed
	@exec $(BIN)/python manage.py up

setup: $(VENV)/.installed
setup-dev: $(VENV)/.installed-dev

test: check
	$(BIN)/python -m pytest -rs

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	DATABASE_URL=postgresql://nobody@127.0.0.1:1/none $(BIN)/python -W ignore manage.py makemigrations --check --dry-run

bench: $(VENV)/.installed
	$(BIN)/python manage.py benchmark

clean:
	rm -rf $(VENV)

$(BIN)/python:
	@test -n "$(PYTHON)" || { \
	  echo "recsite needs Python 3.11, and none was found as python3.11, python3 or python." >&2; \
	  echo "Install it (Debian 12: apt install python3.11 python3.11-venv), or say where it is: make PYTHON=/path/to/python3.11 …" >&2; \
	  exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { \
	  echo "recsite needs Python 3.11, and $(PYTHON) is another version." >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) lacks the venv module (Debian and Ubuntu: apt install python3.11-venv)." >&2; exit 1; }
	"$(PYTHON)" -m venv $(VENV)

$(VENV)/.installed: requirements.txt | $(BIN)/python
	$(PIP) -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	$(PIP) -r requirements-dev.txt
	@touch $@
