"A real browser for the tests in this folder, and the site served as it is on the web: under its base address, with its page for wrong addresses."
import functools, http.server, os, shutil, threading
from configparser import ConfigParser
from pathlib import Path
import pytest

ROOT = Path(__file__).parents[2]
HTML,SHOTS = ROOT/'build'/'site'/'html',ROOT/'build'/'shots'
config = ConfigParser(delimiters=['=']); config.read(ROOT/'settings.ini', encoding='utf-8')
BASE = config['DEFAULT']['doc_baseurl'].rstrip('/')

def skip(why):
    "Without a browser these tests are skipped; on a server that runs them on purpose (CI is set) that is a failure"
    (pytest.fail if os.environ.get('CI') else pytest.skip)(why)

@pytest.fixture(scope='session')
def chromium():
    try: from playwright import sync_api
    except ImportError: skip("no Playwright: pip install 'robin_nb[browser]'")
    found = os.environ.get('CHROMIUM') or next(filter(None, map(shutil.which, ('chromium','chromium-browser','google-chrome'))), None)
    with sync_api.sync_playwright() as play:
        try: browser = play.chromium.launch(executable_path=found, args=['--no-sandbox','--disable-gpu','--disable-background-networking','--no-first-run'])
        except sync_api.Error as e: skip(f"no browser: apt install chromium, or python -m playwright install chromium ({str(e).splitlines()[0]})")
        yield browser
        browser.close()

class _Handler(http.server.SimpleHTTPRequestHandler):
    def translate_path(self, path): return super().translate_path(path.removeprefix(BASE) if path.startswith(BASE + '/') else '/nothing-outside-the-base')
    def send_error(self, code, *a, **kw):
        if code != 404: return super().send_error(code, *a, **kw)
        page = (HTML/'404.html').read_bytes()
        self.send_response(404); self.send_header('Content-Type', 'text/html'); self.send_header('Content-Length', str(len(page))); self.end_headers()
        if self.command != 'HEAD': self.wfile.write(page)
    def log_message(self, *a): pass

@pytest.fixture(scope='session')
def site(chromium):
    if not (HTML/'index.html').exists(): skip('no site: make docs')
    http.server.ThreadingHTTPServer.handle_error = lambda *a: None          # a browser that goes away is no error
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(_Handler, directory=str(HTML)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{server.server_port}{BASE}/'
    server.shutdown()

class Watched:
    "A page of the browser that can reach this machine only, and remembers what went wrong"
    def __init__(self, browser, **kw):
        self.context = browser.new_context(**kw)
        self.outside,self.trouble = [],[]
        self.context.route('**/*', self._gate)
        self.context.route_web_socket(lambda url: not url.startswith('ws://127.0.0.1'), lambda ws: (self.outside.append(ws.url), ws.close()))
        self.page = self.context.new_page()
        self.page.on('console', lambda m: self.trouble.append(f'{self.page.url}: {m.text}') if m.type=='error' else None)
        self.page.on('pageerror', lambda e: self.trouble.append(f'{self.page.url}: {e}'))
    def _gate(self, route):
        if route.request.url.startswith(('http://127.0.0.1', 'data:', 'blob:')): return route.continue_()
        self.outside.append(route.request.url); route.abort()

@pytest.fixture
def watched(chromium):
    opened = []
    def open_page(**kw): opened.append(Watched(chromium, **kw)); return opened[-1]
    yield open_page
    for w in opened: w.context.close()
