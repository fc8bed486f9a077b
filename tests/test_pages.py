"One test for each page: it runs from top to bottom, against the generated module."
import json, shutil
import pytest
from nbdev.test import test_nb as run_page
from pages import NBS, PAGES, ROOT, as_test

@pytest.mark.parametrize('page', PAGES, ids=lambda p: str(p.relative_to(NBS)))
def test_page(page, tmp_path):
    copy = tmp_path/page.name
    shutil.copytree(NBS/'demo', tmp_path/'demo')                     # what the front page shows
    copy.write_text(json.dumps(as_test(page)), encoding='utf-8')
    ok,_ = run_page(copy, skip_flags=['slow','cuda','download'], basepath=ROOT)
    assert ok, f'{page.name} fails; its traceback is above'
