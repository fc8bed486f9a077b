"What must stop `make docs`, with page and cell named. (The site itself is tested in a browser: make browser-test.)"
import json, os, re, shutil, subprocess, sys
import pytest
from pages import ROOT, read, source

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
