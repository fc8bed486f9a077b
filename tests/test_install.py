"What a stranger gets: the wheel in a new venv, the newest of all but torch, no checkout beside it."
import json, os, re, runpy, subprocess, sys, time
from pathlib import Path
import pytest
from markdown_it import MarkdownIt
from pages import ROOT
from release_check import floors, misfit

COMMANDS = ['robin_evaluate', 'robin_export', 'robin_info', 'robin_pack', 'robin_pages',
            'robin_prune', 'robin_reproduce', 'robin_unpack']
TORCH = ['torch==2.13.0', 'torchvision==0.28.0']                     # their CPU builds
TRAIN = '--data stripes --widths 4,8,16 --keep .3 --epochs 2 --bs 100 --eps 0.05 --steps 2'

def call(*command, cwd):
    "What a command says on stdout; it must end well"
    env = {k: v for k,v in os.environ.items() if not k.startswith('PYTHON')}
    r = subprocess.run([str(c) for c in command], capture_output=True, text=True, cwd=cwd, env=env)
    assert r.returncode==0, f"{command}\n{r.stdout[-2000:]}{r.stderr[-2000:]}"
    return r.stdout

@pytest.fixture(scope='module')
def home(tmp_path_factory):
    "A folder with the venv in which the wheel was installed, and with nothing else"
    if not (ROOT/'.git').exists(): pytest.skip('needs git')
    home = tmp_path_factory.mktemp('home')
    call('git', 'clone', '-q', ROOT, home/'source', cwd=home)
    pip = [sys.executable, '-m', 'pip', '-q']
    call(*pip, 'wheel', '--no-deps', '-w', home, home/'source', cwd=home)
    wheel, = home.glob('*.whl')
    call(sys.executable, '-m', 'venv', home/'venv', cwd=home)
    call(home/'venv'/'bin'/'pip', '-q', 'install', f'{wheel}[hub]', *TORCH, cwd=home)
    return home

@pytest.fixture(scope='module')
def model(home):
    "The file of a network that the installed `robin_prune` found"
    call(home/'venv'/'bin'/'robin_prune', *TRAIN.split(), '--train-norm', '--out', 'x', cwd=home)
    return home/'x'/'model.safetensors'

def test_each_extra_is_explained():
    "The comments above the extras in settings.ini say of each what it is for"
    lines = (ROOT/'settings.ini').read_text(encoding='utf-8').splitlines()
    said = ' '.join(l for l in lines if l.startswith('#'))
    extras = [m[1] for l in lines if (m := re.match(r'(\w+)_requirements *=', l))]
    assert {'nbs', 'guests'} <= set(extras)
    assert not [e for e in extras if not re.search(rf'\b{e}: \w', said)]

def test_floors():
    said = 'torch>=2.6 nbdev==2.4.14 execnb<0.2 huggingface_hub>=1'
    assert floors(said)==['torch==2.6', 'huggingface_hub==1']

def test_what_can_be_released():
    log = '# Changelog\n\n## 0.2.0, 1 May\n\n## 0.1.0, not released yet\n'
    assert not misfit('v0.2.0', '0.2.0', log)
    assert 'settings.ini' in misfit('v0.2.0', '0.1.0', log)
    for missing in '0.1.0', '0.3.0': assert 'CHANGELOG' in misfit(f'v{missing}', missing, log)

def tokens(text):
    "What a text in markdown consists of, the parts of its lines too"
    found = MarkdownIt('commonmark').enable('table').parse(text)
    return [t for block in found for t in [block, *(block.children or [])]]

def test_the_readme_as_an_index_shows_it(monkeypatch):
    "Links and pictures work from anywhere, formulas are words, tables and code are as they were"
    monkeypatch.chdir(ROOT)
    before = tokens((ROOT/'README.md').read_text(encoding='utf-8'))
    shown = tokens(runpy.run_path('setup.py')['described']()['long_description'])
    links = [t.attrGet('href') for t in shown if t.type=='link_open']
    pictures = [t.attrGet('src') for t in shown if t.type=='image']
    assert len(links) > 40 and len(pictures) > 2
    assert not [l for l in links + pictures if not l.startswith('https://')]
    def of(kind, found): return [t.content for t in found if t.type==kind]
    assert of('fence', before)==[t for t in of('fence', shown) if not t.startswith('min over m')]
    assert not [t for t in of('text', shown) + of('fence', shown) if '$$' in t or r'\min' in t]
    assert len(of('table_open', before))==len(of('table_open', shown)) > 3

def test_code_in_the_readme_is_left_alone():
    for_index = runpy.run_path(str(ROOT/'setup.py'))['for_index']
    code = '```python\nf = table[1](x)\n```\n'
    text = for_index(code + '[a](b.md) ![c](d.png) [![e](f.svg)](g.md) [h](#i)', 'http://r/{}/')
    page,picture,badge,part = text.removeprefix(code).split()
    assert page=='[a](http://r/blob/b.md)' and picture=='![c](http://r/raw/d.png)'
    assert badge=='[![e](http://r/raw/f.svg)](http://r/blob/g.md)' and part=='[h](#i)'

