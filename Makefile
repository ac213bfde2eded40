# `make demo` and `make test` set up what is missing themselves.
VENV ?= .venv
export VENV
PY = $(VENV)/bin/python

.PHONY: demo studio test fuzz lint types check setup clean

setup:
	@scripts/setup.sh

demo: setup            ## build a package, validate it, classify a real scene, score and draw it
	@$(PY) demo/demo.py out/demo

studio: setup          ## try out prompts on the demo scene, in a browser
	@mkdir -p out/studio
	@$(VENV)/bin/dlpk build out/studio/mini-clipseg.dlpk --weights mini
	@$(VENV)/bin/dlpk serve out/studio/mini-clipseg.dlpk demo/scene.tif

test check: export BROWSER = yes

test: setup            ## all tests
	@OMP_NUM_THREADS=1 $(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder

MUTANTS ?= 100000
fuzz: setup            ## damage archives, definitions and weights for hours: none may crash or hang
	@OMP_NUM_THREADS=1 $(PY) -m tests.attacks.fuzz $(MUTANTS)

lint: setup            ## style
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

types: setup           ## types
	@$(PY) -m mypy

check: lint types test ## everything that has to pass

clean:
	rm -rf out build *.egg-info
