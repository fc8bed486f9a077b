"One test for each page that writes a module: it runs from top to bottom, against the generated module. (The others: test_stories.py.)"
import importlib, json, pkgutil, shutil
import pytest
import robin_nb
from nbdev.test import test_nb as run_page
from pages import NBS, PAGES, ROOT, as_test

NAMES = [f'robin_nb.{m.name}' for m in pkgutil.iter_modules(robin_nb.__path__) if not m.name.startswith('_')]
MODULES = [importlib.import_module(name) for name in NAMES]

def tables():
    "What stands in the dictionaries of the package, such as `RECIPES`"
    found = [(m.__name__, name, v) for m in MODULES for name,v in vars(m).items()]
    return {(m, name): repr(v) for m,name,v in found if name.isupper() and isinstance(v, dict)}

def check(page, tmp_path):
    "`page` runs, and takes back what it registers"
    copy = tmp_path/page.name
    shutil.copytree(NBS/'demo', tmp_path/'demo')                     # what the front page shows
    copy.write_text(json.dumps(as_test(page)), encoding='utf-8')
    before = tables()
    ok,_ = run_page(copy, skip_flags=['slow','cuda','download'], basepath=ROOT)
    assert ok, f'{page.name} fails; its traceback is above'
    after = tables()
    assert after==before, [name for name in before if after[name] != before[name]]

def each(pages): return pytest.mark.parametrize('page', pages, ids=lambda p: str(p.relative_to(NBS)))

@each([p for p in PAGES if p.parent==NBS])
def test_page(page, tmp_path): check(page, tmp_path)
