# make demo        find a robust +-1 network in a random one, on real images, and compare it honestly (about 7 minutes on 2 cores)
# make test        run every page and every test
# make lab         work through the pages in JupyterLab
# make curve       the README's figure: robust accuracy against bytes
# make readme      README.md from nbs/index.ipynb
# make clean-check do nbdev_export and nbdev_clean leave the tree as it is?
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable

.PHONY: demo curve test lab readme clean-check
$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
$(VENV)/demo: $(BIN)/python settings.ini setup.py constraints.txt
	$(INSTALL) .
	touch $@
$(VENV)/dev: $(BIN)/python settings.ini setup.py constraints.txt
	$(INSTALL) '.[nbs,eval,dev]'
	touch $@

demo: $(VENV)/demo
	$(BIN)/python tools/demo.py --out runs/demo
curve: $(VENV)/demo
	$(BIN)/python tools/demo.py --out runs/demo --curve
test: $(VENV)/dev
	MPLBACKEND=agg $(BIN)/python -m pytest
lab: $(VENV)/dev
	$(BIN)/jupyter lab nbs
readme: $(VENV)/dev
	$(BIN)/python tools/make_readme.py
clean-check: $(VENV)/dev
	PATH="$(abspath $(BIN)):$$PATH" sh -c 'nbdev_export && nbdev_clean'
	git diff --exit-code
