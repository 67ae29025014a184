# `make` lists the targets. Each one makes what it needs, once.
#   make test PYTHON=python3.12    with a Python of your choice, from 3.11 to 3.14
#   make test NEED_MB=0            without the check of the free disk space
SHELL := /bin/sh
VENV := .venv
PEERS := benchmarks/.venv
PROJECT := -c requirements.lock -e '.[lab,teach,test]'
NEED_MB := $(if $(filter Linux,$(shell uname -s)),13000,3000)

# What the caller's shell may carry and must not reach these environments.
unexport PYTHONPATH PYTHONHOME __PYVENV_LAUNCHER__ PIP_CONSTRAINT PIP_PREFIX PIP_REQUIRE_VIRTUALENV PIP_TARGET
export PIP_USER := 0
export PIP_DISABLE_PIP_VERSION_CHECK := 1

LESSON := 03_badnets

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.stamp  ## a backdoor, a defence against it, and a class of eight that is graded
	$(VENV)/bin/bdlab demo
	$(VENV)/bin/autograder sample-class $(LESSON) --grade

lab: $(VENV)/.stamp  ## JupyterLab with the lessons
	$(VENV)/bin/bdlab lab

test: $(VENV)/.stamp  ## the fast tests, in two processes
	OMP_NUM_THREADS=1 $(VENV)/bin/python tests/timed.py -n 2 --dist loadfile -m "not slow"

TRAININGS := attack or defense or evasion or availability
test-all: $(VENV)/.stamp  ## every test; those that mostly train networks in two processes, those that time others alone
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n 2 --dist worksteal -k "$(TRAININGS)"
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -k "not ($(TRAININGS))"

bench: $(VENV)/.stamp $(PEERS)/.stamp  ## times beside those of other libraries, which get their own environment
	$(VENV)/bin/bdlab bench

hostile: $(VENV)/.stamp  ## hostile and unlucky hand-ins through the grading: what they gained or lost
	@if command -v bwrap >/dev/null; then OMP_NUM_THREADS=1 $(VENV)/bin/python -m autograder.trials.hostile $(LESSON) --tier A; \
	else echo "bubblewrap is not installed: tier A is not tried."; fi
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m autograder.trials.hostile $(LESSON) --tier B

lessons: $(VENV)/.stamp  ## every lesson in a kernel, untouched and solved: times of cells into docs/quality.md
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m benchmarks.lessons

grading-day: $(VENV)/.stamp  ## 300 invented students from the learning platform's zip to marks in it, with times
	$(VENV)/bin/python -m benchmarks.grading_day $(LESSON)

neighbours: $(VENV)/.stamp  ## thirty right hand-ins beside five that cost what they can, on a busy machine
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m benchmarks.neighbours $(LESSON)

bench-grader: $(VENV)/.stamp  ## times of grading beside those of stock nbgrader
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m benchmarks.grader

lint: $(VENV)/.stamp  ## ruff, and the rules of the house that a reader of source can hold
	$(VENV)/bin/ruff check
	$(VENV)/bin/python tests/lint_house.py

types: $(VENV)/.stamp  ## mypy
	$(VENV)/bin/mypy bdlab autograder

lock: $(VENV)/.stamp  ## write requirements.lock anew, with the newest versions; run `make test-all` after it
	$(VENV)/bin/python -m pip install --quiet --dry-run --ignore-installed --report $(VENV)/report.json \
	  --python-version 3.11 --only-binary :all: --target $(VENV)/none '.[lab,teach,test]'
	@$(VENV)/bin/python -c '$(LOCK)' < $(VENV)/report.json > $(VENV)/lock
	mv $(VENV)/lock requirements.lock

clean:  ## remove caches and what builds leave
	rm -rf build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache
	find . -name .venv -prune -o -name __pycache__ -prune -exec rm -rf {} +

distclean: clean  ## remove the environments too
	rm -rf $(VENV) $(PEERS)

.PHONY: help demo lab test test-all bench hostile lessons grading-day neighbours bench-grader lint types lock clean distclean FORCE