def test_metadata(home):
    "What an index says of the wheel"
    said = python(home, """
from importlib.metadata import metadata
print(metadata('robin_nb'))
""")
    head = said.split('\n\n')[0].splitlines()
    kinds = [l.removeprefix('Classifier: ') for l in head if l.startswith('Classifier: ')]
    named = [l.split(': ')[1].split(',')[0] for l in head if l.startswith('Project-URL: ')]
    assert named==['Homepage', 'Documentation', 'Source', 'Issues', 'Changelog']
    assert {f'Programming Language :: Python :: 3.{n}' for n in (11, 12, 13)} <= set(kinds)
    assert 'Typing :: Typed' in kinds and not [k for k in kinds if k.startswith('License')]
    assert {'License-Expression: Apache-2.0', 'License-File: LICENSE', 'Requires-Python: >=3.11',
            'Description-Content-Type: text/markdown'} <= set(head)

def python(home, code): return call(home/'venv'/'bin'/'python', '-c', code, cwd=home)

def test_what_came_along(home):
    "A fastcore of today, and no web framework"
    listed = call(home/'venv'/'bin'/'pip', 'list', '--format', 'json', cwd=home)
    found = {d['name'].lower(): d['version'] for d in json.loads(listed)}
    assert found['fastcore'].startswith('2.') and 'tqdm' in found
    assert not {'fastprogress', 'python-fasthtml', 'starlette', 'uvicorn', 'apsw'} & set(found)

@pytest.mark.parametrize('command', COMMANDS)
def test_help_at_once(home, command):
    "Each command's help, in under a second, which it can only be where torch stays away"
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        assert f'usage: {command}' in call(home/'venv'/'bin'/command, '--help', cwd=home)
        seconds.append(time.perf_counter()-start)
    assert min(seconds) < 1, seconds

def test_help_is_light(home):
    "Help imports nothing that is heavy"
    heavy = ['torch', 'torchvision', 'numpy', 'matplotlib', 'safetensors', 'tqdm']
    code = f"""
import sys
from robin_nb.cli import main
for name in {COMMANDS}:
    sys.argv = [name, '--help']
    try: main()
    except SystemExit as e: assert e.code==0
assert not set({heavy}) & set(sys.modules), set({heavy}) & set(sys.modules)
"""
    python(home, code)

def test_the_lines_of_the_readme(home):
    text = (ROOT/'README.md').read_text(encoding='utf-8')
    part = text.split('## A few lines')[1].split('\n## ')[0]
    blocks = re.findall(r'```python\n(.*?)```', part, re.S)
    assert len(blocks)==3 and len(blocks[0].splitlines())==5 and 'fit(' in blocks[0]
    python(home, '\n'.join(blocks) + "\nassert len(rb.list_models())==6 and net is not None")

def test_prune(model):
    report = json.loads((model.parent/'report.json').read_text())
    assert report['settings']['train_norm'] is True and len(report['history'])==2
    assert {'attacks.png', 'history.png', 'masks.png'} <= {f.name for f in model.parent.iterdir()}

def test_hub_alone(home, model):
    "The extra `hub` saves a network in the form of a hub, and loads it"
    python(home, """
import torch
from robin_nb.files import load_model
from robin_nb.zoo import from_pretrained, save_pretrained
net,config = load_model('x/model.safetensors')
save_pretrained(net, 'hub', config)
again,theirs = from_pretrained('hub')
x = torch.rand(4, 1, 8, 8)
assert theirs==config and (net(x)-again(x)).abs().max() < .1
""")

def test_what_the_wheel_holds(home):
    "Data, lists, zoo and every page; from the venv, not from the checkout"
    said = python(home, """
import pathlib, sys, robin_nb
from robin_nb.cli import robin_pages
from robin_nb.data import load_data
from robin_nb.zoo import list_models, load
root = pathlib.Path(robin_nb.__file__).parent
assert root.is_relative_to(sys.prefix), root
assert len(load_data('fashion_mini').test.dataset)==1000
assert (root/'assets'/'fashion_mini.LICENSE').exists() and (root/'assets'/'names.json').exists()
assert (root/'py.typed').exists()
assert len((root/'assets'/'imagenet100.txt').read_text().split())==100
robin_pages('book')
assert [load(r['name']) for r in list_models()]
print(len(list(pathlib.Path('book').rglob('*.ipynb'))))
""")
    pages = call('git', 'ls-files', 'nbs/*.ipynb', cwd=ROOT).split()
    assert int(said.split()[-1])==len(pages)
    call(home/'venv'/'bin'/'robin_pages', 'again', cwd=home)
    assert len(list((home/'again').rglob('*.ipynb')))==len(pages)
