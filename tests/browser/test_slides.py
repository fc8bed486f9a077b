"""The slides of a class and its worksheet, as a browser shows and prints them:

    make slides && pytest tests/browser -k slides"""
import functools, http.server, re, threading
import pytest
from conftest import ROOT, SHOTS, skip

SLIDES = ROOT/'build'/'slides'
SIZES = '''() => Reveal.getSlides().map(slide => {
  const {h, v} = Reveal.getIndices(slide)
  Reveal.slide(h, v, 99)
  const edge = Reveal.getScale()*1280 + slide.getBoundingClientRect().left
  const found = [...slide.querySelectorAll('p, pre, table, img, .katex-html')]
  const over = found.map(e => e.getBoundingClientRect().right - edge)
  return [h, v, slide.scrollHeight, Math.max(0, ...over)] })'''

class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *a):
        pass

@pytest.fixture(scope='module')
def folder():
    if not (SLIDES/'index.html').exists():
        skip('no slides: make slides')
    handler = functools.partial(_Quiet, directory=str(SLIDES))
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{server.server_port}/'
    server.shutdown()

def test_slides_fit_and_stay_at_home(watched, folder):
    "No slide is cut off, nothing is loaded from elsewhere; pictures of all of them in build/shots"
    SHOTS.mkdir(parents=True, exist_ok=True)
    w = watched(viewport=dict(width=1280, height=720))
    w.page.goto(folder + 'index.html')
    decks = w.page.eval_on_selector_all('td a', 'found => found.map(a => a.getAttribute("href"))')
    assert len(decks)==7
    for deck in decks:
        w.page.goto(folder + deck)
        w.page.wait_for_function('window.Reveal && Reveal.isReady()')
        for h,v,high,over in w.page.evaluate(SIZES):
            w.page.evaluate(f'Reveal.slide({h}, {v}, 99)')
            w.page.wait_for_timeout(300)                              # what fades in
            w.page.screenshot(path=SHOTS/f'slides_{deck[:-5]}_{h}_{v}.png')
            assert high <= 720 and over <= 1, f'{deck} {h}/{v}: {high} high, {over} too wide'
    assert not w.outside and not w.trouble, (w.outside, w.trouble)

def test_the_worksheet_is_two_sheets(watched, folder):
    w = watched()
    w.page.goto(folder + 'worksheet.html')
    assert len(re.findall(rb'/Type\s*/Page\b', w.page.pdf(prefer_css_page_size=True)))==2
