"The pages in a real JupyterLab: Run All on each, and the explorers moved by keyboard and by mouse."
import json, os, re, shutil, socket, subprocess, sys, time
from importlib.util import find_spec
import pytest
from conftest import ROOT, skip

sys.path.insert(0, str(ROOT/'tools'))
from run_pages import book

NBS = ROOT/'nbs'
PAGES = [p.relative_to(NBS).as_posix() for p in book()]
SLIDERS = [f'{p}.ipynb' for p in ('tutorials/see_it_break','tutorials/play_with_masks','03_widgets','10_minimax','12_pgd','16_masks','18_budgets')]
ERROR = '.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.error"]'

@pytest.fixture(scope='session')
def lab(chromium, tmp_path_factory):
    "A JupyterLab on a copy of the pages, with settings of its own"
    if not find_spec('jupyterlab'): skip("no JupyterLab: pip install 'robin_nb[nbs]'")
    home = tmp_path_factory.mktemp('lab')
    shutil.copytree(NBS, home/'book', ignore=shutil.ignore_patterns('.ipynb_checkpoints'))
    with socket.socket() as s: s.bind(('127.0.0.1', 0)); port = s.getsockname()[1]
    for where,what in {'notebook-extension/tracker': dict(windowingMode='none'), 'apputils-extension/notification': dict(fetchNews='false', checkForUpdates=False)}.items():
        file = home/'settings'/'@jupyterlab'/f'{where}.jupyterlab-settings'
        file.parent.mkdir(parents=True); file.write_text(json.dumps(what))
    env = dict(os.environ, OMP_NUM_THREADS='1', JUPYTERLAB_SETTINGS_DIR=str(home/'settings'), JUPYTERLAB_WORKSPACES_DIR=str(home/'spaces'), **{f'JUPYTER_{k}_DIR': str(home/k) for k in ('CONFIG','DATA','RUNTIME')})
    root = ['--allow-root'] if hasattr(os, 'geteuid') and os.geteuid()==0 else []
    server = subprocess.Popen([sys.executable, '-m', 'jupyter', 'lab', '--no-browser', '--ip=127.0.0.1', f'--port={port}', f'--ServerApp.root_dir={home}/book', '--IdentityProvider.token=t', *root],
                              env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(120):
        try: socket.create_connection(('127.0.0.1', port), 1).close(); break
        except OSError: time.sleep(.5)
    else: pytest.fail('JupyterLab did not start')
    yield f'http://127.0.0.1:{port}/lab/tree/'
    server.terminate(); server.wait(20)

def run_all(w, url, page):
    "Open `page`, wait for its kernel, Run All, wait for the last cell; the page of the browser"
    w.page.goto(f'{url}{page}?token=t&reset')
    w.page.wait_for_selector('.jp-Notebook .jp-Cell', timeout=90_000)
    w.page.wait_for_selector('text=/\\| Idle/', timeout=90_000)         # a click before that is dropped in silence
    w.page.click('.lm-MenuBar-itemLabel:text-is("Run")'); w.page.click('.lm-Menu-itemLabel:text-is("Run All Cells")')
    prompts = w.page.locator('.jp-CodeCell .jp-InputPrompt', has_text='[')                            # that of a folded cell is empty
    end,still = time.time()+400,0
    def done():
        running = prompts.filter(has_text='[*]').count() or not w.page.locator('text=/\\| Idle/').count()
        return not running and re.search(r'\[\d+\]', prompts.last.inner_text())
    while still < 6:                                                    # between two folded cells it is idle for a moment
        if w.page.locator(ERROR).count(): break
        assert time.time() < end, f'{page} did not end'
        still = still+1 if done() else 0
        time.sleep(.3)
    errors = w.page.locator(ERROR).all_inner_texts()
    assert not errors, f'{page}: {errors[0][:1000]}'
    return w.page

def leave(w):
    "Shut the kernel down, so that the next page has the machine to itself"
    w.page.evaluate("async () => { const h = {'Authorization': 'token t'}; for (const k of await (await fetch('/api/sessions', {headers: h})).json()) await fetch('/api/sessions/'+k.id, {method: 'DELETE', headers: {...h, 'X-XSRFToken': (document.cookie.match(/_xsrf=([^;]+)/) || [])[1]}}) }")

@pytest.mark.timeout(500)
@pytest.mark.parametrize('page', [p for p in PAGES if p not in SLIDERS])
def test_run_all(lab, watched, page):
    w = watched(viewport=dict(width=1300, height=1600))
    try: run_all(w, lab, page)
    finally: leave(w)
    assert not w.outside, w.outside

@pytest.mark.timeout(500)
@pytest.mark.parametrize('page', SLIDERS)
def test_explorers(lab, watched, page):
    "Each explorer, live: arrow keys, then the mouse, and the picture changes both times"
    w = watched(viewport=dict(width=1300, height=1600))
    page = run_all(w, lab, page)
    boxes = page.locator('.jp-OutputArea-output .widget-vbox:has(.noUi-handle):has(img)')
    assert boxes.count() >= 1
    for j in range(boxes.count()):
        box = boxes.nth(j); handle,bar = box.locator('.noUi-handle').last,box.locator('.noUi-target').last
        picture = lambda: box.locator('img').get_attribute('src')
        def changed(before, what):
            for _ in range(100):
                if picture() != before: return picture()
                time.sleep(.2)
            raise AssertionError(f'explorer {j} did not move: {what}')
        box.scroll_into_view_if_needed(); start = picture()
        handle.focus(); page.keyboard.press('ArrowRight' if float(handle.get_attribute('aria-valuenow')) < float(handle.get_attribute('aria-valuemax')) else 'ArrowLeft')
        after_key = changed(start, 'an arrow key')
        at = bar.bounding_box(); far = .98 if float(handle.get_attribute('aria-valuenow')) < float(handle.get_attribute('aria-valuemax'))/2 else .02
        hold = handle.bounding_box()
        page.mouse.move(hold['x']+hold['width']/2, hold['y']+hold['height']/2); page.mouse.down(); page.mouse.move(at['x']+at['width']*far, hold['y']+hold['height']/2, steps=6); page.mouse.up()
        changed(after_key, 'the mouse')
    leave(w)
    assert not w.outside, w.outside

@pytest.mark.timeout(500)
def test_play(lab, watched):
    "The widget of the page Play, live, twice on one page: in a notebook a cell can run again"
    w = watched(viewport=dict(width=1300, height=1600))
    page = run_all(w, lab, 'explanations/play.ipynb')
    assert page.locator('.play .one').count()==1
    page.click('.play .one')
    assert 'Steps: 1' in page.locator('.play .verdict').inner_text()
    cell = page.locator('.jp-CodeCell:has(.play)')
    cell.locator('.jp-InputArea-editor').click()
    page.keyboard.press('Control+Enter')
    page.wait_for_function("(document.querySelector('.play .verdict') || {textContent: ''}).textContent.includes('Steps: 0')")
    assert not w.outside, w.outside
    leave(w)