# What `make lock` does with pip's report: names and versions, nothing else.
LOCK := import json, platform, re, sys; \
  found = [item["metadata"] for item in json.load(sys.stdin)["install"]]; \
  print("\# The versions that were tested together, written by `make lock` for Python 3.11.0 and newer on", \
        platform.system(), platform.machine()); \
  print("\# pip install -c requirements.lock -e \".[lab,teach,test]\""); \
  print(*sorted(re.sub("[-_.]+", "-", m["name"]).lower() + "==" + m["version"] for m in found if m["name"] != "bdlab"), sep="\n")

# An environment is whole when its stamp, written last, says where it stands and which Python it has:
# an install that was cut off has no stamp, a folder that was moved or a Python that was changed has another.
FITS := (3, 11) <= sys.version_info < (3, 15)
STATE := import sys; print(sys.prefix, *sys.version_info[:2])
stale = $(if $(wildcard $(1)/.stamp),$(shell \
  [ "$$($(1)/bin/python -c '$(STATE)' 2>&1)" = "$$(cat $(1)/.stamp)" ] || echo FORCE))

# $(call environment,FOLDER,ARGUMENTS OF PIP). One that works and was not cut off is brought up to date in place,
# and kept where pip refuses (without a network, say).
define environment
@set -e; new= ; \
if [ -e $(1)/.installing ] || ! $(1)/bin/python -c 'import pip, sys; sys.exit(not $(FITS))' 2>/dev/null \
  || { [ -e $(1)/.stamp ] && [ "$$($(1)/bin/python -c '$(STATE)')" != "$$(cat $(1)/.stamp)" ]; }; \
then new=yes; rm -rf $(1)/bin $(1); $(find_python); $(check_disk); fi; \
mkdir -p $(1)/tmp; touch $(1)/.installing; rm -f $(1)/.stamp; \
trap '[ -e $(1)/.stamp ] || echo "The install of $(1) did not end well: make starts it again." >&2' EXIT; \
if [ "$$new" ]; then echo "Setting up $(1) with $$("$$py" --version), once; this takes minutes."; "$$py" -m venv $(1); fi; \
TMPDIR="$(CURDIR)/$(1)/tmp" $(1)/bin/python -m pip install $(2) || { [ "$$new" ] || rm $(1)/.installing; exit 1; }; \
rm -rf $(1)/tmp $(1)/.installing; $(1)/bin/python -c '$(STATE)' > $(1)/.stamp
endef

find_python = py= ; bare= ; \
for p in $(if $(PYTHON),"$(PYTHON)",python3 python3.13 python3.12 python3.14 python3.11 python); do \
  "$$p" -c 'import sys; sys.exit(not $(FITS))' >/dev/null 2>&1 || continue; \
  if "$$p" -c 'import ensurepip, venv' >/dev/null 2>&1; then py="$$p"; break; else bare="$${bare:-$$p}"; fi; \
done; \
if [ -z "$$py" ] && [ -n "$$bare" ]; then \
  echo "$$bare has no venv module: install it (Debian, Ubuntu: apt install python3-venv), then run make again." >&2; exit 1; fi; \
if [ -z "$$py" ]; then \
  echo "$(if $(PYTHON),$(PYTHON) is not a,There is no) Python from 3.11 to 3.14 here: install one, or name it: make PYTHON=/path/to/python3.12" >&2; exit 1; fi

check_disk = free=$$(df -Pk . | awk 'NR == 2 { print int($$4 / 1024) }'); \
if [ "$$free" -lt $(NEED_MB) ]; then \
  echo "The install needs $(NEED_MB) MB of free disk, $$free MB are free here: make room, or add NEED_MB=0 to try." >&2; exit 1; fi

$(VENV)/.stamp: pyproject.toml requirements.lock $(call stale,$(VENV))
	$(call environment,$(VENV),$(PROJECT))

$(PEERS)/.stamp: benchmarks/requirements.txt $(call stale,$(PEERS))
	$(call environment,$(PEERS),-r benchmarks/requirements.txt)
