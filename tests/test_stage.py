"What must stop `make docs`, with page and cell named. (The site itself is tested in a browser: make browser-test.)"
import json, os, re, shutil, subprocess, sys
import pytest
from pages import ROOT, read, source
from run_pages import hides

@pytest.fixture
def copy(tmp_path):
    "A copy of the book that may be spoilt"
    for name in 'nbs','robin_nb','tools': shutil.copytree(ROOT/name, tmp_path/name, ignore=shutil.ignore_patterns('__pycache__', '.ipynb_checkpoints'))
    for name in 'settings.ini','README.md': shutil.copy(ROOT/name, tmp_path)
    return tmp_path

def stage(folder): return subprocess.run([sys.executable, 'tools/site/stage.py'], cwd=folder, env={**os.environ, 'PYTHONPATH': str(folder)}, capture_output=True, text=True)

def spoil(page, find, old, new):
    "Change `old` into `new` in the cell of `page` that contains `find`; its number"
    nb = read(page)
    j = next(j for j,c in enumerate(nb['cells']) if find in source(c))
    changed = source(nb['cells'][j]).replace(old, new); assert changed != source(nb['cells'][j])
    nb['cells'][j]['source'] = changed.splitlines(True)
    page.write_text(json.dumps(nb), encoding='utf-8')
    return j

def test_the_book_as_it_is(copy):
    "Nothing stops the site: all links lead somewhere, figures have words, names and parameters are explained"
    r = stage(copy)
    assert r.returncode==0, r.stderr
    for file in (copy/'build'/'site'/'src'/'api').glob('*.md'):        # its table says it
        assert 'Args:' not in file.read_text(), f'{file.name}: comments behind parameters twice'

def test_a_failing_cell_stops_the_site(copy):
    j = spoil(copy/'nbs'/'14_binary.ipynb', 'test_same(', 'test_same(', 'assert False, "spoilt"\ntest_same(')
    r = stage(copy)
    assert r.returncode and f'14_binary.ipynb, cell {j}: AssertionError: spoilt' in r.stderr, r.stderr

def test_bad_pages_stop_the_site(copy):
    link = spoil(copy/'nbs'/'24_lbn.ipynb', '26_models.ipynb', '26_models.ipynb', '09_modles.ipynb')
    alt = spoil(copy/'nbs'/'18_budgets.ipynb', '#| fig-alt', '#| fig-alt', '#| was-alt')
    doc = next(j for j,c in enumerate(read(copy/'nbs'/'14_binary.ipynb')['cells']) if 'def is_binary' in source(c))
    module = copy/'robin_nb'/'binary.py'; text = module.read_text()
    module.write_text(re.sub(r'(def is_binary\(.*\n) +".*"\n', r'\1', text)); assert module.read_text() != text
    r = stage(copy)
    assert r.returncode
    for said in (f'24_lbn.ipynb, cell {link}: the link to 09_modles.ipynb leads nowhere', f'18_budgets.ipynb, cell {alt}: a figure without alt text', f'14_binary.ipynb, cell {doc}: is_binary has no docstring'):
        assert said in r.stderr, (said, r.stderr)

# ---- what is folded ----------------------------------------------------------------------------------------------------------
def cell(*lines, picture=False):
    "A code cell of `lines`, with a picture as its output or none"
    outputs = [dict(output_type='display_data', data={'image/png': 'x'}, metadata={})]*picture
    return dict(cell_type='code', metadata={}, source='\n'.join(lines).splitlines(True),
                outputs=outputs, execution_count=None)

DRAWING = ['_,ax = plt.subplots()', *[f'ax.plot(x, {j}*y)' for j in range(10)], "ax.set(title='ten lines')"]
CELLS = {
    'imports':          cell('import torch', 'from robin_nb.core import (Table,', '    set_seed)'),
    'exported imports': cell('#| exports', 'import torch'),
    'the one door':     cell('import robin_nb as rb'),
    'imports and more': cell('import torch', 'torch.ones(3)'),
    'a proof':          cell('#| code-summary: "Proof"', '#| code-fold: true', 'assert True'),
    'a figure':         cell('#| fig-alt: "Ten lines"', *DRAWING, picture=True),
    'no picture':       cell(*DRAWING),
    'a short figure':   cell(*DRAWING[:5], picture=True),
    'mostly sums':      cell(*DRAWING[:6], *['n += 1']*8, picture=True),
    'drawn by export':  cell('#| exports', *DRAWING, picture=True),
    'not shown':        cell('#| echo: false', *DRAWING, picture=True),
}
FOLDED = {'imports': 'imports', 'exported imports': 'imports', 'a proof': 'proof', 'a figure': 'figure'}

def test_what_is_folded():
    "Proofs, imports, and code that mostly draws; never the line that a reader should copy"
    assert {name: why for name,c in CELLS.items() if (why := hides(c))}==FOLDED

def is_folded(c): return c['metadata'].get('jupyter', {}).get('source_hidden', False)

def test_a_folded_page_is_still_folded_when_cleaned(copy):
    "What JupyterLab shows folded is what `--fold` folded, before and after nbdev_clean; a second sweep changes nothing"
    page = copy/'nbs'/'tutorials'/'see_it_break.ipynb'
    page.write_text(json.dumps(read(page) | dict(cells=list(CELLS.values()))), encoding='utf-8')
    sweep = [sys.executable, 'tools/run_pages.py', '--fold', str(page)]
    subprocess.run(sweep, cwd=copy, check=True)
    swept = page.read_bytes()
    assert [is_folded(c) for c in read(page)['cells']]==[name in FOLDED for name in CELLS]
    clean = 'from nbdev.clean import nbdev_clean; nbdev_clean()'
    subprocess.run([sys.executable, '-c', clean], cwd=copy, check=True)
    assert [is_folded(c) for c in read(page)['cells']]==[name in FOLDED for name in CELLS]
    subprocess.run(sweep, cwd=copy, check=True)
    assert [c['source'] for c in read(page)['cells']]==[c['source'] for c in json.loads(swept)['cells']]
