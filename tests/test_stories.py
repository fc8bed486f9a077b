"One test for each tutorial and each explanation: it runs from top to bottom. A file of its own, so that a second process can have it."
from pages import NBS, PAGES
from test_pages import check, each

@each([p for p in PAGES if p.parent!=NBS])
def test_story(page, tmp_path): check(page, tmp_path)
