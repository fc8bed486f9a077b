# make demo        find a robust +-1 network in a random one, on real images, then its rivals (about 5 minutes on 2 cores, install included)
# make demo ROWS=all  the README's table: every row at full length (about 10 minutes), into runs/demo-all
# make test        run every page and every test
# make seeds       every page under five other seeds (about an hour)
# make docs        the whole site, into build/site/html
# make slides      the pages of a class as slides, and its worksheet for paper, into build/slides
# make browser-test  the site crawled, slides measured, and every page run in JupyterLab, in a real browser
# make pages       run the pages whose code changed, and save their outputs
# make bench       how long a step takes, against a dense one and against the naive way (about 10 minutes)
# make lab         work through the pages in JupyterLab
# make curve       the README's figure: robust accuracy against bytes, beside ROWS=all
# make play        the networks of the page that attacks in a browser, into nbs/demo/play.json (about 5 minutes)
# make readme      README.md from nbs/index.ipynb
# make spine       the closing table of the story: seven networks, three seeds, AutoAttack, into nbs/demo/spine.json (about two hours)
# make grid        which models do: 44 of other libraries taken the whole way, into nbs/demo/grid.json (about 15 minutes)
# make release-check  the last commit built, then installed and run as by strangers, on each Python (up to an hour)
# make clean-check do nbdev_export and nbdev_clean leave the tree as it is?
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
ROWS ?= quick
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable

.PHONY: demo curve test seeds docs slides browser-test pages bench lab readme grid spine release-check clean-check play
$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip>=23.1'
$(VENV)/demo: $(BIN)/python settings.ini setup.py constraints.txt
# compiling all of torch takes as long as the rest of the installation; Python compiles what it imports
	$(INSTALL) . --no-compile
	touch $@
$(VENV)/dev: $(BIN)/python settings.ini setup.py constraints.txt
	$(INSTALL) '.[nbs,fast,train,pack,export,hub,eval,guests,dev]'
	touch $@
$(VENV)/docs: $(VENV)/dev
	$(INSTALL) '.[nbs,fast,train,pack,export,hub,eval,guests,dev,docs]'
	touch $@
# formulas are set by KaTeX while the site is built; the site carries its style and fonts
build/site/assets/katex/katex.min.css:
	@command -v node >/dev/null && command -v npm >/dev/null || { echo 'make docs: install node and npm (Debian: apt install nodejs npm); formulas need them'; exit 1; }
	mkdir -p build/site/npm $(@D)
	cd build/site/npm && npm pack --silent katex@0.16.22 && tar xf katex-0.16.22.tgz
	cp -r build/site/npm/package/dist/katex.min.css build/site/npm/package/dist/fonts $(@D)
	find $(@D)/fonts ! -name '*.woff2' -type f -delete

demo: $(VENV)/demo
	$(BIN)/python tools/demo.py --rows $(ROWS)
curve: $(VENV)/demo
	$(BIN)/python tools/demo.py --rows all --curve
test: $(VENV)/dev
	MPLBACKEND=agg $(BIN)/python -m pytest -n 2 --dist loadfile
seeds: $(VENV)/dev
	for s in 1 2 3 4 5; do echo "ROBIN_SEED=$$s"; ROBIN_SEED=$$s MPLBACKEND=agg $(BIN)/python -m pytest -n 2 --dist loadfile tests/test_pages.py tests/test_stories.py || exit 1; done
docs: $(VENV)/docs build/site/assets/katex/katex.min.css
	OMP_NUM_THREADS=1 $(BIN)/python tools/site/stage.py
	rm -rf build/site/html build/site/doctrees
	$(BIN)/python -m sphinx -W --keep-going -q -c tools/site -d build/site/doctrees build/site/src build/site/html
	@echo "open build/site/html/index.html"
# slides need nothing from elsewhere: reveal.js goes beside them, with one look and the speaker's notes
build/slides/reveal.js/dist/reveal.js:
	@command -v npm >/dev/null || { echo 'make slides: install node and npm (Debian: apt install nodejs npm); reveal.js comes from there'; exit 1; }
	mkdir -p build/slides/npm $(@D)/theme $(@D)/../plugin
	cd build/slides/npm && npm pack --silent reveal.js@5.2.1 && tar xf reveal.js-5.2.1.tgz
	cp -r build/slides/npm/package/plugin/notes $(@D)/../plugin
	cp -r build/slides/npm/package/dist/theme/white.css build/slides/npm/package/dist/theme/fonts $(@D)/theme
	cp build/slides/npm/package/dist/reveal.css build/slides/npm/package/dist/reveal.js build/slides/npm/package/LICENSE $(@D)
	rm -r build/slides/npm
slides: $(VENV)/dev build/site/assets/katex/katex.min.css build/slides/reveal.js/dist/reveal.js
	$(BIN)/python tools/slides.py
	@echo "open build/slides/index.html"
$(VENV)/browser: $(VENV)/docs
	$(INSTALL) '.[nbs,fast,train,pack,export,hub,eval,guests,dev,docs,browser]'
	touch $@
browser-test: $(VENV)/browser docs slides
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/browser -s
pages: $(VENV)/dev
	$(BIN)/python tools/run_pages.py
	$(BIN)/nbdev_clean
bench: $(VENV)/dev
	$(BIN)/python benchmarks/bench.py
lab: $(VENV)/dev
	$(BIN)/jupyter lab nbs
play: $(VENV)/dev
	$(BIN)/python tools/play.py
readme: $(VENV)/dev
	$(BIN)/python tools/make_readme.py
spine: $(VENV)/dev
	$(BIN)/python tools/spine.py
grid: $(VENV)/dev
	$(BIN)/python tools/grid.py
release-check:
	$(PYTHON) tools/release_check.py $(if $(TORCH),--torch '$(TORCH)') $(if $(DIST),--dist '$(DIST)')
clean-check: $(VENV)/dev
	PATH="$(abspath $(BIN)):$$PATH" sh -c 'nbdev_export && nbdev_clean'
	git diff --exit-code
